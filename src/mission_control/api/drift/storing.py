"""What a comparison found becomes the agent's latest, and is announced when the state changed."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import structlog

from mission_control.api.drift import events
from mission_control.api.drift.comparison import compare, overall
from mission_control.api.drift.registry import Registry
from mission_control.core.clock import utc_now
from mission_control.core.encryption import Vault
from mission_control.core.errors import MissionControlError
from mission_control.core.json_types import JsonObject
from mission_control.core.words import DriftState
from mission_control.data.drift_checks import DriftCheck
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.vapi.assistant import AssistantSummary
from mission_control.integrations.vapi.left_there import IN_SQUADS, left_there

log = structlog.get_logger(__name__)


async def store_found(
    uow: UnitOfWork,
    vault: Vault,
    ours: Registry,
    live: JsonObject,
    *,
    squads: Sequence[JsonObject] | None = None,
) -> DriftCheck:
    """`squads`: all that Vapi has; None: nobody asked, and what was known of them stays known."""
    found = compare(ours.here, ours.known.opened(vault), live, was_deployed=ours.was_deployed)
    check, before = await _row(uow, ours.agent_id, AssistantSummary.of(live).id)
    check.version = ours.version
    check.fields = [field.model_dump(mode="json") for field in found.fields]
    check.state = overall(field.state for field in found.fields)
    check.warnings, check.texts_moved = found.warnings, found.texts_moved
    check.left_at_vapi = _left_at_vapi(check, live, squads)
    check.error, check.checked_at = None, utc_now()
    check.compared_at = check.checked_at
    if check.state is not before:
        uow.publish(events.drift_changed(check))
        log.info("drift_changed", agent_id=ours.agent_id, state=check.state)
    return check


def _left_at_vapi(
    check: DriftCheck, live: JsonObject, squads: Sequence[JsonObject] | None
) -> list[dict[str, Any]]:
    kept = check.left_at_vapi if squads is None else None
    there = [asdict(each) for each in left_there(live, squads)]
    return there + [each for each in kept or [] if each["what"] == IN_SQUADS]


async def store_unanswered(
    uow: UnitOfWork, agent_id: str, assistant_id: str, error: MissionControlError
) -> None:
    """What was known stays visible, with its age."""
    check, _ = await _row(uow, agent_id, assistant_id)
    check.state, check.error, check.checked_at = DriftState.UNKNOWN, error.described(), utc_now()


async def _row(uow: UnitOfWork, agent_id: str, assistant_id: str) -> tuple[DriftCheck, DriftState]:
    """The agent's row, and the state that it was last known to be in."""
    check = await uow.drift_checks.find(agent_id)
    if check is not None and check.assistant_id == assistant_id:
        return check, _known_state(check)
    if check is None:
        check = DriftCheck(agent_id=agent_id, assistant_id=assistant_id, state=DriftState.UNKNOWN)
        uow.drift_checks.add(check)
    check.assistant_id, check.version = assistant_id, None
    check.fields, check.compared_at = [], None
    check.left_at_vapi = check.texts_moved = None
    return check, DriftState.CLEAN


def _known_state(check: DriftCheck) -> DriftState:
    return overall(DriftState(field["state"]) for field in check.fields)
