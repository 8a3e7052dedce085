"""Our side of a comparison, as it is at one moment."""

from dataclasses import dataclass
from uuid import UUID

import structlog

from mission_control.api.agents.deploying import running_job
from mission_control.api.agents.prompts import prompts_of
from mission_control.api.drift.known import KnownRow, known_row
from mission_control.api.resources import Resources
from mission_control.core.errors import MissionControlError
from mission_control.core.words import AgentType
from mission_control.data.agents import Agent, AgentVersion
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.vapi.assistant import OptimizedPrompts

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Registry:
    """Our side at one moment. `was_deployed`: something of ours was put on its assistant once."""

    agent_id: str
    name: str
    is_phone_bot: bool
    assistant_id: str | None
    version: int
    here: OptimizedPrompts
    known: KnownRow
    was_deployed: bool
    deploying: UUID | None

    @property
    def moment(self) -> tuple[object, ...]:
        """The same as long as nothing of it has moved."""
        standing = self.known.standing.id if self.known.standing is not None else None
        return (self.assistant_id, self.version, standing, self.known.at, self.deploying)

    def texts_of(self, version: AgentVersion) -> OptimizedPrompts:
        """What another version would say in the place of `here`."""
        return _texts(version, self.known)


async def registries(resources: Resources) -> list[Registry]:
    """Of every agent that has an assistant and is not being deployed: that says how it ends."""
    found: list[Registry] = []
    async with resources.unit_of_work(readonly=True) as uow:
        for agent in await uow.agents.phone_bots():
            try:
                found.append(await registry_of(uow, agent))
            except MissionControlError as error:
                log.error("drift_check_failed", agent_id=agent.id, code=error.code)
    return [one for one in found if one.deploying is None]


async def registry_of(uow: UnitOfWork, agent: Agent) -> Registry:
    version = await uow.agents.current(agent)
    running = await running_job(uow, agent.id)
    known = await known_row(uow, agent.id)
    standing = known.standing
    return Registry(
        agent_id=agent.id,
        name=agent.name,
        is_phone_bot=agent.type is AgentType.PHONE_BOT,
        assistant_id=agent.vapi_assistant_id,
        version=version.number,
        here=_texts(version, known),
        known=known,
        was_deployed=standing is not None
        or await uow.deployments.latest_rolled_back(agent.id) is not None,
        deploying=running.id if running is not None else None,
    )


def _texts(version: AgentVersion, known: KnownRow) -> OptimizedPrompts:
    memories = known.standing.memories if known.standing is not None else None
    return prompts_of(version, memories)
