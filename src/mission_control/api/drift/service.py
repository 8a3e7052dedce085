"""Drift: what the agent here says, what was deployed, and what its assistant at Vapi says now."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import structlog

from mission_control.api.deployments.errors import DeploymentRunningError
from mission_control.api.deployments.service import prompts_of, running_job
from mission_control.api.drift import events
from mission_control.api.drift.errors import AgentMovedError, NoAssistantError, NotComparedError
from mission_control.api.drift.schemas import DriftField, DriftPage, DriftRead
from mission_control.api.jobs.service import describe
from mission_control.api.resources import Resources
from mission_control.core.clock import utc_now
from mission_control.core.encryption import Vault
from mission_control.core.errors import MissionControlError, NotFoundError
from mission_control.core.words import AgentType, DriftState
from mission_control.data.agents import Agent
from mission_control.data.deployments import Deployment
from mission_control.data.drift_checks import DriftCheck
from mission_control.data.pages import Cursor
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.errors import IntegrationError, IntegrationNotFoundError
from mission_control.integrations.vapi.assistant import (
    FIRST_MESSAGE,
    SYSTEM,
    AssistantSummary,
    JsonObject,
    OptimizedPrompts,
    Snapshot,
    differences_elsewhere,
    live_first_message,
    live_prompt,
    with_prompts,
)
from mission_control.integrations.vapi.reader import named

log = structlog.get_logger(__name__)

UNSTORABLE = re.compile("[\\x00\\ud800-\\udfff]")
MOVED = (DriftState.CHANGED_IN_VAPI, DriftState.CHANGED_HERE, DriftState.BOTH)


@dataclass(frozen=True)
class Registry:
    """Our side at one moment. `standing`: the deployment in force."""

    agent_id: str
    name: str
    is_phone_bot: bool
    assistant_id: str | None
    version_id: UUID
    here: OptimizedPrompts
    standing: Deployment | None
    deploying: UUID | None

    @property
    def moment(self) -> tuple[object, ...]:
        """The same as long as nothing of it has moved."""
        standing = self.standing.id if self.standing is not None else None
        return (self.assistant_id, self.version_id, standing, self.deploying)


# -------------------------------------------------------------------- comparing


async def check_agent(resources: Resources, agent_id: str) -> DriftRead:
    """Compare now. If Vapi cannot be asked, that is stored too, and raised."""
    async with resources.unit_of_work(readonly=True) as uow:
        ours = await _registry(uow, await uow.agents.get(agent_id))
    if ours.deploying is not None:
        raise DeploymentRunningError(str(ours.deploying))
    if ours.assistant_id is None and not ours.is_phone_bot:
        raise NoAssistantError(agent_id)
    try:
        live = await _ask(resources, ours)
    except IntegrationError as error:
        await _store_unanswered(resources, ours, error)
        raise
    async with resources.unit_of_work() as uow:
        return read(await _store(uow, resources.vault, ours, live))


async def check_all(resources: Resources) -> int:
    """Compare every agent that has an assistant; returns how many could be. Vapi is asked once."""
    # Our side first: what is deployed while Vapi answers must not look like somebody's change.
    ours = await _registries(resources)
    if not ours:
        return 0
    try:
        there = await resources.vapi.get_assistants()
    except IntegrationError as error:
        there = error
    compared = 0
    for one in ours:
        try:
            compared += await _check_one(resources, one, there)
        except Exception:
            log.exception("drift_check_failed", agent_id=one.agent_id)
    return compared


async def _registries(resources: Resources) -> list[Registry]:
    """Of every agent that has an assistant and is not being deployed: that says how it ends."""
    found: list[Registry] = []
    async with resources.unit_of_work(readonly=True) as uow:
        for agent in await uow.agents.phone_bots():
            try:
                found.append(await _registry(uow, agent))
            except MissionControlError as error:
                log.error("drift_check_failed", agent_id=agent.id, code=error.code)
    return [one for one in found if one.deploying is None]


async def _check_one(
    resources: Resources, ours: Registry, there: list[JsonObject] | IntegrationError
) -> bool:
    """False when there was nothing to compare it with."""
    try:
        if isinstance(there, IntegrationError):
            raise there
        live = _among(there, ours)
        async with resources.unit_of_work() as uow:
            await _store(uow, resources.vault, ours, live)
    except (AgentMovedError, NotFoundError):
        return False  # the next check sees it as it is then, if it is still there
    except MissionControlError as error:
        await _store_unanswered(resources, ours, error)
        return False
    return True


async def _registry(uow: UnitOfWork, agent: Agent) -> Registry:
    version = await uow.agents.current(agent)
    running = await running_job(uow, agent.id)
    standing = await uow.deployments.standing(agent.id)
    return Registry(
        agent_id=agent.id,
        name=agent.name,
        is_phone_bot=agent.type is AgentType.PHONE_BOT,
        assistant_id=agent.vapi_assistant_id,
        version_id=version.id,
        here=prompts_of(version, standing.memories if standing is not None else None),
        standing=standing,
        deploying=running.id if running is not None else None,
    )


async def _ask(resources: Resources, ours: Registry) -> JsonObject:
    if ours.assistant_id is not None:
        return await resources.vapi.get_assistant(ours.assistant_id)
    return _among(await resources.vapi.get_assistants(), ours)


def _among(assistants: Iterable[JsonObject], ours: Registry) -> JsonObject:
    """The agent's assistant: by id, else by name, as a deployment would find it."""
    by_id = {AssistantSummary.of(each).id: each for each in assistants}
    wanted = ours.assistant_id
    if wanted is None:
        wanted = named(ours.name, [AssistantSummary.of(each) for each in by_id.values()]).id
    if wanted not in by_id:
        raise IntegrationNotFoundError(
            "Vapi has no assistant with the id that this agent is linked to. Link another one.",
            vendor="Vapi",
        )
    return by_id[wanted]


# -------------------------------------------------------------------- three sides, field by field


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


# -------------------------------------------------------------------- storing


async def _store(uow: UnitOfWork, vault: Vault, ours: Registry, live: JsonObject) -> DriftCheck:
    agent = await uow.agents.get_locked(ours.agent_id)
    if ours.moment != (await _registry(uow, agent)).moment:
        raise AgentMovedError(agent.id)
    fields = compare(ours.here, _snapshot(vault, ours.standing), live)
    assistant_id = AssistantSummary.of(live).id
    check, before = await _row(uow, agent.id, assistant_id)
    check.fields = [field.model_dump(mode="json") for field in fields]
    check.state = overall(field.state for field in fields)
    check.error, check.checked_at = None, utc_now()
    check.compared_at = check.checked_at
    if check.state is not before:
        uow.publish(events.drift_changed(check))
        log.info("drift_changed", agent_id=agent.id, state=check.state)
    return check


async def _store_unanswered(
    resources: Resources, ours: Registry, error: MissionControlError
) -> None:
    """What was known stays visible, with its age."""
    log.warning("drift_unknown", agent_id=ours.agent_id, code=error.code)
    async with resources.unit_of_work() as uow:
        agent = await uow.agents.get_locked(ours.agent_id)
        if agent.vapi_assistant_id != ours.assistant_id:
            return  # it is linked to another one now, which nobody has asked for yet
        known = await uow.drift_checks.find(agent.id)
        assistant_id = ours.assistant_id or (known.assistant_id if known is not None else None)
        if assistant_id is None:
            return  # nobody knows which assistant it would be
        check, _ = await _row(uow, agent.id, assistant_id)
        check.state, check.error, check.checked_at = DriftState.UNKNOWN, describe(error), utc_now()


async def _row(uow: UnitOfWork, agent_id: str, assistant_id: str) -> tuple[DriftCheck, DriftState]:
    """The agent's row, and the state that it was last known to be in."""
    check = await uow.drift_checks.find(agent_id)
    if check is not None and check.assistant_id == assistant_id:
        return check, _known_state(check)
    if check is None:
        check = DriftCheck(agent_id=agent_id, assistant_id=assistant_id, state=DriftState.UNKNOWN)
        uow.drift_checks.add(check)
    check.assistant_id, check.fields, check.compared_at = assistant_id, [], None
    return check, DriftState.CLEAN


def _known_state(check: DriftCheck) -> DriftState:
    return overall(DriftState(field["state"]) for field in check.fields)


def _snapshot(vault: Vault, standing: Deployment | None) -> Snapshot | None:
    if standing is None or standing.snapshot is None:
        return None
    stored: Any = vault.decrypt_json(standing.snapshot)
    return Snapshot.from_json(stored)


# -------------------------------------------------------------------- reading


async def show_drift(uow: UnitOfWork, agent_id: str) -> DriftRead:
    agent = await uow.agents.get(agent_id)
    check = await uow.drift_checks.find(agent_id)
    if check is None or agent.vapi_assistant_id not in (None, check.assistant_id):
        raise NotComparedError(agent_id)
    return read(check)


async def list_drift(uow: UnitOfWork, *, limit: int, cursor: str | None) -> DriftPage:
    page = await uow.drift_checks.page(
        limit=limit, cursor=Cursor.decode(cursor) if cursor else None
    )
    return DriftPage(items=[read(check) for check in page.items], next_cursor=page.next_cursor)


def read(check: DriftCheck) -> DriftRead:
    columns = {name: getattr(check, name) for name in DriftRead.model_fields}
    return DriftRead.model_validate(columns)
