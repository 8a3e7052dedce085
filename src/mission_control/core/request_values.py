"""What a request may hold: values of exactly the written type, never what could be read as one."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", flags=re.ASCII
)
DAY = re.compile(r"\d{4}-\d\d-\d\d", flags=re.ASCII)
LARGEST_EXACT = 2**53  # beyond it, not every whole number is a float
INTEGER = re.compile(r"-?\d{1,18}", flags=re.ASCII)
NUMBER = re.compile(r"-?\d{1,18}(\.\d{1,18})?([eE][+-]?\d{1,3})?", flags=re.ASCII)


class RequestBody(BaseModel):
    """Base of what a request brings. No unknown field, no `0` for false, no `"3"` for 3."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _read_whole_numbers(cls, written: Any) -> Any:
        return _whole(written)


def _whole(written: Any) -> Any:
    """The same with 3 for 3.0: JSON knows no difference between the two."""
    match written:
        case float() if written.is_integer() and abs(written) < LARGEST_EXACT:
            return int(written)
        case dict():
            given = cast("dict[str, Any]", written)
            return {name: _whole(value) for name, value in given.items()}
        case list():
            return [_whole(value) for value in cast("list[Any]", written)]
        case _:
            return written


def _moment(written: object) -> datetime:
    if isinstance(written, datetime):  # of our own client, which has read it already
        at = written
    elif isinstance(written, str) and RFC_3339.fullmatch(written):
        at = datetime.fromisoformat(written.upper())
    else:
        raise ValueError("Write date, time and offset, as in 2026-11-01T09:30:00Z.")
    if at.tzinfo is None:
        raise ValueError("Write the offset too, as in 2026-11-01T09:30:00Z.")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("This is no moment between the years 1 and 9999.") from None


def _moment_or_day(written: object) -> datetime:
    if isinstance(written, str) and DAY.fullmatch(written):
        return datetime.fromisoformat(written).replace(tzinfo=UTC)
    return _moment(written)


def _integer(written: object) -> object:
    if isinstance(written, str) and not INTEGER.fullmatch(written):
        raise ValueError("Write a whole number, in digits.")
    return written


def _number(written: object) -> object:
    if isinstance(written, str) and not NUMBER.fullmatch(written):
        raise ValueError("Write a number, as in 0.25.")
    return written


def _truth(written: object) -> object:
    if isinstance(written, str) and written not in {"true", "false"}:
        raise ValueError("Write `true` or `false`.")
    return written


Moment = Annotated[
    datetime,
    BeforeValidator(_moment, json_schema_input_type=datetime),
    Field(examples=["2026-11-01T09:30:00Z"]),
]
"""RFC 3339 with its offset; in UTC once read."""

MomentOrDay = Annotated[
    datetime,
    BeforeValidator(_moment_or_day),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "format": "date-time"},
                {"type": "string", "format": "date"},
            ],
            "examples": ["2026-11-01"],
        }
    ),
]
"""A moment, or a day for its beginning in UTC."""

# In an address everything is text. Put last, these take only what the document allows.
IN_DIGITS = BeforeValidator(_integer)
IN_DECIMALS = BeforeValidator(_number)
TRUE_OR_FALSE = BeforeValidator(_truth)


def closed(schema: dict[str, Any]) -> None:
    """`json_schema_extra` of an object whose keys have a pattern: none but those may be there.

    Pydantic writes `patternProperties`, which leaves a key that does not match to any value.
    """
    [(pattern, value)] = schema.pop("patternProperties").items()
    schema["propertyNames"] = {**schema.get("propertyNames", {}), "pattern": pattern}
    schema["additionalProperties"] = value


def not_null(schema: dict[str, Any]) -> None:
    """`json_schema_extra` of a field that may be left out, but not be null."""
    (kind,) = [each for each in schema.pop("anyOf") if each != {"type": "null"}]
    schema.pop("default", None)
    schema.update(kind)
