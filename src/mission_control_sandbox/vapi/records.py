"""Small collections that are stored as they come: phone numbers, tools, squads and the like."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from mission_control.core.clock import utc_now
from mission_control_sandbox.vapi.assistants import ORGANIZATION_ID
from mission_control_sandbox.vapi.queries import timestamp
from mission_control_sandbox.vapi.reference import complaints
from mission_control_sandbox.vapi.refusals import RefusalError, not_there
from mission_control_sandbox.vapi.store import later_than

Stored = dict[str, Any]


@dataclass
class Records:
    """One collection.

    Attributes:
        tag: The field that tells the variants apart, with the schemas of a new record by its value.
            It can not be changed. Left out: what is sent is not checked.
    """

    kind: str
    save: Callable[[], None]
    seeds: Sequence[Stored] = ()
    tag: str = ""
    schemas: Mapping[str, str] = field(default_factory=dict[str, str])
    by_id: dict[str, Stored] = field(default_factory=dict[str, Stored])

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.by_id = {one["id"]: copy.deepcopy(one) for one in self.seeds}

    def load(self, stored: Sequence[Stored]) -> None:
        self.by_id = {one["id"]: one for one in stored}

    def all(self) -> list[Stored]:
        return list(self.by_id.values())

    def get(self, given_id: str) -> Stored:
        if given_id not in self.by_id:
            raise not_there(self.kind, given_id)
        return self.by_id[given_id]

    def create(self, body: Mapping[str, Any]) -> Stored:
        self._check(body, body.get(self.tag))
        now = timestamp(utc_now())
        owned = {"id": str(uuid4()), "orgId": ORGANIZATION_ID}
        created = {**owned, "createdAt": now, "updatedAt": now, **body}
        self.by_id[created["id"]] = created
        self.save()
        return created

    def update(self, given_id: str, body: Mapping[str, Any]) -> Stored:
        """Nested objects are replaced whole."""
        before = self.get(given_id)
        if self.tag and self.tag in body:
            raise RefusalError(400, [f"property {self.tag} should not exist"])
        after = {**before, **body}
        sent = {name for name in after if name not in _READ_ONLY} | set(body)
        self._check({name: after[name] for name in sent}, before.get(self.tag))
        after = {name: value for name, value in after.items() if value is not None}
        after["updatedAt"] = timestamp(later_than(before["updatedAt"]))
        self.by_id[given_id] = after
        self.save()
        return after

    def delete(self, given_id: str) -> Stored:
        gone = self.get(given_id)
        del self.by_id[given_id]
        self.save()
        return gone

    def _check(self, body: Mapping[str, Any], variant: object) -> None:
        if not self.tag:
            return
        if variant not in self.schemas:
            values = ", ".join(self.schemas)
            raise RefusalError(400, [f"{self.tag} must be one of the following values: {values}"])
        if problems := complaints(body, self.schemas[str(variant)]):
            raise RefusalError(400, problems)


_READ_ONLY = frozenset({"id", "orgId", "createdAt", "updatedAt", "status"})
