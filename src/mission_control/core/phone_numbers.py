"""Phone numbers in the one spelling in which they can be compared."""

import re

NOISE = re.compile(r"[\s().\-/\u2010-\u2015\u00a0]+")
E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)


def e164(written: str | None) -> str | None:
    """The number as E.164 (`+14155550123`), or None when it does not say its country."""
    if written is None or len(written) > 64:
        return None
    number = NOISE.sub("", written.removeprefix("tel:"))
    if number.startswith("00"):
        number = f"+{number[2:]}"
    return number if E164.fullmatch(number) else None
