"""Versions: immutable snapshots of an agent's playbook."""

import difflib
from uuid import UUID, uuid4

from mission_control.core import playbook as playbooks
from mission_control.core.playbook import Playbook
from mission_control.core.playbook_parts import canonical_yaml
from mission_control.core.words import VersionOrigin
from mission_control.data.agents import Agent, AgentVersion
from mission_control.data.unit_of_work import UnitOfWork


async def add_version(
    uow: UnitOfWork,
    agent: Agent,
    playbook: Playbook,
    *,
    prompt: str,
    warnings: list[str],
    origin: VersionOrigin,
    parent_id: UUID | None,
    note: str,
) -> AgentVersion:
    version = AgentVersion(
        id=uuid4(),
        agent_id=agent.id,
        number=await uow.agents.next_number(agent.id),
        content_hash=playbook.hash,
        playbook=canonical_yaml(playbook.data),
        prompt=prompt,
        origin=origin,
        parent_id=parent_id,
        note=note,
        warnings=warnings,
    )
    uow.agents.add_version(version)
    await uow.flush()
    return version


def unified_diff(before: str, after: str, before_name: str, after_name: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), before_name, after_name, lineterm="", n=2
    )
    return "\n".join(lines)


def playbook_of(version: AgentVersion) -> Playbook:
    return playbooks.read_stored(version.playbook)
