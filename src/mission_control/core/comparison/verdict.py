"""The verdict: whether what the scenarios say is enough to call a candidate better or worse."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from mission_control.core.comparison import sentence as words
from mission_control.core.comparison.numbers import (
    USEFUL_DIFFERENCE,
    Numbers,
    survives_the_unmeasured,
)
from mission_control.core.comparison.pairs import Pair, copies_as_one, ids, pair_up, refuse_unknown
from mission_control.core.comparison.scores import ScenarioScore
from mission_control.core.comparison.sentence import Verdict
from mission_control.core.paired_statistics import (
    LEVEL,
    fewest_scenarios,
    level_of_reading,
    scenarios_to_show,
)

LARGEST_PLAN = 10_000  # more scenarios than that are not a plan


class Comparison(BaseModel):
    """What the scenarios say about a candidate. Rates are in 0..1, differences in -1..1.

    `scenarios` counts questions: copies are one. `interval_low` and `interval_high` bound, with
    95 % confidence, the difference to expect over all scenarios like these; `p_value` is two-sided.
    They, the rates and the difference are None if nothing could be measured. `reading` counts the
    times that this test split was read, this time included; `p_value` must be below `level`.
    `scenarios_needed` is how many would show a true difference of `difference_sought` four times
    out of five; None where more scenarios are not the remedy.
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
    reading: int | None = None
    level: float = LEVEL
    fixed: tuple[str, ...] = ()  # most repetitions failed, now most pass
    broken: tuple[str, ...] = ()
    anchors_broken: tuple[str, ...] = ()
    anchors_in_doubt: tuple[str, ...] = ()  # not measured, or unsteady before and failing now
    unmeasured: tuple[str, ...] = ()
    copies: tuple[tuple[str, ...], ...] = ()  # scenarios that ask one question
    leaked: tuple[str, ...] = ()  # left out: the search has seen their questions
    baseline_truncated: int = 0  # replies that the token limit cut; each of them failed
    candidate_truncated: int = 0
    scenarios_needed: int | None = None
    difference_sought: float | None = None


def compare(
    baseline: Sequence[ScenarioScore],
    candidate: Sequence[ScenarioScore],
    *,
    anchors: Collection[str] = (),
    uncounted: Collection[str] = (),
    copies: Sequence[Sequence[str]] = (),
    leaked: Sequence[str] = (),
    reading: int | None = None,
) -> Comparison:
    """Judge a candidate by the scenarios that both versions ran.

    The repetitions of a scenario are averaged first: scenarios are what was sampled. A scenario
    with an unmeasured repetition in either arm is left out and named. `anchors` may never break.
    `uncounted` scenarios only guard as anchors; they are no part of the numbers and flips, since
    the search has seen them. Each group of `copies` asks one question and counts as one scenario.
    `leaked` names test scenarios that do not count for the same reason; they need not have run.

    The i-th `reading` of a test split must reach p < 0.05 / (i (i + 1)), which sums to 0.05 over
    all readings; None stands for a comparison that is the only one there will be (p < 0.05).

    The verdict is the first of these that holds:

    1. `worse`: an anchor that passed every baseline repetition fails most candidate repetitions.
    2. `not_enough_data`: too few scenarios for any outcome at all to reach the level.
    3. `better`, `worse`: p is below the level and the interval excludes zero. It is
       `not_enough_data` instead if the unmeasured repetitions could undo it, or if a gain leaves
       an anchor in doubt.
    4. `no_difference_shown`: the whole interval is nearer to zero than 15 points, so a difference
       worth acting on is ruled out.
    5. `not_enough_data`: neither no difference nor a useful one is ruled out.

    Raises `ScenariosDifferError`, `ScenarioRepeatedError`, `ScenarioUnknownError`.
    """
    pairs = pair_up(baseline, candidate)
    refuse_unknown({*anchors, *uncounted}, pairs)
    level = LEVEL if reading is None else level_of_reading(reading)
    counted = [pair for pair in pairs if pair.scenario_id not in uncounted]
    measured = [pair for pair in counted if pair.measured]
    copies = _present(copies, ids(counted))
    questions = copies_as_one(counted, copies)
    guarded = [pair for pair in pairs if pair.scenario_id in anchors]
    anchors_broken = ids(pair for pair in guarded if pair.anchor_broken)
    anchors_in_doubt = ids(pair for pair in guarded if pair.anchor_in_doubt)
    unmeasured = ids(pair for pair in pairs if not pair.measured)
    numbers = Numbers.of([question for question in questions if question.measured])
    ruling = _rule(questions, numbers, level, anchors_broken, anchors_in_doubt)
    plan = _plan(numbers, level) if numbers and ruling.more_scenarios_help else None
    return Comparison(
        verdict=ruling.verdict,
        sentence=words.sentence(
            ruling.verdict,
            [
                ruling.reason,
                words.reading_of_the_split(reading, level),
                words.left_out_as_leaked(leaked),
                words.counted_once(copies),
                words.could_not_be_measured(unmeasured),
                words.would_show(plan.scenarios, plan.difference) if plan else "",
            ],
        ),
        scenarios=numbers.scenarios if numbers else 0,
        baseline_rate=numbers and numbers.baseline_rate,
        candidate_rate=numbers and numbers.candidate_rate,
        difference=numbers and numbers.difference,
        interval_low=numbers and numbers.low,
        interval_high=numbers and numbers.high,
        p_value=numbers and numbers.p_value,
        reading=reading,
        level=level,
        fixed=ids(pair for pair in measured if pair.fixed),
        broken=ids(pair for pair in measured if pair.broken),
        anchors_broken=anchors_broken,
        anchors_in_doubt=anchors_in_doubt,
        unmeasured=unmeasured,
        copies=tuple(tuple(group) for group in copies),
        leaked=tuple(leaked),
        scenarios_needed=plan and plan.scenarios,
        difference_sought=plan and plan.difference,
    )


def _present(copies: Sequence[Sequence[str]], counted: Sequence[str]) -> list[list[str]]:
    there = set(counted)
    groups = [[id_ for id_ in group if id_ in there] for group in copies]
    return [group for group in groups if len(group) > 1]


@dataclass(frozen=True, slots=True)
class _Ruling:
    verdict: Verdict
    reason: str
    more_scenarios_help: bool = False


def _rule(
    counted: list[Pair],
    numbers: Numbers | None,
    level: float,
    anchors_broken: tuple[str, ...],
    anchors_in_doubt: tuple[str, ...],
) -> _Ruling:
    if anchors_broken:
        return _Ruling("worse", words.anchors_broke(anchors_broken, numbers))
    if numbers is None:
        return _Ruling("not_enough_data", words.NOTHING_MEASURED)
    if numbers.scenarios < (fewest := fewest_scenarios(level)):
        too_few = words.too_few(numbers, fewest)
        return _Ruling("not_enough_data", too_few, more_scenarios_help=True)
    if numbers.significant_at(level):
        return _rule_on_significant(counted, numbers, level, anchors_in_doubt)
    if numbers.rule_out_a_useful_difference:
        ruled_out = words.useful_one_ruled_out(numbers)
        return _Ruling("no_difference_shown", ruled_out, more_scenarios_help=True)
    would_do_once = numbers.significant_at(LEVEL)
    reason = words.not_at_the_level(numbers, level) if would_do_once else words.undecided(numbers)
    return _Ruling("not_enough_data", reason, more_scenarios_help=True)


def _rule_on_significant(
    counted: list[Pair], numbers: Numbers, level: float, anchors_in_doubt: tuple[str, ...]
) -> _Ruling:
    gain = numbers.difference > 0
    if not survives_the_unmeasured(counted, gain=gain, level=level):
        return _Ruling("not_enough_data", words.undone_by_the_unmeasured(numbers))
    if gain and anchors_in_doubt:
        return _Ruling("not_enough_data", words.leaves_in_doubt(numbers, anchors_in_doubt))
    return _Ruling("better" if gain else "worse", words.measured(numbers))


@dataclass(frozen=True, slots=True)
class _Plan:
    scenarios: int
    difference: float


def _plan(numbers: Numbers, level: float) -> _Plan | None:
    """The scenarios that would show a useful difference, or the observed one if it is larger.

    Where there are already enough of them for a useful difference, what is left to show is the
    observed one; with none observed, nothing.
    """
    observed = abs(numbers.difference)
    for sought in (max(observed, USEFUL_DIFFERENCE), observed):
        if sought > 0:
            needed = scenarios_to_show(sought, mean_square=numbers.mean_square, level=level)
            if numbers.scenarios < needed <= LARGEST_PLAN:
                return _Plan(needed, sought)
    return None
