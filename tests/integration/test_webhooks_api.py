"""Webhooks through the API: who is believed, what is stored, and that repeating does no harm."""

import asyncio
import hmac
import json
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mission_control.api.mirrors.vapi.recording import CALL_STATE_MESSAGES, record_messages
from mission_control.api.resources import Resources
from mission_control.api.webhooks import batching
from mission_control.core.errors import MissionControlError
from mission_control.core.words import AgentType
from mission_control.data.outbox_relay import LEASE_KEY
from tests.builders import an_agent
from tests.calls_world import TOKEN, CallsWorld, calls_world, settings_for
from tests.unit.test_vapi_call import a_call

CLOSE_KEY = "058bfb6a3d8cfdc4da7c3be5901b16ae11da982b46a25fb2cd7016e97a140a1c"


@pytest.fixture
async def world(sqlite_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[CallsWorld]:
    async with calls_world(settings_for(sqlite_url, redis_url, tmp_path)) as world:
        yield world


def a_report(**changes: Any) -> dict[str, Any]:
    call = a_call()
    beside = (
        "artifact",
        "analysis",
        "endedReason",
        "startedAt",
        "endedAt",
        "cost",
        "costBreakdown",
    )
    told = {name: call.pop(name) for name in beside}
    return {
        "type": "end-of-call-report",
        "timestamp": 1_793_528_580_000,
        "call": {**call, "status": "in-progress"},
        "assistant": {"id": "asst-1", "name": "REMUS", "model": {"messages": ["A PROMPT"]}},
        "phoneNumber": {"twilioAuthToken": "HIDDEN"},
        **told,
        **changes,
    }


async def in_pieces(body: bytes) -> AsyncGenerator[bytes]:
    """Of a length that nobody says in advance."""
    for start in range(0, len(body), 1 << 20):
        yield body[start : start + (1 << 20)]


class TestWhoIsBelieved:
    async def test_the_token(self, world: CallsWorld) -> None:
        for name, value in (
            ("Authorization", f"Bearer {TOKEN}"), ("X-Vapi-Secret", TOKEN), ("X-Ours", f"Bearer {TOKEN}"),
        ):  # fmt: skip
            answer = await world.tell(a_report(), **{name: value})
            assert (answer.status_code, answer.json()) == (200, {"stored": True}), name

    async def test_nobody_else(self, world: CallsWorld) -> None:
        for headers in (
            {"X-Nothing": "x"},
            {"Authorization": "Bearer wrong"},
            {"X-Signature": "00"},
        ):
            answer = await world.tell(a_report(), **headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "webhook_unauthenticated")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert TOKEN not in answer.text.replace("VAPI_WEBHOOK", "")
        assert await world.rows() == []

    async def test_unproven_bodies_are_not_even_parsed(self, world: CallsWorld) -> None:
        answer = await world.http.post("/webhooks/vapi", content=b"not json")
        assert answer.json()["code"] == "webhook_unauthenticated"

    async def test_a_signature(self, sqlite_url: str, redis_url: str, tmp_path: Path) -> None:
        how = {"payloadFormat": "{url}|{timestamp}|{body}", "signaturePrefix": "v1="}
        settings = settings_for(
            sqlite_url, redis_url, tmp_path, vapi_api_key="k", vapi_webhook_secret="s3cret",  # noqa: S106
            vapi_webhook_hmac=how, mc_public_host="console.example.org",
        )  # fmt: skip
        async with calls_world(settings) as world:
            body = json.dumps({"message": a_report()}).encode()
            signed = b"https://console.example.org/webhooks/vapi|17|" + body
            headers = {
                "x-signature": f"v1={hmac.digest(b's3cret', signed, 'sha256').hex()}",
                "x-timestamp": "17",
                "Host": "console.example.org",
            }
            sent = await world.http.post("/webhooks/vapi", content=body, headers=headers)
            assert sent.json() == {"stored": True}
            changed = await world.http.post("/webhooks/vapi", content=body + b" ", headers=headers)
            assert changed.status_code == 401
            unsigned = await world.tell(a_report(), Authorization="Bearer sandbox")
            assert unsigned.status_code == 401

    async def test_without_a_secret_the_door_is_closed(
        self, sqlite_url: str, redis_url: str, tmp_path: Path
    ) -> None:
        settings = settings_for(sqlite_url, redis_url, tmp_path, vapi_api_key="a-real-key")
        async with calls_world(settings) as world:
            answer = await world.tell(a_report())
            assert (answer.status_code, answer.json()["code"]) == (503, "webhook_not_configured")
            assert "VAPI_WEBHOOK_SECRET" in answer.json()["detail"]
            assert await world.rows() == []

    async def test_the_public_name_opens_webhooks_alone(
        self, sqlite_url: str, redis_url: str, tmp_path: Path
    ) -> None:
        settings = settings_for(
            sqlite_url, redis_url, tmp_path, mc_public_host="console.example.org"
        )
        async with calls_world(settings) as world:
            public, foreign = {"Host": "console.example.org:443"}, {"Host": "evil.example.org"}
            bearer = {"Authorization": f"Bearer {TOKEN}"}
            taken = await world.tell(a_report(), **public, **bearer)
            assert taken.status_code == 200
            assert (await world.tell(a_report(), **foreign, **bearer)).status_code == 400
            for path in ("/api/calls", "/api/calls/totals", "/openapi.json"):
                assert (await world.http.get(path, headers=public)).status_code == 400
            assert (
                await world.http.get("/webhooks/../api/calls", headers=public)
            ).status_code == 400


class TestWhatIsTaken:
    async def test_a_report_becomes_a_call(self, world: CallsWorld) -> None:
        assert (await world.tell(a_report())).json() == {"stored": True}
        [item] = (await world.http.get("/api/calls")).json()["items"]
        assert (item["status"], item["ending"], item["cost_usd"]) == (
            "ended",
            "customer",
            "0.18430000",
        )
        call = (await world.http.get(f"/api/calls/{item['id']}")).json()
        assert call["transcript"] == "AI: Hello\nUser: Hi"
        assert [turn["speaker"] for turn in call["turns"]] == ["caller", "agent"]
        assert call["turns"][1]["latency_seconds"] == 0.85
        assert (call["content_withheld"], call["cost_breakdown"]["llm"]) == (False, "0.10000000")
        written = json.dumps(await world.rows(), default=str)
        assert "HIDDEN" not in written
        assert "PROMPT" not in written

    async def test_what_was_found_is_shown_whole(self, world: CallsWorld) -> None:
        found = {"prior_authorization_number": "AUTH-7781", "customer_signature": "yes"}
        link = "We sent https://pay.example.com/i?token=HIDDEN and booked Friday."
        analysis = {"summary": link, "structuredData": found}
        await world.tell(a_report(analysis=analysis))
        [item] = (await world.http.get("/api/calls")).json()["items"]
        call = (await world.http.get(f"/api/calls/{item['id']}")).json()
        assert call["analysis"]["structuredData"] == found
        assert call["summary"] == "We sent [expired link] and booked Friday."
        assert call["metadata"] == {"close_lead_id": "lead_1", "close_contact_id": "cont_1"}
        assert (call["variables"], call["structured_outputs"], call["notes"]) == ({}, {}, [])

    async def test_messages_without_a_transcript_are_found(self, world: CallsWorld) -> None:
        messages = [{"role": "bot", "message": "Your zeppelin is ready."}]
        await world.tell(a_report(artifact={"messages": messages}))
        found = (await world.http.get("/api/calls", params={"text": "zeppelin"})).json()["items"]
        assert [one["external_id"] for one in found] == [a_call()["id"]]

    async def test_what_tools_did_is_found(self, world: CallsWorld) -> None:
        called = [{"function": {"name": "faq_lookup", "arguments": {"query": "zeppelins"}}}]
        result = {"answer": "30% off in İstanbul", "grounded": True}
        messages = [
            {"role": "bot", "message": "Let me check.", "secondsFromStart": 1.2},
            {"role": "tool_calls", "message": "", "toolCalls": called},
            {"role": "tool_call_result", "name": "faq_lookup", "result": result},
        ]
        await world.tell(a_report(artifact={"messages": messages}))
        for text in ("zeppelins", "istanbul", "faq_lookup", "grounded"):
            found = (await world.http.get("/api/calls", params={"text": text})).json()["items"]
            assert [one["external_id"] for one in found] == [a_call()["id"]], text
        call = (await world.http.get(f"/api/calls/{found[0]['id']}")).json()
        assert [turn["text"] for turn in call["turns"][1:]] == [
            'faq_lookup({"query": "zeppelins"})', '{"answer": "30% off in İstanbul", "grounded": true}'
        ]  # fmt: skip

    async def test_a_squads_call_is_each_assistants_own_part(self, world: CallsWorld) -> None:
        async with world.resources.unit_of_work() as uow:
            for name in ("front", "billing"):
                await an_agent(
                    uow, name, type=AgentType.PHONE_BOT, vapi_assistant_id=f"asst-{name}"
                )
        who = [
            {"assistantId": f"asst-{name}", "assistantName": name.title()}
            for name in ("front", "billing")
        ]
        artifact = {
            "assistantActivations": [each | {"assistantVersion": f"v{at}"} for at, each in enumerate(who)],
            "messages": [
                {"role": "bot", "message": "Front here.", "secondsFromStart": 0.4, **who[0]},
                {"role": "user", "message": "My bill, please.", "secondsFromStart": 5},
                {"role": "bot", "message": "Billing here.", "secondsFromStart": 60.5, **who[1]},
            ],
        }  # fmt: skip
        report = a_report(artifact=artifact)
        del report["call"]["assistantId"]
        await world.tell(report)
        totals = await world.totals()
        assert (totals["calls"], totals["duration_seconds"], totals["cost_usd"]) == (
            1,
            90.5,
            "0.18430000",
        )
        seconds = {one["agent_id"]: one["duration_seconds"] for one in totals["by_agent"]}
        assert seconds == {"front": 60.5, "billing": 30.0}
        costs = sum(Decimal(one["cost_usd"]) for one in totals["by_agent"])
        assert costs == Decimal("0.1843")
        endings = {one["assistant_version"]: one["endings"] for one in totals["by_version"]}
        assert endings == {"v0": {"transferred": 1}, "v1": {"customer": 1}}
        for agent in ("front", "billing"):
            [item] = (await world.http.get("/api/calls", params={"agent_id": agent})).json()[
                "items"
            ]
            found = await world.http.get("/api/calls", params={"agent_id": agent, "text": "bill"})
            assert found.json()["items"] == [item]
        call = (await world.http.get(f"/api/calls/{item['id']}")).json()
        assert [(part["agent_id"], part["assistant_version"]) for part in call["parts"]] == [
            ("front", "v0"), ("billing", "v1"),
        ]  # fmt: skip
        assert [turn["assistant"] for turn in call["turns"]] == ["Front", None, "Billing"]

    async def test_a_judgement_is_read_by_its_rubric(self, world: CallsWorld) -> None:
        for at, (rubric, answer) in enumerate(
            [("NumericScale", "9"), ("DescriptiveScale", "Excellent"), ("PassFail", "true"), (None, "yes")]
        ):  # fmt: skip
            plan = {"analysisPlan": {"successEvaluationPlan": {"rubric": rubric}}} if rubric else {}
            report = a_report(assistant=plan, analysis={"successEvaluation": answer})
            report["call"] = {**report["call"], "id": f"call-{at}"}
            await world.tell(report)
        items = (await world.http.get("/api/calls")).json()["items"]
        seen = {
            one["success_evaluation"]: (one["success_rubric"], one["success"], one["success_score"])
            for one in items
        }
        assert seen == {
            "9": ("numeric", None, 0.888889), "Excellent": ("descriptive", None, 1.0),
            "true": ("pass_fail", True, 1.0), "yes": (None, None, None),
        }  # fmt: skip
        assert (await world.totals())["success"] == {
            "yes": 1, "no": 0, "unknown": 1,
            "scores": {"numeric": {"calls": 1, "average": 0.888889}, "descriptive": {"calls": 1, "average": 1.0}},
        }  # fmt: skip

    async def test_a_duration_that_no_call_has_is_capped_and_said(self, world: CallsWorld) -> None:
        await world.tell(a_report(startedAt="1996-11-01T10:00:00Z"))
        [item] = (await world.http.get("/api/calls")).json()["items"]
        assert item["duration_seconds"] == 86_400
        call = (await world.http.get(f"/api/calls/{item['id']}")).json()
        [note] = call["notes"]
        assert "946," in note
        assert "24 hours" in note

    async def test_refusals(self, world: CallsWorld) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        for body, status, code in (
            (b"{", 400, "webhook_malformed"),
            (b'{"message": {"type": "hang", "x": NaN}}', 400, "webhook_malformed"),
            (b"[" * 100_000, 400, "webhook_malformed"),
            (b"\xff\xfe\x00", 400, "webhook_malformed"),
            (b"[]", 422, "webhook_not_understood"),
            (b'{"message": {"type": 5}}', 422, "webhook_not_understood"),
            (b'{"message": {"type": "tool-calls"}}', 422, "webhook_wants_answer"),
            (b'{"message": {"type": "assistant-request"}}', 422, "webhook_wants_answer"),
        ):
            answer = await world.http.post("/webhooks/vapi", content=body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (status, code), body[:80]
        assert await world.rows() == []

    async def test_too_large(self, world: CallsWorld) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        body = b'{"message": {"type": "hang", "x": "%s"}}' % (b"x" * (9 << 20))
        for content in (body, in_pieces(body)):
            answer = await world.http.post("/webhooks/vapi", content=content, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (413, "content_too_large")

    async def test_the_rest_is_acknowledged(self, world: CallsWorld) -> None:
        messages: list[dict[str, Any]] = [
            {"type": "transcript", "call": a_call()},
            {"type": "a-kind-of-next-year", "call": a_call()},
            {"type": "status-update", "status": "queued"},
            {"type": "end-of-call-report", "call": {"id": {"odd": 1}}},
            {"type": "chat.created"},
        ]
        for message in messages:
            answer = await world.tell(message)
            assert (answer.status_code, answer.json()) == (200, {"stored": False}), message
        assert await world.rows() == []

    async def test_deleted_content_is_deleted_here(self, world: CallsWorld) -> None:
        gone = {
            "type": "call.deleted",
            "timestamp": 1_793_528_590_000,
            "call": {"id": a_call()["id"]},
        }
        for message in (a_report(), gone, a_report()):
            assert (await world.tell(message)).json() == {"stored": True}
        [row] = await world.rows()
        assert (row["transcript"], row["document"], row["customer_number"]) == (None, {}, None)
        [item] = (await world.http.get("/api/calls")).json()["items"]
        call = (await world.http.get(f"/api/calls/{item['id']}")).json()
        assert (call["content_withheld"], call["turns"], call["cost_usd"]) == (
            True,
            [],
            "0.18430000",
        )

    async def test_a_call_that_changed_is_announced_without_content(
        self, world: CallsWorld
    ) -> None:
        await world.tell(a_report())
        await world.tell(a_report())
        await world.resources.redis.delete(LEASE_KEY)  # of another test's relay
        await world.resources.relay.run_once()
        events = await world.resources.streams.replay("system", after="0-0")
        [event] = [json.loads(each.body) for each in events if "call.recorded" in each.body]
        assert event["data"].keys() == {"call_id", "source", "ending"}


class TestOrder:
    async def test_late_twice_and_shuffled_is_the_same(self, world: CallsWorld) -> None:
        """Four calls, each told in all its messages, three times over."""
        messages = await stories(world, 4)
        outcomes: list[Any] = []
        for seed in range(5):
            told = [*messages, *random.Random(seed).sample(messages, len(messages) // 3)]
            if seed:
                random.Random(seed).shuffle(told)
            step = (1, 1, 3, 7, len(told))[seed]
            for start in range(0, len(told), step):
                async with world.resources.unit_of_work() as uow:
                    await record_messages(uow, told[start : start + step])
            outcomes.append(await world.rows())
            await world.forget([row["external_id"] for row in outcomes[-1]])
        assert len(outcomes[0]) == 4
        assert all(outcome == outcomes[0] for outcome in outcomes)

    async def test_a_report_is_kept_by_a_later_status(self, world: CallsWorld) -> None:
        await world.tell(a_report())
        late = {"type": "status-update", "status": "in-progress", "timestamp": 1_793_999_999_000}
        await world.tell({**late, "call": {"id": a_call()["id"]}})
        [row] = await world.rows()
        assert (row["status"], row["transcript"]) == ("ended", "AI: Hello\nUser: Hi")


async def stories(world: CallsWorld, calls: int) -> list[dict[str, Any]]:
    """What the stand-in tells of its newest calls, caught on its way."""
    caught: list[dict[str, Any]] = []

    async def catch(messages: Any) -> dict[str, int]:
        caught.extend(json.loads(json.dumps(message.body)) for message in messages)
        return {}

    app: Any = world.vapi._transport  # pyright: ignore[reportPrivateUsage]
    app.app.state.stand_in.webhooks.deliver = catch
    await world.replay(count=calls, types=[*CALL_STATE_MESSAGES])
    assert len({message["call"]["id"] for message in caught}) == calls
    return caught


class TestBursts:
    async def test_fifty_at_once_share_transactions(
        self, world: CallsWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened = 0
        whole = Resources.unit_of_work

        def counted(self: Resources, **options: Any) -> Any:
            nonlocal opened
            opened += 1
            return whole(self, **options)

        monkeypatch.setattr(Resources, "unit_of_work", counted)
        reports = [a_report(call={**a_call(), "id": f"call-{n}"}) for n in range(50)]
        answers = await asyncio.gather(*(world.tell(report) for report in reports))
        assert [answer.json() for answer in answers] == [{"stored": True}] * 50
        assert opened < 10
        monkeypatch.undo()
        assert len(await world.rows()) == 50

    async def test_one_that_cannot_be_stored_takes_no_other_with_it(
        self, world: CallsWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        taking = record_messages

        async def picky(uow: Any, messages: Any) -> list[bool]:
            if any(message["call"]["id"] == "call-3" for message in messages):
                raise MissionControlError("No.")
            return await taking(uow, messages)

        monkeypatch.setattr(batching, "record_messages", picky)
        reports = [a_report(call={**a_call(), "id": f"call-{n}"}) for n in range(6)]
        answers = await asyncio.gather(*(world.tell(report) for report in reports))
        assert [answer.status_code for answer in answers] == [200, 200, 200, 500, 200, 200]
        assert len(await world.rows()) == 5


class TestClose:
    def signed(self, body: bytes, *, at: int) -> dict[str, str]:
        signature = hmac.digest(bytes.fromhex(CLOSE_KEY), str(at).encode() + body, "sha256")
        return {"close-sig-hash": signature.hex(), "close-sig-timestamp": str(at)}

    async def test_a_signed_event_is_taken(
        self, sqlite_url: str, redis_url: str, tmp_path: Path
    ) -> None:
        settings = settings_for(sqlite_url, redis_url, tmp_path, close_webhook_key=CLOSE_KEY)
        body, now = b'{"event": {"id": "ev_1"}, "subscription_id": "whsub_1"}', int(time.time())
        async with calls_world(settings) as world:

            async def sent(body: bytes, headers: dict[str, str]) -> int:
                answer = await world.http.post("/webhooks/close", content=body, headers=headers)
                return answer.status_code

            assert await sent(body, self.signed(body, at=now)) == 204
            assert await sent(body, self.signed(body, at=now - 72 * 3600)) == 204
            assert await sent(body, self.signed(body, at=now - 80 * 3600)) == 401
            assert await sent(body + b" ", self.signed(body, at=now)) == 401
            assert await sent(b"{", self.signed(b"{", at=now)) == 400
            assert await sent(b"{}", self.signed(b"{}", at=now)) == 422

    @pytest.mark.parametrize("key", [None, "no hex"])
    async def test_without_a_key_the_door_is_closed(
        self, sqlite_url: str, redis_url: str, tmp_path: Path, key: str | None
    ) -> None:
        settings = settings_for(sqlite_url, redis_url, tmp_path, close_webhook_key=key)
        async with calls_world(settings) as world:
            answer = await world.http.post("/webhooks/close", content=b"{}")
            assert (answer.status_code, answer.json()["code"]) == (503, "webhook_not_configured")
