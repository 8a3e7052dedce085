"""What a scenario scored in one evaluation, and why scores cannot be compared."""

from collections.abc import Collection
from dataclasses import dataclass

from mission_control.core.errors import NotAcceptableError


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
