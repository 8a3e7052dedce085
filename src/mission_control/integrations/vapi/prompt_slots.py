"""Where an assistant keeps its prompt, and how to change that alone."""

import copy
from typing import cast

from pydantic import JsonValue

from mission_control.core.errors import NotAcceptableError
from mission_control.integrations.errors import (
    PromptChangedSinceError,
    PromptNotWritableError,
)
from mission_control.integrations.vapi.assistant import (
    FIRST_MESSAGE,
    SYSTEM,
    JsonObject,
    OptimizedPrompts,
    Snapshot,
    text_of,
)

Slot = tuple[str | int, ...]  # a path inside `model`
LEGACY_SLOT: Slot = ("systemPrompt",)


def live_prompt(assistant: JsonObject) -> str | None:
    """The system prompt that callers hear, or None when the assistant has none.

    It is the first message with role `system`. Older assistants may keep it in
    `model.systemPrompt` instead; that one counts where no system message has a text.
    """
    model = assistant.get("model")
    slots = _live_slots(model) if isinstance(model, dict) else []
    content = _at(cast("JsonObject", model), slots[0]) if slots else None
    return content if isinstance(content, str) else None


def live_first_message(assistant: JsonObject) -> str | None:
    """What the assistant says first, or None when that is not a text of its own."""
    return text_of(assistant, "firstMessage")


def other_system_messages(assistant: JsonObject) -> int:
    """How many system messages callers' model gets besides the live prompt."""
    model = assistant.get("model")
    if not isinstance(model, dict):
        return 0
    messages = model.get("messages")
    system = [
        one
        for one in (messages if isinstance(messages, list) else [])
        if isinstance(one, dict) and one.get("role") == "system" and one.get("content")
    ]
    slots = _live_slots(model)
    return len(system) - sum(slot != LEGACY_SLOT for slot in slots)


def is_live(assistant: JsonObject, prompts: OptimizedPrompts) -> bool:
    """True when callers hear exactly this, as far as it says anything."""
    first_message = prompts.get("first_message")
    is_greeting = first_message in (None, live_first_message(assistant))
    return live_prompt(assistant) == prompts["system"] and is_greeting


def with_prompt(assistant: JsonObject, prompt: str) -> JsonObject:
    """The same assistant with another system prompt; a new message comes first if it has none.

    Raises:
        PromptNotWritableError: It has no model, or its prompt is not a plain text.
    """
    changed = copy.deepcopy(assistant)
    model = _model(changed)
    slots = _live_slots(model)
    if not slots:
        _messages(model).insert(0, {"role": "system", "content": prompt})
    for slot in slots:
        _put(model, slot, prompt)
    return changed


def with_prompts(assistant: JsonObject, prompts: OptimizedPrompts) -> JsonObject:
    """The same assistant with everything that a deployment puts on it."""
    if not prompts["system"].strip():
        raise NotAcceptableError(
            "An empty prompt would leave the assistant without instructions. Nothing was changed.",
            errors=[{"field": "system", "message": "must not be empty"}],
        )
    changed = with_prompt(assistant, prompts["system"])
    first_message = prompts.get("first_message")
    if first_message is not None:
        changed["firstMessage"] = first_message
    return changed


def with_previous(current: JsonObject, snapshot: Snapshot, *, force: bool = False) -> JsonObject:
    """The assistant as it is now, with only what we changed put back.

    Raises:
        PromptChangedSinceError: Somebody changed the same since, and `force` is not given.
    """
    ours = _changed_by_us(snapshot)
    theirs = [] if force else _changed_since(current, snapshot, ours)
    if theirs:
        raise PromptChangedSinceError(
            f"Somebody changed this in Vapi after our deployment: {_in_words(theirs)}. Nothing was "
            "rolled back. Look at their change, then roll back with force to overwrite it.",
            changed=theirs,
        )
    restored = copy.deepcopy(current)
    if SYSTEM in ours and live_prompt(current) != live_prompt(snapshot.assistant):
        restored = _with_previous_prompt(restored, snapshot)
    if FIRST_MESSAGE in ours:
        _put_back(restored, snapshot.assistant, "firstMessage")
    return restored


def _in_words(fields: list[str]) -> str:
    names = {SYSTEM: "the prompt", FIRST_MESSAGE: "the first message"}
    return " and ".join(names[field] for field in fields)


def _changed_by_us(snapshot: Snapshot) -> list[str]:
    """What was deployed and not there already."""
    before, deployed = snapshot.assistant, snapshot.deployed
    first_message = deployed.get("first_message")
    changed = [SYSTEM] if live_prompt(before) != deployed["system"] else []
    if first_message is not None and first_message != before.get("firstMessage"):
        changed.append(FIRST_MESSAGE)
    return changed


def _changed_since(current: JsonObject, snapshot: Snapshot, ours: list[str]) -> list[str]:
    """The fields of ours that hold neither what we put there nor what was there before."""
    before, deployed = snapshot.assistant, snapshot.deployed
    expected = {
        SYSTEM: (live_prompt(current), deployed["system"], live_prompt(before)),
        FIRST_MESSAGE: (
            current.get("firstMessage"),
            deployed.get("first_message"),
            before.get("firstMessage"),
        ),
    }
    return [field for field in ours if expected[field][0] not in expected[field][1:]]


def _with_previous_prompt(current: JsonObject, snapshot: Snapshot) -> JsonObject:
    before, deployed = snapshot.assistant, snapshot.deployed["system"]
    slots_before = _live_slots(_model(before))
    slots = _live_slots(_model(current))
    if not slots_before:
        return _without_prompt(current, slots, before)
    previous = _at(_model(before), slots_before[0])
    if not slots:
        return with_prompt(current, previous) if isinstance(previous, str) else current
    # The old slot is ours too if we wrote there; otherwise it only happens to say the same.
    is_ours = LEGACY_SLOT in slots_before and _at(_model(current), LEGACY_SLOT) == deployed
    for slot in {slots[0], LEGACY_SLOT} if is_ours else {slots[0]}:
        _put(_model(current), slot, previous)
    return current


def _without_prompt(current: JsonObject, slots: list[Slot], before: JsonObject) -> JsonObject:
    """Take out the message that we put in."""
    model = _model(current)
    for slot in slots:
        if slot == LEGACY_SLOT:
            del model["systemPrompt"]
        else:
            del _messages(model)[cast("int", slot[1])]
    if not model.get("messages"):
        _put_back(model, _model(before), "messages")
    return current


def _put_back(target: JsonObject, before: JsonObject, key: str) -> None:
    if key in before:
        target[key] = copy.deepcopy(before[key])
    else:
        target.pop(key, None)


def _live_slots(model: JsonObject) -> list[Slot]:
    """Where the prompt that counts is kept: usually one place, two when both say the same."""
    slots: list[Slot] = []
    messages = model.get("messages")
    for index, message in enumerate(messages if isinstance(messages, list) else []):
        if isinstance(message, dict) and message.get("role") == "system":
            slots.append(("messages", index, "content"))
            break
    if model.get("systemPrompt"):
        slots.append(LEGACY_SLOT)
    live = next((slot for slot in slots if _at(model, slot)), slots[0] if slots else None)
    return [] if live is None else [live, *_same_text(model, live, slots)]


def _same_text(model: JsonObject, live: Slot, slots: list[Slot]) -> list[Slot]:
    return [slot for slot in slots if slot != live and _at(model, slot) == _at(model, live)]


def _model(assistant: JsonObject) -> JsonObject:
    model = assistant.get("model")
    if not isinstance(model, dict):
        raise PromptNotWritableError(
            "This assistant has no model of its own, so there is no prompt to change. "
            "Nothing was changed; give it a model in Vapi first."
        )
    return model


def _messages(model: JsonObject) -> list[JsonValue]:
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
    message = _messages(model)[cast("int", slot[1])]
    return cast("JsonObject", message).get("content")


def _put(model: JsonObject, slot: Slot, prompt: JsonValue) -> None:
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
        cast("JsonObject", _messages(model)[cast("int", slot[1])])["content"] = value


def without_texts(assistant: JsonObject, *, first_message: bool) -> JsonObject:
    bare = copy.deepcopy(assistant)
    model = bare.get("model")
    for slot in _live_slots(model) if isinstance(model, dict) else []:
        _put_anything(cast("JsonObject", model), slot, None)
    if first_message:
        bare.pop("firstMessage", None)
    return bare
