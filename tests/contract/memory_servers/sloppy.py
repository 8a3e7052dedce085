"""A memory server over stdio that misbehaves as it is told: `sloppy.py <how> [argument]`. No SDK."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HOW = sys.argv[1]
ARGUMENT = sys.argv[2] if len(sys.argv) > 2 else ""
SCHEMA = {"type": "object", "properties": {"tier": {"type": "string"}}}
MEMORIES = [{"id": "m1", "type": "fact", "content": "Mrs Hopper likes mornings"}]


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def tools() -> list[dict[str, Any]]:
    good = {"name": "list_memories", "inputSchema": SCHEMA}
    add = {"name": "add_memory", "inputSchema": {"type": "object"}}
    if HOW == "lies-about-tools":
        return [good, {"name": "broken", "inputSchema": "an object"}]
    if HOW == "lies-about-results":
        return [{**good, "outputSchema": {"type": "object", "required": ["items"]}}]
    return [good, add]


def text(value: object) -> dict[str, Any]:
    said = value if isinstance(value, str) else json.dumps(value)
    return {"content": [{"type": "text", "text": said}]}


def call(identifier: object, arguments: dict[str, Any]) -> None:  # noqa: C901
    match HOW:
        case "hangs":
            time.sleep(3600)
        case "dies":
            os._exit(3)
        case "dies-once" if not Path(ARGUMENT).exists():
            Path(ARGUMENT).touch()
            os._exit(3)
        case "huge":
            say({"id": identifier, "result": text("x" * 3_000_000)})
        case "endless-line":
            sys.stdout.write('{"jsonrpc": "2.0", "method": "')
            while True:
                sys.stdout.write("x" * 65_536)
        case "notifications":
            while True:
                say({"method": "notifications/message", "params": {"level": "info", "data": "x"}})
        case "answers":
            while True:
                say({"id": identifier, "result": text(MEMORIES)})
        case "chatter":
            while True:
                print("a log line on the wrong stream")
        case "tells-secret":
            say(
                {
                    "id": identifier,
                    "result": {**text(f"no: {os.environ['TOKEN']}"), "isError": True},
                }
            )
        case "log-flood":
            say({"id": identifier, "result": text(MEMORIES)})
            while True:
                sys.stderr.write("still alive\n")
        case "environment":
            say({"id": identifier, "result": text([{"content": name} for name in os.environ])})
        case "waits-for":
            while not Path(ARGUMENT).exists():
                time.sleep(0.02)
            say({"id": identifier, "result": text(MEMORIES)})
        case "echo":
            say({"id": identifier, "result": text([{"content": json.dumps(arguments)}])})
        case _:
            say({"id": identifier, "result": text(MEMORIES)})


def main() -> None:
    if HOW == "exits":
        sys.stderr.write(f"cannot open the database with {os.environ.get('TOKEN', 'nothing')}\n")
        sys.exit(7)
    if HOW == "grandchild":
        child = subprocess.Popen(["sleep", "300"])
        Path(ARGUMENT).write_text(str(child.pid))
    for line in sys.stdin:
        message = json.loads(line)
        identifier, method = message.get("id"), message.get("method")
        if HOW == "silent" or identifier is None:
            continue
        if method == "initialize":
            information = {"name": "sloppy", "version": "1"}
            result: dict[str, Any] = {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}},
            }
            say({"id": identifier, "result": {**result, "serverInfo": information}})
        elif method == "tools/list":
            say({"id": identifier, "result": {"tools": tools()}})
        elif method == "tools/call":
            call(identifier, message["params"].get("arguments") or {})
        else:
            say({"id": identifier, "error": {"code": -32601, "message": "Method not found"}})


main()
