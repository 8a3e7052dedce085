"""A memory server over streamable HTTP, made with the older SDK: `web.py <port> [seconds a call takes]`."""

import sys
import time

from mcp.server.fastmcp import FastMCP

server = FastMCP("web", host="127.0.0.1", port=int(sys.argv[1]), log_level="ERROR")
SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0


@server.tool()
def list_memories(tier: str = "all") -> list[dict[str, str]]:
    """Two memories, one block each."""
    time.sleep(SECONDS)
    return [
        {"id": "w1", "kind": "fact", "content": "The clinic opens at eight", "tier": tier},
        {"id": "w2", "kind": "preference", "content": "Calls only in the morning"},
    ]


@server.tool()
def add_memory(content: str) -> dict[str, str]:
    """Pretends to keep it."""
    time.sleep(SECONDS)
    return {"id": "w3", "content": content}


server.run(transport="streamable-http")
