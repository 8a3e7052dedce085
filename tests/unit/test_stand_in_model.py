"""The stand-in model: it obeys what its prompt states, knows nothing else, and learns from feedback."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mission_control.core.playbook import Scenario, parse_playbook
from mission_control_sandbox.model.answering import answer
from mission_control_sandbox.model.judging import judge
from mission_control_sandbox.model.knowledge import BLAND, read_instruction
from mission_control_sandbox.model.writing import (
    HEADING,
    Lesson,
    compress,
    learn,
    lesson_from,
    reflect,
)

REPOSITORY = Path(__file__).parents[2]
PLAYBOOKS = (
    "agents/remus.yaml",
    "agents/genesis.yaml",
    "agents/scout.yaml",
    "tests/domains/clinic.yaml",
    "tests/domains/hotel.yaml",
)
PLAIN = "You answer the telephone. Be kind and brief."
PRICE = "It is forty nine dollars a month"


def reply(prompt: str, said: str) -> str:
    return read_instruction(prompt).reply_to(said)


def feedback(wanted: str) -> str:
    return f'Score 0.00. Missing: "x". The reply should have conveyed: "{wanted}"'


def reflected(prompt: str, said: str, wanted: str, *, note: str = "") -> str:
    example = {
        "Inputs": {"caller_says": said},
        "Generated Outputs": {"reply": "Sure."},
        "Feedback": feedback(wanted) + note,
    }
    inputs = {"current_instruction": prompt, "examples_with_feedback": json.dumps([example])}
    return str(reflect(inputs)["new_instruction"])


# ------------------------------------------------------------------ speaking


def test_without_a_rule_it_has_nothing_to_say() -> None:
    for said in ("How much does it cost?", "Are you a robot?", "Take me off your list"):
        assert reply(PLAIN, said) in BLAND


@pytest.mark.parametrize(
    "rule",
    [
        f'When the caller asks about the price, say: "{PRICE}"',
        f'- If they bring up price or cost, reply "{PRICE}".',
        f"3. Whenever somebody mentions the price: always say “{PRICE}”",
        f"* If the price comes up, tell them that {PRICE[0].lower()}{PRICE[1:]}.",
        f"Caller: What is the price?\nYou: {PRICE}",
    ],
)
@pytest.mark.parametrize("said", ["What is the price?", "How much do I pay?", "Is it expensive?"])
def test_it_obeys_a_rule_however_it_is_written_and_the_caller_puts_it(rule: str, said: str) -> None:
    assert reply(f"{PLAIN}\n{rule}\nNever shout.", said).rstrip(".") == PRICE


@pytest.mark.parametrize(
    ("order", "spoken"),
    [
        ("apologise and ask for their order number.", "I am sorry about that. Could I have your order number?"),
        ("offer to call them back, then thank them.", "I can call you back. Thank you."),
        ("ask which day suits them.", "May I ask which day suits you?"),
        ("tell them that you will pass it on.", "I will pass it on."),
    ],
)  # fmt: skip
def test_orders_become_speech(order: str, spoken: str) -> None:
    assert reply(f"If the parcel is late, {order}", "My parcel is late again.") == spoken


def test_orders_about_manners_say_nothing() -> None:
    assert reply("If the caller is angry, be patient.", "I am really angry!") in BLAND


def test_the_rule_that_names_more_of_what_was_said_wins() -> None:
    prompt = (
        'If they ask about breakfast in the room, say: "Call extension nine"\n'
        'If they ask about breakfast, say: "From seven to ten"'
    )

    assert reply(prompt, "Do you serve breakfast?") == "From seven to ten"
    assert reply(prompt, "Can I have breakfast in my room?") == "Call extension nine"


def test_a_later_rule_corrects_an_earlier_one() -> None:
    prompt = 'If they ask about the price, say: "Ten"\nIf they ask about the price, say: "Twelve"'

    assert reply(prompt, "What is the price?") == "Twelve"


def test_what_is_forbidden_is_not_said() -> None:
    rule = 'If they ask about the price, say: "We guarantee the best price. It is nine dollars."'

    assert reply(f'{rule}\nNever say "guarantee".', "What is the price?") == "It is nine dollars."


# ------------------------------------------------------------------ the forms of a prompt


def chat_prompt(instruction: str) -> str:
    return (
        "Your input fields are:\n1. `caller_says` (str): What was said\n"
        "Your output fields are:\n1. `reply` (str): What to say\n2. `urgent` (bool): If in a hurry\n"
        "All interactions will be structured in the following way, with the appropriate values filled"
        " in.\n\n[[ ## caller_says ## ]]\n{caller_says}\n\n[[ ## reply ## ]]\n{reply}\n\n"
        "[[ ## completed ## ]]\nIn adhering to this structure, your objective is: \n        "
        + instruction.replace("\n", "\n        ")
    )


def asked(said: str) -> str:
    return (
        f"[[ ## caller_says ## ]]\n{said}\n\nRespond with the corresponding output fields, starting"
        " with the field `[[ ## reply ## ]]`."
    )


def test_it_answers_in_dspy_s_sections() -> None:
    instruction = f'{PLAIN}\n- If they ask about the price, say: "{PRICE}"'
    messages = [
        {"role": "system", "content": chat_prompt(instruction)},
        {"role": "user", "content": asked("What is the price?")},
    ]

    said = answer(messages)

    assert f"[[ ## reply ## ]]\n{PRICE}" in said
    assert "[[ ## urgent ## ]]\n" in said
    assert said.endswith("[[ ## completed ## ]]")


def test_a_demonstration_teaches_what_the_instruction_does_not_say() -> None:
    def messages(*demonstration: dict[str, str]) -> list[dict[str, str]]:
        system = {"role": "system", "content": chat_prompt(PLAIN)}
        return [system, *demonstration, {"role": "user", "content": asked("Which price do I pay?")}]

    shown = (
        {"role": "user", "content": asked("What is the price?")},
        {"role": "assistant", "content": f"[[ ## reply ## ]]\n{PRICE}\n\n[[ ## completed ## ]]"},
    )

    assert PRICE in answer(messages(*shown))
    assert PRICE not in answer(messages())


def test_it_answers_in_json_when_asked_to() -> None:
    system = chat_prompt(f'If they ask about the price, say: "{PRICE}"').replace(
        "[[ ## reply ## ]]", "Outputs will be a JSON object with the following fields."
    )
    messages = [
        {"role": "system", "content": system},
        {"role": "user", "content": asked("What is the price?")},
    ]

    assert json.loads(answer(messages))["reply"] == PRICE


def test_it_holds_a_plain_conversation_as_a_deployed_phone_bot_does() -> None:
    messages = [
        {"role": "system", "content": f'If they ask about the price, say: "{PRICE}"'},
        {"role": "assistant", "content": "Hello, this is Remus."},
        {"role": "user", "content": [{"type": "text", "text": "What is the price?"}]},
    ]

    assert answer(messages) == PRICE


def test_of_a_transcript_it_answers_the_last_turn() -> None:
    prompt = f'If they ask about the price, say: "{PRICE}"\nIf they say goodbye, say: "Goodbye"'
    transcript = "Caller: What is the price?\nAgent: Nine dollars.\nCaller: Then goodbye."

    said = answer([{"role": "system", "content": prompt}, {"role": "user", "content": transcript}])

    assert said == "Goodbye"


# ------------------------------------------------------------------ learning


def every_scenario() -> list[tuple[str, Scenario]]:
    playbooks = [parse_playbook((REPOSITORY / path).read_text()) for path in PLAYBOOKS]
    return [
        (playbook.prompt or "", scenario)
        for playbook in playbooks
        for scenario in playbook.scenarios
    ]


def test_a_rule_fires_on_the_very_words_that_it_was_learned_from() -> None:
    """Otherwise no search could ever be rewarded for writing it."""
    for prompt, scenario in every_scenario():
        (said,), (wanted,) = scenario.input.values(), scenario.expected.values()
        improved = learn(prompt, [Lesson(said, wanted)])
        assert reply(improved, said) == wanted, scenario.id


SENTENCES = st.lists(st.from_regex(r"[a-z]{2,9}", fullmatch=True), min_size=1, max_size=9).map(
    " ".join
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(said=SENTENCES, wanted=SENTENCES)
def test_that_holds_for_words_it_has_never_seen(said: str, wanted: str) -> None:
    assert reply(learn(PLAIN, [Lesson(said, wanted)]), said) == wanted


def test_a_learned_rule_serves_other_wordings_of_the_subject() -> None:
    improved = learn(PLAIN, [Lesson("How much is breakfast?", "Breakfast is twelve dollars")])

    assert reply(improved, "Is the breakfast included?") == "Breakfast is twelve dollars"
    assert reply(improved, "My window does not close") in BLAND


def test_a_second_wording_widens_the_rule_instead_of_adding_one() -> None:
    wanted = "We open at nine"
    once = learn(PLAIN, [Lesson("When do you open?", wanted)])
    twice = learn(once, [Lesson("Are the doors locked early?", wanted)])

    assert twice.count(wanted) == 1
    assert reply(twice, "Are the doors locked early?") == wanted
    assert reply(twice, "When do you open?") == wanted


def test_a_rule_that_a_person_wrote_is_widened_in_place() -> None:
    prompt = 'If they ask about the opening hours, say: "We open at nine"'

    assert learn(prompt, [Lesson("Are the doors locked early?", "We open at nine")]).startswith(
        "When the caller mentions opening hours, "
    )


def test_a_rule_that_says_the_wrong_thing_is_overruled() -> None:
    prompt = 'If they ask about the price, say: "We are the cheapest"'

    assert (
        reply(learn(prompt, [Lesson("What is the price?", PRICE)]), "What is the price?") == PRICE
    )


def test_feedback_without_an_ideal_answer_teaches_what_was_missing_and_forbidden() -> None:
    lesson = lesson_from(
        "Do you ship to Canada?",
        "Sure.",
        'Missing: "six days", "no customs". Must not be said: "free".',
    )
    improved = learn(PLAIN, [lesson])

    said = reply(improved, "Do you ship to Canada?")
    assert "six days" in said
    assert "no customs" in said
    assert 'Never say "free".' in improved


def test_feedback_on_one_line_is_taken_apart() -> None:
    lesson = lesson_from(
        "said",
        "answered",
        'Score 0.33. Missing: "a b", "c d". Must not be said: "e f". The judge says: no "way". '
        'The reply should have conveyed: "Say "it" now"',
    )

    assert lesson.wanted == "Say 'it' now"
    assert lesson.missing == ("a b", "c d")
    assert lesson.forbidden == ("e f",)


def test_a_right_answer_teaches_nothing() -> None:
    assert (
        learn(PLAIN, [lesson_from("said", "answered", "Score 1.00. The reply is right.")]) == PLAIN
    )


def test_one_reflection_in_four_is_useless_and_always_the_same_ones() -> None:
    first = [reflected(PLAIN, "What is the price?", PRICE, note=f"\nCase {n}") for n in range(200)]
    again = [reflected(PLAIN, "What is the price?", PRICE, note=f"\nCase {n}") for n in range(200)]

    useless = sum(HEADING not in prompt for prompt in first)
    assert first == again
    assert 30 <= useless <= 70
    assert all(prompt.startswith(PLAIN) for prompt in first)


def test_a_prompt_that_is_too_long_loses_its_oldest_learned_rules() -> None:
    lessons = [Lesson(f"About subject{n} please", f"The answer is number {n}") for n in range(9)]
    long = learn(PLAIN, lessons, limit=9)

    short = str(
        compress({"instruction": long, "length_limit": "400 characters"})["shortened_instruction"]
    )

    assert len(long) > 400 >= len(short)
    assert short.startswith(PLAIN)
    assert "number 8" in short
    assert "number 0" not in short


# ------------------------------------------------------------------ judging


@pytest.mark.parametrize(
    ("rubric", "said", "verdict"),
    [
        ("The reply offers a callback tomorrow.", "I can arrange a callback tomorrow.", True),
        ("The reply offers a callback tomorrow.", "We sell the best trucks.", False),
        ("Never promises a discount", "You get a discount of ten percent.", False),
        ("Never promises a discount", "I cannot promise a discount.", True),
        ("Does not quote a price. Asks for the renewal date", "When is your renewal date?", True),
        ("Does not quote a price. Asks for the renewal date", "The price is ten dollars.", False),
        ("Must not mention insurance or policies", "Shall we talk tomorrow?", True),
        ("Apologises for the delay and names a new delivery day", "Sorry for the delay, your delivery day is Friday.", True),
        ("Is polite", "Good morning.", True),
    ],
)  # fmt: skip
def test_a_rubric_is_judged_by_what_the_reply_says(rubric: str, said: str, verdict: bool) -> None:
    assert judge({"rubric": rubric, "situation": "A call", "reply": said})[0] is verdict


def test_a_judge_request_gets_a_verdict_and_a_reason() -> None:
    system = (
        "Your input fields are:\n1. `rubric` (str): r\n2. `situation` (str): s\n3. `reply` (str): r\n"
        "Your output fields are:\n1. `reason` (str): why\n2. `verdict` (bool): met\n"
        "All interactions will be structured in the following way, with the appropriate values filled"
        " in.\n\n[[ ## completed ## ]]\nIn adhering to this structure, your objective is: \n   Decide."
    )
    user = (
        "[[ ## rubric ## ]]\nNames the office hours\n\n[[ ## situation ## ]]\nx\n\n"
        "[[ ## reply ## ]]\nNo idea."
    )

    said = answer([{"role": "system", "content": system}, {"role": "user", "content": user}])

    assert "[[ ## verdict ## ]]\nfalse" in said
    assert "office hours" in said


def test_every_rubric_accepts_the_model_answer_and_refuses_a_bland_one() -> None:
    judged = [
        (each, check)
        for _, each in every_scenario()
        for check in each.checks
        if check.kind == "judge"
    ]
    assert len(judged) >= 6
    for each, check in judged:
        (wanted,) = each.expected.values()
        assert judge({"rubric": check.values[0], "reply": wanted})[0], each.id
        assert not judge({"rubric": check.values[0], "reply": BLAND[0]})[0], each.id
