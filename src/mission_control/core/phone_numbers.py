"""Phone numbers in the one spelling in which they can be compared."""

import re
from functools import lru_cache

from phonenumbers import (
    NumberParseException,
    PhoneNumberFormat,
    format_number,
    is_possible_number,
    parse,
)

SIP = re.compile(r"(?:sips?|tel|callto|whatsapp):(?://)?", re.IGNORECASE)
SAYS_ITS_COUNTRY = re.compile(r"[\s(]*(?:\+|\uff0b|00)")
# `ext. 5`, `poste 12`, `доб. 123`: what the library does not know as an extension.
EXTENSION = re.compile(r"[\s,;(]+[^\W\d_]+[.:]?\s*\d{1,6}\)?$")
E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
LONGEST = 128  # characters, with an extension or the host of a SIP address


@lru_cache(maxsize=4_096)
def e164(written: str | None) -> str | None:
    """The number as E.164 (`+14155550123`), or None when it does not say its country.

    A trunk zero in brackets, an extension and the rest of a SIP address are no part of it.
    """
    if written is None or len(written) > LONGEST:
        return None
    number = SIP.sub("", written.strip(), count=1)
    if number != written.strip():
        number = re.split(r"[@;]", number, maxsplit=1)[0]
    if not SAYS_ITS_COUNTRY.match(number):
        return None
    number = re.sub(r"^([\s(]*)00", r"\1+", number)
    number = EXTENSION.sub("", number)
    try:
        parsed = parse(number, None)
    except NumberParseException:
        return None
    found = format_number(parsed, PhoneNumberFormat.E164)
    return found if E164.fullmatch(found) and is_possible_number(parsed) else _digits(number)


def _digits(number: str) -> str | None:
    """A number that no country is known to give out is still the same number in any spelling."""
    digits = "+" + re.sub(r"\D", "", number, flags=re.ASCII)
    return digits if E164.fullmatch(digits) else None
