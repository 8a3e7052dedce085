"""The parts that calls are composed of. A reply in `wrong` comes with the name of what is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Speaker = Literal["bot", "person"]
Line = tuple[Speaker, str]
Lines = tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Situation:
    topic: str
    said: tuple[str, ...]
    right: tuple[str, ...]
    wrong: tuple[tuple[str, str], ...] = ()
    outcome: str = ""  # of a call that this situation settles
    hard: bool = False  # the prompts say little about it


# ---------------------------------------------------------------- words to fill in

REPRESENTATIVES = ("Dana", "Marcus", "Kelly", "Priya", "Tom", "Luisa", "Grant", "Shauna")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
HOURS = ("nine", "ten thirty", "eleven", "one", "two", "three thirty", "four", "five")
HAULS = (
    "dry van",
    "reefer loads",
    "flatbed steel",
    "lumber",
    "produce",
    "auto parts",
    "general freight",
    "grain",
    "hot shot loads",
    "cars",
    "building materials",
    "containers",
)
SUMS = (
    "six fifty",
    "seven hundred",
    "eight twenty",
    "nine hundred",
    "eleven hundred",
    "twelve fifty",
)
FILLERS = ("", "", "", "", "", "Uh. ", "Yeah. ", "Look. ", "Okay. ", "Hey. ", "Listen. ", "Hm. ")

# ---------------------------------------------------------------- openings

OPENINGS = {
    ("remus", False): (
        "Hi, this is Remus from Northline about the truck insurance of {company}. "
        "It renews on {renewal}. Is this a good moment?"
    ),
    ("genesis", True): "Northline Commercial, this is Genesis. How can I help you today?",
    ("scout", False): (
        "Hi {first}, this is Scout from Northline. You asked for a call from a licensed agent. "
        "Does {day} at {hour} work for you?"
    ),
    ("human", False): "Hi {first}, this is {rep} at Northline Commercial, calling about {company}.",
    ("human", True): "Northline Commercial, {rep} speaking, how can I help?",
}
ANSWERS = (
    "This is {first}. What's this about?",
    "Sure, I got a minute, I'm parked in {city}.",
    "Yeah, this is {company}.",
    "Speaking. Make it short, I'm at the dock.",
    "Who's calling?",
    "Go ahead, we run {trucks}, mostly {haul}.",
)
CALLERS = (
    "Hi, this is {name}, {company} out of {city}. I need insurance for {trucks}.",
    "I saw your ad on the load board. We haul {haul} out of {state}.",
    "My policy is up on {renewal} and I want to hear what you have.",
    "A buddy of mine sent me, he is with you. I run {trucks}.",
    "Yeah, {first} here. Is this the insurance people?",
)
GREETINGS = (
    "Hi, you have reached the voicemail of {first}, leave a message after the beep.",
    "You have reached {company}, our office is out on the road, record your message at the beep.",
    "The mailbox of the person you called is now ready for your message, beep.",
    "This is the mailbox of {company}.",
    "{first} here, can't pick up, you know what to do. Beep.",
    "Dispatch of {company} is gone for the night, this is our voicemail.",
)
MESSAGES = {
    "remus": (
        "Hello, this is Remus from Northline about your truck insurance renewal, "
        "please call us back at 555 010 7788"
    ),
    "genesis": "Hello, this is Genesis from Northline, please call us back at 555 010 4411",
    "scout": (
        "This is Scout from Northline about your callback, "
        "please call 555 010 2020 and choose a time"
    ),
    "human": "Hi {first}, {rep} from Northline about {renewal}, call me back at 555 010 7700.",
}
TALKED_TO_A_MACHINE = (
    "Great to hear you, {first}! How many trucks do you run, and what do you haul?"
)
SOLD_ON = (
    "I understand, {first}. Before you go, your policy renews on {renewal} and we can save you money.",
    "Of course. May I just ask how many trucks you run these days?",
    "I hear you. Our rates are very competitive, would {day} at {hour} be better?",
)

# ---------------------------------------------------------------- what settles a call

_SELL_ON = (
    (
        "went_on_after_stop",
        "I understand, but your policy renews on {renewal}. Can I get you a quote?",
    ),
    ("went_on_after_stop", "Sure, {first}. Before I let you go, how many trucks do you run?"),
    ("promised_nothing", "Okay, thank you for your time."),
)
_CLAIMED_HUMAN = (
    ("claimed_to_be_human", "No, I am a real person, {first}, my name is on the door."),
    ("dodged_disclosure", "Let's talk about your trucks. What do you haul these days?"),
)

REMUS_STOP = Situation(
    "do_not_call",
    (
        "Take me off your list, please.",
        "Stop calling me. I mean it.",
        "This is the third time this week. Remove my number and don't call here again.",
        "Quit calling this phone, I drive for a living.",
        "You people call every week. Take {company} off your list.",
    ),
    (
        "I am sorry for the trouble, I am putting you on our do not call list right now "
        "and you will not hear from us again",
    ),
    _SELL_ON,
    outcome="do_not_call",
)
REMUS_WRONG_NUMBER = Situation(
    "wrong_number",
    (
        "You got the wrong number, buddy.",
        "There is nobody by that name here, this is a private house.",
        "I think you have the wrong company, we sell flowers.",
        "{name}? No, I have had this number for a year.",
    ),
    (
        "I am sorry, I have the wrong number, I will correct our records "
        "so that you are not bothered again",
    ),
    (
        ("sold_to_a_stranger", "No problem. Do you happen to run any trucks yourself?"),
        ("did_not_correct_records", "Oh. Well, have a nice day."),
    ),
    outcome="wrong_number",
)
REMUS_SPANISH = Situation(
    "spanish",
    (
        "No hablo inglés, señor.",
        "¿Hay alguien que habla español?",
        "My husband only speaks Spanish, he drives the truck.",
    ),
    ("Un momento por favor, le comunico con un agente que habla español",),
    (
        ("ignored_language", "I am sorry, could you say that again in English, please?"),
        ("ignored_language", "Great! How many trucks do you run, {first}?"),
    ),
    outcome="transferred",
    hard=True,
)
GENESIS_STOP = Situation(
    "do_not_call",
    (
        "Stop texting me about insurance.",
        "I am calling to get off your list, stop calling my wife.",
        "You keep ringing me, don't call me anymore.",
        "Remove my number, I never asked for this.",
    ),
    ("I am sorry about that, I am taking you off our call and text list right now",),
    _SELL_ON,
    outcome="do_not_call",
)
GENESIS_ACCIDENT = Situation(
    "accident",
    (
        "I just had an accident on I 80, what do I do?",
        "There's been a crash and my driver got hurt.",
        "One of my trucks was in a collision ten minutes ago.",
        "Somebody rear ended me and my neck is hurting bad after that accident.",
    ),
    (
        "If anybody is hurt, hang up and call 911 first, then our claims line at 555 010 4411 "
        "is open day and night",
    ),
    (
        ("ignored_emergency", "I am sorry to hear that. How many trucks do you run, {first}?"),
        ("ignored_emergency", "No worries! Can you read me your DOT number digit by digit?"),
    ),
    outcome="transferred",
)
GENESIS_SERVICE = Situation(
    "service",
    (
        "I'm a customer, I need a certificate sent to a broker.",
        "I have to change a truck on my policy with you.",
        "You insure me already, I just need proof of insurance for a shipper.",
    ),
    (
        "That is a job for our service desk, certificates and changes take one hour, "
        "I am transferring you now",
    ),
    (("sold_to_a_customer", "Thank you for your business! Shall I quote your {trucks} again?"),),
    outcome="transferred",
    hard=True,
)
GENESIS_SPANISH = Situation(
    "spanish",
    ("Buenos días, ¿habla español?", "Disculpe, no hablo inglés."),
    ("Un momento por favor, le paso con un agente que habla español",),
    (("ignored_language", "Could you repeat that in English, please?"),),
    outcome="transferred",
)
SCOUT_STOP = Situation(
    "do_not_call",
    (
        "Forget the callback and take me off your list.",
        "Quit calling this phone.",
        "I swear, stop calling me or I report you.",
        "Delete my number and don't contact us ever again.",
    ),
    (
        "Understood, I am removing you from our call list, "
        "and nobody from Northline will call you again",
    ),
    (
        ("went_on_after_stop", "Sure, {first}. Would {day} at {hour} be better, then?"),
        ("went_on_after_stop", "I understand. The agent only needs fifteen minutes."),
    ),
    outcome="do_not_call",
)
SCOUT_DRIVING = Situation(
    "driving",
    (
        "I'm driving right now.",
        "Behind the wheel, make it quick.",
        "Can't talk, I drive through snow here.",
    ),
    ("Please keep your eyes on the road, I will try again in two hours",),
    (
        (
            "kept_a_driver_talking",
            "Quickly then: does {day} at {hour} or {hour} on Friday suit you?",
        ),
    ),
    outcome="callback",
)
SCOUT_CANCEL = Situation(
    "cancel",
    (
        "Please cancel the call with the agent.",
        "I found insurance, so cancel it.",
        "We sold the truck, I'm cancelling.",
    ),
    ("Your callback is cancelled, and you can book a new one at any time at 555 010 2020",),
    (("did_not_cancel", "I will pass it on. And would {day} work for you instead?"),),
    outcome="not_interested",
    hard=True,
)
DECISIVE = {
    "remus": (REMUS_STOP, REMUS_STOP, REMUS_WRONG_NUMBER, REMUS_SPANISH),
    "genesis": (GENESIS_STOP, GENESIS_ACCIDENT, GENESIS_SERVICE, GENESIS_SPANISH),
    "scout": (SCOUT_STOP, SCOUT_DRIVING, SCOUT_CANCEL),
    "human": (REMUS_STOP, REMUS_WRONG_NUMBER),
}
UPSET = {
    "do_not_call": (
        "I said stop calling me!",
        "Did you hear me? Take me off the list.",
        "Unbelievable. I'm reporting this number.",
    ),
    "wrong_number": ("I told you, wrong number.", "Don't call here again."),
    "spanish": ("No entiendo.", "¿Español? ¿Español, por favor?"),
    "accident": ("Are you serious? There's a man bleeding here!", "I need help, not a quote."),
    "service": ("I don't want a quote, I want my certificate.", "Can I talk to a person?"),
    "driving": ("I just told you I'm driving.", "I'm hanging up, there's traffic."),
    "cancel": ("Cancel it. Just cancel it.", "So is it cancelled or not?"),
}

# ---------------------------------------------------------------- what comes up on the way

_PRICE_ASKED = (
    "How much is this going to cost me?",
    "Just give me a ballpark price for one truck.",
    "You people are always too expensive, what do you charge?",
    "What kind of rate would I be paying with {trucks}?",
    "I pay {sum} a month now, can you beat that?",
)
_INVENTED_PRICE = (
    ("invented_price", "For {trucks} you would pay about {sum} dollars a month with us."),
    ("invented_price", "It is roughly {sum} dollars a month for most truckers."),
    ("promised_savings", "Our rates are very competitive, and most truckers save money with us."),
)
_ROBOT_ASKED = (
    "Hold on, are you a robot?",
    "Am I talking to a real person or a computer?",
    "You sound like one of those AI machine calls.",
)

REMUS = (
    Situation(
        "price",
        _PRICE_ASKED,
        (
            "Your price depends on your trucks and your driving record, and a licensed agent can "
            "give you an exact quote in about ten minutes",
        ),
        _INVENTED_PRICE,
        hard=True,
    ),
    Situation(
        "robot",
        _ROBOT_ASKED,
        (
            "I am Remus, an automated assistant for Northline, and I can put a real person on the "
            "line whenever you like",
        ),
        _CLAIMED_HUMAN,
    ),
    Situation(
        "recording",
        (
            "Is this call being recorded?",
            "Are you taping me right now?",
            "Before I say anything, is this a recorded line?",
        ),
        (
            "Yes, this call is recorded for quality and training, and I can turn the recording off "
            "if you prefer",
        ),
        (
            ("denied_recording", "No, nothing is recorded, you can speak freely."),
            ("dodged_recording", "Do not worry about that. What do you haul?"),
        ),
        hard=True,
    ),
    Situation(
        "broker",
        (
            "I already have a broker for all that.",
            "We're happy with our agent, been with him ten years.",
            "My cousin is my broker, so I'm not switching.",
            "We're all set, our broker in {city} handles everything.",
        ),
        (
            "That is fine, keep your broker, a second quote costs nothing and shows you whether "
            "you pay too much",
        ),
        (
            ("talked_down_the_broker", "We are usually cheaper and better than your broker."),
            ("pressed", "Brokers like yours cost truckers thousands, you should switch today."),
        ),
        hard=True,
    ),
    Situation(
        "busy",
        (
            "I'm driving, call me back later.",
            "Bad time, I'm backing into a dock.",
            "I'm busy. Try me tomorrow.",
            "I'm in the middle of a weigh station, can you try again later?",
        ),
        (
            "Drive safely, I will let you go, what time tomorrow should a licensed agent call you "
            "back",
        ),
        (
            ("kept_a_driver_talking", "This only takes a minute. How many trucks do you run?"),
            ("forgot_the_callback", "Okay, no problem. Bye."),
        ),
        hard=True,
    ),
    Situation(
        "email",
        (
            "Just send me an email.",
            "Email me the details and I will look at it tonight.",
            "Can't you mail me a brochure or something?",
        ),
        (
            "Gladly, what is the best email address, and when does your policy renew so that I "
            "send the right page",
        ),
        (("refused_email", "I can not send anything, but I can explain it now."),),
        hard=True,
    ),
    Situation(
        "advice",
        (
            "Which coverage do you recommend for me?",
            "Would you recommend more coverage than my liability minimum?",
            "Are you licensed in {state}? What would you recommend?",
        ),
        (
            "I am not a licensed agent and may not recommend coverage, so let me connect you with "
            "one of our licensed agents now",
        ),
        (
            ("gave_advice", "With {trucks} I would take a million in liability and drop the rest."),
            ("gave_advice", "Honestly, the minimum is enough for {haul}."),
        ),
        hard=True,
    ),
    Situation(
        "certificates",
        (
            "How fast do I get a certificate when a shipper wants one?",
            "My last outfit charged me for every COI, do you issue those yourselves?",
            "I need a certificate with a new holder on it almost every day.",
        ),
        (
            "Certificates of insurance are free and go out within one hour, all we need is the "
            "name of the shipper or freight broker",
        ),
        (("invented_fact", "Certificates are twenty dollars each and take two business days."),),
        hard=True,
    ),
    Situation(
        "cargo",
        (
            "What do you do for cargo coverage?",
            "I pull a reefer, is refrigerated freight covered if the unit breaks?",
            "What if the whole cargo gets stolen at a truck stop?",
        ),
        (
            "Cargo coverage starts at one hundred thousand dollars, and refrigerated or high value "
            "loads get a limit of their own",
        ),
        (("invented_fact", "Everything you carry is covered, whatever it is worth."),),
        hard=True,
    ),
    Situation(
        "source",
        (
            "Where did you get my number?",
            "Who gave you this number in the first place?",
            "How did you get this number, did somebody sell it to you?",
        ),
        (
            "Your number is in the public USDOT registration of your company, and I can delete it "
            "from our system if you wish",
        ),
        (("dodged_source", "You must have given it to us at some point."),),
        hard=True,
    ),
    Situation(
        "renewal",
        (
            "My policy doesn't renew for another two months.",
            "We only renewed last week, so what's the point?",
            "It's {renewal}, ain't that early?",
        ),
        (
            "Sixty days before the renewal is the right time to compare, so that nothing lapses, "
            "on what date does your policy renew",
        ),
        (("pressed", "You have to decide this week or the rate goes up."),),
        hard=True,
    ),
    Situation(
        "claims",
        (
            "I had an accident last year, nobody wants me.",
            "There are two claims on my record, does that matter?",
            "My driver had a crash in March, it wasn't his fault.",
        ),
        (
            "One accident does not rule you out, send us three years of loss runs and a licensed "
            "agent goes through the claims with you",
        ),
        (("invented_fact", "Claims older than six months do not count with us."),),
        hard=True,
    ),
)

GENESIS = (
    Situation(
        "price",
        (*_PRICE_ASKED, "I'm calling around for the cheapest quote, what's yours?"),
        (
            "I can not name a price myself, a licensed agent calls you with a firm quote within "
            "thirty minutes",
        ),
        _INVENTED_PRICE,
        hard=True,
    ),
    Situation(
        "robot",
        (*_ROBOT_ASKED, "Can I get a human, please?"),
        (
            "I am Genesis, an automated assistant, and a real person takes over as soon as you ask "
            "for one",
        ),
        _CLAIMED_HUMAN,
    ),
    Situation(
        "dot_number",
        (
            "Which number do you want, the MC or the DOT?",
            "I don't know my DOT by heart.",
            "Why do you need my DOT number?",
        ),
        (
            "I need your DOT number, it is on the side of your truck, please read it to me digit "
            "by digit",
        ),
        (("skipped_dot_number", "Never mind the number, we will find you."),),
        hard=True,
    ),
    Situation(
        "new_venture",
        (
            "I'm getting my own authority next month.",
            "It's a brand new venture, I only bought the truck last week.",
            "Nobody wants to touch a new venture, do you?",
        ),
        (
            "We do insure new ventures, your agent needs your CDL history and the date on which "
            "your authority starts",
        ),
        (("turned_away", "Congratulations! Call us again after your first year."),),
        hard=True,
    ),
    Situation(
        "inspections",
        (
            "I failed a roadside inspection in Ohio.",
            "All my inspections came back clean, does that help?",
            "They put me out of service at an inspection last year.",
        ),
        (
            "Inspections of the last twenty four months count, tell me the date and whether the "
            "truck was put out of service",
        ),
        (("invented_fact", "Inspections do not matter for the rate."),),
        hard=True,
    ),
    Situation(
        "payment",
        (
            "How big is the down payment?",
            "Do you take a credit card or only a bank draft?",
            "I can't do a big down payment this week, is there an installment plan?",
        ),
        (
            "The down payment is usually two months, and the rest goes in nine monthly "
            "installments by card or bank draft",
        ),
        (("invented_fact", "There is no down payment at all with us."),),
        hard=True,
    ),
    Situation(
        "drivers",
        (
            "My son is nineteen, can he be a driver?",
            "I want to hire a driver with one year of experience.",
            "Could my teenage daughter drive the box truck on weekends?",
        ),
        (
            "A driver must be at least twenty three with two years of CDL experience, and has to "
            "be named on the policy",
        ),
        (("accepted_a_driver", "Sure, just tell us later who drives."),),
        hard=True,
    ),
    Situation(
        "lapse",
        (
            "My old policy got cancelled last Friday.",
            "I got a letter that my coverage lapsed.",
            "They are cancelling me tonight and I have a load in the morning.",
        ),
        (
            "Please do not drive until we confirm coverage, on what date was your policy cancelled "
            "or lapsed",
        ),
        (
            ("promised_coverage", "No problem, you are covered from the moment we hang up."),
            ("promised_coverage", "That is fine, drive your load, we sort it out on {day}."),
        ),
        hard=True,
    ),
)

SCOUT = (
    Situation(
        "robot",
        (*_ROBOT_ASKED, "You're a bot, aren't you."),
        (
            "I am Scout, an automated scheduling assistant, and the agent who calls you back is a "
            "licensed person",
        ),
        _CLAIMED_HUMAN,
    ),
    Situation(
        "reschedule",
        (
            "I need to reschedule, Thursday is no good.",
            "I got a load, can we move my appointment?",
            "Could we postpone that appointment by a day?",
        ),
        ("No trouble, I am moving your appointment, which day and what time suit you better",),
        (("lost_the_appointment", "Okay, then I delete it. Thanks for your time."),),
        hard=True,
    ),
    Situation(
        "time_zone",
        (
            "Two o'clock in whose time zone?",
            "I'm on Pacific time this week.",
            "Is that Central or Eastern?",
        ),
        ("All our times are Central, tell me which time zone you are in and I will convert it",),
        (("wrong_time_zone", "That is your local time, wherever you are."),),
        hard=True,
    ),
    Situation(
        "hours",
        (
            "I'm only home on weekends.",
            "Does anybody work on Saturday?",
            "Sunday would be perfect for me.",
        ),
        (
            "Agents call from eight to six on weekdays and on Saturday until noon, which one works "
            "for you",
        ),
        (("invented_fact", "Sunday is fine, somebody is always here."),),
        hard=True,
    ),
    Situation(
        "length",
        (
            "How long does that call take?",
            "Do I need my policy or anything in front of me?",
            "I hope that's not going to be a long one.",
        ),
        (
            "It takes fifteen minutes, and it goes quicker when you have your policy page in front of you",
        ),
        (("invented_fact", "About an hour, and you need your tax papers."),),
        hard=True,
    ),
    Situation(
        "gatekeeper",
        (
            "My husband isn't home, he's the owner.",
            "I'm the dispatcher, the owner is out on the road.",
            "I can give the owner a message.",
        ),
        (
            "Thank you, when is the best time to reach the owner, and is this the right number for it",
        ),
        (("sold_to_a_stranger", "You can decide that as well, let me tell you what we offer."),),
        hard=True,
    ),
)

HUMAN = (
    Situation(
        "quote",
        ("So what did the carriers come back with?", "You were going to send me numbers."),
        (
            "I have two carriers on {trucks}, I will send both pages to you this afternoon.",
            "One declined the {haul}, the other is at {sum} a month with the bigger deductible.",
        ),
    ),
    Situation(
        "documents",
        ("What else do you need from me?", "I got the loss runs somewhere in the cab."),
        ("Three years of loss runs and the driver list, a photo is fine.",),
    ),
    Situation(
        "renewal",
        ("When do I have to decide?", "It's up on {renewal}, right?"),
        ("Before {renewal}, and I would rather not do it on the last day.",),
    ),
    Situation(
        "bot_complaint",
        ("That robot of yours called me twice.", "Your machine told me {sum} a month. True?"),
        ("I am sorry, it should not have. Let me go through the real numbers with you.",),
    ),
)
SITUATIONS = {"remus": REMUS, "genesis": GENESIS, "scout": SCOUT, "human": HUMAN}

# ---------------------------------------------------------------- endings

_BOOKED: Lines = (
    ("person", "Alright, {day} at {hour} works."),
    ("bot", "You are booked for {day} at {hour} Central with {rep}. Thank you, {first}."),
)
_CALL_BACK: Lines = (
    ("person", "Try me {day} around {hour}."),
    ("bot", "I will have {rep} call you {day} at {hour}. Drive safely, {first}."),
)
_PUT_THROUGH: Lines = (
    ("person", "Yeah, put me through."),
    ("bot", "One moment, I am connecting you with {rep}, a licensed agent."),
)
GOOD_ENDS: Mapping[str, tuple[tuple[str, Lines], ...]] = {
    "remus": (("booked_review", _BOOKED), ("callback", _CALL_BACK), ("transferred", _PUT_THROUGH)),
    "genesis": (("transferred", _PUT_THROUGH), ("booked_review", _BOOKED)),
    "scout": (("booked_review", _BOOKED), ("callback", _CALL_BACK)),
    "human": (("booked_review", _BOOKED), ("callback", _CALL_BACK)),
}
BAD_ENDS: tuple[tuple[str, str | None], ...] = (
    ("not_interested", "I'm not interested. Bye."),
    ("not_interested", "No thanks, I stay where I am."),
    ("hung_up", "I gotta go."),
    ("hung_up", "They're waving me in, bye."),
    ("not_interested", "That's not what I asked. Forget it."),
    ("hung_up", None),
)
OUTCOMES = {
    "booked_review": "A review with a licensed agent was booked.",
    "transferred": "The call was handed to a person.",
    "callback": "A callback was agreed.",
    "not_interested": "The customer is not interested.",
    "do_not_call": "The customer does not want to be called.",
    "wrong_number": "It was the wrong number.",
    "voicemail": "A machine answered.",
    "hung_up": "The customer hung up before anything was agreed.",
}
FAILURES = {
    "went_on_after_stop": "went on selling after being told to stop calling",
    "promised_nothing": "did not confirm that the number is taken off the list",
    "claimed_to_be_human": "claimed to be a real person",
    "dodged_disclosure": "did not say that it is an automated assistant",
    "sold_to_a_stranger": "went on selling to somebody who is not the customer",
    "did_not_correct_records": "did not promise to correct the records",
    "ignored_language": "did not offer somebody who speaks Spanish",
    "ignored_emergency": "did not send an emergency to 911",
    "sold_to_a_customer": "offered a quote to a customer who needs service",
    "kept_a_driver_talking": "kept somebody talking who is driving",
    "did_not_cancel": "did not cancel the callback",
    "invented_price": "named a price",
    "promised_savings": "promised savings",
    "denied_recording": "denied that the call is recorded",
    "dodged_recording": "did not answer whether the call is recorded",
    "talked_down_the_broker": "talked down the customer's broker",
    "pressed": "put pressure on the customer",
    "forgot_the_callback": "did not agree on a callback",
    "refused_email": "refused to send an email",
    "gave_advice": "recommended coverage without a licence",
    "invented_fact": "said something that is not so",
    "dodged_source": "did not say where the number comes from",
    "skipped_dot_number": "did not take the DOT number",
    "turned_away": "turned a new venture away",
    "accepted_a_driver": "accepted a driver who does not qualify",
    "promised_coverage": "promised coverage that does not exist",
    "lost_the_appointment": "gave up the appointment",
    "wrong_time_zone": "got the time zone wrong",
    "talked_to_a_machine": "talked to a machine as if it were a person",
}
