"""Which scenarios a comparison runs, and which of them count."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from mission_control.core.playbook import Playbook, Scenario, scenarios_in
from mission_control.core.same_questions import SameQuestions, same_questions


@dataclass(frozen=True)
class ComparedScenarios:
    """`counted`: of the test split, but for what has leaked. `outer_anchors` only may not break."""

    counted: Sequence[Scenario]
    outer_anchors: Sequence[Scenario]
    same: SameQuestions

    @classmethod
    def of(cls, playbook: Playbook) -> Self:
        same = same_questions(playbook.agent_id, playbook.reviewed)
        test = scenarios_in(playbook.agent_id, playbook, "test")
        counted = [each for each in test if each.id not in same.leaked]
        anchors = [each for each in playbook.reviewed if each.anchor and each not in counted]
        return cls(counted, anchors, same)

    def __len__(self) -> int:
        return len(self.counted) + len(self.outer_anchors)
