"""Five hundred made-up sentences with something personal in each, in the languages of our callers."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

DIGITS = {
    "en": ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
    "de": ["null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"],
    "es": ["cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"],
    "fr": ["zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"],
    "it": ["zero", "uno", "due", "tre", "quattro", "cinque", "sei", "sette", "otto", "nove"],
    "pt": ["zero", "um", "dois", "três", "quatro", "cinco", "seis", "sete", "oito", "nove"],
    "nl": ["nul", "een", "twee", "drie", "vier", "vijf", "zes", "zeven", "acht", "negen"],
    "ja": list("〇一二三四五六七八九"),
}
NUMBER_SAID = {
    "en": "Sure, it is {} if you need it.",
    "de": "Gerne, die Nummer ist {} glaube ich.",
    "es": "Claro, es el {} si lo necesita.",
    "fr": "Bien sûr, c'est le {} je crois.",
    "it": "Certo, è il {} se serve.",
    "pt": "Claro, é o {} se precisar.",
    "nl": "Natuurlijk, het is {} denk ik.",
    "ja": "番号は{}です。",
}
NAME_SAID = {
    "en": ("My name is {}.", "Hi, this is {} calling about a truck.", "I'm {}, I called on Friday.",
           "Could you put it under the name of {}?", "Yes, call me {}.", "Thank you, Mrs. {}."),
    "de": ("Mein Name ist {}.", "Guten Tag, ich heiße {} und habe eine Frage.", "Hier spricht {}.",
           "Das läuft auf den Namen {}.", "Danke, Frau {}, das passt."),
    "es": ("Me llamo {}.", "Mi nombre es {} y llamo por el seguro.", "Está a nombre de {}.",
           "Gracias, señora. Soy {}."),
    "fr": ("Je m'appelle {}.", "Bonjour, mon nom est {}.", "C'est au nom de {}.", "Merci, Madame {}."),
    "it": ("Mi chiamo {}.", "Il mio nome è {}.", "È a nome di {}.", "Buongiorno, sono {}."),
    "pt": ("Eu me chamo {}.", "O meu nome é {}.", "Está em nome de {}.", "Bom dia, sou {}."),
    "nl": ("Ik heet {}.", "Mijn naam is {}.", "Het staat op naam van {}.", "U spreekt met {}."),
}  # fmt: skip
NAMES = {
    "en": ("Eleanor Whitcombe", "Desmond O'Grady", "Priya Raghunathan", "Tyrone Baptiste"),
    "de": ("Annegret Hoffmeister", "Jürgen Wächter", "Ayşe Yıldırım", "Karl-Heinz Brömmel"),
    "es": ("Guadalupe Hernández", "Íñigo Etxeberria", "María del Carmen Ruiz", "Joaquín Peralta"),
    "fr": ("Geneviève Lefèbvre", "Étienne de la Tour", "Aïcha Benali", "Thibault Garnier"),
    "it": ("Giuseppina Esposito", "Ludovico D'Angelo", "Chiara Bianchetti", "Matteo Ferragni"),
    "pt": ("Conceição Magalhães", "João Figueiredo", "Luísa dos Santos", "Tiago Albuquerque"),
    "nl": ("Willemijn van den Berg", "Joost Hoekstra", "Saskia de Vries", "Bram Kuipers"),
}
ASIAN = (
    ("私は山本と申します。", "山本"), ("田中さん、ありがとうございます。", "田中"),
    ("佐々木と申します。", "佐々木"), ("我叫王小明，想问一下。", "王小明"),
    ("好的，李女士，请稍等。", "李"), ("我的名字是陈美玲。", "陈美玲"),
    ("김민수입니다. 예약하고 싶어요.", "김민수"), ("ชื่อสมชายครับ อยากจองโต๊ะ", "สมชาย"),
)  # fmt: skip
CARDS = (
    "4111111111111111",
    "5555555555554444",
    "378282246310005",
    "6011111111111117",
    "4242424242424242",
)
IBANS = (
    "DE89370400440532013000",
    "GB29NWBK60161331926819",
    "FR1420041010050500013M02606",
    "NL91ABNA0417164300",
)
MAILS = ("ana.souza@example.com", "j_smith@mail.example.org", "info+test@firma.example.de")


@dataclass(frozen=True)
class Personal:
    """A sentence, and what of it must not be left: the words or the digits of `secret`."""

    kind: str
    text: str
    secret: str


def sentences(count: int, seed: int = 7) -> Iterator[Personal]:
    kinds = (
        card,
        iban,
        social_security,
        phone,
        spelled_number,
        mail,
        spelled_mail,
        name,
        asian_name,
    )
    random = Random(seed)  # the same sentences for everybody
    for at in range(count):
        yield kinds[at % len(kinds)](random)


def card(random: Random) -> Personal:
    number = random.choice(CARDS)
    grouped = [number[at : at + 4] for at in range(0, len(number), 4)]
    written = random.choice(("", " ", "-", ", ", " - ")).join(grouped)
    return Personal("card", said(random, written), number)


def iban(random: Random) -> Personal:
    number = random.choice(IBANS)
    spaced = " ".join(number[at : at + 4] for at in range(0, len(number), 4))
    written = random.choice((number, spaced, number.lower()))
    return Personal("iban", said(random, written), number)


def social_security(random: Random) -> Personal:
    number = f"{random.randint(100, 899)}{random.randint(10, 99)}{random.randint(1000, 9999)}"
    separator = random.choice(("-", " ", ".", "", " - "))
    written = separator.join((number[:3], number[3:5], number[5:]))
    return Personal("social security", said(random, written), number)


def phone(random: Random) -> Personal:
    number = f"{random.randint(200, 989)}555{random.randint(1000, 9999)}"
    area, office, line = number[:3], number[3:6], number[6:]
    written = random.choice((
        f"({area}) {office}-{line}", f"+1 {area} {office} {line}", f"{area}.{office}.{line}",
        f"{area}, {office}, {line}", f"00 1 {area}/{office}{line}", " ".join(number),
    ))  # fmt: skip
    return Personal("phone", said(random, written), number)


def spelled_number(random: Random) -> Personal:
    language = random.choice([*DIGITS])
    digits = [random.randint(0, 9) for _ in range(random.randint(7, 16))]
    words = [DIGITS[language][each] for each in digits]
    joint = "" if language == "ja" else random.choice((" ", ", ", " - "))
    return Personal(
        "spelled number", NUMBER_SAID[language].format(joint.join(words)), joint.join(words)
    )


def mail(random: Random) -> Personal:
    address = random.choice(MAILS)
    return Personal("mail", said(random, address), address)


def spelled_mail(random: Random) -> Personal:
    local = random.choice(("ana", "j o h n", "maria dot silva", "peter underscore w"))
    at, dot = random.choice((("at", "dot"), ("arroba", "punto"), ("ät", "punkt"), ("arobase", "point"),
                             ("chiocciola", "punto"), ("arroba", "ponto"), ("apenstaartje", "punt")))  # fmt: skip
    address = f"{local.replace('dot', dot)} {at} example {dot} com"
    return Personal("spelled mail", said(random, address), address)


def name(random: Random) -> Personal:
    language = random.choice([*NAMES])
    who = random.choice(NAMES[language])
    text = random.choice(NAME_SAID[language]).format(who)
    if random.random() < 0.15 and ("name is" in text or "llamo" in text):
        text = text.lower()  # as some transcribers write
    return Personal("name", text, who)


def asian_name(random: Random) -> Personal:
    text, who = random.choice(ASIAN)
    return Personal("asian name", text, who)


def said(random: Random, what: str) -> str:
    return random.choice((
        "It is {} expiring next May, thanks.", "Sure. {}", "My number is {} please.",
        "Das ist {}, danke schön.", "Es {} por favor.", "C'est {} voilà.", "You can use {}, okay?",
    )).format(what)  # fmt: skip


def is_left(personal: Personal, redacted: str) -> bool:
    """Whether a part of it that tells something is still there."""
    secret = personal.secret
    if personal.kind in {"card", "iban", "social security", "phone"}:
        return sum(each.isdigit() for each in redacted) > 0
    if personal.kind in {"name", "mail", "spelled mail"}:
        words = [
            word for word in secret.replace("@", " ").replace("-", " ").split() if len(word) > 3
        ]
        return any(word.casefold() in redacted.casefold() for word in words)
    return secret in redacted
