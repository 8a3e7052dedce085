"""Which assistants at Vapi could become agents."""

from collections.abc import Mapping, Sequence

from mission_control.api.agent_import.schemas import ImportCandidate, ImportCandidates
from mission_control.api.agents.schemas import LeftAtVapi
from mission_control.api.resources import Resources
from mission_control.core.json_types import JsonObject
from mission_control.integrations.vapi.assistant import AssistantSummary
from mission_control.integrations.vapi.left_there import left_there
from mission_control.integrations.vapi.playbook import ids_for, why_not


async def list_candidates(resources: Resources) -> ImportCandidates:
    """Every assistant at Vapi, and why one cannot become an agent."""
    there = await resources.vapi.get_assistants()
    squads = await resources.vapi.get_squads()
    async with resources.unit_of_work(readonly=True) as uow:
        linked = {each.vapi_assistant_id: each.id for each in await uow.agents.phone_bots()}
        taken = await uow.agents.known_among([ids_for(each)[0] for each in there])
    return ImportCandidates(items=[_candidate(each, squads, linked, taken) for each in there])


def _candidate(
    assistant: JsonObject,
    squads: Sequence[JsonObject],
    linked: Mapping[str | None, str],
    taken: set[str],
) -> ImportCandidate:
    summary, (first, second) = AssistantSummary.of(assistant), ids_for(assistant)
    agent_id = linked.get(summary.id)
    refusal = why_not(assistant)
    if agent_id is not None:
        refusal = f"The agent {agent_id} is linked to it."
    return ImportCandidate(
        vapi_assistant_id=summary.id,
        name=summary.name,
        provider=summary.provider,
        model=summary.model,
        updated_at=summary.updated_at,
        agent_id=agent_id,
        proposed_id=second if first in taken else first,
        refusal=refusal,
        left_at_vapi=[LeftAtVapi.of(each) for each in left_there(assistant, squads)],
    )
