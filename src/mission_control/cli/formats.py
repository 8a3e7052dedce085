"""Numbers and states as a person reads them. What was not measured is '—', never zero."""

import re
from datetime import datetime
from decimal import Decimal

NOT_MEASURED = "—"
UNPRICED = "unpriced"
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # a tab and a line's end are harmless

STATE_STYLES = {
    "live": "green", "completed": "green", "passed": "green", "verified": "green", "ok": "green",
    "better": "bold green", "worse": "bold red", "no_difference_shown": "yellow",
    "not_enough_data": "yellow", "optimizing": "cyan", "running": "cyan", "queued": "cyan",
    "pending": "cyan", "failed": "red", "error": "red", "problem": "red", "cancelled": "yellow",
    "clean": "green", "changed_in_vapi": "yellow", "changed_here": "cyan", "both": "red",
    "unknown": "yellow", "skipped": "dim", "waiting": "cyan",
    "warning": "yellow", "rolled_back": "yellow", "degraded": "yellow", "down": "red",
}  # fmt: skip


def rate(share: float | None) -> str:
    """A share of 1 in percent."""
    return NOT_MEASURED if share is None else f"{100 * share:.1f} %"


def points(difference: float | None) -> str:
    """A difference of two shares in percentage points, with its sign."""
    return NOT_MEASURED if difference is None else f"{100 * difference:+.1f} points"


def score(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.3f}"


def money(usd: Decimal | str | None, *, is_final: bool = True) -> str:
    """USD; None is 'unpriced' once the work is over, and not known yet before that."""
    if usd is None:
        return UNPRICED if is_final else NOT_MEASURED
    amount = Decimal(usd)
    if 0 < amount < Decimal("0.0001"):
        return "<$0.0001"
    return f"${amount:.4f}" if amount < 1 else f"${amount:.2f}"


def milliseconds(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:,.0f} ms"


def count(number: int | None) -> str:
    return NOT_MEASURED if number is None else f"{number:,}".replace(",", " ")


def number_or_none(value: int | None) -> str:
    return NOT_MEASURED if value is None else str(value)


def moment(at: datetime | None) -> str:
    """Date and time where the reader is."""
    return NOT_MEASURED if at is None else f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 60 else f"{value // 60:.0f} min {value % 60:.0f} s"


def harmless(said: str) -> str:
    """What somebody else wrote, without what a terminal would take for a command."""
    return CONTROL.sub("\ufffd", said)


def plain(word: str) -> str:
    """A state as words: `no_difference_shown` is 'no difference shown'."""
    return word.replace("_", " ")
