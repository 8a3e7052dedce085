"""What may be called live while a target changes, and after it did or did not."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import structlog

from mission_control.api.deployments.errors import AssistantGoneError
from mission_control.api.drift.errors import ComparedBeforeError
from mission_control.api.drift.known import KnownState, remember
from mission_control.api.drift.registry import registry_of
from mission_control.api.drift.storing import store_found
from mission_control.api.jobs.errors import JobGaveUpError
from mission_control.api.jobs.job_run import JobRun
from mission_control.api.queue import send_message
from mission_control.core.encryption import Vault
from mission_control.core.errors import MissionControlError
from mission_control.core.json_types import JsonObject
from mission_control.core.words import AgentStatus, DriftState, KnownBy
from mission_control.data.agents import Agent
from mission_control.data.deployments import Deployment
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.errors import (
    DeployNotVerifiedError,
    DeployUnconfirmedError,
    IntegrationNotFoundError,
)

log = structlog.get_logger(__name__)
# A job that ended like this may have died after it changed the target.
ENDED_UNSEEN = (MissionControlError.code, JobGaveUpError.code)
COMPARE = "drift.check"


async def unsettle(uow: UnitOfWork, agent_id: str) -> None:
    """The target is about to change: nothing is called live until it has been read back."""
    agent = await uow.agents.get_locked(agent_id)
    if await _standing_of(uow, agent) is AgentStatus.LIVE:
        await let_stand(uow, agent, AgentStatus.DEV)


@asynccontextmanager
async def saying_what_is_unsure(
    job: JobRun, agent_id: str, assistant_id: str
) -> AsyncGenerator[None]:
    """Where nobody knows what is on the target, or it is not what it should be, say so first."""
    try:
        yield
    except (DeployUnconfirmedError, DeployNotVerifiedError) as error:
        if not error.fields.get("restored"):
            await _say_error(job, agent_id)
        raise
    except IntegrationNotFoundError as error:
        async with job.resources.unit_of_work(readonly=True) as uow:
            is_deployed = (await uow.agents.get(agent_id)).deployed_version is not None
        if not is_deployed:
            raise
        await _say_error(job, agent_id)
        raise AssistantGoneError(assistant_id) from error


async def _say_error(job: JobRun, agent_id: str) -> None:
    async with job.step() as uow:
        await let_stand(uow, await uow.agents.get_locked(agent_id), AgentStatus.ERROR)


async def settle(uow: UnitOfWork, deployment: Deployment, error: dict[str, Any]) -> None:
    """It ended without its result: the agent is what it was, if the target is."""
    agent = await uow.agents.get_locked(deployment.agent_id)
    _compare_soon(uow, agent)
    is_unsure = await _standing_of(uow, agent) is AgentStatus.ERROR
    if deployment.snapshot is None or is_unsure:
        return
    await uow.flush()
    if error["code"] in ENDED_UNSEEN:
        await let_stand(uow, agent, AgentStatus.ERROR)
    elif await uow.deployments.standing(agent.id) is not None:
        await let_stand(uow, agent, AgentStatus.LIVE)


async def note_what_is_there(
    uow: UnitOfWork,
    vault: Vault,
    agent: Agent,
    state: KnownState,
    there: JsonObject,
    *,
    by: KnownBy,
) -> None:
    """It was read back: that is what is known now, and how the agent and it differ."""
    await uow.flush()
    await remember(uow, vault, agent.id, state, by)
    await store_found(uow, vault, await registry_of(uow, agent), there)


async def outdate_comparison(uow: UnitOfWork, agent: Agent) -> None:
    """What was found before tells nothing of what is there now."""
    found = await uow.drift_checks.find(agent.id)
    if found is not None:
        found.state, found.error = DriftState.UNKNOWN, ComparedBeforeError().described()
    _compare_soon(uow, agent)


def _compare_soon(uow: UnitOfWork, agent: Agent) -> None:
    agent_id = agent.id
    if agent.vapi_assistant_id is not None:
        uow.after_commit(lambda: send_message(COMPARE, agent_id))


async def let_stand(uow: UnitOfWork, agent: Agent, status: AgentStatus) -> None:
    """What the agent is now, or will be once the search that is going on has ended."""
    if agent.status is not AgentStatus.OPTIMIZING:
        agent.status = status
        return
    search = await uow.optimizations.latest(agent.id)
    if search is not None:
        search.previous_status = status.value


async def _standing_of(uow: UnitOfWork, agent: Agent) -> AgentStatus:
    search = await uow.optimizations.latest(agent.id)
    if agent.status is AgentStatus.OPTIMIZING and search is not None:
        return AgentStatus(search.previous_status)
    return agent.status
