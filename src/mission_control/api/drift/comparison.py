"""What the agent here says, what we know to stand at Vapi, and what its assistant says now."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from mission_control.api.drift.known import KnownState
from mission_control.api.drift.schemas import DriftField
from mission_control.core.json_types import JsonObject
from mission_control.core.words import DriftState
from mission_control.integrations.errors import PromptAmbiguousError
from mission_control.integrations.vapi.assistant import FIRST_MESSAGE, SYSTEM, OptimizedPrompts
from mission_control.integrations.vapi.changes import Texts
from mission_control.integrations.vapi.differences import differences_elsewhere
from mission_control.integrations.vapi.first_message import unheard_first_message
from mission_control.integrations.vapi.prompt_slots import (
    NOTHING_KNOWN,
    live_first_message,
    live_prompt,
)

UNSTORABLE = re.compile("[\\x00\\ud800-\\udfff]")
MOVED = (DriftState.CHANGED_IN_VAPI, DriftState.CHANGED_HERE, DriftState.BOTH)


@dataclass(frozen=True, slots=True)
class Found:
    """Every field that is not the same everywhere, and what else is worth knowing, in sentences."""

    fields: list[DriftField]
    warnings: list[str]
    texts_moved: bool  # those that we deploy are not what we know to have been there


def compare(
    here: OptimizedPrompts, known: KnownState | None, live: JsonObject, *, was_deployed: bool
) -> Found:
    """`known`: the assistant as we last wrote or read it; None where we never did."""
    warnings: list[str] = []
    slots = known.known if known is not None else NOTHING_KNOWN
    try:
        live_text = live_prompt(live, slots)
    except PromptAmbiguousError as error:
        live_text = None
        warnings.append(error.message)
    there = Texts(live_text, live_first_message(live))
    fields = _moved_texts(here, known, there, was_deployed=was_deployed)
    is_ours = _greeting_is_ours(here, known)
    if is_ours:
        warnings += unheard_first_message(live)
    if known is not None:
        fields += [
            DriftField(field=path, state=DriftState.CHANGED_IN_VAPI)
            for path in _elsewhere(known, live, first_message=is_ours)
        ]
    return Found(fields, warnings, _are_moved(known, there, greets=is_ours))


def _are_moved(known: KnownState | None, live: Texts, *, greets: bool) -> bool:
    """Whatever our versions say: somebody else's text answers now."""
    if known is None:
        return False
    is_greeting = not greets or live.first_message == known.texts.first_message
    return live.system != known.ours.system or not is_greeting


def compared_anew(
    found: Iterable[DriftField],
    before: OptimizedPrompts,
    here: OptimizedPrompts,
    known: KnownState | None,
    *,
    was_deployed: bool,
) -> list[DriftField]:
    """What was found of another version, `before`, told of `here`; Vapi is not asked again."""
    moved = {field.field: field for field in found}
    greeting = _stance(before, known)
    there = Texts(
        moved[SYSTEM].live if SYSTEM in moved else before["system"],
        moved[FIRST_MESSAGE].live if FIRST_MESSAGE in moved else greeting,
    )
    texts = _moved_texts(here, known, there, was_deployed=was_deployed)
    return texts + [field for name, field in moved.items() if name not in (SYSTEM, FIRST_MESSAGE)]


def _moved_texts(
    here: OptimizedPrompts, known: KnownState | None, live: Texts, *, was_deployed: bool
) -> list[DriftField]:
    """The texts that we deploy, where they are not the same everywhere."""
    state = {"is_known": known is not None, "was_deployed": was_deployed}
    deployed = known.ours.system if known is not None else None
    fields = [_field(SYSTEM, _Sides(here["system"], deployed, live.system), **state)]
    if _greeting_is_ours(here, known):
        heard = known.texts.first_message if known is not None else None
        sides = _Sides(_stance(here, known), heard, live.first_message)
        fields.append(_field(FIRST_MESSAGE, sides, **state))
    return [field for field in fields if field.state is not DriftState.CLEAN]


def _greeting_is_ours(here: OptimizedPrompts, known: KnownState | None) -> bool:
    return here.get("first_message") is not None or (
        known is not None and known.ours.first_message is not None
    )


def _stance(here: OptimizedPrompts, known: KnownState | None) -> str | None:
    """The greeting that a version stands for: its own, else the one that is known to be there."""
    greeting = here.get("first_message")
    return greeting if greeting is not None or known is None else known.texts.first_message


def _elsewhere(known: KnownState, live: JsonObject, *, first_message: bool) -> list[str]:
    try:
        return differences_elsewhere(
            known.assistant, live, known.known, first_message=first_message
        )
    except PromptAmbiguousError:
        return ["model.messages"]


class _Sides(NamedTuple):
    """One text: as our version has it, as we know it to have been at Vapi, as it is there now."""

    here: str | None
    deployed: str | None
    live: str | None


def _field(name: str, sides: _Sides, *, is_known: bool, was_deployed: bool) -> DriftField:
    texts = {side: _storable(text) for side, text in sides._asdict().items()}
    return DriftField(
        field=name, state=_state(sides, is_known=is_known, was_deployed=was_deployed), **texts
    )


def _state(sides: _Sides, *, is_known: bool, was_deployed: bool) -> DriftState:
    if sides.here == sides.live:
        return DriftState.CLEAN  # whoever moved, they agree
    if not is_known:
        return DriftState.NEVER_DEPLOYED
    if sides.live == sides.deployed:
        return DriftState.CHANGED_HERE if was_deployed else DriftState.NEVER_DEPLOYED
    return DriftState.CHANGED_IN_VAPI if sides.here == sides.deployed else DriftState.BOTH


def overall(states: Iterable[DriftState]) -> DriftState:
    """What is true of the agent as a whole."""
    found = set(states)
    if DriftState.BOTH in found or found >= {DriftState.CHANGED_IN_VAPI, DriftState.CHANGED_HERE}:
        return DriftState.BOTH
    for state in (*MOVED, DriftState.NEVER_DEPLOYED):
        if state in found:
            return state
    return DriftState.CLEAN


def _storable(text: str | None) -> str | None:
    """As a database and JSON can hold it; half an emoji becomes the sign for that."""
    return None if text is None else UNSTORABLE.sub("\ufffd", text)
