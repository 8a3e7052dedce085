"""The AsyncAPI document: what the WebSockets send."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from mission_control.api.deployments import events as deployments
from mission_control.api.drift import events as drift
from mission_control.api.evaluate import events as evaluate
from mission_control.api.evaluate.schemas import EvaluationSnapshot
from mission_control.api.memory import events as memory
from mission_control.api.mirrors import events as mirrors
from mission_control.api.optimize import events as optimize
from mission_control.api.optimize.schemas import OptimizationSnapshot
from mission_control.api.realtime import (
    EVENT_ID,
    HeartbeatMessage,
    watch_evaluation,
    watch_optimization,
    watch_system,
)
from mission_control.api.sync import events as sync
from mission_control.api.system.schemas import SystemSnapshot
from mission_control.core.events import EventData

SCHEMAS = "#/components/schemas/"
MODE: JsonSchemaMode = "serialization"
Json = dict[str, Any]

DESCRIPTION = """Live events. A socket sends a snapshot from the database first, then every event \
behind it exactly once and in order, and a heartbeat when nothing has happened for 20 seconds. \
`?after=<id>` resumes behind an event; one that was never given counts as none, and `complete` is \
false. An event's id rises within its channel.

Close codes: 4003 the page is not ours, 4004 there is no such agent, 4008 the client takes its \
events too slowly (come back with `after`), 4422 a query parameter is none but one `after`, 4503 the database or Redis is away."""


@dataclass(frozen=True)
class Socket:
    """One WebSocket route, and what it sends."""

    name: str
    address: str
    description: str
    snapshot: type[BaseModel]
    events: Sequence[type[EventData]]


SOCKETS = (
    Socket(
        "optimize", "/ws/optimize/{agent_id}", watch_optimization.__doc__ or "",
        OptimizationSnapshot, optimize.EVENTS,
    ),
    Socket(
        "evaluate", "/ws/evaluate/{agent_id}", watch_evaluation.__doc__ or "",
        EvaluationSnapshot, evaluate.EVENTS,
    ),
    Socket(
        "system", "/ws/system", watch_system.__doc__ or "", SystemSnapshot,
        (*deployments.EVENTS, *drift.EVENTS, *sync.EVENTS, *mirrors.EVENTS, *memory.EVENTS),
    ),
)  # fmt: skip


def asyncapi_document() -> Json:
    """The whole document, AsyncAPI 3.0."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Mission Control",
            "version": version("mission-control"),
            "description": DESCRIPTION,
        },
        "defaultContentType": "application/json",
        "servers": {"local": {"host": "127.0.0.1:8000", "protocol": "ws"}},
        "channels": {socket.name: _channel(socket) for socket in SOCKETS},
        "operations": {f"watch_{socket.name}": _operation(socket) for socket in SOCKETS},
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


def _channel(socket: Socket) -> Json:
    after: Json = {
        "type": "string",
        "pattern": EVENT_ID,
        "description": "Resume behind the event with this id.",
    }
    query = {"type": "object", "properties": {"after": after}}
    channel: Json = {
        "address": socket.address,
        "description": socket.description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _names(socket)},
        "bindings": {"ws": {"method": "GET", "query": query, "bindingVersion": "0.1.0"}},
    }
    if "{agent_id}" in socket.address:
        channel["parameters"] = {"agent_id": {"description": "Slug of the agent."}}
    return channel


def _operation(socket: Socket) -> Json:
    channel = f"#/channels/{socket.name}"
    return {
        "action": "send",
        "channel": {"$ref": channel},
        "summary": socket.description,
        "messages": [{"$ref": f"{channel}/messages/{name}"} for name in _names(socket)],
    }


def _names(socket: Socket) -> list[str]:
    return [f"{socket.name}.snapshot", *(each.type for each in socket.events), "heartbeat"]


def _messages() -> Json:
    messages: Json = {"heartbeat": _message("heartbeat", HeartbeatMessage, _ref(HeartbeatMessage))}
    for socket in SOCKETS:
        snapshot = _snapshot_payload(socket.snapshot)
        messages[f"{socket.name}.snapshot"] = _message("snapshot", socket.snapshot, snapshot)
        for event in socket.events:
            messages[event.type] = _message(event.type, event, _event_payload(event))
    return messages


def _message(name: str, model: type[BaseModel], payload: Json) -> Json:
    return {"name": name, "summary": (model.__doc__ or "").strip(), "payload": payload}


def _event_payload(event: type[EventData]) -> Json:
    return _object({
        "id": {"type": "string", "pattern": EVENT_ID},
        "type": {"const": event.type},
        "agent_id": {"type": ["string", "null"]},
        "job_id": {"type": ["string", "null"]},
        "at": {"type": "string", "format": "date-time"},
        "data": _ref(event),
    })  # fmt: skip


def _snapshot_payload(snapshot: type[BaseModel]) -> Json:
    return _object({
        "type": {"const": "snapshot"},
        "id": {"type": "string", "pattern": EVENT_ID},
        "agent_id": {"type": ["string", "null"]},
        "complete": {
            "type": "boolean",
            "description": "False: events behind `after` are gone; the snapshot has what came of them.",
        },
        "data": _ref(snapshot),
    })  # fmt: skip


def _object(properties: Json) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": [*properties],
        "additionalProperties": False,
    }


def _ref(model: type[BaseModel]) -> Json:
    return {"$ref": f"{SCHEMAS}{model.__name__}"}


def _schemas() -> Json:
    models: list[type[BaseModel]] = [HeartbeatMessage]
    for socket in SOCKETS:
        models += [socket.snapshot, *socket.events]
    _, document = models_json_schema(
        [(model, MODE) for model in models], ref_template=SCHEMAS + "{model}"
    )
    return document["$defs"]


def as_text() -> str:
    return json.dumps(asyncapi_document(), indent=2, sort_keys=True) + "\n"
