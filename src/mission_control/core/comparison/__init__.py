"""Whether a candidate is better than its baseline, judged on the same scenarios."""

from mission_control.core.comparison.cut_replies import with_cut_replies
from mission_control.core.comparison.scores import (
    OutcomesUnusableError,
    ScenarioRepeatedError,
    ScenarioScore,
    ScenariosDifferError,
    ScenarioUnknownError,
)
from mission_control.core.comparison.verdict import Comparison, Verdict, compare

__all__ = [
    "Comparison",
    "OutcomesUnusableError",
    "ScenarioRepeatedError",
    "ScenarioScore",
    "ScenarioUnknownError",
    "ScenariosDifferError",
    "Verdict",
    "compare",
    "with_cut_replies",
]
