"""What the agent here says, what was deployed, and what its assistant says now, field by field."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from mission_control.api.drift.schemas import DriftField
from mission_control.core.words import DriftState
from mission_control.integrations.vapi.assistant import (
    FIRST_MESSAGE,
    SYSTEM,
    JsonObject,
    OptimizedPrompts,
    Snapshot,
)
from mission_control.integrations.vapi.differences import differences_elsewhere
from mission_control.integrations.vapi.prompt_slots import (
    live_first_message,
    live_prompt,
    with_prompts,
)

UNSTORABLE = re.compile("[\\x00\\ud800-\\udfff]")
MOVED = (DriftState.CHANGED_IN_VAPI, DriftState.CHANGED_HERE, DriftState.BOTH)


def compare(
    here: OptimizedPrompts, snapshot: Snapshot | None, live: JsonObject
) -> list[DriftField]:
    """Every field that is not the same everywhere."""
    is_deployed = snapshot is not None
    meant = with_prompts(snapshot.assistant, snapshot.deployed) if snapshot is not None else {}
    prompt = _Sides(here["system"], live_prompt(meant), live_prompt(live))
    fields = [_field(SYSTEM, prompt, is_deployed=is_deployed)]
    first_message = here.get("first_message")
    is_ours = first_message is not None or (
        snapshot is not None and snapshot.deployed.get("first_message") is not None
    )
    if is_ours:
        before = live_first_message(meant)
        stance = first_message if first_message is not None else before
        greeting = _Sides(stance, before, live_first_message(live))
        fields.append(_field(FIRST_MESSAGE, greeting, is_deployed=is_deployed))
    if is_deployed:
        paths = differences_elsewhere(meant, live, first_message=is_ours)
        fields += [DriftField(field=path, state=DriftState.CHANGED_IN_VAPI) for path in paths]
    return [field for field in fields if field.state is not DriftState.CLEAN]


class _Sides(NamedTuple):
    """One text: as our version has it, as it was when we had deployed, as it is at Vapi."""

    here: str | None
    deployed: str | None
    live: str | None


def _field(name: str, sides: _Sides, *, is_deployed: bool) -> DriftField:
    texts = {side: _storable(text) for side, text in sides._asdict().items()}
    return DriftField(field=name, state=_state(sides, is_deployed=is_deployed), **texts)


def _state(sides: _Sides, *, is_deployed: bool) -> DriftState:
    if sides.here == sides.live:
        return DriftState.CLEAN  # whoever moved, they agree
    if not is_deployed:
        return DriftState.NEVER_DEPLOYED
    if sides.live == sides.deployed:
        return DriftState.CHANGED_HERE
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
