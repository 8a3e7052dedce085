"""What the vendor stores: assistants, with the rules for reading and writing them."""

import copy
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

from starlette.datastructures import QueryParams

from mission_control.core.clock import utc_now
from mission_control.core.errors import MissionControlError
from mission_control.sandbox.vapi.assistants import ORGANIZATION_ID, Assistant
from mission_control.sandbox.vapi.reference import complaints

DEFAULT_LIMIT, LARGEST_LIMIT = 100, 1000
TIME_FILTERS = {
    f"{name}{operator}": (name, operator)
    for name in ("createdAt", "updatedAt")
    for operator in ("Gt", "Lt", "Ge", "Le")
}


class StandInError(MissionControlError):
    """The stand-in cannot start as asked."""

    code = "stand_in"


class RefusalError(Exception):
    """An error in the form of NestJS, which Vapi is made with."""

    def __init__(self, status: int, message: str | list[str]) -> None:
        super().__init__(status)
        self.status = status
        self.body = {
            "message": message,
            "error": HTTPStatus(status).phrase,
            "statusCode": status,
        }


@dataclass
class Assistants:
    """What the vendor has stored. Every write is on disk before it is answered, if there is a file."""

    seeds: Sequence[Assistant]
    data_file: Path | None = None
    whitelist: bool = True
    by_id: dict[str, Assistant] = field(default_factory=dict[str, Assistant])

    def __post_init__(self) -> None:
        self._load()

    def reset(self) -> None:
        self.by_id = {one["id"]: copy.deepcopy(one) for one in self.seeds}
        self._save()

    def page(self, query: QueryParams) -> list[Assistant]:
        """Newest first. There is no page number and no total."""
        limit = _limit(query)
        found = [one for one in self.by_id.values() if _passes(one, query)]
        found.sort(key=lambda one: one["createdAt"], reverse=True)
        return found[:limit]

    def get(self, assistant_id: str) -> Assistant:
        if assistant_id not in self.by_id:
            raise RefusalError(404, f"Couldn't Get Assistant. `id` {assistant_id} Does Not Exist.")
        return self.by_id[assistant_id]

    def create(self, body: Assistant) -> Assistant:
        self._check(body)
        now = _timestamp(utc_now())
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
        self._save()
        return created

    def update(self, assistant_id: str, body: Assistant) -> Assistant:
        """Top-level fields replace what was there, nested objects whole; null clears a field."""
        before = self.get(assistant_id)
        self._check(body)
        after = _without_nulls({**before, **copy.deepcopy(body)}, of=body)
        self._keep_secret(after, body)
        if after != before:
            after["latestVersion"] = _next_version(before.get("latestVersion"))
        after["updatedAt"] = _timestamp(_later_than(before["updatedAt"]))
        self.by_id[assistant_id] = after
        self._save()
        return after

    def delete(self, assistant_id: str) -> Assistant:
        gone = self.get(assistant_id)
        del self.by_id[assistant_id]
        self._save()
        return gone

    def forget(self, path: str, lost_field: str) -> None:
        """Lose a nested field of the assistant at this path, as a faulty vendor might."""
        target: Any = self.by_id.get(path.rpartition("/")[2], {})
        *parents, last = lost_field.split(".")
        for name in parents:
            target = target.get(name, {})
        target.pop(last, None)
        self._save()

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

    def _load(self) -> None:
        if self.data_file is None or not self.data_file.exists():
            self.reset()
            return
        try:
            stored = json.loads(self.data_file.read_text(encoding="utf-8"))
            self.by_id = {one["id"]: one for one in stored["assistants"]}
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise StandInError(
                f"{self.data_file} is not a file of this stand-in. Nothing was changed; "
                "move it away to start afresh."
            ) from exc

    def _save(self) -> None:
        if self.data_file is None:
            return
        self.data_file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"assistants": list(self.by_id.values())}, indent=1)
        # Replaced in one step, so that a crash leaves the old file or the new one.
        with tempfile.NamedTemporaryFile(
            "w", dir=self.data_file.parent, prefix=".vapi-", delete=False, encoding="utf-8"
        ) as new:
            new.write(text)
            new.flush()
            os.fsync(new.fileno())
        Path(new.name).replace(self.data_file)


# ---------------------------------------------------------------- filters, versions, times


def _limit(query: QueryParams) -> int:
    unknown = [name for name in query if name not in {"limit", *TIME_FILTERS}]
    if unknown:
        raise RefusalError(400, [f"property {name} should not exist" for name in unknown])
    given = query.get("limit", str(DEFAULT_LIMIT))
    if not given.isdecimal():
        raise RefusalError(400, ["limit must be a number conforming to the specified constraints"])
    if int(given) > LARGEST_LIMIT:
        raise RefusalError(400, [f"limit must not be greater than {LARGEST_LIMIT}"])
    return int(given)


def _passes(assistant: Assistant, query: QueryParams) -> bool:
    for key, (name, operator) in TIME_FILTERS.items():
        if key in query:
            at, bound = _instant(assistant[name], key), _instant(query[key], key)
            holds = {"Gt": at > bound, "Lt": at < bound, "Ge": at >= bound, "Le": at <= bound}
            if not holds[operator]:
                return False
    return True


def _instant(text: str, key: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise RefusalError(400, [f"{key} must be a Date instance"]) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _without_nulls(assistant: Assistant, *, of: Mapping[str, Any] | None = None) -> Assistant:
    nulls = {key for key, value in (assistant if of is None else of).items() if value is None}
    return {key: value for key, value in assistant.items() if key not in nulls}


def _next_version(version: str | None) -> str | None:
    """`null` stays: that organisation has no versions yet."""
    return None if version is None else f"v{int(version[1:]) + 1}"


def _later_than(timestamp: str) -> datetime:
    return max(utc_now(), datetime.fromisoformat(timestamp) + timedelta(milliseconds=1))


def _timestamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
