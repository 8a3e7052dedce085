"""What the vendor stores: assistants, with the rules for reading and writing them."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import uuid4

from starlette.datastructures import QueryParams

from mission_control.core.clock import utc_now
from mission_control_sandbox.vapi.assistants import ORGANIZATION_ID, Assistant
from mission_control_sandbox.vapi.queries import Stored, newest, read_query, timestamp
from mission_control_sandbox.vapi.reference import complaints
from mission_control_sandbox.vapi.refusals import RefusalError, not_there


@dataclass
class Assistants:
    """Every write is saved before it is answered."""

    seeds: Sequence[Assistant]
    save: Callable[[], None]
    whitelist: bool = True
    by_id: dict[str, Assistant] = field(default_factory=dict[str, Assistant])

    def __post_init__(self) -> None:
        self.by_id = self.by_id or {one["id"]: copy.deepcopy(one) for one in self.seeds}

    def reset(self) -> None:
        self.by_id = {one["id"]: copy.deepcopy(one) for one in self.seeds}

    def page(self, query: QueryParams) -> list[Stored]:
        return newest(self.by_id.values(), read_query(query))

    def get(self, assistant_id: str) -> Assistant:
        if assistant_id not in self.by_id:
            raise not_there("Assistant", assistant_id)
        return self.by_id[assistant_id]

    def create(self, body: Assistant) -> Assistant:
        self._check(body)
        now = timestamp(utc_now())
        created = {
            "id": str(uuid4()),
            "orgId": ORGANIZATION_ID,
            "createdAt": now,
            "updatedAt": now,
            "latestVersion": "v1",
            **_without_nulls(body),
        }
        self._keep_secret(created, body)
        self.by_id[created["id"]] = created
        self.save()
        return created

    def update(self, assistant_id: str, body: Assistant) -> Assistant:
        """Top-level fields replace what was there, nested objects whole; null clears a field."""
        before = self.get(assistant_id)
        self._check(body)
        after = _without_nulls({**before, **copy.deepcopy(body)}, of=body)
        self._keep_secret(after, body)
        if after != before:
            after["latestVersion"] = _next_version(before.get("latestVersion"))
        after["updatedAt"] = timestamp(later_than(before["updatedAt"]))
        self.by_id[assistant_id] = after
        self.save()
        return after

    def delete(self, assistant_id: str) -> Assistant:
        gone = self.get(assistant_id)
        del self.by_id[assistant_id]
        self.save()
        return gone

    def forget(self, path: str, lost_field: str) -> None:
        """Lose a nested field of the assistant at this path, as a faulty vendor might."""
        target: Any = self.by_id.get(path.rpartition("/")[2], {})
        *parents, last = lost_field.split(".")
        for name in parents:
            target = target.get(name, {})
        target.pop(last, None)
        self.save()

    def _check(self, body: Mapping[str, Any]) -> None:
        problems = complaints(body) if self.whitelist else []
        if problems:
            raise RefusalError(400, problems)

    def _keep_secret(self, stored: Assistant, body: Mapping[str, Any]) -> None:
        """The secret of an assistant's own server can be written and never read."""
        if "server" in body:
            server = cast("dict[str, Any]", body["server"] or {})
            stored["isServerUrlSecretSet"] = bool(server.get("secret"))
            if server:
                stored["server"] = {key: server[key] for key in server if key != "secret"}


def later_than(given: str) -> datetime:
    """Now, and later than this timestamp even when the clock stands still."""
    return max(utc_now(), datetime.fromisoformat(given) + timedelta(milliseconds=1))


def _without_nulls(assistant: Assistant, *, of: Mapping[str, Any] | None = None) -> Assistant:
    nulls = {key for key, value in (assistant if of is None else of).items() if value is None}
    return {key: value for key, value in assistant.items() if key not in nulls}


def _next_version(version: str | None) -> str | None:
    """`null` stays: that organisation has no versions yet."""
    return None if version is None else f"v{int(version[1:]) + 1}"
