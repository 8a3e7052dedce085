"""Numbers as text: what was not measured is a dash and never a zero."""

from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from mission_control.core.clock import utc_now
from mission_control.core.counting import counted

NOT_MEASURED = "—"
UNPRICED = "unpriced"
MINUTE, HOUR, DAY = 60, 3600, 86_400


def share(value: float | None) -> str:
    """A rate in 0..1 as a percentage."""
    if value is None:
        return NOT_MEASURED
    return f"{100 * value:.1f}".removesuffix(".0") + "%"


def count(value: int | None) -> str:
    return NOT_MEASURED if value is None else f"{value:,}"


def signed(value: float | None) -> str:
    """A difference of rates in points, with its sign."""
    if value is None:
        return NOT_MEASURED
    text = f"{100 * value:+.1f}".removesuffix(".0")
    return "0" if text in {"+0", "-0"} else text


def points(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{signed(value)} points"


def interval(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return NOT_MEASURED
    return f"{signed(low)} to {signed(high)}"


def chance(p_value: float | None) -> str:
    if p_value is None:
        return NOT_MEASURED
    return "< 0.001" if p_value < 0.001 else f"{p_value:.2g}"


def score(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.2f}"


def money(usd: Decimal | None, *, measured: bool = True) -> str:
    """US dollars; what was measured without a known price is 'unpriced'."""
    if usd is None:
        return UNPRICED if measured else NOT_MEASURED
    return f"${usd:.2f}" if usd >= 1 else f"${usd:.4f}"


def duration(milliseconds: float | None) -> str:
    if milliseconds is None:
        return NOT_MEASURED
    if milliseconds < 1_000:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / 1_000:.1f} s"


def clock(seconds: float | None) -> str:
    """How long a call lasted."""
    if seconds is None:
        return NOT_MEASURED
    minutes, rest = divmod(round(seconds), MINUTE)
    hours, minutes = divmod(minutes, MINUTE)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def runs(scenarios: int, repetitions: int) -> str:
    """What a rate was measured on."""
    return f"{counted(scenarios, 'scenario')} × {counted(repetitions, 'repetition')}"


def moment(at: datetime | None) -> str:
    """A point in time, on the clock of the person who looks."""
    return NOT_MEASURED if at is None else f"{at.astimezone(zone()):%d %b %Y, %H:%M:%S}"


def day_and_time(at: datetime) -> str:
    """The same without its seconds and year."""
    return f"{at.astimezone(zone()):%d %b, %H:%M}"


def today() -> date:
    """The day it is for the person who looks."""
    return utc_now().astimezone(zone()).date()


def ago(at: datetime) -> str:
    seconds = max(0, int((utc_now() - at).total_seconds()))
    if seconds < MINUTE:
        return "just now"
    for unit, noun in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        if seconds >= unit:
            return f"{counted(seconds // unit, noun)} ago"
    raise AssertionError("unreachable")


def zone() -> ZoneInfo:
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
