"""What a check of `doctor` looks at, and what it finds."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from mission_control.core.part_states import SupervisorState
from mission_control.core.settings import Settings

State = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `to_do` is empty when there is nothing to do."""

    name: str
    state: State
    sentence: str
    to_do: str = ""
    stand_in: bool = False


@dataclass(frozen=True)
class Situation:
    """What is looked at: the settings, and the processes of a running `up` on the same data."""

    settings: Settings
    running: SupervisorState | None

    def read_log(self, part: str) -> str:
        return f"Read {self.settings.data_dir / 'logs' / part}.log"


Check = Callable[[Situation], Awaitable[Finding]]
