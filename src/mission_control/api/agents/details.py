"""An agent with its current version, as it is shown."""

from mission_control.api.agents.answering import answering_of
from mission_control.api.agents.schemas import (
    AgentDetail,
    AgentRead,
    Answering,
    LeftAtVapi,
    MeasuredRate,
    ScenarioRead,
)
from mission_control.api.agents.versions import playbook_of
from mission_control.core import playbook as playbooks
from mission_control.core.playbook import Playbook
from mission_control.data.agents import Agent, AgentVersion
from mission_control.data.unit_of_work import UnitOfWork


def agent_read(
    agent: Agent, answering: Answering, measured: MeasuredRate | None = None
) -> AgentRead:
    columns = {
        name: getattr(agent, name)
        for name in AgentRead.model_fields
        if name not in {"answering", "measured"}
    }
    return AgentRead(**columns, answering=answering, measured=measured)


async def detail(uow: UnitOfWork, agent: Agent, version: AgentVersion) -> AgentDetail:
    playbook = playbook_of(version)
    return AgentDetail(
        **agent_read(agent, await answering_of(uow, agent)).model_dump(),
        left_at_vapi=await _left_at_vapi(uow, agent),
        prompt=version.prompt,
        first_message=playbook.first_message,
        warnings=[*version.warnings, *_drafts_to_review(playbook)],
        scenarios=scenarios_read(agent.id, playbook),
    )


async def _left_at_vapi(uow: UnitOfWork, agent: Agent) -> list[LeftAtVapi] | None:
    check = await uow.drift_checks.find(agent.id)
    if check is None or check.left_at_vapi is None:
        return None
    if agent.vapi_assistant_id not in (None, check.assistant_id):
        return None  # of another assistant
    return [LeftAtVapi.model_validate(each) for each in check.left_at_vapi]


def _drafts_to_review(playbook: Playbook) -> list[str]:
    drafts = len(playbook.scenarios) - len(playbook.reviewed)
    if not drafts:
        return []
    return [
        f"Scenarios that are drafts: {drafts}. They are left out of evaluations until somebody "
        "reviews them and takes `draft` away."
    ]


def scenarios_read(agent_id: str, playbook: Playbook) -> list[ScenarioRead]:
    return [
        ScenarioRead(
            id=scenario.id,
            description=scenario.description,
            tags=scenario.tags,
            split=playbooks.split_of(agent_id, scenario),
            anchor=scenario.anchor,
            draft=scenario.draft,
            input=scenario.input,
            expected=scenario.expected,
            checks=[f"{check.kind}: {' · '.join(check.values)}" for check in scenario.checks],
        )
        for scenario in playbook.scenarios
    ]
