"""Says whether a candidate is better than its baseline, judged on the same scenarios."""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from mission_control.core.errors import NotAcceptableError
from mission_control.core.paired_statistics import (
    FEWEST_SCENARIOS,
    LEVEL,
    PairedDifferences,
    bootstrap_interval,
    scenarios_to_show,
    sign_flip_p_value,
)

Verdict = Literal["better", "worse", "no_difference_shown", "not_enough_data"]

USEFUL_DIFFERENCE = 0.15
FINEST_GRID = 240  # steps per full flip; a multiple of most numbers of repetitions
LARGEST_PLAN = 10_000  # more scenarios than that are not a plan


class ScenariosDifferError(NotAcceptableError):
    code = "comparison_scenarios_differ"

    def __init__(self, *, only_baseline: Collection[str], only_candidate: Collection[str]) -> None:
        super().__init__(
            "The two evaluations did not run the same scenarios, so nothing was compared. "
            "Evaluate both versions on one set of scenarios.",
            only_baseline=sorted(only_baseline),
            only_candidate=sorted(only_candidate),
        )


class ScenarioRepeatedError(NotAcceptableError):
    code = "comparison_scenario_repeated"

    def __init__(self, scenario_id: str) -> None:
        super().__init__(
            f"Scenario {scenario_id} occurs twice in one evaluation, so nothing was compared. "
            "Gather its repetitions under one id.",
            scenario=scenario_id,
        )


class ScenarioUnknownError(NotAcceptableError):
    code = "comparison_scenario_unknown"

    def __init__(self, scenario_ids: Collection[str]) -> None:
        super().__init__(
            "Scenarios that were not evaluated cannot be guarded, so nothing was compared. "
            "Evaluate them along, or do not name them.",
            scenarios=sorted(scenario_ids),
        )


class OutcomesUnusableError(NotAcceptableError):
    code = "comparison_outcomes_unusable"

    def __init__(self, scenario_id: str) -> None:
        super().__init__(
            f"Scenario {scenario_id} needs at least one repetition, each between 0 (failed) and "
            "1 (passed), or none where it could not be measured. Nothing was compared.",
            scenario=scenario_id,
        )


@dataclass(frozen=True, slots=True)
class ScenarioScore:
    """One scenario in one evaluation; a repetition is 1 passed, 0 failed, None not measured.

    Raises `OutcomesUnusableError` for no repetition at all, or one outside 0..1.
    """

    scenario_id: str
    outcomes: tuple[float | None, ...]

    def __post_init__(self) -> None:
        usable = all(outcome is None or 0 <= outcome <= 1 for outcome in self.outcomes)
        if not (self.outcomes and usable):
            raise OutcomesUnusableError(self.scenario_id)

    @property
    def measured(self) -> bool:
        return None not in self.outcomes

    def mean(self, *, unmeasured_as: float = 0.0) -> float:
        """The share of repetitions that passed."""
        filled = [unmeasured_as if outcome is None else outcome for outcome in self.outcomes]
        return sum(filled) / len(filled)


class Comparison(BaseModel):
    """What the scenarios say about a candidate. Rates are in 0..1, differences in -1..1.

    `interval_low` and `interval_high` bound, with 95 % confidence, the difference to expect over
    all scenarios like these; `p_value` is two-sided. They, the rates and the difference are None
    if nothing could be measured. `scenarios_needed` is how many would show a true difference of
    `difference_sought` four times out of five; None where more scenarios are not the remedy.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: Verdict
    sentence: str
    scenarios: int
    baseline_rate: float | None = None
    candidate_rate: float | None = None
    difference: float | None = None
    interval_low: float | None = None
    interval_high: float | None = None
    p_value: float | None = None
    fixed: tuple[str, ...] = ()  # most repetitions failed, now most pass
    broken: tuple[str, ...] = ()
    anchors_broken: tuple[str, ...] = ()
    anchors_in_doubt: tuple[str, ...] = ()  # not measured, or unsteady before and failing now
    unmeasured: tuple[str, ...] = ()
    scenarios_needed: int | None = None
    difference_sought: float | None = None


def compare(
    baseline: Sequence[ScenarioScore],
    candidate: Sequence[ScenarioScore],
    *,
    anchors: Collection[str] = (),
    uncounted: Collection[str] = (),
) -> Comparison:
    """Judge a candidate by the scenarios that both versions ran.

    The repetitions of a scenario are averaged first: scenarios are what was sampled. A scenario
    with an unmeasured repetition in either arm is left out and named. `anchors` may never break.
    `uncounted` scenarios only guard as anchors; they are no part of the numbers and flips, since
    the search has seen them.

    The verdict is the first of these that holds:

    1. `worse`: an anchor that passed every baseline repetition fails most candidate repetitions.
    2. `not_enough_data`: fewer than 6 scenarios, where no outcome at all could reach p < 0.05.
    3. `better`, `worse`: p < 0.05 and the interval excludes zero. It is `not_enough_data` instead
       if the unmeasured repetitions could undo it, or if a gain leaves an anchor in doubt.
    4. `no_difference_shown`: the whole interval is nearer to zero than 15 points, so a difference
       worth acting on is ruled out.
    5. `not_enough_data`: neither no difference nor a useful one is ruled out.

    Raises `ScenariosDifferError`, `ScenarioRepeatedError`, `ScenarioUnknownError`.
    """
    pairs = _pair_up(baseline, candidate)
    _refuse_unknown({*anchors, *uncounted}, pairs)
    counted = [pair for pair in pairs if pair.scenario_id not in uncounted]
    measured = [pair for pair in counted if pair.measured]
    guarded = [pair for pair in pairs if pair.scenario_id in anchors]
    anchors_broken = _ids(pair for pair in guarded if pair.anchor_broken)
    anchors_in_doubt = _ids(pair for pair in guarded if pair.anchor_in_doubt)
    unmeasured = _ids(pair for pair in pairs if not pair.measured)
    numbers = _Numbers.of(measured)
    ruling = _rule(counted, numbers, anchors_broken, anchors_in_doubt)
    plan = _plan(numbers) if numbers and ruling.more_scenarios_help else None
    return Comparison(
        verdict=ruling.verdict,
        sentence=_sentence(ruling, plan, unmeasured),
        scenarios=len(measured),
        baseline_rate=numbers and numbers.baseline_rate,
        candidate_rate=numbers and numbers.candidate_rate,
        difference=numbers and numbers.difference,
        interval_low=numbers and numbers.low,
        interval_high=numbers and numbers.high,
        p_value=numbers and numbers.p_value,
        fixed=_ids(pair for pair in measured if pair.fixed),
        broken=_ids(pair for pair in measured if pair.broken),
        anchors_broken=anchors_broken,
        anchors_in_doubt=anchors_in_doubt,
        unmeasured=unmeasured,
        scenarios_needed=plan and plan.scenarios,
        difference_sought=plan and plan.difference,
    )


# ------------------------------------------------------------------ pairing


@dataclass(frozen=True, slots=True)
class _Pair:
    scenario_id: str
    baseline: ScenarioScore
    candidate: ScenarioScore
    measured: bool
    before: float
    after: float

    @classmethod
    def of(cls, baseline: ScenarioScore, candidate: ScenarioScore) -> Self:
        return cls(
            scenario_id=baseline.scenario_id,
            baseline=baseline,
            candidate=candidate,
            measured=baseline.measured and candidate.measured,
            before=baseline.mean(),
            after=candidate.mean(),
        )

    @property
    def fixed(self) -> bool:
        return self.before < 0.5 < self.after

    @property
    def broken(self) -> bool:
        return self.after < 0.5 < self.before

    @property
    def anchor_broken(self) -> bool:
        return self.measured and self.before == 1 and self.broken

    @property
    def anchor_in_doubt(self) -> bool:
        return not self.measured or (self.broken and not self.anchor_broken)


def _pair_up(baseline: Sequence[ScenarioScore], candidate: Sequence[ScenarioScore]) -> list[_Pair]:
    before, after = _by_id(baseline), _by_id(candidate)
    if before.keys() != after.keys():
        raise ScenariosDifferError(
            only_baseline=before.keys() - after.keys(), only_candidate=after.keys() - before.keys()
        )
    return [_Pair.of(before[id_], after[id_]) for id_ in sorted(before)]


def _by_id(scores: Sequence[ScenarioScore]) -> dict[str, ScenarioScore]:
    by_id: dict[str, ScenarioScore] = {}
    for score in scores:
        if score.scenario_id in by_id:
            raise ScenarioRepeatedError(score.scenario_id)
        by_id[score.scenario_id] = score
    return by_id


def _refuse_unknown(named: set[str], pairs: list[_Pair]) -> None:
    unknown = named - {pair.scenario_id for pair in pairs}
    if unknown:
        raise ScenarioUnknownError(unknown)


def _ids(pairs: Iterable[_Pair]) -> tuple[str, ...]:
    return tuple(pair.scenario_id for pair in pairs)


# ------------------------------------------------------------------ numbers


@dataclass(frozen=True, slots=True)
class _Numbers:
    scenarios: int
    baseline_rate: float
    candidate_rate: float
    difference: float
    low: float
    high: float
    p_value: float
    mean_square: float

    @classmethod
    def of(cls, pairs: list[_Pair]) -> Self | None:
        """None for no pairs."""
        if not pairs:
            return None
        before = [pair.before for pair in pairs]
        after = [pair.after for pair in pairs]
        differences = _differences(pairs, before, after)
        low, high = bootstrap_interval(differences)
        return cls(
            scenarios=len(pairs),
            baseline_rate=_share(math.fsum(before) / len(pairs)),
            candidate_rate=_share(math.fsum(after) / len(pairs)),
            difference=_share((math.fsum(after) - math.fsum(before)) / len(pairs)),
            low=_share(low),
            high=_share(high),
            p_value=sign_flip_p_value(differences),
            mean_square=differences.mean_square(),
        )

    @property
    def significant(self) -> bool:
        return self.p_value < LEVEL and (self.low > 0 or self.high < 0)

    @property
    def rule_out_a_useful_difference(self) -> bool:
        return self.low > -USEFUL_DIFFERENCE and self.high < USEFUL_DIFFERENCE

    def told(self) -> str:
        return (
            f"the pass rate went from {_percent(self.baseline_rate)} to "
            f"{_percent(self.candidate_rate)} on {_counted(self.scenarios, 'scenario')}, "
            f"{_points(self.difference)} (95% interval {_signed(self.low)} to "
            f"{_signed(self.high)}, {_chance(self.p_value)})"
        )


def _differences(pairs: list[_Pair], before: list[float], after: list[float]) -> PairedDifferences:
    return PairedDifferences.on_grid(np.array(after) - np.array(before), grid=_grid(pairs))


def _grid(pairs: list[_Pair]) -> int:
    """Steps per full flip: exact for passes and fails, the finest for graded outcomes.

    Rounding to the finest grid treats both arms alike, so the permutation test keeps its level;
    it moves a scenario's difference by a fifth of a point at most.
    """
    scores = [score for pair in pairs for score in (pair.baseline, pair.candidate)]
    yes_or_no = all({0, 1, None}.issuperset(score.outcomes) for score in scores)
    repetitions = {len(score.outcomes) for score in scores}
    return min(math.lcm(*repetitions), FINEST_GRID) if yes_or_no else FINEST_GRID


def _survives_the_unmeasured(pairs: list[_Pair], *, gain: bool) -> bool:
    """Whether the difference stays significant if every unmeasured repetition speaks against it."""
    before = [pair.baseline.mean(unmeasured_as=1.0 if gain else 0.0) for pair in pairs]
    after = [pair.candidate.mean(unmeasured_as=0.0 if gain else 1.0) for pair in pairs]
    kept = (math.fsum(after) > math.fsum(before)) == gain
    return kept and sign_flip_p_value(_differences(pairs, before, after)) < LEVEL


# ------------------------------------------------------------------ the verdict


@dataclass(frozen=True, slots=True)
class _Ruling:
    verdict: Verdict
    reason: str
    more_scenarios_help: bool = False


def _rule(
    counted: list[_Pair],
    numbers: _Numbers | None,
    anchors_broken: tuple[str, ...],
    anchors_in_doubt: tuple[str, ...],
) -> _Ruling:
    if anchors_broken:
        return _Ruling("worse", _anchors_broke(anchors_broken, numbers))
    if numbers is None:
        return _Ruling("not_enough_data", "no scenario could be measured with both versions")
    if numbers.scenarios < FEWEST_SCENARIOS:
        return _too_few(numbers)
    if numbers.significant:
        return _rule_on_significant(counted, numbers, anchors_in_doubt)
    if numbers.rule_out_a_useful_difference:
        reason = f"{numbers.told()}; a difference of {_USEFUL} or more is ruled out"
        return _Ruling("no_difference_shown", reason, more_scenarios_help=True)
    reason = f"{numbers.told()}, which leaves both no difference and one of {_USEFUL} possible"
    return _Ruling("not_enough_data", reason, more_scenarios_help=True)


def _rule_on_significant(
    counted: list[_Pair], numbers: _Numbers, anchors_in_doubt: tuple[str, ...]
) -> _Ruling:
    gain = numbers.difference > 0
    if not _survives_the_unmeasured(counted, gain=gain):
        return _Ruling(
            "not_enough_data",
            f"{numbers.told()}, but the repetitions that could not be measured might undo it; "
            "measure them again",
        )
    if gain and anchors_in_doubt:
        return _Ruling(
            "not_enough_data",
            f"{numbers.told()}, but {_named(anchors_in_doubt)} is in doubt: not measured, or "
            "failing now after passing at times; measure again with more repetitions",
        )
    return _Ruling("better" if gain else "worse", numbers.told())


def _too_few(numbers: _Numbers) -> _Ruling:
    reason = (
        f"{numbers.told()}, and fewer than {FEWEST_SCENARIOS} scenarios cannot show any difference"
    )
    return _Ruling("not_enough_data", reason, more_scenarios_help=True)


@dataclass(frozen=True, slots=True)
class _Plan:
    scenarios: int
    difference: float


def _plan(numbers: _Numbers) -> _Plan | None:
    """The scenarios that would show a useful difference, or the observed one if it is larger.

    Where there are already enough of them for a useful difference, what is left to show is the
    observed one; with none observed, nothing.
    """
    observed = abs(numbers.difference)
    for sought in (max(observed, USEFUL_DIFFERENCE), observed):
        if sought > 0:
            needed = scenarios_to_show(sought, mean_square=numbers.mean_square)
            if numbers.scenarios < needed <= LARGEST_PLAN:
                return _Plan(needed, sought)
    return None


# ------------------------------------------------------------------ words

_LABELS: dict[Verdict, str] = {
    "better": "Better",
    "worse": "Worse",
    "no_difference_shown": "No difference shown",
    "not_enough_data": "Not enough data",
}
_USEFUL = f"{100 * USEFUL_DIFFERENCE:.0f} points"


def _sentence(ruling: _Ruling, plan: _Plan | None, unmeasured: tuple[str, ...]) -> str:
    parts = [f"{_LABELS[ruling.verdict]}: {ruling.reason}"]
    if unmeasured:
        parts.append(f"{_counted(len(unmeasured), 'scenario')} could not be measured")
    if plan:
        parts.append(
            f"about {_counted(plan.scenarios, 'scenario')} would show a difference of "
            f"{_points(plan.difference).removeprefix('+')}"
        )
    return "; ".join(parts) + "."


def _anchors_broke(anchors: tuple[str, ...], numbers: _Numbers | None) -> str:
    broke = f"the candidate fails {_named(anchors)}, which always passed and may never break"
    return f"{broke}; {numbers.told()}" if numbers else broke


def _named(anchors: tuple[str, ...]) -> str:
    return (
        f"anchor {', '.join(anchors)}"
        if len(anchors) == 1
        else f"each anchor of {', '.join(anchors)}"
    )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0") + "%"


def _points(share: float) -> str:
    return f"{_signed(share)} points"


def _signed(share: float) -> str:
    text = f"{100 * share:+.1f}".removesuffix(".0")
    return "0" if text in {"+0", "-0"} else text


def _chance(p_value: float) -> str:
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"


def _share(value: float) -> float:
    """Free of rounding noise, so that equal evidence gives equal numbers in any order."""
    return round(value, 6) + 0.0
