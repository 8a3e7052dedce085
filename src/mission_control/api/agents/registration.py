"""A new agent is stored: once per id, and once per assistant at Vapi."""

from collections.abc import Sequence

import structlog

from mission_control.api.agents.details import detail
from mission_control.api.agents.errors import (
    AgentExistsError,
    AgentIdReservedError,
    AssistantLinkedError,
)
from mission_control.api.agents.schemas import AgentDetail
from mission_control.api.agents.versions import add_version
from mission_control.api.agents.warnings import warnings_of
from mission_control.api.test_split import ledger
from mission_control.core.playbook import Playbook
from mission_control.core.playbook_parts import RESERVED_AGENT_IDS
from mission_control.core.words import AgentStatus, AgentType, VersionOrigin
from mission_control.data.agents import Agent
from mission_control.data.unit_of_work import UnitOfWork, WrittenMeanwhileError
from mission_control_protocol import Compiled

log = structlog.get_logger(__name__)


async def store_new(
    uow: UnitOfWork,
    playbook: Playbook,
    compiled: Compiled,
    *,
    agent_type: AgentType,
    assistant_id: str | None,
    note: str = "",
    warnings: Sequence[str] = (),
) -> AgentDetail:
    if playbook.agent_id in RESERVED_AGENT_IDS:
        raise AgentIdReservedError(playbook.agent_id)
    if await uow.agents.find(playbook.agent_id) is not None:
        raise AgentExistsError(playbook.agent_id)
    await refuse_linked(uow, assistant_id)
    agent = Agent(
        id=playbook.agent_id,
        name=playbook.name,
        description=playbook.description,
        type=agent_type,
        status=AgentStatus.DEV,
        current_version=1,
        vapi_assistant_id=assistant_id,
    )
    uow.agents.add(agent)
    await stored_unless_linked(uow, agent)
    read_before = await ledger.told_of_earlier_readings(uow, playbook)
    version = await add_version(
        uow, agent, playbook,
        prompt=compiled.prompt,
        warnings=[*compiled.warnings, *warnings_of(playbook), *read_before, *warnings],
        origin=VersionOrigin.IMPORT, parent_id=None, note=note,
    )  # fmt: skip
    log.info("agent_imported", agent_id=agent.id, scenarios=len(playbook.scenarios))
    return await detail(uow, agent, version)


async def refuse_linked(uow: UnitOfWork, assistant_id: str | None) -> None:
    """Two agents on one assistant would overwrite each other, and both be called live."""
    linked = await uow.agents.of_assistant(assistant_id) if assistant_id is not None else None
    if linked is not None and assistant_id is not None:
        raise AssistantLinkedError(linked.id, assistant_id)


async def stored_unless_linked(uow: UnitOfWork, agent: Agent) -> None:
    """The database lets one agent be linked to an assistant; who comes second is told so."""
    assistant_id = agent.vapi_assistant_id
    try:
        await uow.flush()
    except WrittenMeanwhileError as error:
        if assistant_id is None or "vapi_assistant_id" not in str(error.__cause__):
            raise
        raise AssistantLinkedError(None, assistant_id) from error
