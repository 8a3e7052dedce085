"""How agents here and their assistants at Vapi have moved apart, as a client asks for it."""

from mission_control.api.drift.schemas import DriftPage, DriftRead
from mission_control.client.requests import Requests, part


class Drift:
    """Comparisons of agents with their assistants: `client.drift`."""

    def __init__(self, client: Requests) -> None:
        self._client = client

    def list(self, *, limit: int = 50, cursor: str | None = None) -> DriftPage:
        """The latest comparison of every agent that was compared."""
        return self._client.get("/api/drift", DriftPage, limit=limit, cursor=cursor)

    def get(self, agent_id: str) -> DriftRead:
        """The latest comparison of one agent."""
        return self._client.get(_path(agent_id), DriftRead)

    def check(self, agent_id: str) -> DriftRead:
        """Ask Vapi and compare now."""
        return self._client.post(_path(agent_id), None, DriftRead)


def _path(agent_id: str) -> str:
    return f"/api/agents/{part(agent_id)}/drift"
