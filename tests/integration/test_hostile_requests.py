"""Requests that no client of ours would send, and what they must never be answered with: a 500."""

import base64
import json
from typing import Any

import httpx2
import pytest
from jsonschema import Draft202012Validator

from mission_control.core.settings import Settings
from tests.builders import a_playbook

HUGE = 10**30
TOO_LARGE_FOR_A_COLUMN = 2**40
A_JOB = "6f1c6c1e-1111-4111-8111-111111111111"


@pytest.fixture
def settings(settings: Settings, database_url: str) -> Settings:
    """On both databases: they refuse different things."""
    return settings.model_copy(update={"database_url": database_url})


@pytest.fixture
async def ada(client: httpx2.AsyncClient) -> None:
    response = await client.post("/api/agents", json={"playbook": a_playbook()})
    assert response.status_code == 201


def a_cursor(*content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


@pytest.mark.usefixtures("ada")
class TestRefused:
    @pytest.mark.parametrize(
        ("of", "content"),
        [
            ("jobs", ("jobs", "2024-01-01T00:00:00+00:00", "not-a-uuid")),
            ("jobs", ("jobs", "2024-01-01T00:00:00", A_JOB)),
            ("jobs", ("jobs", "0001-01-01T00:00:00+14:00", A_JOB)),
            ("agents", ("agents", "2024-01-01T00:00:00+00:00", "a\x00")),
            ("agents", ("agents", "2024-01-01T00:00:00+00:00", "\ud800")),
        ],
    )
    async def test_a_forged_cursor(
        self, client: httpx2.AsyncClient, of: str, content: tuple[str, str, str]
    ) -> None:
        response = await client.get(f"/api/{of}", params={"cursor": a_cursor(*content)})
        assert (response.status_code, response.json()["code"]) == (422, "cursor_invalid")

    async def test_the_cursor_of_another_list(self, client: httpx2.AsyncClient) -> None:
        of_jobs = a_cursor("jobs", "2024-01-01T00:00:00+00:00", A_JOB)
        assert (await client.get("/api/jobs", params={"cursor": of_jobs})).status_code == 200
        for path in ("/api/agents/ada/versions", "/api/calls", "/api/leads", "/api/deployments"):
            response = await client.get(path, params={"cursor": of_jobs})
            assert (response.status_code, response.json()["code"]) == (422, "cursor_invalid"), path

    async def test_no_more_is_said_of_a_body_than_anybody_reads(
        self, client: httpx2.AsyncClient
    ) -> None:
        body = {f"field{number}": number for number in range(2_000)}
        response = await client.post("/api/evaluate/ada", json=body)
        assert response.status_code == 422
        errors = response.json()["errors"]
        assert (len(errors), errors[-1]["message"]) == (101, "1,900 more.")

    @pytest.mark.parametrize("of", ["jobs", "deployments"])
    async def test_an_agent_that_cannot_be(self, client: httpx2.AsyncClient, of: str) -> None:
        assert (await client.get(f"/api/{of}?agent_id=%00")).status_code == 422

    async def test_what_no_database_compares(self, client: httpx2.AsyncClient) -> None:
        for path in (
            "/api/calls?from=0001-01-01T00:00:00%2B14:00",
            "/api/calls/totals?to=9999-12-31T23:59:59-14:00",
            "/api/calls?text=a%00b",
            "/api/calls?ended_reason=%00",
            "/api/calls?lead_id=%00",
            "/api/leads?search=%00",
            "/api/leads?status=%00",
            "/api/leads?custom.x=%00",
        ):
            assert (await client.get(path)).status_code == 422, path

    @pytest.mark.parametrize("number", [HUGE, TOO_LARGE_FOR_A_COLUMN])
    async def test_a_version_number_that_no_database_holds(
        self, client: httpx2.AsyncClient, number: int
    ) -> None:
        answers = [
            await client.get(f"/api/agents/ada/versions/{number}"),
            await client.get(f"/api/agents/ada/versions/1/diff/{number}"),
            await client.post("/api/evaluate/ada", json={"version": number}),
            await client.post("/api/optimize/ada/deploy", json={"version": number}),
            await client.put("/api/agents/ada", json={"prompt": "Hi", "based_on": number}),
        ]
        assert {answer.status_code for answer in answers} == {422}

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("POST", "/api/evaluate/ada", r'{"scenario_ids": ["\ud800"]}'),
            ("POST", "/api/evaluate/ada", r'{"scenario_ids": ["\u0000"]}'),
            ("PUT", "/api/agents/ada", r'{"prompt": "Hi", "note": "a\u0000b"}'),
            ("PUT", "/api/leads/lead_1", '{"custom": {"Size": {"replace": [1e400]}}}'),
        ],
    )
    async def test_text_that_cannot_be_stored(
        self, client: httpx2.AsyncClient, method: str, path: str, body: str
    ) -> None:
        headers = {"Content-Type": "application/json"}
        response = await client.request(method, path, content=body, headers=headers)
        assert response.status_code == 422, response.text

    async def test_a_field_that_cannot_be(self, client: httpx2.AsyncClient) -> None:
        """No key of `input` holds NUL, whatever its value; the document says so too."""
        body = {"input": {"a\x00": 1}}
        assert (await client.post("/api/execute/ada", json=body)).status_code == 422
        document = (await client.get("/openapi.json")).json()
        described = document["components"]["schemas"]["ExecutionCreate"]["properties"]["input"]
        assert not Draft202012Validator(described).is_valid(body["input"])  # pyright: ignore[reportUnknownMemberType]
        assert Draft202012Validator(described).is_valid({"caller_says": "Hi"})  # pyright: ignore[reportUnknownMemberType]

    @pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
    async def test_what_a_page_elsewhere_could_send(
        self, client: httpx2.AsyncClient, kind: str
    ) -> None:
        """Browsers send these without asking us first; JSON they must ask for."""
        response = await client.post(
            "/api/evaluate/ada", content=b"{}", headers={"Content-Type": kind} if kind else {}
        )
        assert response.status_code == 415
        assert (await client.get("/api/jobs")).json()["items"] == []

    async def test_a_number_that_json_does_not_have(self, client: httpx2.AsyncClient) -> None:
        headers = {"Content-Type": "application/json"}
        response = await client.put(
            "/api/leads/lead_1", content='{"custom": {"Size": NaN}}', headers=headers
        )
        assert (response.status_code, response.json()["code"]) == (400, "malformed")
