"""What a model's server answered: the words, the thoughts beside them, and how the answer ended."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from engine_host.errors import EngineFailure

Ending = Literal["whole", "cut", "filtered", "refused"]

_THOUGHT = re.compile(
    r"<(think|thinking|thought|reasoning)>(.*?)</\1>\s*", re.DOTALL | re.IGNORECASE
)
_BEGUN = re.compile(r"<(?:think|thinking|thought|reasoning)>(.*)\Z", re.DOTALL | re.IGNORECASE)
# Some servers leave out the first mark: all that stands before the second is thought.
_ENDED = re.compile(r"\A(.*?)</(?:think|thinking|thought|reasoning)>\s*", re.DOTALL | re.IGNORECASE)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_COMPLETED = "[[ ## completed ## ]]"  # DSPy's own mark: nothing is missing before it


@dataclass(frozen=True)
class Answer:
    """`outputs` as DSPy's adapters read them. `thinking` is what the model said to itself."""

    outputs: tuple[Any, ...]
    ending: Ending
    thinking: str | None

    @property
    def says_something(self) -> bool:
        return any(text_of(output) for output in self.outputs)


def read(outputs: Sequence[Any], response: Any) -> Answer:
    """Clean what a call gave. Raises `server` for an answer that is the server's own failure."""
    _refuse_failure(response)
    cleaned: list[Any] = []
    thoughts: list[str] = []
    for output in outputs:
        text, thought = without_thinking(storable(text_of(output)))
        cleaned.append({**output, "text": text} if isinstance(output, dict) else text)
        thoughts += [storable(each) for each in (_reasoning_of(output), thought) if each]
    return Answer(
        outputs=tuple(cleaned),
        ending=_ending(response, cleaned),
        thinking="\n".join(thoughts) or None,
    )


def without_thinking(text: str) -> tuple[str, str]:
    """The text without its `<think>` parts, and those. What is never closed is thought to the end."""
    thoughts = [match[2].strip() for match in _THOUGHT.finditer(text)]
    text = _THOUGHT.sub("", text)
    for pattern in (_ENDED, _BEGUN):
        match = pattern.search(text)
        if match is not None:
            thoughts.append(match[1].strip())
            text = text[: match.start()] + text[match.end() :]
    return text, "\n".join(thought for thought in thoughts if thought)


def storable(text: str) -> str:
    """With U+FFFD for what no database and no JSON can hold: NUL, and half of an emoji."""
    return _UNSTORABLE.sub("\ufffd", text)


def _refuse_failure(response: Any) -> None:
    raw = getattr(response, "provider_data", None)
    if not isinstance(raw, dict) or raw.get("object") != "chat.completion":
        return
    choices = cast("dict[str, Any]", raw).get("choices")
    if not isinstance(choices, list) or not choices:
        raise EngineFailure("server", "The model's server answered 200 without any choice.")
    first = cast("list[Any]", choices)[0]
    if isinstance(first, dict) and cast("dict[str, Any]", first).get("finish_reason") == "error":
        raise EngineFailure("server", 'The model\'s server answered with finish_reason "error".')


def _ending(response: Any, outputs: list[Any]) -> Ending:
    parts = getattr(getattr(response, "message", None), "parts", ())
    if any(getattr(part, "type", None) == "refusal" for part in parts):
        return "refused"
    match getattr(response, "finish_reason", None):
        case "content_filter":
            return "filtered"
        case "length" if not all(_COMPLETED in text_of(output) for output in outputs):
            return "cut"
        case _:
            return "whole"


def text_of(output: Any) -> str:
    text = cast("dict[str, Any]", output).get("text") if isinstance(output, dict) else output
    return text if isinstance(text, str) else ""


def _reasoning_of(output: Any) -> str:
    thought = (
        cast("dict[str, Any]", output).get("reasoning_content")
        if isinstance(output, dict)
        else None
    )
    return thought if isinstance(thought, str) else ""
