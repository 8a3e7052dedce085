"""Query parameters, pages of lists, and the fields that a page is cut down to."""

from collections.abc import Iterable, Mapping, Sequence

from mission_control_sandbox.close.errors import invalid_field
from mission_control_sandbox.close.records import Record

LARGEST_SKIP = 35_000
LARGEST_SKIP_OF_ACTIVITIES = 250_000

Query = Mapping[str, str]


def whole(query: Query, name: str, default: int, *, largest: int) -> int:
    """A whole number from 0 to `largest`; refused in pydantic's words, as the vendor does."""
    given = query.get(name)
    if given is None or given == "":
        return default
    try:
        number = int(given)
    except ValueError:
        raise invalid_field(
            name, "Input should be a valid integer, unable to parse string as an integer"
        ) from None
    if number < 0:
        raise invalid_field(name, "Input should be greater than or equal to 0")
    if number > largest:
        raise invalid_field(name, f"Input should be less than or equal to {largest}")
    return number


def listed(query: Query, name: str) -> list[str] | None:
    """A comma-joined parameter, or None where it is not given."""
    return [one for one in query[name].split(",") if one] if query.get(name) else None


def wanted_fields(query: Query) -> list[str] | None:
    return listed(query, "_fields")


def cut_down(record: Record, fields: Iterable[str] | None) -> Record:
    """Only these fields, those that it has: `custom` is every custom field, `_all` everything."""
    if fields is None:
        return record
    wanted = set(fields)
    if "_all" in wanted:
        return record
    all_custom = "custom" in wanted
    return {
        name: value
        for name, value in record.items()
        if name in wanted or (all_custom and name.startswith("custom."))
    }


def envelope(data: Sequence[Record], *, has_more: bool, total: int | None = None) -> Record:
    answer: Record = {"has_more": has_more, "data": list(data)}
    return answer if total is None else answer | {"total_results": total}
