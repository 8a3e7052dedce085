"""Reads an answer that is the words alone, without the marks that DSPy asked for around them."""

from typing import Any

import dspy
from dspy.utils.exceptions import AdapterParseError

_MARKS = ("[[ ##", "{", "<", "```")  # the answer tried to have a form, and failed at it


def reading_bare_answers(adapter: dspy.Adapter) -> dspy.Adapter:
    """The adapter, for which a bare answer of an agent with one text output is that output."""
    strict: Any = adapter.parse

    def parse(signature: Any, completion: str) -> dict[str, Any]:
        try:
            return strict(signature, completion)
        except AdapterParseError:
            bare = _bare(signature, completion)
            if bare is None:
                raise
            return bare

    adapter.parse = parse
    return adapter


def _bare(signature: Any, completion: str) -> dict[str, Any] | None:
    outputs = dict(signature.output_fields)
    reasoning = {name: "" for name in outputs if name == "reasoning"}
    names = [name for name in outputs if name not in reasoning]
    text = completion.strip()
    if len(names) != 1 or outputs[names[0]].annotation is not str:
        return None
    if not text or text.startswith(_MARKS) or "[[ ##" in text:
        return None
    return {**reasoning, names[0]: text}
