"""What both servers' tools have in common: how a refusal reaches whoever called."""

import functools
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

import structlog
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

from mission_control.core.errors import MissionControlError

log = structlog.get_logger(__name__)
P = ParamSpec("P")
R = TypeVar("R")

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
WRITES = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False
)


def told(tool: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Tell a refusal by its code and its message. What is no refusal of ours stays untold."""

    @functools.wraps(tool)
    async def telling(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await tool(*args, **kwargs)
        except MissionControlError as refusal:
            log.info("memory_tool_refused", tool=tool.__name__, code=refusal.code)
            raise ToolError(f"{refusal.code}: {refusal.message}") from refusal

    return telling
