"""US dollars as everybody reads them: `0.00000012`, and never `1.2E-7`."""

from decimal import Decimal
from typing import Annotated

from pydantic import PlainSerializer


def plain(usd: Decimal) -> str:
    """Every digit written out."""
    return f"{usd:f}"


Money = Annotated[Decimal, PlainSerializer(plain, return_type=str, when_used="json")]
