"""What holds for every request before its route sees it, so that no route has to look for it."""

import json
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, cast

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from mission_control.core.errors import MalformedError, NotAcceptableError, UnsupportedMediaError

MOST_LEVELS = 64  # of lists and objects in each other


class QueryParameterUnknownError(NotAcceptableError):
    """The address has a query parameter that this route does not know."""

    code = "query_parameter_unknown"

    def __init__(self, unknown: Sequence[str], known: Sequence[str]) -> None:
        super().__init__(
            "A query parameter is not known here, so nothing was read or changed by it; `known` "
            "lists those there are.",
            errors=[{"field": name[:100], "message": _suggestion(name, known)} for name in unknown],
            known=list(known),
        )


class QueryParameterRepeatedError(NotAcceptableError):
    """The address gives a query parameter more than once."""

    code = "query_parameter_repeated"

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            "A query parameter is given more than once; nothing was read or changed. Give it once.",
            errors=[{"field": name, "message": "It is given more than once."} for name in names],
        )


class KeyRepeatedError(MalformedError):
    """An object in the body has the same key more than once."""

    code = "json_key_repeated"

    def __init__(self, key: str) -> None:
        super().__init__(
            "An object in the body has the same key more than once, so that it is not known which "
            "value is meant; nothing was changed.",
            errors=[{"field": key[:100], "message": "The key is there more than once."}],
        )


class NotJsonError(MalformedError):
    """The body is not JSON."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            "The body is not JSON; nothing was changed.",
            errors=[{"field": "body", "message": reason}],
        )


class TextNotUnicodeError(NotAcceptableError):
    """A text in the body holds half of a character (a lone surrogate)."""

    code = "text_not_unicode"


class NumberTooLargeError(NotAcceptableError):
    """A number in the body is larger than any that can be kept."""

    code = "number_too_large"


async def well_formed(request: Request) -> None:
    """Refuse what a route would not notice.

    Raises:
        QueryParameterUnknownError, QueryParameterRepeatedError: The address means something else
            than it says.
        UnsupportedMediaError, NotJsonError, KeyRepeatedError, TextNotUnicodeError,
        NumberTooLargeError: The body does.
    """
    route: APIRoute = request.scope["route"]
    _check_query(route, [name for name, _ in request.query_params.multi_items()])
    if route.body_field is not None and (body := await request.body()):
        _check_media_type(request.headers.get("content-type", ""))
        _check_json(body)


# -------------------------------------------------------------------- query


def _check_query(route: APIRoute, given: Sequence[str]) -> None:
    known = _query_names(route)
    prefixes = query_prefixes(route)
    unknown = [name for name in given if name not in known and not name.startswith(prefixes)]
    if unknown:
        raise QueryParameterUnknownError(unknown, [*known, *(f"{each}…" for each in prefixes)])
    repeated = sorted(name for name in known if given.count(name) > 1)
    if repeated:
        raise QueryParameterRepeatedError(repeated)


def _query_names(route: APIRoute) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_names(route.dependant)))


def _names(dependant: Dependant) -> Iterator[str]:
    yield from (parameter.alias for parameter in dependant.query_params)
    for each in dependant.dependencies:
        yield from _names(each)


def query_prefixes(route: APIRoute) -> tuple[str, ...]:
    """With what parameters begin whose names are not ours; said by `open_parameters`."""
    parameters: list[dict[str, Any]] = (route.openapi_extra or {}).get("parameters", [])
    return tuple(each["x-prefix"] for each in parameters if "x-prefix" in each)


def open_parameters(prefix: str, description: str) -> dict[str, Any]:
    """`openapi_extra` of a route that takes any query parameter which begins with `prefix`."""
    return {
        "parameters": [
            {
                "name": prefix.rstrip("."),
                "in": "query",
                "required": False,
                "description": description,
                "style": "form",
                "explode": True,
                "x-prefix": prefix,
                "schema": {
                    "type": "object",
                    "propertyNames": {
                        "pattern": f"^{prefix.replace('.', '[.]')}[^\\x00]{{1,200}}$"
                    },
                    "additionalProperties": {"type": "string", "pattern": r"^[^\x00]*$"},
                },
            }
        ]
    }


def _suggestion(name: str, known: Sequence[str]) -> str:
    nearest = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"Did you mean `{nearest[0]}`?" if nearest else "There is no such parameter."


# -------------------------------------------------------------------- body


def _check_media_type(written: str) -> None:
    kind = written.partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMediaError(
            "The body is not declared as JSON; nothing was read or changed. Send it with "
            "`Content-Type: application/json`.",
            errors=[{"field": "Content-Type", "message": "It must be application/json."}],
        )


def _check_json(body: bytes) -> None:
    """What has passed FastAPI's own reading, read again by the letter."""
    try:
        read = json.loads(body, object_pairs_hook=_one_of_each, parse_constant=_no_constant)
        if _is_deeper(read, MOST_LEVELS):
            raise NotJsonError(f"It is nested deeper than {MOST_LEVELS} levels.")
        json.dumps(read, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        raise TextNotUnicodeError(
            "A text in the body holds half of a character (a lone surrogate), which cannot be "
            "stored; nothing was changed."
        ) from None
    except RecursionError:
        raise NotJsonError("It is nested too deeply to be read.") from None
    except ValueError:
        raise NumberTooLargeError(
            "A number in the body is larger than any that can be kept; nothing was changed."
        ) from None


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects lie in each other more often than this."""
    level: list[Any] = [value]
    for _ in range(levels):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in cast("list[Any]", outer.values() if isinstance(outer, dict) else outer)
        ]
    return any(isinstance(each, (dict, list)) for each in level)


def _one_of_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise KeyRepeatedError(key)
        found[key] = value
    return found


def _no_constant(name: str) -> float:
    raise NotJsonError(f"JSON has no {name}.")
