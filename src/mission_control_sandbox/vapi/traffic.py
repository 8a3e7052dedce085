"""Which versions of an assistant get how much of its traffic. Append-only; the newest governs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

from mission_control.core.clock import utc_now
from mission_control_sandbox.vapi.assistants import ORGANIZATION_ID
from mission_control_sandbox.vapi.queries import timestamp
from mission_control_sandbox.vapi.refusals import RefusalError, not_there
from mission_control_sandbox.vapi.store import Assistants

Stored = dict[str, Any]

FIELDS = frozenset(
    {"assistantId", "targets", "allocationIntent", "expectedCurrentAllocationId", "description"}
)
INTENTS = ("explicit", "follow-latest")
WHOLE = 100_000  # thousandths of a percent


@dataclass
class TrafficAllocations:
    assistants: Assistants
    save: Callable[[], None]
    made: list[Stored] = field(default_factory=list[Stored])

    def all(self) -> list[Stored]:
        return self.made

    def get(self, given_id: str) -> Stored:
        found = next((one for one in self.made if one["id"] == given_id), None)
        if found is None:
            raise not_there("Traffic Allocation", given_id)
        return found

    def latest(self, assistant_id: str) -> Stored:
        self.assistants.get(assistant_id)
        found = self._current(assistant_id)
        if found is None:
            raise RefusalError(404, f"Assistant {assistant_id} Has No Traffic Allocation.")
        return found

    def create(self, body: Mapping[str, Any]) -> Stored:
        if problems := list(_complaints(body)):
            raise RefusalError(400, problems)
        assistant_id = body["assistantId"]
        self.assistants.get(assistant_id)
        self._refuse_if_stale(assistant_id, body.get("expectedCurrentAllocationId"))
        made: Stored = {
            "id": str(uuid4()),
            "orgId": ORGANIZATION_ID,
            "createdAt": timestamp(utc_now()),
            "updatedAt": timestamp(utc_now()),
            "assistantId": assistant_id,
            "targets": body["targets"],
            "allocationIntent": body.get("allocationIntent", "explicit"),
            "description": body.get("description"),
        }
        self.made.append(made)
        self.save()
        return made

    def _current(self, assistant_id: str) -> Stored | None:
        of_assistant = (one for one in reversed(self.made) if one["assistantId"] == assistant_id)
        return next(of_assistant, None)

    def _refuse_if_stale(self, assistant_id: str, expected: str | None) -> None:
        current = self._current(assistant_id)
        there = current["id"] if current else None
        if expected is not None and expected != there:
            raise RefusalError(
                409,
                "The current traffic allocation has changed.",
                error="stale_allocation",
                currentAllocationId=there,
            )


def _complaints(body: Mapping[str, Any]) -> list[str]:
    problems = [f"property {name} should not exist" for name in body if name not in FIELDS]
    if not isinstance(body.get("assistantId"), str):
        problems.append("assistantId must be a string")
    if body.get("allocationIntent", "explicit") not in INTENTS:
        problems.append(
            f"allocationIntent must be one of the following values: {', '.join(INTENTS)}"
        )
    return problems + _complaints_about_targets(body.get("targets"))


def _complaints_about_targets(targets: object) -> list[str]:
    if not isinstance(targets, list) or not targets:
        return ["targets must be an array", "targets should not be empty"]
    shares = [_share(one) for one in cast("list[object]", targets)]
    wrong = [number for number, share in enumerate(shares) if share is None]
    if wrong:
        return [f"targets.{number}.percentage must be a number with 3 decimals" for number in wrong]
    if sum(share or 0 for share in shares) != WHOLE:
        return ["targets percentages must sum to exactly 100"]
    return []


def _share(target: object) -> int | None:
    """In thousandths of a percent."""
    if not isinstance(target, dict):
        return None
    given = cast("dict[str, object]", target)
    share, version = given.get("percentage"), given.get("assistantVersion")
    if (
        isinstance(share, bool)
        or not isinstance(share, int | float)
        or not isinstance(version, str)
    ):
        return None
    thousandths = round(share * 1000)
    return thousandths if abs(thousandths - share * 1000) < 1e-6 and share >= 0 else None
