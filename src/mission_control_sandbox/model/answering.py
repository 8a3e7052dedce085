"""One request in, one answer out: the whole stand-in without its wire format."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mission_control_sandbox.model import judging
from mission_control_sandbox.model.knowledge import read_instruction
from mission_control_sandbox.model.request import OutputField, Request, read_request
from mission_control_sandbox.model.writing import WRITERS

# It begins a field that nobody asked for, so it cannot be taken for a bare answer.
NONSENSE = "[[ ## weather ## ]]\nI would rather talk about the weather."
_EMPTY: dict[str, object] = {"int": 0, "float": 0.0, "list": [], "dict": {}}
_REASONING = frozenset(
    {"reasoning", "rationale", "thought", "thoughts", "discussion", "explanation"}
)


def answer(messages: Sequence[Mapping[str, Any]]) -> str:
    """The text of the answer, in the form that the prompt asks for. Depends on nothing else."""
    request = read_request(messages)
    if not request.outputs:
        return _speak(request, "said")
    values = _values(request)
    if request.form == "json":
        return json.dumps(values, ensure_ascii=False)
    written = [f"[[ ## {name} ## ]]\n{_written(value)}" for name, value in values.items()]
    return "\n\n".join([*written, "[[ ## completed ## ]]"])


def _values(request: Request) -> dict[str, object]:
    writer = next((WRITERS[field.name] for field in request.outputs if field.name in WRITERS), None)
    known = writer(request.inputs) if writer else {}
    return {
        field.name: known[field.name] if field.name in known else _value(request, field)
        for field in request.outputs
    }


def _value(request: Request, field: OutputField) -> object:
    kind = field.type.partition("[")[0]
    if judging.is_asked(request.inputs):
        return _judged(request, field.name, kind)
    if kind in _EMPTY:
        return _EMPTY[kind]
    if kind == "bool":
        return _speak(request, field.name).lower().startswith(("true", "yes"))
    if kind == "Literal":
        return _choice(request, field)
    if field.name.lower() in _REASONING:
        return "What was said decides what to answer."
    return _speak(request, field.name)


def _judged(request: Request, name: str, kind: str) -> object:
    verdict, reason = judging.judge(request.inputs)
    if name == "verdict":
        return verdict
    share = judging.overlap(request.inputs)
    return {"bool": verdict, "float": round(share, 2), "int": round(share * 10)}.get(kind, reason)


def _choice(request: Request, field: OutputField) -> str:
    """The option that the reply would name, else the first."""
    options: list[str] = re.findall(r"['\"]([^'\"]+)['\"]", field.type)
    spoken = _speak(request, field.name).lower()
    return next(
        (option for option in options if option.lower() in spoken), options[0] if options else ""
    )


def _speak(request: Request, field: str) -> str:
    shown = tuple(
        ("\n".join(inputs.values()), outputs.get(field) or next(iter(outputs.values()), ""))
        for inputs, outputs in request.demonstrations
    )
    return read_instruction(request.instruction, shown).reply_to(request.said)


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
