"""The OpenAPI document is complete: it is what clients are made from."""

import json
import re
from typing import Any

import pytest

from mission_control.api.app import create_app
from mission_control.api.problems import MEDIA_TYPE
from mission_control.core.playbook_parts import RESERVED_AGENT_IDS
from mission_control.core.settings import Settings

DOCUMENT = create_app().openapi()
OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
THE_MAIN_JOB = {
    "GET /api/agents", "GET /api/agents/{agent_id}", "POST /api/agents", "PUT /api/agents/{agent_id}",
    "DELETE /api/agents/{agent_id}", "POST /api/agents/{agent_id}/compile",
    "GET /api/agents/{agent_id}/status", "GET /api/agents/{agent_id}/versions",
    "GET /api/agents/{agent_id}/versions/{number}",
    "GET /api/agents/{agent_id}/versions/{before}/diff/{after}",
    "POST /api/evaluate/{agent_id}", "GET /api/evaluate/{agent_id}/history",
    "GET /api/evaluate/{agent_id}/latest", "POST /api/evaluate/{agent_id}/baseline",
    "POST /api/optimize/{agent_id}", "GET /api/optimize/{agent_id}/status",
    "GET /api/optimize/{agent_id}/history", "POST /api/optimize/{agent_id}/deploy",
    "POST /api/optimize/{agent_id}/rollback", "GET /api/jobs/{job_id}",
    "POST /api/jobs/{job_id}/cancel", "GET /api/deployments", "GET /api/system/status",
    "GET /healthz", "GET /readyz",
}  # fmt: skip


def test_the_promised_routes_are_there() -> None:
    assert {name for name, _ in OPERATIONS} >= THE_MAIN_JOB


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
class TestOperation:
    def test_has_a_summary_and_a_tag(self, name: str, operation: dict[str, Any]) -> None:
        assert operation["summary"][0].isupper()
        assert operation["tags"]

    def test_refuses_with_problems(self, name: str, operation: dict[str, Any]) -> None:
        for status, response in operation["responses"].items():
            if status.startswith(("4", "5")) and status != "503":
                assert list(response["content"]) == [MEDIA_TYPE], status

    def test_an_agent_may_be_unknown(self, name: str, operation: dict[str, Any]) -> None:
        if "{agent_id}" in name:
            assert "404" in operation["responses"]


def test_every_reference_resolves() -> None:
    components = DOCUMENT["components"]
    known = {f"#/components/{kind}/{name}" for kind in components for name in components[kind]}

    def references(node: Any) -> set[str]:
        if isinstance(node, dict):
            own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            return own.union(*(references(value) for value in node.values()))  # pyright: ignore[reportUnknownVariableType]
        if isinstance(node, list):
            return set().union(*(references(value) for value in node))  # pyright: ignore[reportUnknownVariableType]
        return set()

    assert references(DOCUMENT) <= known


def test_no_agent_has_an_address_of_ours_for_its_id() -> None:
    paths = [path.split("/") for path in DOCUMENT["paths"]]
    before_ids = {tuple(path[: path.index("{agent_id}")]) for path in paths if "{agent_id}" in path}
    words = {
        path[len(before)]
        for path in paths
        for before in before_ids
        if path[: len(before)] == list(before) and len(path) > len(before)
    }
    assert words - {"{agent_id}"} == RESERVED_AGENT_IDS


def test_no_pattern_counts_letters() -> None:
    """`\\w{1,120}` takes 3 MB of each process, for each field that has it."""
    settings = json.dumps(Settings.model_json_schema())
    patterns = re.findall(r'"pattern": "(.*?)"', json.dumps(DOCUMENT) + settings)
    assert len(patterns) > 10
    assert [one for one in patterns if re.search(r"\\w[^]]*\]?\{\d", one)] == []


def test_what_has_named_keys_has_no_others() -> None:
    """`patternProperties` alone would allow any value under any other key."""

    def open_ones(node: Any) -> list[Any]:
        if isinstance(node, list):
            return [found for each in node for found in open_ones(each)]  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(node, dict):
            return []
        inner: dict[str, Any] = node  # pyright: ignore[reportUnknownVariableType]
        own = [inner] if "patternProperties" in node and "additionalProperties" not in node else []
        return own + [found for each in inner.values() for found in open_ones(each)]

    assert open_ones(DOCUMENT) == []


def test_inputs_forbid_unknown_fields() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    bodies = {
        operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
        for name, operation in OPERATIONS
        if "requestBody" in operation and "/webhooks/" not in name  # those are their vendors'
    }
    assert bodies
    for name in bodies:
        assert schemas[name]["additionalProperties"] is False, name
