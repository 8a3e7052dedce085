"""Whose calls an assistant's are: the agent that is linked to it, or else the one of its name."""

from collections import Counter
from collections.abc import Mapping, Sequence

from mission_control.data.agents import Agent
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.vapi.assistant import AssistantSummary

AgentOf = Mapping[str, str]  # by assistant


async def agents_by_assistant(uow: UnitOfWork) -> AgentOf:
    return by_assistant(await uow.agents.phone_bots())


def by_assistant(agents: Sequence[Agent]) -> dict[str, str]:
    """Where several agents name one assistant, its calls are the oldest agent's."""
    newest_first = sorted(agents, key=lambda agent: (agent.created_at, agent.id), reverse=True)
    return {agent.vapi_assistant_id: agent.id for agent in newest_first if agent.vapi_assistant_id}


def by_name(agents: Sequence[Agent], assistants: Sequence[AssistantSummary]) -> dict[str, str]:
    """By exactly the same name, if no other agent and no other assistant has it."""
    names = Counter(agent.name for agent in agents)
    agent_of = {agent.name: agent.id for agent in agents if names[agent.name] == 1}
    taken = Counter(assistant.name for assistant in assistants)
    return {
        assistant.id: agent_of[assistant.name]
        for assistant in assistants
        if assistant.name in agent_of and taken[assistant.name] == 1
    }
