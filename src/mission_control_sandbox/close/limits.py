"""Rate limits as Close declares them: per group of endpoints and key, in windows of a few seconds."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SEARCH_SHARE = 10  # the one observation there is: 16 searches where 160 reads are allowed


class Limit(BaseModel):
    """So many requests in so many seconds, and how the server speaks about it.

    `header` False says nothing, neither in advance nor on the refusal, as some organizations see.
    """

    model_config = ConfigDict(extra="forbid")

    requests: int = Field(ge=1)
    seconds: float = Field(gt=0)
    separator: Literal[",", ";"] = ","
    header: bool = True
    body: Literal["nested", "flat"] = "nested"


def read_limit(text: str) -> Limit:
    """`160/8` is 160 requests in 8 seconds. Raises: ValueError."""
    requests, slash, seconds = text.partition("/")
    if not slash:
        raise ValueError(f"'{text}' is not requests/seconds, such as 160/8")
    return Limit(requests=int(requests), seconds=float(seconds))


@dataclass(frozen=True)
class Verdict:
    allowed: bool
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class RateLimits:
    """Counts requests; None allows everything and says nothing."""

    limit: Limit | None = None
    clock: Callable[[], float] = time.monotonic
    refused: int = 0
    _windows: dict[str, tuple[float, int]] = field(default_factory=dict[str, "tuple[float, int]"])

    def ask(self, method: str, path: str, key: str) -> Verdict:
        limit = self.limit
        if limit is None:
            return Verdict(allowed=True, headers={}, body={})
        group = group_of(method, path)
        most = max(1, limit.requests // SEARCH_SHARE) if "search" in group else limit.requests
        began, used = self._windows.get(f"{group} {key}", (-math.inf, 0))
        now = self.clock()
        if now - began >= limit.seconds:
            began, used = now, 0
        allowed = used < most
        self._windows[f"{group} {key}"] = (began, used + allowed)
        self.refused += not allowed
        reset = began + limit.seconds - now
        headers = self._headers(limit, most, most - used - allowed, reset, allowed=allowed)
        return Verdict(allowed, headers, {} if allowed else _body(limit, group, most, reset))

    @staticmethod
    def _headers(
        limit: Limit, most: int, remaining: int, reset: float, *, allowed: bool
    ) -> dict[str, str]:
        if not limit.header:
            return {}
        parts = (f"limit={most}", f"remaining={remaining}", f"reset={reset:.3f}")
        headers = {"ratelimit": f"{limit.separator} ".join(parts)}
        return headers if allowed else headers | {"retry-after": str(math.ceil(reset))}


def group_of(method: str, path: str) -> str:
    """Requests that are counted together: the same method on the same resource."""
    parts = path.removeprefix("/api/v1/").split("/")
    depth = 2 if parts[0] in ("activity", "data", "status", "custom_field") else 1
    return f"{method} {'/'.join(parts[:depth])}"


def _body(limit: Limit, group: str, most: int, reset: float) -> dict[str, Any]:
    said = {
        "message": "API call count exceeded for this period",
        "rate_endpoint_group": group,
        "rate_limit": most,
        "rate_limit_type": "key",
        "rate_reset": f"{reset:.6f}" if limit.body == "flat" else round(reset, 6),
        "rate_window": limit.seconds,
    }
    return said if limit.body == "flat" else {"error": said}
