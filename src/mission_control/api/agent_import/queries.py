"""Which assistants at Vapi could become agents."""

from collections.abc import Mapping

from mission_control.api.agent_import.schemas import ImportCandidate, ImportCandidates
from mission_control.api.resources import Resources
from mission_control.core.json_types import JsonObject
from mission_control.integrations.vapi.assistant import AssistantSummary
from mission_control.integrations.vapi.playbook import slug_of, why_not


async def list_candidates(resources: Resources) -> ImportCandidates:
    """Every assistant at Vapi, and why one cannot become an agent."""
    there = await resources.vapi.get_assistants()
    async with resources.unit_of_work(readonly=True) as uow:
        linked = {each.vapi_assistant_id: each.id for each in await uow.agents.phone_bots()}
        taken = await uow.agents.known_among([slug_of(each) for each in there])
    return ImportCandidates(items=[_candidate(each, linked, taken) for each in there])


def _candidate(
    assistant: JsonObject, linked: Mapping[str | None, str], taken: set[str]
) -> ImportCandidate:
    summary, slug = AssistantSummary.of(assistant), slug_of(assistant)
    agent_id = linked.get(summary.id)
    refusal = why_not(assistant)
    if agent_id is not None:
        refusal = f"The agent {agent_id} is linked to it."
    elif refusal is None and slug in taken:
        refusal = f"There is an agent {slug} already: link that one to it, or rename either."
    return ImportCandidate(
        vapi_assistant_id=summary.id,
        name=summary.name,
        provider=summary.provider,
        model=summary.model,
        updated_at=summary.updated_at,
        agent_id=agent_id,
        refusal=refusal,
    )
