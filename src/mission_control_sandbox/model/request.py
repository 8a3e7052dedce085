"""Reading a chat request: the instruction, the inputs, the examples and the form of the answer."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, cast

Form = Literal["plain", "sections", "json"]

_SECTION = re.compile(r"\[\[ ## (\w+) ## \]\]")
_REQUIREMENTS = re.compile(r"\n\s*Respond with (?:the corresponding output fields|a JSON object)")
_OUTPUT_FIELDS = re.compile(r"Your output fields are:\n(.*?)\nAll interactions will be", re.DOTALL)
_FIELD = re.compile(r"^\s*\d+\.\s*`(\w+)`\s*(?:\(([^\n]*?)\))?:", re.MULTILINE)
_OBJECTIVE = re.compile(r"your objective is:\s*\n?(.*)\Z", re.DOTALL)


@dataclass(frozen=True)
class OutputField:
    name: str
    type: str


@dataclass(frozen=True)
class Request:
    """A prompt as the stand-in understands it. `outputs` is empty for plain chat."""

    form: Form
    instruction: str
    inputs: dict[str, str]
    outputs: tuple[OutputField, ...]
    demonstrations: tuple[tuple[dict[str, str], dict[str, str]], ...]

    @property
    def said(self) -> str:
        """What the other side said last."""
        return last_turn("\n".join(self.inputs.values()))


def read_request(messages: Sequence[Mapping[str, Any]]) -> Request:
    turns = [(str(message.get("role")), text_of(message.get("content"))) for message in messages]
    system = "\n".join(text for role, text in turns if role in ("system", "developer"))
    talk = [(role, text) for role, text in turns if role in ("user", "assistant")]
    last = next((text for role, text in reversed(talk) if role == "user"), "")
    form = _form(system)
    return Request(
        form=form,
        instruction=_instruction(system),
        inputs=_inputs(last, form),
        outputs=_outputs(system),
        demonstrations=tuple(_demonstrations(talk, form)),
    )


def text_of(content: object) -> str:
    """OpenAI allows a string or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [
            cast(dict[str, object], part)
            for part in cast(list[object], content)
            if isinstance(part, dict)
        ]
        return "\n".join(str(part.get("text", "")) for part in parts)
    return ""


def sections(text: str) -> dict[str, str]:
    """The parts of a text under `[[ ## name ## ]]` headings."""
    parts = _SECTION.split(text)
    found: dict[str, str] = {}
    for name, value in zip(parts[1::2], parts[2::2], strict=True):
        found.setdefault(name, _REQUIREMENTS.split(value)[0].strip())
    return found


def last_turn(text: str) -> str:
    """The last thing the caller said, when the text is a transcript; else the text."""
    spoken = re.findall(r"(?im)^(?:caller|customer|user|guest|patient|prospect):\s*(.+)$", text)
    return spoken[-1] if spoken else text


def _form(system: str) -> Form:
    if "Outputs will be a JSON object" in system:
        return "json"
    return "sections" if "[[ ## completed ## ]]" in system else "plain"


def _instruction(system: str) -> str:
    objective = _OBJECTIVE.search(system)
    text = objective[1] if objective else system
    return "\n".join(line.removeprefix(" " * 8) for line in text.splitlines()).strip()


def _outputs(system: str) -> tuple[OutputField, ...]:
    listed = _OUTPUT_FIELDS.search(system)
    found = _FIELD.findall(listed[1]) if listed else []
    return tuple(OutputField(name, kind or "str") for name, kind in found)


def _inputs(text: str, form: Form) -> dict[str, str]:
    return {"said": text} if form == "plain" else sections(text)


def _demonstrations(
    talk: list[tuple[str, str]], form: Form
) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    for (asker, question), (answerer, answer) in pairwise(talk):
        if (asker, answerer) == ("user", "assistant"):
            yield _inputs(question, form), _answer(answer)


def _answer(text: str) -> dict[str, str]:
    if found := sections(text):
        return found
    values = json_object(text)
    return {name: str(value) for name, value in values.items()} if values else {"said": text}


def json_object(text: str) -> dict[str, Any]:
    """The JSON object that a text is, or an empty one."""
    try:
        value: object = json.loads(text)
    except ValueError:
        return {}
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}
