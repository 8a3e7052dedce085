"""Where an assistant keeps its prompt, and how to change that alone.

A prompt is found by what it says, not by where it stands: others put system messages before ours.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from pydantic import JsonValue

from mission_control.core.errors import NotAcceptableError
from mission_control.core.json_types import JsonObject
from mission_control.integrations.errors import PromptAmbiguousError, PromptNotWritableError
from mission_control.integrations.vapi.assistant import OptimizedPrompts, text_of

Slot = tuple[str | int, ...]  # a path inside `model`

LEGACY_SLOT: Slot = ("systemPrompt",)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an assistant's system messages: the text that is ours, and those beside it."""

    ours: str | None = None
    beside: frozenset[str] = frozenset()


NOTHING_KNOWN = Known()


def known_of(assistant: JsonObject, ours: str | None) -> Known:
    """What this state of an assistant, with our prompt in it, tells of a later one."""
    return Known(ours, frozenset(system_texts(assistant)) - {ours or ""})


def live_prompt(assistant: JsonObject, known: Known = NOTHING_KNOWN) -> str | None:
    """The system prompt that is ours to change, or None when the assistant has none.

    It is the system message that says what is known to be ours; else the one that is not known to
    be something else; where nothing is known, the first with a text. Older assistants may keep it
    in `model.systemPrompt`, which counts where no system message has a text.

    Raises:
        PromptAmbiguousError: Ours is gone, and several messages could have taken its place.
    """
    model = assistant.get("model")
    slots = live_slots(model, known) if isinstance(model, dict) else []
    content = _at(cast("JsonObject", model), slots[0]) if slots else None
    return content if isinstance(content, str) else None


def live_first_message(assistant: JsonObject) -> str | None:
    """What the assistant says first, or None when that is not a text of its own."""
    return text_of(assistant, "firstMessage")


def other_system_messages(assistant: JsonObject) -> list[str]:
    """What callers' model gets besides the live prompt, where nothing is known of either."""
    ours = live_prompt(assistant)
    others = list(system_texts(assistant))
    if ours in others:
        others.remove(ours)
    return [text for text in others if text != ours]


def has_prompt_in_parts(assistant: JsonObject) -> bool:
    """True when a system message says something, and not as a plain text."""
    model = assistant.get("model")
    contents = [_at(model, slot) for slot in _slots(model)] if isinstance(model, dict) else []
    return any(content and not isinstance(content, str) for content in contents)


def times_there(assistant: JsonObject, prompt: str) -> int:
    """In how many system messages this very text stands."""
    messages = messages_of(model_of(assistant))
    wanted = ("system", prompt)
    return [
        (each.get("role"), each.get("content")) for each in messages if isinstance(each, dict)
    ].count(wanted)


def is_live(assistant: JsonObject, prompts: OptimizedPrompts) -> bool:
    """True when callers hear exactly this, as far as it says anything."""
    first_message = prompts.get("first_message")
    is_greeting = first_message in (None, live_first_message(assistant))
    return prompts["system"] in (*system_texts(assistant),) and is_greeting


def with_prompt(assistant: JsonObject, prompt: str, known: Known = NOTHING_KNOWN) -> JsonObject:
    """The same assistant with another system prompt; a new message comes first if it has none.

    Raises:
        PromptAmbiguousError: Ours is gone, and several messages could have taken its place.
        PromptNotWritableError: It has no model, or its prompt is not a plain text.
    """
    changed = copy.deepcopy(assistant)
    model = model_of(changed)
    slots = live_slots(model, known)
    if not slots:
        messages_of(model).insert(0, {"role": "system", "content": prompt})
    for slot in slots:
        put(model, slot, prompt)
    return changed


def with_prompts(
    assistant: JsonObject, prompts: OptimizedPrompts, known: Known = NOTHING_KNOWN
) -> JsonObject:
    """The same assistant with everything that a deployment puts on it."""
    if not prompts["system"].strip():
        raise NotAcceptableError(
            "An empty prompt would leave the assistant without instructions. Nothing was changed.",
            errors=[{"field": "system", "message": "must not be empty"}],
        )
    changed = with_prompt(assistant, prompts["system"], known)
    first_message = prompts.get("first_message")
    if first_message is not None:
        changed["firstMessage"] = first_message
    return changed


def without_texts(
    assistant: JsonObject, known: Known = NOTHING_KNOWN, *, first_message: bool
) -> JsonObject:
    """The same assistant without the live prompt (and without the first message, if told so)."""
    bare = copy.deepcopy(assistant)
    model = bare.get("model")
    for slot in live_slots(model, known) if isinstance(model, dict) else []:
        _put_anything(cast("JsonObject", model), slot, None)
    if first_message:
        bare.pop("firstMessage", None)
    return bare


# ---------------------------------------------------------------- slots


def live_slots(model: JsonObject, known: Known) -> list[Slot]:
    """Where the prompt that counts is kept: usually one place, two when both say the same."""
    slots = list(_slots(model))
    holding = [slot for slot in slots if known.ours and _at(model, slot) == known.ours]
    candidates = holding or [slot for slot in slots if not _stands_beside(model, slot, known)]
    filled = [slot for slot in candidates if _at(model, slot)]
    if known.ours is not None and not holding:
        _refuse_ambiguous(model, filled)
    live = next(iter(filled or candidates), None)
    if live is None:
        return []
    return [live, *([LEGACY_SLOT] if _says_the_same_twice(model, live) else [])]


def _stands_beside(model: JsonObject, slot: Slot, known: Known) -> bool:
    text = _at(model, slot)
    return isinstance(text, str) and text in known.beside


def _says_the_same_twice(model: JsonObject, live: Slot) -> bool:
    legacy = model.get("systemPrompt")
    return live != LEGACY_SLOT and bool(legacy) and legacy == _at(model, live)


def _refuse_ambiguous(model: JsonObject, filled: list[Slot]) -> None:
    texts = [_at(model, slot) for slot in filled]
    if any(text != texts[0] for text in texts):
        raise PromptAmbiguousError(len(filled))


def _slots(model: JsonObject) -> Iterator[Slot]:
    messages = model.get("messages")
    for index, message in enumerate(messages if isinstance(messages, list) else []):
        if isinstance(message, dict) and message.get("role") == "system":
            yield ("messages", index, "content")
    if model.get("systemPrompt"):
        yield LEGACY_SLOT


def system_texts(assistant: JsonObject) -> Iterator[str]:
    """Every system text that is not empty, in the order that Vapi has them."""
    model = assistant.get("model")
    if isinstance(model, dict):
        for slot in _slots(model):
            content = _at(model, slot)
            if isinstance(content, str) and content:
                yield content


def model_of(assistant: JsonObject) -> JsonObject:
    model = assistant.get("model")
    if not isinstance(model, dict):
        raise PromptNotWritableError(
            "This assistant has no model of its own, so there is no prompt to change. "
            "Nothing was changed; give it a model in Vapi first."
        )
    return model


def messages_of(model: JsonObject) -> list[JsonValue]:
    if model.get("messages") is None:
        model["messages"] = []
    messages = model["messages"]
    if not isinstance(messages, list):
        raise PromptNotWritableError(
            "This assistant's messages are not a list. Nothing was changed."
        )
    return messages


def _at(model: JsonObject, slot: Slot) -> JsonValue:
    if slot == LEGACY_SLOT:
        return model.get("systemPrompt")
    message = messages_of(model)[cast("int", slot[1])]
    return cast("JsonObject", message).get("content")


def put(model: JsonObject, slot: Slot, prompt: JsonValue) -> None:
    if not isinstance(_at(model, slot), str | None):
        raise PromptNotWritableError(
            "This assistant's system prompt is not a plain text. "
            "Nothing was changed; simplify it in Vapi first."
        )
    _put_anything(model, slot, prompt)


def _put_anything(model: JsonObject, slot: Slot, value: JsonValue) -> None:
    if slot == LEGACY_SLOT:
        model["systemPrompt"] = value
    else:
        cast("JsonObject", messages_of(model)[cast("int", slot[1])])["content"] = value
