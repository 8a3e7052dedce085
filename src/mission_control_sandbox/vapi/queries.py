"""The questions a list can be asked: a limit, times, and for some lists pages."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import QueryParams

from mission_control_sandbox.vapi.refusals import RefusalError

Stored = Mapping[str, Any]

DEFAULT_LIMIT, LARGEST_LIMIT = 100, 1000
TIME_FILTERS = {
    f"{name}{operator}": (name, operator)
    for name in ("createdAt", "updatedAt")
    for operator in ("Gt", "Lt", "Ge", "Le")
}
PAGING = frozenset({"page", "sortOrder", "sortBy"})


@dataclass(frozen=True)
class Query:
    """A list as it is asked for, already checked. `times` are (field, operator, bound)."""

    limit: int
    times: tuple[tuple[str, str, datetime], ...]
    others: Mapping[str, str]

    def latest(self, name: str) -> datetime | None:
        """No later than this can what is asked for be, in this field."""
        bounds = [at for field, operator, at in self.times if field == name and operator[0] == "L"]
        return min(bounds, default=None)

    def earliest(self, name: str) -> datetime | None:
        bounds = [at for field, operator, at in self.times if field == name and operator[0] == "G"]
        return max(bounds, default=None)

    def passes(self, one: Stored) -> bool:
        return all(
            _holds(datetime.fromisoformat(one[name]), operator, bound)
            for name, operator, bound in self.times
        )


def read_query(query: QueryParams, *, also: AbstractSet[str] = frozenset()) -> Query:
    """Refuses with 400 what Vapi's whitelist refuses."""
    unknown = [name for name in query if name not in {"limit", *TIME_FILTERS, *also}]
    if unknown:
        raise RefusalError(400, [f"property {name} should not exist" for name in unknown])
    times = tuple(
        (*TIME_FILTERS[key], _instant(value, key))
        for key, value in query.items()
        if key in TIME_FILTERS
    )
    others = {key: value for key, value in query.items() if key in also}
    return Query(_number(query, "limit", DEFAULT_LIMIT, LARGEST_LIMIT), times, others)


def newest(found: Iterable[Stored], query: Query) -> list[Stored]:
    """A bare array: newest first, with neither page nor total."""
    passing = [one for one in found if query.passes(one)]
    passing.sort(key=lambda one: one["createdAt"], reverse=True)
    return passing[: query.limit]


def envelope(found: Sequence[Stored], query: QueryParams, *, also: AbstractSet[str]) -> Stored:
    """A page in the form of the lists that have pages."""
    read = read_query(query, also=also | PAGING)
    page = _number(query, "page", 1, 1_000_000)
    order = read.others.get("sortOrder", "DESC")
    if order not in ("ASC", "DESC"):
        raise RefusalError(400, ["sortOrder must be one of the following values: ASC, DESC"])
    passing = [one for one in found if read.passes(one)]
    passing.sort(key=lambda one: one["createdAt"], reverse=order == "DESC")
    start = (page - 1) * read.limit
    return {
        "results": passing[start : start + read.limit],
        "metadata": {
            "itemsPerPage": read.limit,
            "totalItems": len(passing),
            "currentPage": page,
            "totalPages": -(-len(passing) // read.limit),
            "hasNextPage": start + read.limit < len(passing),
            "sortOrder": order,
        },
    }


def timestamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _number(query: QueryParams, name: str, default: int, largest: int) -> int:
    given = query.get(name, str(default))
    if not given.removeprefix("-").isdecimal():
        raise RefusalError(
            400, [f"{name} must be a number conforming to the specified constraints"]
        )
    if int(given) < 1:
        raise RefusalError(400, [f"{name} must not be less than 1"])
    if int(given) > largest:
        raise RefusalError(400, [f"{name} must not be greater than {largest}"])
    return int(given)


def _holds(at: datetime, operator: str, bound: datetime) -> bool:
    match operator:
        case "Gt":
            return at > bound
        case "Lt":
            return at < bound
        case "Ge":
            return at >= bound
        case _:
            return at <= bound


def _instant(text: str, key: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise RefusalError(400, [f"{key} must be a Date instance"]) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
