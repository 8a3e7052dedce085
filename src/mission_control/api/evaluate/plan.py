"""Which runs of an evaluation a job makes: those that have no result when it begins."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Self

from pydantic import BaseModel

from mission_control.data.evaluations import Evaluation, ScenarioResult
from mission_control_protocol import Evaluated, ScenarioFinished

_FILE = "plan.json"


class Plan(BaseModel):
    """By scenario, the repetitions to run. Kept beside the journal, so that a resume runs the same."""

    repetitions: dict[str, list[int]]

    @classmethod
    def of(cls, evaluation: Evaluation, results: Sequence[ScenarioResult]) -> Self:
        have = {(result.scenario_id, result.repetition) for result in results}
        every = range(1, evaluation.repetitions + 1)
        missing = {
            name: [number for number in every if (name, number) not in have]
            for name in evaluation.scenario_ids
        }
        return cls(repetitions={name: numbers for name, numbers in missing.items() if numbers})

    @classmethod
    def kept_in(cls, directory: Path) -> Self | None:
        file = directory / _FILE
        return cls.model_validate_json(file.read_bytes()) if file.exists() else None

    def keep_in(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        whole = directory / f"{_FILE}.tmp"
        whole.write_text(self.model_dump_json(), encoding="utf-8")
        whole.replace(directory / _FILE)

    def by_times(self) -> dict[int, set[str]]:
        """Scenarios by how often each is to be run."""
        found: dict[int, set[str]] = {}
        for name, numbers in self.repetitions.items():
            found.setdefault(len(numbers), set()).add(name)
        return found

    def has(self, result: ScenarioResult, named: set[str]) -> bool:
        """Whether this result is of a run that is planned here, of one of these scenarios."""
        name = result.scenario_id
        return name in named and result.repetition in self.repetitions[name]

    async def numbered(
        self, messages: AsyncGenerator[ScenarioFinished | Evaluated]
    ) -> AsyncGenerator[ScenarioFinished]:
        """The results with the numbers of the repetitions that they are for."""
        async with aclosing(messages) as found:
            async for message in found:
                if isinstance(message, ScenarioFinished):
                    number = self.repetitions[message.scenario_id][message.repetition - 1]
                    yield message.model_copy(update={"repetition": number})
