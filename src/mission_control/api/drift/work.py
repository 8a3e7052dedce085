"""Drift checks: an agent, or all, compared with what Vapi answers."""

from collections.abc import Iterable, Sequence

import structlog

from mission_control.api.agents.errors import DeploymentRunningError
from mission_control.api.drift.errors import AgentMovedError, NoAssistantError
from mission_control.api.drift.queries import read
from mission_control.api.drift.registry import Registry, registries, registry_of
from mission_control.api.drift.schemas import DriftRead
from mission_control.api.drift.storing import store_found, store_unanswered
from mission_control.api.resources import Resources
from mission_control.core.encryption import Vault
from mission_control.core.errors import MissionControlError, NotFoundError
from mission_control.core.json_types import JsonObject
from mission_control.data.drift_checks import DriftCheck
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.errors import IntegrationError, IntegrationNotFoundError
from mission_control.integrations.vapi.assistant import AssistantSummary
from mission_control.integrations.vapi.reader import named

log = structlog.get_logger(__name__)


async def check_agent(resources: Resources, agent_id: str) -> DriftRead:
    """Compare now. If Vapi cannot be asked, that is stored too, and raised."""
    async with resources.unit_of_work(readonly=True) as uow:
        ours = await registry_of(uow, await uow.agents.get(agent_id))
    if ours.deploying is not None:
        raise DeploymentRunningError(str(ours.deploying))
    if ours.assistant_id is None and not ours.is_phone_bot:
        raise NoAssistantError(agent_id)
    try:
        live = await _ask(resources, ours)
        squads = await resources.vapi.get_squads()
    except IntegrationError as error:
        await _store_unanswered(resources, ours, error)
        raise
    async with resources.unit_of_work() as uow:
        return read(await _store(uow, resources.vault, ours, live, squads))


async def check_all(resources: Resources) -> int:
    """Compare every agent that has an assistant; returns how many could be. Vapi is asked once."""
    # Our side first: what is deployed while Vapi answers must not look like somebody's change.
    ours = await registries(resources)
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


async def _store(
    uow: UnitOfWork,
    vault: Vault,
    ours: Registry,
    live: JsonObject,
    squads: Sequence[JsonObject] | None = None,
) -> DriftCheck:
    agent = await uow.agents.get_locked(ours.agent_id)
    now = await registry_of(uow, agent)
    if ours.moment != now.moment:
        raise AgentMovedError(agent.id)
    return await store_found(uow, vault, now, live, squads=squads)


async def _store_unanswered(
    resources: Resources, ours: Registry, error: MissionControlError
) -> None:
    log.warning("drift_unknown", agent_id=ours.agent_id, code=error.code)
    async with resources.unit_of_work() as uow:
        agent = await uow.agents.get_locked(ours.agent_id)
        if agent.vapi_assistant_id != ours.assistant_id:
            return  # it is linked to another one now, which nobody has asked for yet
        known = await uow.drift_checks.find(agent.id)
        assistant_id = ours.assistant_id or (known.assistant_id if known is not None else None)
        if assistant_id is not None:  # else nobody knows which assistant it would be
            await store_unanswered(uow, agent.id, assistant_id, error)
