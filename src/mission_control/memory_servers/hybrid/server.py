"""The hybrid intelligence as an MCP server."""

from typing import Annotated

from mcp.server import MCPServer
from mcp_types import ToolAnnotations
from pydantic import Field

from mission_control.core.setting_values import SearchWeights
from mission_control.memory_servers.hybrid.embedding import Embedder
from mission_control.memory_servers.hybrid.items import (
    ConversationItem,
    GivenConversation,
    Hits,
    Indexed,
    IndexStats,
    RecentConversations,
)
from mission_control.memory_servers.hybrid.service import HybridIntelligence
from mission_control.memory_servers.tools import READS, told
from mission_control.memory_servers.units import UnitsOfWork

NAME = "hybrid-intelligence"
INSTRUCTIONS = """\
Phone calls and imported conversations, turn by turn. search_conversations finds them by words, and \
by meaning where an embedding model is set; get_conversation reads one as a whole. Times are \
RFC 3339 with a zone, or dates."""

# The same conversation again changes nothing.
INDEXES = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
Time = Annotated[str | None, Field(description="2026-11-23T10:00:00Z or 2026-11-23")]


def build_hybrid_server(
    units: UnitsOfWork,
    *,
    embedder: Embedder | None = None,
    weights: SearchWeights | None = None,
    k: float = 1,
) -> MCPServer:
    """A server over this database, to be run over any transport."""
    intelligence = HybridIntelligence(units, embedder=embedder, weights=weights, k=k)
    server = MCPServer(NAME, title="Hybrid intelligence", instructions=INSTRUCTIONS)
    _add_tools(server, intelligence)
    return server


def _add_tools(server: MCPServer, intelligence: HybridIntelligence) -> None:
    @server.tool(annotations=READS, structured_output=True)
    @told
    async def search_conversations(
        query: str,
        agent: Annotated[str | None, Field(description="An agent's id; absent: any")] = None,
        since: Time = None,
        until: Time = None,
        limit: int = 20,
        mode: Annotated[str, Field(description="fused, lexical or dense")] = "fused",
    ) -> Hits:
        """Conversations that answer the query, each once with its best turn, best first."""
        return await intelligence.search(
            query, agent=agent, since=since, until=until, limit=limit, mode=mode
        )

    @server.tool(annotations=READS, structured_output=True)
    @told
    async def get_conversation(id: str, offset: int = 0) -> ConversationItem:
        """One conversation, with at most 500 turns from offset on."""
        return await intelligence.conversation(id, offset=offset)

    @server.tool(annotations=READS, structured_output=True)
    @told
    async def recent_conversations(
        limit: int = 50, cursor: str | None = None
    ) -> RecentConversations:
        """The latest first, each with its summary or its first words."""
        return await intelligence.recent(limit=limit, cursor=cursor)

    @server.tool(annotations=READS, structured_output=True)
    @told
    async def index_stats() -> IndexStats:
        """What is indexed, since when, and how many texts can be found by meaning."""
        return await intelligence.stats()

    @server.tool(annotations=INDEXES, structured_output=True)
    @told
    async def index_conversations(items: list[GivenConversation]) -> Indexed:
        """Index transcripts: all of them or none. The same external_id again replaces."""
        return await intelligence.index(items)
