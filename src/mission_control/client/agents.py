"""Agents and their versions, as a client asks for them."""

from mission_control.api.agent_import.schemas import AgentImport, ImportCandidates
from mission_control.api.agents.schemas import (
    AgentCompiled,
    AgentCreate,
    AgentDetail,
    AgentPage,
    AgentState,
    AgentUpdate,
    MarketplaceRead,
    VersionDetail,
    VersionDiff,
    VersionPage,
)
from mission_control.api.test_split.schemas import SplitRead
from mission_control.client.requests import Requests, part
from mission_control.core.words import AgentStatus, AgentType


class Agents:
    """Agents and their versions: `client.agents`."""

    def __init__(self, client: Requests) -> None:
        self._client = client

    def list(
        self,
        *,
        limit: int = 50,
        cursor: str | None = None,
        status: AgentStatus | None = None,
        type: AgentType | None = None,
    ) -> AgentPage:
        return self._client.get(
            "/api/agents", AgentPage, limit=limit, cursor=cursor, status=status, type=type
        )

    def get(self, agent_id: str) -> AgentDetail:
        return self._client.get(_agent(agent_id), AgentDetail)

    def import_(
        self,
        playbook: str | None = None,
        *,
        marketplace: str | None = None,
        type: AgentType | None = None,
        vapi_assistant_id: str | None = None,
    ) -> AgentDetail:
        """Make an agent of a playbook's YAML text, or of one that ships with SuperOptiX."""
        given = {
            "playbook": playbook,
            "marketplace": marketplace,
            "type": type,
            "vapi_assistant_id": vapi_assistant_id,
        }
        request = AgentCreate.model_validate({k: v for k, v in given.items() if v is not None})
        return self._client.post("/api/agents", request, AgentDetail)

    def test_split(self, agent_id: str) -> SplitRead:
        """How much of the test split is spent, and what the next comparison needs."""
        return self._client.get(f"{_agent(agent_id)}/test-split", SplitRead)

    def candidates(self) -> ImportCandidates:
        """The assistants at Vapi, and which agent each is linked to."""
        return self._client.get("/api/agents/import/candidates", ImportCandidates)

    def import_assistant(
        self, assistant_id: str, *, name: str | None = None, agent_id: str | None = None
    ) -> AgentDetail:
        """Make an agent of an assistant at Vapi; nothing is changed there."""
        request = AgentImport(vapi_assistant_id=assistant_id, name=name, id=agent_id)
        return self._client.post("/api/agents/import", request, AgentDetail)

    def update(self, agent_id: str, request: AgentUpdate) -> AgentDetail:
        """Change what `request` sets; a changed playbook or prompt becomes a new version."""
        return self._client.put(_agent(agent_id), request, AgentDetail)

    def delete(self, agent_id: str) -> None:
        self._client.delete(_agent(agent_id))

    def compile(self, agent_id: str) -> AgentCompiled:
        return self._client.post(f"{_agent(agent_id)}/compile", None, AgentCompiled)

    def state(self, agent_id: str) -> AgentState:
        return self._client.get(f"{_agent(agent_id)}/status", AgentState)

    def versions(self, agent_id: str, *, limit: int = 50, cursor: str | None = None) -> VersionPage:
        path = f"{_agent(agent_id)}/versions"
        return self._client.get(path, VersionPage, limit=limit, cursor=cursor)

    def version(self, agent_id: str, number: int) -> VersionDetail:
        return self._client.get(f"{_agent(agent_id)}/versions/{number}", VersionDetail)

    def diff(self, agent_id: str, before: int, after: int) -> VersionDiff:
        return self._client.get(f"{_agent(agent_id)}/versions/{before}/diff/{after}", VersionDiff)

    def marketplace(self) -> MarketplaceRead:
        """Names of the playbooks that ship with SuperOptiX."""
        return self._client.get("/api/agents/marketplace", MarketplaceRead)


def _agent(agent_id: str) -> str:
    return f"/api/agents/{part(agent_id)}"
