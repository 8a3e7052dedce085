"""US dollars as everybody reads them: `0.00000012`, and never `1.2E-7`."""

from decimal import Decimal
from typing import Annotated

from pydantic import PlainSerializer


def plain(usd: Decimal) -> str:
    """Every digit written out."""
    return f"{usd:f}"


def as_money(usd: float | None) -> Decimal | None:
    """The engine's dollars as exact money; None stays 'unpriced'."""
    return None if usd is None else Decimal(str(round(usd, 8)))


Money = Annotated[Decimal, PlainSerializer(plain, return_type=str, when_used="json")]
