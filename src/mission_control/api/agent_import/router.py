"""HTTP door of importing: assistants at Vapi become agents."""

from fastapi import APIRouter, Response

from mission_control.api.agent_import import commands, queries
from mission_control.api.agent_import.schemas import AgentImport, ImportCandidates
from mission_control.api.agents.errors import AgentExistsError, AssistantLinkedError
from mission_control.api.agents.schemas import AgentDetail
from mission_control.api.deps import SharedResources
from mission_control.api.problems import refusals
from mission_control.core.playbook import PlaybookInvalidError
from mission_control.data.unit_of_work import WrittenMeanwhileError
from mission_control.integrations.errors import (
    IntegrationContractError,
    IntegrationCredentialsError,
    IntegrationNotFoundError,
    IntegrationRateLimitedError,
    IntegrationUnavailableError,
    SuperOptiXError,
)
from mission_control.integrations.vapi.playbook import NothingToImportError

router = APIRouter(prefix="/api/agents/import", tags=["agents"])

FROM_VAPI = (
    IntegrationUnavailableError, IntegrationCredentialsError, IntegrationContractError,
    IntegrationRateLimitedError,
)  # fmt: skip


@router.post(
    "",
    status_code=201,
    summary="Make an agent of an assistant at Vapi",
    responses=refusals(
        AssistantLinkedError, AgentExistsError, WrittenMeanwhileError, NothingToImportError,
        PlaybookInvalidError, SuperOptiXError, IntegrationNotFoundError, *FROM_VAPI,
    ),
)  # fmt: skip
async def import_assistant(
    resources: SharedResources, request: AgentImport, response: Response
) -> AgentDetail:
    """Nothing is changed at Vapi.

    Its prompt and first message come as they are, its last calls as drafts of scenarios;
    `left_at_vapi` names what the agent does not carry.
    """
    agent = await commands.import_assistant(resources, request)
    response.headers["Location"] = f"/api/agents/{agent.id}"
    return agent


@router.get(
    "/candidates",
    summary="List the assistants at Vapi",
    responses=refusals(*FROM_VAPI),
)
async def list_candidates(resources: SharedResources) -> ImportCandidates:
    return await queries.list_candidates(resources)
