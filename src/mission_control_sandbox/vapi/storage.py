"""The file in which what was changed outlives the process. What nobody changed is not in it."""

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from mission_control_sandbox.vapi.refusals import VapiStandInError

Section = Any  # whatever JSON a part keeps


@dataclass
class Storage:
    """One file with a section per part. Without a path nothing outlives the process."""

    path: Path | None = None
    _parts: dict[str, Callable[[], Section]] = field(
        default_factory=dict[str, Callable[[], Section]]
    )

    def load(self) -> dict[str, Section]:
        """The sections as they were saved; empty at the first start."""
        if self.path is None or not self.path.exists():
            return {}
        try:
            stored = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as exc:
            raise self.not_ours() from exc
        if not isinstance(stored, dict) or "assistants" not in stored:
            raise self.not_ours()
        return cast("dict[str, Section]", stored)

    def keep(self, name: str, part: Callable[[], Section]) -> None:
        self._parts[name] = part

    def not_ours(self) -> VapiStandInError:
        return VapiStandInError(
            f"{self.path} is not a file of this stand-in. Nothing was changed; "
            "move it away to start afresh."
        )

    def save(self) -> None:
        """On disk when this returns. A crash leaves the old file or the new one."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({name: part() for name, part in self._parts.items()}, indent=1)
        with tempfile.NamedTemporaryFile(
            "w", dir=self.path.parent, prefix=".vapi-", delete=False, encoding="utf-8"
        ) as new:
            new.write(text)
            new.flush()
            os.fsync(new.fileno())
        Path(new.name).replace(self.path)
