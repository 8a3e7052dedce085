"""Where a page of the event log starts, as its cursor says it."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass

from mission_control_sandbox.close.collection import Key
from mission_control_sandbox.close.errors import invalid_field
from mission_control_sandbox.close.records import instant, whole_microseconds


@dataclass(frozen=True)
class Place:
    """Where a page starts, and between which times everything lies."""

    low: int = 0
    high: int = 2**62
    before: Key | None = None
    after: Key | None = None

    @classmethod
    def first(cls, query: Mapping[str, str]) -> "Place":
        low, high = 0, 2**62
        for name, shift in (("gt", 1), ("gte", 0)):
            if value := query.get(f"date_updated__{name}"):
                low = max(low, _bound(name, value) + shift)
        for name, shift in (("lt", -1), ("lte", 0)):
            if value := query.get(f"date_updated__{name}"):
                high = min(high, _bound(name, value) + shift)
        return cls(low, high)

    @classmethod
    def read(cls, cursor: str) -> "Place":
        try:
            low, high, *keys = json.loads(base64.urlsafe_b64decode(cursor))
            before, after = (key and (int(key[0]), int(key[1])) for key in keys)
            return cls(int(low), int(high), before, after)
        except (ValueError, TypeError, LookupError):
            raise invalid_field("_cursor", "Invalid cursor") from None

    def older(self, key: Key) -> str:
        return self._written(key, None)

    def newer(self, key: Key) -> str:
        return self._written(None, key)

    def again(self) -> str | None:
        return self._written(self.before, self.after) if self.after is not None else None

    def _written(self, before: Key | None, after: Key | None) -> str:
        place = [self.low, self.high, before, after]
        return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _bound(name: str, value: str) -> int:
    try:
        return whole_microseconds(instant(value.replace(" ", "+")))
    except ValueError:
        raise invalid_field(f"date_updated__{name}", "Input should be a valid datetime") from None
