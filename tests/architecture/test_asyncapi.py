"""The document of the WebSockets is true: made from the models of the events, and of every event."""

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi.routing import APIWebSocketRoute

import mission_control.api
from mission_control.api.asyncapi import SOCKETS, as_text, asyncapi_document
from mission_control.api.realtime import router
from mission_control.core.events import EventData

FEATURES = [path.parent.name for path in Path(mission_control.api.__path__[0]).glob("*/events.py")]
EVENTS = [
    event
    for feature in FEATURES
    for event in importlib.import_module(f"mission_control.api.{feature}.events").EVENTS
]
# The engine's log lines are not facts about an optimization, and are called what they are.
NO_FACT = {"optimization.log"}
DOCUMENT = asyncapi_document()


def test_every_socket_is_in_it() -> None:
    routes = {route.path for route in router.routes if isinstance(route, APIWebSocketRoute)}
    assert {channel["address"] for channel in DOCUMENT["channels"].values()} == routes


def test_every_event_is_served_by_one_socket() -> None:
    served = [event for socket in SOCKETS for event in socket.events]
    assert len(served) == len(set(served))
    assert set(served) == set(EVENTS)
    assert len({event.type for event in EVENTS}) == len(EVENTS)


@pytest.mark.parametrize("feature", FEATURES)
def test_every_kind_of_data_is_in_the_list_of_its_feature(feature: str) -> None:
    module = importlib.import_module(f"mission_control.api.{feature}.events")
    declared = {
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, EventData) and hasattr(each, "type")
    }
    assert declared == set(module.EVENTS)


@pytest.mark.parametrize("event", [each for each in EVENTS if each.type not in NO_FACT])
def test_an_event_is_named_as_what_has_happened(event: type[EventData]) -> None:
    assert re.fullmatch(r"[a-z]+\.([a-z]+_)*([a-z]+ed|found|reset)(_back)?", event.type)
    assert event.__doc__, f"{event.__name__} does not say what has happened"


def test_every_reference_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        found: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert found is not None, reference


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in cast("dict[str, Any]", node).items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in cast("list[Any]", node):
            yield from references(value)


def test_it_is_plain_json() -> None:
    assert json.loads(as_text()) == DOCUMENT
