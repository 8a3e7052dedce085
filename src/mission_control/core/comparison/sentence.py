"""The words of a verdict."""

from collections.abc import Sequence
from typing import Literal

from mission_control.core.comparison.numbers import USEFUL_DIFFERENCE, Numbers
from mission_control.core.counting import counted

Verdict = Literal["better", "worse", "no_difference_shown", "not_enough_data"]

USEFUL = f"{100 * USEFUL_DIFFERENCE:.0f} points"
_LABELS: dict[Verdict, str] = {
    "better": "Better",
    "worse": "Worse",
    "no_difference_shown": "No difference shown",
    "not_enough_data": "Not enough data",
}


def sentence(verdict: Verdict, parts: Sequence[str]) -> str:
    return f"{_LABELS[verdict]}: {'; '.join(part for part in parts if part)}."


def measured(numbers: Numbers) -> str:
    return (
        f"the pass rate went from {_percent(numbers.baseline_rate)} to "
        f"{_percent(numbers.candidate_rate)} on {counted(numbers.scenarios, 'scenario')}, "
        f"{points(numbers.difference)} (95% interval {_signed(numbers.low)} to "
        f"{_signed(numbers.high)}, {_chance(numbers.p_value)})"
    )


def anchors_broke(anchors: Sequence[str], numbers: Numbers | None) -> str:
    broke = f"the candidate fails {anchors_named(anchors)}, which always passed and may never break"
    return f"{broke}; {measured(numbers)}" if numbers else broke


def anchors_named(anchors: Sequence[str]) -> str:
    return (
        f"anchor {', '.join(anchors)}"
        if len(anchors) == 1
        else f"each anchor of {', '.join(anchors)}"
    )


NOTHING_MEASURED = "no scenario could be measured with both versions"


def useful_one_ruled_out(numbers: Numbers) -> str:
    return f"{measured(numbers)}; a difference of {USEFUL} or more is ruled out"


def undone_by_the_unmeasured(numbers: Numbers) -> str:
    return (
        f"{measured(numbers)}, but the repetitions that could not be measured might undo it; "
        "measure them again"
    )


def leaves_in_doubt(numbers: Numbers, anchors: Sequence[str]) -> str:
    return (
        f"{measured(numbers)}, but {anchors_named(anchors)} is in doubt: not measured, or "
        "failing now after passing at times; measure again with more repetitions"
    )


def too_few(numbers: Numbers, fewest: int) -> str:
    return f"{measured(numbers)}, and fewer than {fewest} scenarios cannot show any difference"


def not_at_the_level(numbers: Numbers, level: float) -> str:
    return f"{measured(numbers)}, which does not reach {level_needed(level)}"


def undecided(numbers: Numbers) -> str:
    return f"{measured(numbers)}, which leaves both no difference and one of {USEFUL} possible"


def left_out_as_leaked(leaked: Sequence[str]) -> str:
    if not leaked:
        return ""
    return (
        f"{counted(len(leaked), 'test scenario')} left out, since the search has seen "
        f"{'its question' if len(leaked) == 1 else 'their questions'} in train or validation"
    )


def counted_once(copies: Sequence[Sequence[str]]) -> str:
    if not copies:
        return ""
    scenarios = sum(len(group) for group in copies)
    return f"copies count once: {scenarios} scenarios ask {counted(len(copies), 'question')}"


def reading_of_the_split(reading: int | None, level: float) -> str:
    if reading is None:
        return ""
    return f"reading {reading} of this test split, which needs {level_needed(level)}"


def could_not_be_measured(unmeasured: Sequence[str]) -> str:
    return f"{counted(len(unmeasured), 'scenario')} could not be measured" if unmeasured else ""


def would_show(scenarios: int, difference: float) -> str:
    return (
        f"about {counted(scenarios, 'scenario')} would show a difference of "
        f"{points(difference).removeprefix('+')}"
    )


def level_needed(level: float) -> str:
    return f"p < {level:.2g}"


def points(share: float) -> str:
    return f"{_signed(share)} points"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0") + "%"


def _signed(share: float) -> str:
    text = f"{100 * share:+.1f}".removesuffix(".0")
    return "0" if text in {"+0", "-0"} else text


def _chance(p_value: float) -> str:
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"
