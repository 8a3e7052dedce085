"""What somebody else changed in the texts that we deploy, and how to take back only what is ours."""

import copy
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import cast

from mission_control.core.json_types import JsonObject
from mission_control.core.storable import storable_text
from mission_control.integrations.errors import ChangedAtVapiError
from mission_control.integrations.vapi.assistant import (
    FIRST_MESSAGE,
    SYSTEM,
    OptimizedPrompts,
    Snapshot,
)
from mission_control.integrations.vapi.prompt_slots import (
    LEGACY_SLOT,
    NOTHING_KNOWN,
    Known,
    Slot,
    known_of,
    live_first_message,
    live_prompt,
    live_slots,
    messages_of,
    model_of,
    put,
    with_prompt,
)


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of an assistant that a deployment can change; None where it has none."""

    system: str | None
    first_message: str | None

    @classmethod
    def of(cls, assistant: JsonObject, known: Known = NOTHING_KNOWN) -> "Texts":
        return cls(live_prompt(assistant, known), live_first_message(assistant))

    def to_json(self) -> dict[str, str | None]:
        """As a database and JSON can hold it."""
        return {
            key: None if text is None else storable_text(text) for key, text in asdict(self).items()
        }


@dataclass(frozen=True, slots=True)
class TextChange:
    """A text that is not what we know it to be. `known` and `live` are None where there is none."""

    field: str
    known: str | None
    live: str | None


def changed_texts(
    wanted: OptimizedPrompts, known: Texts, live: Texts, *also_ours: Texts
) -> list[TextChange]:
    """What putting `wanted` there would overwrite of somebody else's.

    `also_ours`: texts that we may have put there, though nobody has confirmed it.
    """
    fields = [SYSTEM, *([FIRST_MESSAGE] if wanted.get("first_message") is not None else [])]
    found: list[TextChange] = []
    for field in fields:
        ours = {_storable(getattr(one, field)) for one in (known, *also_ours)}
        now = _storable(getattr(live, field))
        if now not in ours and now != _storable(cast("str | None", wanted.get(field))):
            found.append(TextChange(field, _storable(getattr(known, field)), now))
    return found


def refuse_changed(changes: list[TextChange], done: str) -> None:
    """`done`: what was not done, as a sentence.

    Raises:
        ChangedAtVapiError: There are changes; it names the fields, with both texts.
    """
    if changes:
        raise ChangedAtVapiError(done, [asdict(change) for change in changes])


def changed_after(
    wanted: JsonObject, after: JsonObject, known: Known, written: Iterable[str]
) -> list[TextChange]:
    """The texts of ours that say something else than was just written. `written`: top-level fields."""
    meant, now = Texts.of(wanted, known), Texts.of(after, known)
    fields = {"model": SYSTEM, "firstMessage": FIRST_MESSAGE}
    return [
        TextChange(field, _storable(getattr(meant, field)), _storable(getattr(now, field)))
        for field in (fields[key] for key in written if key in fields)
        if getattr(meant, field) != getattr(now, field)
    ]


def changed_since(current: JsonObject, snapshot: Snapshot) -> list[TextChange]:
    """The texts of ours that hold neither what we put there nor what was there before."""
    before = Texts(replaced_of(snapshot), live_first_message(snapshot.assistant))
    now = Texts.of(current, known_after(snapshot))
    put_there = Texts(snapshot.deployed["system"], snapshot.deployed.get("first_message"))
    return [
        TextChange(field, _storable(getattr(put_there, field)), _storable(getattr(now, field)))
        for field in changed_by_us(snapshot)
        if getattr(now, field) not in (getattr(put_there, field), getattr(before, field))
    ]


def changed_by_us(snapshot: Snapshot) -> list[str]:
    """What was deployed and not there already."""
    deployed = snapshot.deployed
    first_message = deployed.get("first_message")
    changed = [SYSTEM] if replaced_of(snapshot) != deployed["system"] else []
    if first_message is not None and first_message != snapshot.assistant.get("firstMessage"):
        changed.append(FIRST_MESSAGE)
    return changed


def with_previous(
    current: JsonObject,
    snapshot: Snapshot,
    *,
    overwrite: Texts | None = None,
    refused: str = "Nothing was rolled back.",
) -> JsonObject:
    """The assistant as it is now, with only what we changed put back.

    `overwrite`: their texts that may give way. `refused`: what a refusal says was not done.

    Raises:
        ChangedAtVapiError: Somebody changed the same since, to something else than `overwrite`.
        PromptAmbiguousError: Ours is gone, and several messages could have taken its place.
    """
    ours = changed_by_us(snapshot)
    allowed = overwrite.to_json() if overwrite is not None else {}
    theirs = changed_since(current, snapshot)
    refuse_changed(
        [each for each in theirs if each.field not in allowed or each.live != allowed[each.field]],
        refused,
    )
    restored = copy.deepcopy(current)
    known = known_after(snapshot)
    if SYSTEM in ours and live_prompt(current, known) != replaced_of(snapshot):
        restored = _with_previous_prompt(restored, snapshot, known)
    if FIRST_MESSAGE in ours:
        _put_back(restored, snapshot.assistant, "firstMessage")
    return restored


def replaced_of(snapshot: Snapshot) -> str | None:
    """The prompt that stood where ours was put."""
    return live_prompt(snapshot.assistant, Known(snapshot.replaced))


def known_after(snapshot: Snapshot) -> Known:
    """What the deployment tells of the assistant as it is since."""
    beside = known_of(snapshot.assistant, replaced_of(snapshot)).beside
    deployed = snapshot.deployed["system"]
    return Known(deployed, beside - {deployed})


def _with_previous_prompt(current: JsonObject, snapshot: Snapshot, known: Known) -> JsonObject:
    model_before = model_of(snapshot.assistant)
    slots_before = live_slots(model_before, Known(snapshot.replaced))
    slots = live_slots(model_of(current), known)
    if not slots_before:
        return _without_prompt(current, slots, snapshot.assistant)
    previous = replaced_of(snapshot)
    if not slots:
        return with_prompt(current, previous, known) if previous is not None else current
    # The old slot is ours too if we wrote there; otherwise it only happens to say the same.
    is_ours = (
        LEGACY_SLOT in slots_before
        and model_of(current).get("systemPrompt") == snapshot.deployed["system"]
    )
    for slot in {slots[0], LEGACY_SLOT} if is_ours else {slots[0]}:
        put(model_of(current), slot, previous)
    return current


def _without_prompt(current: JsonObject, slots: list[Slot], before: JsonObject) -> JsonObject:
    """Take out the message that we put in."""
    model = model_of(current)
    for slot in slots:
        if slot == LEGACY_SLOT:
            del model["systemPrompt"]
        else:
            del messages_of(model)[cast("int", slot[1])]
    if not model.get("messages"):
        _put_back(model, model_of(before), "messages")
    return current


def _put_back(target: JsonObject, before: JsonObject, key: str) -> None:
    if key in before:
        target[key] = copy.deepcopy(before[key])
    else:
        target.pop(key, None)


def _storable(text: str | None) -> str | None:
    return None if text is None else storable_text(text)
