"""Takes what a tool answered out of the many wrappings that memory servers use."""

import json
import re
from dataclasses import dataclass
from typing import cast

from pydantic import JsonValue

LONGEST_REASON = 300
SEARCHED_FOR_FAILURES = 2_000  # characters of prose
LARGEST_PROSE = 200_000  # characters that a pattern is run over
DEEPEST_WRAPPING = 3
# Failures that come as an ordinary answer, in the servers that we have met.
_FAILED_PROSE = re.compile(
    r"\A[\s#*_❌⚠️]*(error\b[^\w\s]|error executing|unknown tool|traceback \(most recent|search failed)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What came back from one call, before anybody looked into it."""

    structured: JsonValue
    texts: tuple[str, ...]
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Prose:
    """An answer that is text and not data."""

    text: str


class ToldFailureError(Exception):
    """The server says, in one of many ways, that it could not do it. Its argument is its words."""


def unwrap(
    answer: ToolAnswer, errors: tuple[str, ...], empty: tuple[str, ...]
) -> JsonValue | Prose:
    """The data of an answer; `Prose` where it is none, `[]` where it says in words that there is none.

    Raises:
        ToldFailureError: It says that it failed, by flag, field or words.
    """
    if answer.is_error:
        raise ToldFailureError(shortened(" ".join(answer.texts)) or "it gave no reason")
    value = _value_of(answer)
    if isinstance(value, Prose):
        head = value.text[:SEARCHED_FOR_FAILURES]
        if _FAILED_PROSE.match(head) or any(re.search(each, head) for each in errors):
            raise ToldFailureError(shortened(head))
        said_empty = not head.strip() or any(re.search(each, head) for each in empty)
        return [] if said_empty else value
    if isinstance(value, dict) and (reason := _told_failure(value)):
        raise ToldFailureError(shortened(reason))
    return value


def shortened(text: str) -> str:
    """The text on one line, without control characters."""
    line = re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip()
    return line if len(line) <= LONGEST_REASON else line[:LONGEST_REASON] + "…"


def _value_of(answer: ToolAnswer) -> JsonValue | Prose:
    if answer.structured is not None:
        return _opened(answer.structured)
    if len(answer.texts) == 1:
        return _opened(_parsed(answer.texts[0]))
    blocks = [_parsed(text) for text in answer.texts]
    if all(isinstance(block, Prose) for block in blocks):
        return Prose("\n".join(answer.texts))
    # One block per item of a list; what is no data among them is an item of its own.
    return [block.text if isinstance(block, Prose) else block for block in blocks]


def _opened(value: JsonValue | Prose) -> JsonValue | Prose:
    """Take off `{"result": …}` and JSON written into a text, whichever way they are nested."""
    for _ in range(DEEPEST_WRAPPING):
        if isinstance(value, dict) and value.keys() == {"result"}:
            value = value["result"]
        elif isinstance(value, str):
            value = _parsed(value)
        else:
            return value
    return Prose(value) if isinstance(value, str) else value


def _parsed(text: str) -> JsonValue | Prose:
    """Objects and lists are data; a lone number or word is what somebody wrote."""
    if text.lstrip()[:1] not in {"{", "[", '"'}:
        return Prose(text)
    try:
        value = cast("JsonValue", json.loads(text, parse_constant=lambda _: None))
    except (ValueError, RecursionError):
        return Prose(text)
    if isinstance(value, str):  # JSON in a JSON text
        return _parsed(value)
    return value if isinstance(value, dict | list) else Prose(text)


def _told_failure(value: dict[str, JsonValue]) -> str | None:
    error = value.get("error")
    reason = error.get("message") if isinstance(error, dict) else error
    said = reason if isinstance(reason, str) and reason.strip() else None
    if value.get("success") is False or value.get("ok") is False:
        message = value.get("message")
        return said or (message if isinstance(message, str) else "it says that it did not succeed")
    # An `error` beside data is a remark; alone, or beside a status, it is the answer.
    return said if not any(isinstance(each, list) for each in value.values()) else None
