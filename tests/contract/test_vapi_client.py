"""Our Vapi client through the stand-in, on a real port."""

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from mission_control.core.errors import NotAcceptableError
from mission_control.integrations.errors import (
    AssistantChangedSinceError,
    AssistantNameAmbiguousError,
    ChangedAtVapiError,
    DeployNotVerifiedError,
    DeployUnconfirmedError,
    IntegrationAmbiguousError,
    IntegrationAnswerTooLargeError,
    IntegrationContractError,
    IntegrationCredentialsError,
    IntegrationError,
    IntegrationMisconfiguredError,
    IntegrationNotFoundError,
    IntegrationRateLimitedError,
    IntegrationRejectedError,
    IntegrationUnavailableError,
    PromptNotWritableError,
)
from mission_control.integrations.http.client import USER_AGENT
from mission_control.integrations.vapi import reader as vapi_reader
from mission_control.integrations.vapi.assistant import OptimizedPrompts, Snapshot
from mission_control.integrations.vapi.changes import Texts
from mission_control.integrations.vapi.differences import differences
from mission_control.integrations.vapi.prompt_slots import live_prompt, with_prompt
from mission_control.integrations.vapi_client import VAPIClient, open_vapi
from mission_control_sandbox.vapi_server import create_app

KEY = "key-that-must-not-be-seen"
PROMPT = "You are {{ name | default: 'Remus' }}.\n\tSay “hello” 你好 🚚.\r\n"


class Sandbox:
    """What a test may do to the stand-in behind the client's back."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.http = http

    async def fault(self, kind: str, assistant_id: str = "", **options: object) -> None:
        path = f"/assistant/{assistant_id}" if assistant_id else "/assistant"
        answer = await self.http.post(
            "/sandbox/faults", json={"kind": kind, "path": path, **options}
        )
        assert answer.status_code == 201, answer.text

    async def get(self, assistant_id: str) -> Any:
        return (await self.http.get(f"/assistant/{assistant_id}")).raise_for_status().json()

    async def edit(self, assistant_id: str, **changes: object) -> None:
        """Somebody works in Vapi's dashboard."""
        answer = await self.http.patch(f"/assistant/{assistant_id}", json=changes)
        answer.raise_for_status()

    async def count(self, method: str, assistant_id: str) -> int:
        log = (await self.http.get("/sandbox/requests")).json()["requests"]
        asked = [one["method"] for one in log if one["path"] == f"/assistant/{assistant_id}"]
        return asked.count(method)


@pytest.fixture(autouse=True)
def _patient_only_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VAPIClient, "request_timeout_seconds", 2.0)
    monkeypatch.setattr(VAPIClient, "retry_base_seconds", 0.01)
    monkeypatch.setattr(VAPIClient, "read_back_pause_seconds", 0.01)


@pytest.fixture
async def sandbox(vapi_server: str) -> AsyncIterator[Sandbox]:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx2.AsyncClient(base_url=vapi_server, headers=headers) as http:
        await http.post("/sandbox/reset")
        yield Sandbox(http)


@pytest.fixture
async def vapi(vapi_server: str, sandbox: Sandbox) -> AsyncIterator[VAPIClient]:
    async with open_vapi(vapi_server, SecretStr(KEY)) as client:
        yield client


def in_process(**options: Any) -> VAPIClient:
    """A client on a stand-in of its own."""
    return VAPIClient(
        httpx2.AsyncClient(
            transport=httpx2.ASGITransport(create_app(**options)),
            base_url="http://vapi.test",
            headers={"Authorization": f"Bearer {KEY}"},
        )
    )


def stored(**fields: Any) -> dict[str, Any]:
    """An assistant as the vendor has it."""
    return {
        "id": str(uuid4()),
        "orgId": str(uuid4()),
        "createdAt": "2026-05-04T14:02:11.318Z",
        "updatedAt": "2026-05-04T14:02:11.318Z",
        **fields,
    }


async def a_remus(vapi: VAPIClient, **changes: Any) -> str:
    """Id of a copy of REMUS, with other values in some of its top-level fields."""
    remus = await vapi.get_assistant((await vapi.find_assistant("REMUS")).id)
    read_only = ("id", "orgId", "createdAt", "updatedAt", "latestVersion", "isServerUrlSecretSet")
    body = {key: value for key, value in remus.items() if key not in read_only}
    created = await vapi.create_assistant({**body, "name": f"copy {uuid4().hex[:8]}", **changes})
    return str(created["id"])


def model_with(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"provider": "openai", "model": "gpt-4o-mini", "messages": list(messages), **fields}


def system(content: str | None) -> dict[str, Any]:
    return {"role": "system", "content": content}


class TestReading:
    async def test_an_assistant_comes_verbatim(self, vapi: VAPIClient, sandbox: Sandbox) -> None:
        remus = await vapi.find_assistant("REMUS")
        assert await vapi.get_assistant(remus.id) == await sandbox.get(remus.id)

    async def test_all_assistants_are_listed_once_across_pages(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(vapi_reader, "PAGE_SIZE", 4)
        # Five at one instant: more than a page, and across the edge of one.
        times = [f"2026-05-04T14:02:{second:02}.000Z" for second in [1, 2, 3, 4, 4, 4, 4, 4, 5, 6]]
        there = [stored(name=f"n{index}", createdAt=at) for index, at in enumerate(times)]
        found = await in_process(assistants=there).list_assistants()
        assert sorted(one.id for one in found) == sorted(one["id"] for one in there)
        assert [one.created_at for one in found] == sorted(times, reverse=True)

    async def test_a_full_last_page_ends_the_walk(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(vapi_reader, "PAGE_SIZE", 2)
        there = [stored(createdAt=f"2026-05-04T14:02:0{second}.000Z") for second in range(4)]
        assert len(await in_process(assistants=there).list_assistants()) == 4

    async def test_a_name_nobody_has(self, vapi: VAPIClient) -> None:
        with pytest.raises(IntegrationNotFoundError):
            await vapi.find_assistant("remus")

    async def test_a_name_that_several_have(self, vapi: VAPIClient) -> None:
        second = await a_remus(vapi, name="REMUS")
        with pytest.raises(AssistantNameAmbiguousError) as caught:
            await vapi.find_assistant("REMUS")
        ids = caught.value.fields["assistant_ids"]
        assert isinstance(ids, list)
        assert second in ids

    async def test_values_we_do_not_know_do_no_harm(self) -> None:
        strange = stored(name=7, model={"provider": "new-one", "model": ["x"]}, latestVersion=3)
        vapi = in_process(assistants=[strange])
        [summary] = await vapi.list_assistants()
        assert (summary.name, summary.provider, summary.model) == (None, "new-one", None)
        assert await vapi.get_assistant(strange["id"]) == strange

    async def test_unknown_id(self, vapi: VAPIClient) -> None:
        with pytest.raises(IntegrationNotFoundError):
            await vapi.get_assistant(str(uuid4()))

    @pytest.mark.parametrize("assistant_id", ["", "..", "a/b", "a?limit=1", "x" * 65])
    async def test_an_id_never_changes_the_path(
        self, vapi: VAPIClient, sandbox: Sandbox, assistant_id: str
    ) -> None:
        with pytest.raises(IntegrationNotFoundError):
            await vapi.get_assistant(assistant_id)
        assert (await sandbox.http.get("/sandbox/requests")).json() == {"requests": []}


class TestFailures:
    @pytest.mark.parametrize(
        ("kind", "options", "expected"),
        [
            ("html", {}, IntegrationUnavailableError),
            ("status", {"status": 500}, IntegrationUnavailableError),
            ("status", {"status": 408}, IntegrationUnavailableError),
            ("drop", {}, IntegrationUnavailableError),
            ("hang", {}, IntegrationUnavailableError),
            ("rate_limit", {}, IntegrationRateLimitedError),
            ("status", {"status": 301}, IntegrationContractError),
            ("status", {"status": 402}, IntegrationRejectedError),
            ("status", {"status": 204}, IntegrationContractError),
        ],
    )
    async def test_every_failed_read_has_a_name(
        self,
        vapi: VAPIClient,
        sandbox: Sandbox,
        monkeypatch: pytest.MonkeyPatch,
        kind: str,
        options: dict[str, int],
        expected: type[IntegrationError],
    ) -> None:
        monkeypatch.setattr(VAPIClient, "request_timeout_seconds", 0.3)
        monkeypatch.setattr(
            "mission_control.integrations.http.refusals.RATE_LIMIT_PAUSE_SECONDS", 0.01
        )
        await sandbox.fault(kind, times=3, **options)
        with pytest.raises(expected) as caught:
            await vapi.check()
        assert type(caught.value) is expected

    @pytest.mark.parametrize(
        ("kind", "options"),
        [("html", {}), ("status", {"status": 503}), ("drop", {}), ("hang", {})],
    )
    async def test_a_write_without_an_answer_is_ambiguous_and_not_repeated(
        self,
        vapi: VAPIClient,
        sandbox: Sandbox,
        monkeypatch: pytest.MonkeyPatch,
        kind: str,
        options: dict[str, int],
    ) -> None:
        monkeypatch.setattr(VAPIClient, "request_timeout_seconds", 0.3)
        remus = await a_remus(vapi)
        await sandbox.fault(kind, remus, method="PATCH", **options)
        with pytest.raises(IntegrationAmbiguousError):
            await vapi.update_assistant(remus, {"name": "x"})
        assert await sandbox.count("PATCH", remus) == 1

    async def test_a_write_that_never_left_is_not_ambiguous(self) -> None:
        vapi = open_vapi("http://127.0.0.1:1", SecretStr(KEY))
        with pytest.raises(IntegrationUnavailableError) as caught:
            await vapi.create_assistant({})
        assert not isinstance(caught.value, IntegrationAmbiguousError)

    async def test_a_read_is_asked_three_times(self, vapi: VAPIClient, sandbox: Sandbox) -> None:
        remus = await a_remus(vapi)
        await sandbox.fault("html", remus, times=2)
        assert (await vapi.get_assistant(remus))["id"] == remus
        assert await sandbox.count("GET", remus) == 3

    async def test_a_read_waits_as_long_as_it_is_told(
        self, vapi: VAPIClient, sandbox: Sandbox
    ) -> None:
        await sandbox.fault("rate_limit", retry_after="1")
        started = time.monotonic()
        await vapi.list_assistants()
        assert time.monotonic() - started >= 1

    async def test_a_long_wait_is_left_to_the_caller(
        self, vapi: VAPIClient, sandbox: Sandbox
    ) -> None:
        await sandbox.fault("rate_limit", retry_after="3600")
        with pytest.raises(IntegrationRateLimitedError) as caught:
            await vapi.check()
        assert caught.value.retry_after == 3600
        assert len((await sandbox.http.get("/sandbox/requests")).json()["requests"]) == 1

    async def test_a_date_says_when_to_come_back(self, vapi: VAPIClient, sandbox: Sandbox) -> None:
        await sandbox.fault("rate_limit", retry_after="Fri, 31 Dec 2100 23:59:59 GMT")
        with pytest.raises(IntegrationRateLimitedError) as caught:
            await vapi.check()
        assert caught.value.retry_after > 10**9

    async def test_a_rejection_quotes_the_vendor(self, vapi: VAPIClient) -> None:
        with pytest.raises(IntegrationRejectedError, match="property color should not exist"):
            await vapi.create_assistant({"color": "red", "name": "x" * 41})

    async def test_a_wrong_key_is_named_and_never_shown(self) -> None:
        with capture_logs() as logs, pytest.raises(IntegrationCredentialsError) as caught:
            await in_process(api_key="another").check()
        assert KEY not in f"{caught.value.message}{caught.value.fields}{logs}"
        assert "Hot tip" in caught.value.message

    async def test_a_key_in_the_vendors_message_is_taken_out(self) -> None:
        body = {"message": f"Bearer {KEY} is not known", "statusCode": 401}
        transport = httpx2.MockTransport(lambda _: httpx2.Response(401, json=body))
        headers = {"Authorization": f"Bearer {KEY}"}
        http = httpx2.AsyncClient(transport=transport, base_url="http://vapi.test", headers=headers)
        with pytest.raises(IntegrationCredentialsError, match="redacted") as caught:
            await VAPIClient(http).check()
        assert KEY not in caught.value.message

    async def test_a_refused_user_agent_is_not_blamed_on_the_key(self) -> None:
        answer = httpx2.Response(403, text="error code: 1010")
        transport = httpx2.MockTransport(lambda _: answer)
        http = httpx2.AsyncClient(transport=transport, base_url="http://vapi.test")
        with pytest.raises(IntegrationCredentialsError, match="User-Agent"):
            await VAPIClient(http).check()

    async def test_the_user_agent_is_always_sent(self) -> None:
        seen: list[httpx2.Request] = []

        def answer(request: httpx2.Request) -> httpx2.Response:
            seen.append(request)
            return httpx2.Response(200, json=[])

        transport = httpx2.MockTransport(answer)
        http = httpx2.AsyncClient(transport=transport, base_url="http://vapi.test")
        del http.headers["User-Agent"]
        await VAPIClient(http).check()
        assert seen[0].headers["User-Agent"] == USER_AGENT

    @pytest.mark.parametrize("body", ["<html>hello</html>", "", "NaN", "{"])
    async def test_an_answer_that_is_not_json(self, body: str) -> None:
        transport = httpx2.MockTransport(lambda _: httpx2.Response(200, text=body))
        http = httpx2.AsyncClient(transport=transport, base_url="http://vapi.test")
        with pytest.raises(IntegrationContractError):
            await VAPIClient(http).check()

    @pytest.mark.parametrize("body", [{}, [3], [{"name": "no id"}], None])
    async def test_json_of_another_shape(self, body: object) -> None:
        transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=body))
        http = httpx2.AsyncClient(transport=transport, base_url="http://vapi.test")
        with pytest.raises(IntegrationContractError):
            await VAPIClient(http).list_assistants()

    @pytest.mark.parametrize("key", ["", "  ", "a b", "ключ", "a\nb"])
    def test_a_key_that_cannot_be_one(self, key: str) -> None:
        with pytest.raises(IntegrationCredentialsError) as caught:
            open_vapi("http://vapi.test", SecretStr(key))
        assert not key.strip() or key not in caught.value.message

    async def test_a_base_url_without_scheme(self) -> None:
        with pytest.raises(IntegrationMisconfiguredError):
            await open_vapi("api.vapi.ai", SecretStr(KEY)).check()

    def test_a_base_url_that_is_none(self) -> None:
        with pytest.raises(IntegrationMisconfiguredError):
            open_vapi("http://vapi:port", SecretStr(KEY))


class TestDeploying:
    async def test_only_the_prompt_changes(self, vapi: VAPIClient, sandbox: Sandbox) -> None:
        remus = await a_remus(vapi)
        before = await sandbox.get(remus)
        result = await vapi.deploy_optimized(remus, {"system": PROMPT})
        after = await sandbox.get(remus)
        assert after["model"]["messages"][0]["content"] == PROMPT
        assert differences(before, after) == ["model.messages[0].content"]
        assert (result.status, result.changed_fields) == (
            "deployed",
            ("model.messages[0].content",),
        )
        assert result.snapshot.assistant == before
        assert result.latest_version == after["latestVersion"] == "v2"

    async def test_the_tools_keep_their_secrets(self, vapi: VAPIClient, sandbox: Sandbox) -> None:
        remus = await a_remus(vapi)
        await vapi.deploy_optimized(remus, {"system": PROMPT})
        model = (await sandbox.get(remus))["model"]
        assert model["tools"][0]["server"]["secret"] == "stand-in-tool-secret-remus"  # noqa: S105
        assert len(model["toolIds"]) == 2

    async def test_no_secret_and_no_prompt_is_logged(self, vapi: VAPIClient) -> None:
        remus = await a_remus(vapi)
        with capture_logs() as logs:
            await vapi.deploy_optimized(remus, {"system": "Very confidential."})
        assert [log["event"] for log in logs if log["log_level"] == "info"] == [
            "vapi_prompt_deployed"
        ]
        assert "confidential" not in str(logs)
        assert "stand-in-tool-secret" not in str(logs)
        assert KEY not in str(logs)

    async def test_the_first_message_goes_along(self, vapi: VAPIClient, sandbox: Sandbox) -> None:
        remus = await a_remus(vapi)
        result = await vapi.deploy_optimized(remus, {"system": PROMPT, "first_message": "Hi."})
        assert (await sandbox.get(remus))["firstMessage"] == "Hi."
        assert set(result.changed_fields) == {"model.messages[0].content", "firstMessage"}

    async def test_what_is_live_already_is_not_written(
        self, vapi: VAPIClient, sandbox: Sandbox
    ) -> None:
        remus = await a_remus(vapi)
        await vapi.deploy_optimized(remus, {"system": PROMPT})
        result = await vapi.deploy_optimized(remus, {"system": PROMPT})
        assert (result.status, result.changed_fields) == ("unchanged", ())
        assert await sandbox.count("PATCH", remus) == 1

    async def test_an_empty_prompt_is_refused(self, vapi: VAPIClient, sandbox: Sandbox) -> None:
        remus = await a_remus(vapi)
        with pytest.raises(NotAcceptableError):
            await vapi.deploy_optimized(remus, {"system": " \n"})
        assert await sandbox.count("PATCH", remus) == 0

    @pytest.mark.parametrize(
        ("model", "expected"),
        [
            pytest.param(
                model_with(system("a"), system("b")),
                model_with(system(PROMPT), system("b")),
                id="the first of several",
            ),
            pytest.param(
                model_with({"role": "assistant", "content": "hi"}, system("a")),
                model_with({"role": "assistant", "content": "hi"}, system(PROMPT)),
                id="not at the start",
            ),
            pytest.param(
                model_with({"role": "user", "content": "hi"}),
                model_with(system(PROMPT), {"role": "user", "content": "hi"}),
                id="none: comes first",
            ),
            pytest.param(
                {"provider": "custom-llm", "url": "https://llm.example", "model": "m"},
                {
                    "provider": "custom-llm",
                    "url": "https://llm.example",
                    "model": "m",
                    "messages": [system(PROMPT)],
                },
                id="no messages at all",
            ),
            pytest.param(
                model_with(systemPrompt="old"),
                model_with(systemPrompt=PROMPT),
                id="the legacy slot is live",
            ),
            pytest.param(
                model_with(system("a"), systemPrompt="a"),
                model_with(system(PROMPT), systemPrompt=PROMPT),
                id="both slots say the same",
            ),
            pytest.param(
                model_with(system("a"), systemPrompt="stale"),
                model_with(system(PROMPT), systemPrompt="stale"),
                id="a message beats another legacy prompt",
            ),
            pytest.param(
                model_with(system("a"), systemPrompt=PROMPT),
                model_with(system(PROMPT), systemPrompt=PROMPT),
                id="another legacy prompt that happens to say the new text",
            ),
            pytest.param(
                model_with(system(None), systemPrompt="old"),
                model_with(system(None), systemPrompt=PROMPT),
                id="a text beats an empty message",
            ),
            pytest.param(
                model_with(system(None), systemPrompt=""),
                model_with(system(PROMPT), systemPrompt=""),
                id="an empty message beats an empty legacy prompt",
            ),
        ],
    )
    async def test_the_prompt_goes_where_it_is_live_and_back(
        self, vapi: VAPIClient, sandbox: Sandbox, model: dict[str, Any], expected: dict[str, Any]
    ) -> None:
        remus = await a_remus(vapi, model=model)
        result = await vapi.deploy_optimized(remus, {"system": PROMPT})
        assert (await sandbox.get(remus))["model"] == expected
        await vapi.rollback(remus, result.snapshot)
        assert (await sandbox.get(remus))["model"] == model

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"model": None},
            {"model": {"provider": "openai", "messages": "text"}},
            {"model": {"provider": "openai", "messages": [{"role": "system", "content": [1]}]}},
        ],
    )
    async def test_a_prompt_that_cannot_be_written(self, fields: dict[str, Any]) -> None:
        there = stored(**fields)
        vapi = in_process(assistants=[there], whitelist=False)
        with pytest.raises(PromptNotWritableError):
            await vapi.deploy_optimized(there["id"], {"system": PROMPT})
        assert await vapi.get_assistant(there["id"]) == there
        assert live_prompt(there) is None

    async def test_half_an_emoji_survives(self) -> None:
        there = stored(model=model_with(system("a"), {"role": "user", "content": "cut \ud83d"}))
        vapi = in_process(assistants=[there])
        await vapi.deploy_optimized(there["id"], {"system": "b \ude9a"})
        after = await vapi.get_assistant(there["id"])
        assert after["model"] == model_with(
            system("b \ude9a"), {"role": "user", "content": "cut \ud83d"}
        )


class TestInterruptedDeployment:
    @pytest.mark.parametrize("kind", ["hang", "drop", "html", "status"])
    async def test_a_lost_answer_is_resolved_by_reading_back(
        self, vapi: VAPIClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        monkeypatch.setattr(VAPIClient, "request_timeout_seconds", 0.5)
        remus = await a_remus(vapi)
        await sandbox.fault(kind, remus, method="PATCH", when="after")
        result = await vapi.deploy_optimized(remus, {"system": PROMPT})
        assert result.status == "deployed"
        assert live_prompt(await sandbox.get(remus)) == PROMPT
        assert await sandbox.count("PATCH", remus) == 1

    async def test_an_answer_in_another_form_is_resolved_by_reading_back(
        self, vapi: VAPIClient, sandbox: Sandbox
    ) -> None:
        remus = await a_remus(vapi)
        await sandbox.fault("status", remus, method="PATCH", when="after", status=204)
        assert (await vapi.deploy_optimized(remus, {"system": PROMPT})).status == "deployed"

    @pytest.mark.parametrize("kind", ["hang", "drop", "html"])
    async def test_a_lost_request_changes_nothing_and_may_be_repeated(
        self, vapi: VAPIClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        monkeypatch.setattr(VAPIClient, "request_timeout_seconds", 0.5)
        remus = await a_remus(vapi)
        before = await sandbox.get(remus)
        await sandbox.fault(kind, remus, method="PATCH")
        with pytest.raises(DeployUnconfirmedError):
            await vapi.deploy_optimized(remus, {"system": PROMPT})
        assert await sandbox.get(remus) == before
        assert await sandbox.count("PATCH", remus) == 1
        result = await vapi.deploy_optimized(remus, {"system": PROMPT}, before=before)
        assert result.snapshot.assistant == before

    async def test_a_deployment_that_cannot_be_read_back_is_finished_by_repeating_it(
        self, vapi: VAPIClient, sandbox: Sandbox
    ) -> None:
        remus = await a_remus(vapi)
        before = await vapi.get_assistant(remus)
        await sandbox.fault("slow", remus, method="GET", seconds=0)  # our first look
        await sandbox.fault("html", remus, method="GET", times=3)
        with pytest.raises(DeployUnconfirmedError):
            await vapi.deploy_optimized(remus, {"system": PROMPT}, before=before)
        result = await vapi.deploy_optimized(remus, {"system": PROMPT}, before=before)
        assert (result.status, result.snapshot.assistant) == ("deployed", before)
        assert result.changed_fields == ("model.messages[0].content",)
        assert await sandbox.count("PATCH", remus) == 1

    async def test_a_busy_vendor_is_asked_once(self, vapi: VAPIClient, sandbox: Sandbox) -> None:
        remus = await a_remus(vapi)
        before = await sandbox.get(remus)
        await sandbox.fault("rate_limit", remus, method="PATCH")
        with pytest.raises(IntegrationRateLimitedError):
            await vapi.deploy_optimized(remus, {"system": PROMPT})
        assert await sandbox.get(remus) == before

    async def test_an_edit_after_the_snapshot_stops_the_deployment(
        self, vapi: VAPIClient, sandbox: Sandbox
    ) -> None:
        remus = await a_remus(vapi)
        before = await vapi.get_assistant(remus)
        await sandbox.edit(remus, maxDurationSeconds=120)
        with pytest.raises(AssistantChangedSinceError) as caught:
            await vapi.deploy_optimized(remus, {"system": PROMPT}, before=before)
        assert caught.value.fields["changed"] == ["maxDurationSeconds"]
        assert await sandbox.count("PATCH", remus) == 1  # theirs

    async def test_a_loss_at_the_vendor_is_seen_and_put_back(
        self, vapi: VAPIClient, sandbox: Sandbox
    ) -> None:
        remus = await a_remus(vapi)
        before = await sandbox.get(remus)
        await sandbox.fault("forget", remus, method="PATCH", field="model.toolIds")
        with pytest.raises(DeployNotVerifiedError) as caught:
            await vapi.deploy_optimized(remus, {"system": PROMPT})
        assert caught.value.fields["wrong"] == ["model.toolIds"]
        assert caught.value.fields["restored"] is True
        assert differences(before, await sandbox.get(remus)) == []

    async def test_a_loss_that_cannot_be_put_back_is_said_loudly(
        self, vapi: VAPIClient, sandbox: Sandbox
    ) -> None:
        remus = await a_remus(vapi)
        await sandbox.fault("forget", remus, method="PATCH", field="model.toolIds", times=20)
        with pytest.raises(DeployNotVerifiedError, match="could NOT be put back") as caught:
            await vapi.deploy_optimized(remus, {"system": PROMPT})
        assert caught.value.fields["restored"] is False

    async def test_putting_back_is_tried_again_while_the_vendor_is_busy(
        self, vapi: VAPIClient, sandbox: Sandbox
    ) -> None:
        remus = await a_remus(vapi)
        before = await sandbox.get(remus)
        await sandbox.fault("forget", remus, method="PATCH", field="model.toolIds")
        await sandbox.fault("rate_limit", remus, method="PATCH")
        with pytest.raises(DeployNotVerifiedError) as caught:
            await vapi.deploy_optimized(remus, {"system": PROMPT})
        assert caught.value.fields["restored"] is True
        assert differences(before, await sandbox.get(remus)) == []

    async def test_a_vendor_that_takes_nothing(self, vapi: VAPIClient, sandbox: Sandbox) -> None:
        remus = await a_remus(vapi)
        before = await sandbox.get(remus)
        await sandbox.fault("status", remus, method="PATCH", status=200)  # says yes, does nothing
        with pytest.raises(IntegrationError) as caught:
            await vapi.deploy_optimized(remus, {"system": PROMPT})
        assert caught.value.code in ("deploy_not_verified", "deploy_unconfirmed")
        assert await sandbox.get(remus) == before

    async def test_a_slow_vendor_is_waited_for(self, vapi: VAPIClient, sandbox: Sandbox) -> None:
        remus = await a_remus(vapi)
        await sandbox.fault("slow", remus, method="PATCH", seconds=0.3)
        assert (await vapi.deploy_optimized(remus, {"system": PROMPT})).status == "deployed"


class TestRollingBack:
    async def test_everything_is_as_before(self, vapi: VAPIClient, sandbox: Sandbox) -> None:
        remus = await a_remus(vapi)
        before = await sandbox.get(remus)
        prompts: OptimizedPrompts = {"system": PROMPT, "first_message": "Hi."}
        deployed = await vapi.deploy_optimized(remus, prompts)
        result = await vapi.rollback(remus, deployed.snapshot)
        assert result.status == "rolled_back"
        assert set(result.changed_fields) == {"model.messages[0].content", "firstMessage"}
        assert differences(before, await sandbox.get(remus)) == []

    async def test_the_work_of_others_is_kept(self, vapi: VAPIClient, sandbox: Sandbox) -> None:
        remus = await a_remus(vapi)
        before = await sandbox.get(remus)
        deployed = await vapi.deploy_optimized(remus, {"system": PROMPT})
        model = (await sandbox.get(remus))["model"]
        model["temperature"], model["toolIds"] = 0.9, []
        model["messages"].append(system("Added by a colleague."))
        await sandbox.edit(remus, model=model, name="REMUS II", voicemailMessage=None)
        await vapi.rollback(remus, deployed.snapshot)
        after = await sandbox.get(remus)
        assert live_prompt(after) == live_prompt(before)
        assert after["model"]["messages"][1:] == [system("Added by a colleague.")]
        assert set(differences(before, after)) == {
            "name",
            "voicemailMessage",
            "model.temperature",
            "model.toolIds[0]",
            "model.toolIds[1]",
            "model.messages[1]",
        }

    async def test_a_prompt_of_somebody_else_is_not_overwritten(
        self, vapi: VAPIClient, sandbox: Sandbox
    ) -> None:
        remus = await a_remus(vapi)
        before = await sandbox.get(remus)
        deployed = await vapi.deploy_optimized(remus, {"system": PROMPT})
        theirs = with_prompt(await sandbox.get(remus), "Written in the dashboard.")
        await sandbox.edit(remus, model=theirs["model"])
        with pytest.raises(ChangedAtVapiError) as caught:
            await vapi.rollback(remus, deployed.snapshot)
        assert caught.value.fields["changed"] == ["system"]
        assert live_prompt(await sandbox.get(remus)) == "Written in the dashboard."
        await vapi.rollback(remus, deployed.snapshot, overwrite=Texts.of(await sandbox.get(remus)))
        assert differences(before, await sandbox.get(remus)) == []

    async def test_a_first_message_of_somebody_else_is_not_overwritten(
        self, vapi: VAPIClient, sandbox: Sandbox
    ) -> None:
        remus = await a_remus(vapi)
        prompts: OptimizedPrompts = {"system": PROMPT, "first_message": "Hi."}
        deployed = await vapi.deploy_optimized(remus, prompts)
        await sandbox.edit(remus, firstMessage="Good morning.")
        with pytest.raises(ChangedAtVapiError) as caught:
            await vapi.rollback(remus, deployed.snapshot)
        assert caught.value.fields["changed"] == ["first_message"]
        assert live_prompt(await sandbox.get(remus)) == PROMPT

    async def test_a_first_message_that_was_not_there_goes_away(
        self, vapi: VAPIClient, sandbox: Sandbox
    ) -> None:
        remus = await a_remus(vapi, firstMessage=None)
        prompts: OptimizedPrompts = {"system": PROMPT, "first_message": "Hi."}
        deployed = await vapi.deploy_optimized(remus, prompts)
        await vapi.rollback(remus, deployed.snapshot)
        assert "firstMessage" not in await sandbox.get(remus)

    async def test_a_removed_prompt_comes_back_with_force_only(
        self, vapi: VAPIClient, sandbox: Sandbox
    ) -> None:
        remus = await a_remus(vapi, model=model_with(system("before")))
        deployed = await vapi.deploy_optimized(remus, {"system": PROMPT})
        await sandbox.edit(remus, model=model_with())
        with pytest.raises(ChangedAtVapiError):
            await vapi.rollback(remus, deployed.snapshot)
        await vapi.rollback(remus, deployed.snapshot, overwrite=Texts.of(await sandbox.get(remus)))
        assert (await sandbox.get(remus))["model"] == model_with(system("before"))

    async def test_twice_is_once(self, vapi: VAPIClient, sandbox: Sandbox) -> None:
        remus = await a_remus(vapi)
        deployed = await vapi.deploy_optimized(remus, {"system": PROMPT})
        await vapi.rollback(remus, deployed.snapshot)
        assert (await vapi.rollback(remus, deployed.snapshot)).status == "unchanged"
        assert await sandbox.count("PATCH", remus) == 2

    async def test_a_snapshot_survives_storage(self, vapi: VAPIClient, sandbox: Sandbox) -> None:
        remus = await a_remus(vapi)
        before = await sandbox.get(remus)
        deployed = await vapi.deploy_optimized(remus, {"system": PROMPT})
        text = json.dumps(deployed.snapshot.to_json())
        await vapi.rollback(remus, Snapshot.from_json(json.loads(text)))
        assert differences(before, await sandbox.get(remus)) == []

    @pytest.mark.parametrize("value", [None, [], {}, {"assistant": {}, "deployed": {"system": 1}}])
    def test_something_else_is_no_snapshot(self, value: Any) -> None:
        with pytest.raises(IntegrationContractError):
            Snapshot.from_json(value)

    async def test_a_deleted_assistant(self, vapi: VAPIClient, sandbox: Sandbox) -> None:
        remus = await a_remus(vapi)
        deployed = await vapi.deploy_optimized(remus, {"system": PROMPT})
        await sandbox.http.delete(f"/assistant/{remus}")
        with pytest.raises(IntegrationNotFoundError):
            await vapi.rollback(remus, deployed.snapshot)


class TestDifferences:
    @pytest.mark.parametrize(
        ("before", "after", "expected"),
        [
            ({"a": 1}, {"a": 1.0}, []),
            ({"a": 1}, {"a": True}, ["a"]),
            ({"a": None}, {}, []),
            ({"a": {}}, {}, ["a"]),
            ({"a": [1, 2]}, {"a": [1]}, ["a[1]"]),
            ({"a": {"b": [{"c": 1}]}}, {"a": {"b": [{"c": 2, "d": 1}]}}, ["a.b[0].c", "a.b[0].d"]),
            ({"updatedAt": 1, "latestVersion": 1}, {"updatedAt": 2, "latestVersion": 2}, []),
            ({"model": {"updatedAt": 1}}, {"model": {"updatedAt": 2}}, ["model.updatedAt"]),
        ],
    )
    def test_paths(self, before: Any, after: Any, expected: list[str]) -> None:
        assert differences(before, after) == expected


async def test_many_at_once_do_not_mix(vapi: VAPIClient, sandbox: Sandbox) -> None:
    ids = await asyncio.gather(*(a_remus(vapi) for _ in range(8)))
    await asyncio.gather(
        *(vapi.deploy_optimized(one, {"system": f"prompt of {one}"}) for one in ids)
    )
    for one in ids:
        assert live_prompt(await sandbox.get(one)) == f"prompt of {one}"


class TestTooLarge:
    """What Vapi, Close or anybody in their place answers is read up to a limit."""

    def client(self, monkeypatch: pytest.MonkeyPatch, body: bytes, **headers: str) -> VAPIClient:
        monkeypatch.setattr(VAPIClient, "most_bytes", 1_000_000)
        answer = httpx2.Response(200, content=body, headers=headers)
        transport = httpx2.MockTransport(lambda _: answer)
        return VAPIClient(httpx2.AsyncClient(transport=transport, base_url="http://vapi.test"))

    async def test_is_refused_by_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        vapi = self.client(monkeypatch, b'["' + b"x" * 1_000_000 + b'"]')
        with pytest.raises(IntegrationAnswerTooLargeError, match="larger than 1 MB"):
            await vapi.get_assistants()

    async def test_unpacked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        bomb = gzip.compress(b" " * 1_000_001)
        assert len(bomb) < 10_000
        vapi = self.client(monkeypatch, bomb, **{"Content-Encoding": "gzip"})
        with pytest.raises(IntegrationAnswerTooLargeError):
            await vapi.get_assistants()

    async def test_up_to_there_it_is_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = gzip.compress(b"[" + b" " * 999_998 + b"]")
        vapi = self.client(monkeypatch, whole, **{"Content-Encoding": "gzip"})
        assert await vapi.get_assistants() == []
