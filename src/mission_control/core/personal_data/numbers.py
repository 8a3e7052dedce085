"""Cards, accounts, phones, social security numbers and mail addresses, written or spelled out."""

import re

from mission_control.core.personal_data.number_words import DIGITS, without_spelled_numbers

CARD, ACCOUNT, NUMBER, E_MAIL = "[card]", "[account]", "[number]", "[e-mail]"
FEWEST_DIGITS = 7  # fewer are a price, a time or a day

MAIL = re.compile(r"[\w.+'-]+(?:\s?@\s?|\s?[(\[](?:at|ät)[)\]]\s?)[\w-]+(?:\.[\w-]+)+")
AT = r"(?:at|arroba|arobase|ät|klammeraffe|chiocciola|chiocciolina|apenstaartje|собака|アットマーク|アット)"
DOT = r"(?:dot|period|punkt|punto|point|ponto|punt|точка|ドット)"
JOINT = (
    rf"(?:{DOT}|underscore|unterstrich|dash|hyphen|minus|guion|guión|tiret|trattino|hífen|streepje)"
)
DIGIT = "|".join(sorted(DIGITS, key=len, reverse=True))
SPELLED_MAIL = re.compile(
    # `ana dot souza at example dot com`, `j o h n one two at example dot org`, `ana@example dot com`
    rf"(?:\b(?:\w|{DIGIT})\s+){{0,20}}\b(?P<local>[\w.+-]+)(?:\s+{JOINT}\s+[\w+-]+|\s+(?:{DIGIT})\b){{0,12}}"
    rf"\s*(?:\s{AT}\s|@)\s*(?P<host>[\w-]+)"
    rf"(?:\s+{JOINT}\s+[\w-]+){{0,3}}(?:\s+{DOT}\s+|\s?\.)[a-z]{{2,24}}\b(?:\s+{DOT}\s+[a-z]{{2,3}}\b)?",
    re.IGNORECASE,
)
# `Meet me at example dot com`, `at the dot com company`
NO_MAIL = frozenset(["me", "us", "you", "it", "them", "him", "her", "noon", "meet", "look", "is", "are", "be", "am", "was", "the", "a", "an", "here", "there", "home", "go", "visit", "online", "see", "check", "find", "shop", "more"])  # fmt: skip
# Whatever begins as an account does, in any spelling; its check digits say whether it is one.
LIKE_IBAN = re.compile(
    r"(?<![^\W_])[A-Za-z][\s-]?[A-Za-z][\s-]?\d[\s-]?\d(?:[\s-]{0,2}[A-Za-z0-9]){11,40}"
)
SHORTEST_IBAN, LONGEST_IBAN = 15, 34
# Nearly one: misheard or mistyped, and an account to whoever reads it.
IBAN = re.compile(
    r"(?<![^\W_])(?:[A-Za-z]{2}\d{2}[A-Za-z0-9]{11,30}(?![^\W_])"
    r"|[A-Z]{2}\s?\d{2}(?:[\s-](?:[A-Z]{4}|[A-Z0-9]{0,3}\d[A-Z0-9]{0,3})(?![^\W_])){3,9}"
    r"|[A-Z]{2}(?:[\s-]\d){13,30})"
)
VANITY = re.compile(r"\b(?:1[-. ])?8(?:00|33|44|55|66|77|88)[-. ][A-Z][A-Z-]{3,}\b")
BETWEEN_DIGITS = r"\s().,;/+\-\u2010-\u2015"
RUN = re.compile(rf"(?:\+\s?)?\(?\d(?:[{BETWEEN_DIGITS}]{{0,3}}\d){{3,}}")
THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d{1,2})?|\d{1,3}(?:\.\d{3})+(?:,\d{1,2})?")
YEAR = re.compile(r"(?:19|20)\d\d")
# Three digits are secret when they are said to be.
NAMED = re.compile(
    r"\b(?P<named>(?:last (?:four|4)(?: digits)?|end(?:ing|s) (?:in|with)|cvv|cvc|cvv2|security code|pin"
    r"(?: code| number)?|ssn|social(?: security)?(?: number)?|pr[üu]fziffer|kartenpr[üu]fnummer"
    r"|c[óo]digo de seguridad|code de s[ée]curit[ée]|expir(?:es|ing|y|ation)(?: date)?"
    r"|g[üu]ltig bis)\b(?:\W{1,3}(?:of|is|are|was|in|on|the|my|card|ist|es|est|number|date|bis)\b)"
    r"{0,5}\W{1,3})(?P<digits>\d(?:[\s,./-]{0,2}\d){1,7})",
    re.IGNORECASE,
)


def without_numbers(text: str) -> str:
    """Placeholders for what identifies somebody; prices, times and amounts stay."""
    text = MAIL.sub(E_MAIL, text)
    text = SPELLED_MAIL.sub(_spelled_mail, text)
    text = IBAN.sub(_account, LIKE_IBAN.sub(_certain_account, text))
    text = VANITY.sub(NUMBER, text)
    text = RUN.sub(_run, text)
    text = NAMED.sub(lambda match: f"{match['named']}{NUMBER}", text)
    return without_spelled_numbers(text, NUMBER)


def is_card(digits: str) -> bool:
    """Whether a card may have this number: its length, and Luhn's check digit."""
    if not 13 <= len(digits) <= 19:
        return False
    doubled = [int(digit) * (2 if at % 2 else 1) for at, digit in enumerate(reversed(digits))]
    return sum(each - 9 if each > 9 else each for each in doubled) % 10 == 0


def _is_amount(written: str) -> bool:
    return THOUSANDS.fullmatch(written) is not None or YEAR.fullmatch(written) is not None


def _spelled_mail(match: re.Match[str]) -> str:
    # `a n a at example dot com`: who spells letter by letter means an address.
    is_spelled = re.fullmatch(r"(?:\w\s+){2,}", match[0][: match.start("local") - match.start()])
    is_mail = bool(is_spelled) or NO_MAIL.isdisjoint(
        {match["local"].casefold(), match["host"].casefold()}
    )
    return E_MAIL if is_mail else match[0]


def is_iban(written: str) -> bool:
    """By its two check digits, which one number in 97 has by chance."""
    turned = (written[4:] + written[:4]).upper()
    is_long_enough = SHORTEST_IBAN <= len(written) <= LONGEST_IBAN and written.isascii()
    return is_long_enough and int("".join(str(int(each, 36)) for each in turned)) % 97 == 1


def _certain_account(match: re.Match[str]) -> str:
    """The account at its beginning; what follows belongs to the sentence."""
    written = match[0]
    following = match.string[match.end() : match.end() + 1]
    ends = [at for at, each in enumerate(written) if not each.isalnum()]
    if not following.isalnum():
        ends.append(len(written))
    for end in reversed(ends):
        if is_iban("".join(each for each in written[:end] if each.isalnum())):
            return ACCOUNT + written[end:]
    return written


def _account(match: re.Match[str]) -> str:
    return ACCOUNT if sum(each.isdigit() for each in match[0]) >= FEWEST_DIGITS else match[0]


def _run(match: re.Match[str]) -> str:
    written = match[0]
    digits = "".join(each for each in written if each.isdigit())
    parts = [part.strip(",;") for part in written.split()]
    if len(digits) < FEWEST_DIGITS or all(_is_amount(part) for part in parts):
        return written
    return CARD if is_card(digits) else NUMBER
