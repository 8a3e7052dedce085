"""Money is exact, and written as people write it."""

from decimal import Decimal

import pytest
from pydantic import BaseModel

from mission_control.core.money import Money, as_money


class Bill(BaseModel):
    usd: Money


@pytest.mark.parametrize(
    ("usd", "exact"),
    [
        (0.1, "0.1"),
        (0.123456784, "0.12345678"),
        (0.123456786, "0.12345679"),
        (0.0, "0.0"),
        (12, "12"),
    ],
)
def test_the_engines_dollars_become_exact(usd: float, exact: str) -> None:
    assert as_money(usd) == Decimal(exact)


def test_what_has_no_price_is_not_free() -> None:
    assert as_money(None) is None


def test_small_amounts_are_written_out() -> None:
    assert Bill(usd=Decimal("1.2E-7")).model_dump_json() == '{"usd":"0.00000012"}'
    assert Bill(usd=Decimal("1E+2")).model_dump(mode="json") == {"usd": "100"}
