"""What is remembered and found, and what of it an agent is given, as a client asks for it."""

from datetime import datetime
from urllib.parse import quote

from mission_control.api.jobs.schemas import JobRead
from mission_control.api.memory.schemas import (
    ContextExport,
    ContextPreview,
    ContextRead,
    ContextVersionPage,
    ContextWrite,
    HybridRead,
    MemoryCorrect,
    MemoryCreate,
    MemorySupersede,
    SearchRead,
    SearchRequest,
    ServerList,
    TemporalRead,
    WrittenRead,
)
from mission_control.client.requests import Requests, part
from mission_control.core.agent_context import ContextSettings


class Memories:
    """The memory servers together: `client.memory`."""

    def __init__(self, client: Requests) -> None:
        self._client = client

    def servers(self) -> ServerList:
        """Their states as last known."""
        return self._client.get("/api/memory/servers", ServerList)

    def temporal(
        self,
        *,
        tier: str = "all",
        as_of: datetime | None = None,
        agent_id: str | None = None,
        limit: int = 500,
    ) -> TemporalRead:
        """What is remembered, now or at a time; oldest first."""
        return self._client.get(
            "/api/memory/temporal",
            TemporalRead,
            tier=tier,
            as_of=as_of.isoformat() if as_of is not None else None,
            agent_id=agent_id,
            limit=limit,
        )

    def hybrid(
        self, query: str | None = None, *, agent_id: str | None = None, limit: int = 20
    ) -> HybridRead:
        """The newest conversations, or those that answer a query."""
        return self._client.get(
            "/api/memory/hybrid", HybridRead, query=query, agent_id=agent_id, limit=limit
        )

    def search(self, query: str, *, limit: int = 20) -> SearchRead:
        request = SearchRequest(query=query, limit=limit)
        return self._client.post("/api/memory/search", request, SearchRead)

    def sync(self) -> JobRead:
        """Read what the servers hold; while that is done, its job is returned."""
        return self._client.start("/api/memory/sync", None)

    # ---------------------------------------------------------------- writing

    def add(self, request: MemoryCreate) -> WrittenRead:
        return self._client.post("/api/memory/memories", request, WrittenRead)

    def supersede(self, memory_id: str, request: MemorySupersede) -> WrittenRead:
        return self._client.post(_path(memory_id, "supersede"), request, WrittenRead)

    def correct(self, memory_id: str, request: MemoryCorrect) -> WrittenRead:
        return self._client.post(_path(memory_id, "correct"), request, WrittenRead)

    # ---------------------------------------------------------------- what an agent is given

    def context(self, agent_id: str) -> ContextRead:
        return self._client.get(_context(agent_id), ContextRead)

    def preview(self, agent_id: str, settings: ContextSettings) -> ContextRead:
        request = ContextPreview(settings=settings)
        return self._client.post(f"{_context(agent_id)}/preview", request, ContextRead)

    def save_context(self, agent_id: str, request: ContextWrite) -> ContextRead:
        return self._client.put(_context(agent_id), request, ContextRead)

    def reset_context(self, agent_id: str) -> None:
        self._client.delete(_context(agent_id))

    def context_versions(
        self, agent_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> ContextVersionPage:
        path = f"{_context(agent_id)}/versions"
        return self._client.get(path, ContextVersionPage, limit=limit, cursor=cursor)

    def export_context(self, agent_id: str) -> ContextExport:
        return self._client.get(f"{_context(agent_id)}/export", ContextExport)


def _path(memory_id: str, change: str) -> str:
    """Servers of others have ids with slashes and spaces in them."""
    return f"/api/memory/memories/{quote(memory_id, safe='/')}/{change}"


def _context(agent_id: str) -> str:
    return f"/api/memory/context/{part(agent_id)}"
