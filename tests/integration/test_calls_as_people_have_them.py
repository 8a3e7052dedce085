"""Reports as Vapi's users get them: nothing that was said or found is lost; on both databases."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.calls_world import CallsWorld, calls_world, settings_for

TIMES = {"startedAt": "2026-09-28T09:07:00.649Z", "endedAt": "2026-09-28T09:07:25.925Z"}
FINDINGS: dict[str, Any] = {
    "patient_id": "P1", "prior_authorization_number": "AUTH-7781", "authorization_status": "approved",
    "password_reset_requested": True, "credential_verified": True, "customer_signature": "yes",
    "loyalty_token": "LT-99", "secret_question": "first pet", "api_key_issue": "expired key",
    "token": "gold", "password": "none", "authorization": "verbal", "apiKey": None, "headers": ["a"],
    "tokens": {"left": 3, "secret": False}, "auth": [{"credential": 12}], "": "empty", "ключ": "дверь",
}  # fmt: skip


@pytest.fixture
async def world(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[CallsWorld]:
    async with calls_world(settings_for(database_url, redis_url, tmp_path)) as world:
        yield world


async def told(world: CallsWorld, **changes: Any) -> dict[str, Any]:
    """The call as the API shows it after this report."""
    call = {"id": "call-1", "createdAt": "2026-09-28T09:06:55.710Z", "type": "inboundPhoneCall",
            "assistantId": "a1", **changes.pop("call", {})}  # fmt: skip
    report = {"timestamp": 1790546450909, "type": "end-of-call-report", "call": call,
              "endedReason": "customer-ended-call", "cost": 0.0394, **TIMES, **changes}  # fmt: skip
    answer = await world.tell({name: value for name, value in report.items() if value is not ...})
    assert answer.status_code == 200, answer.text
    [item] = (await world.http.get("/api/calls")).json()["items"]
    return (await world.http.get(f"/api/calls/{item['id']}")).json()


async def test_findings_are_kept_whatever_they_are_called(world: CallsWorld) -> None:
    outputs = {"so-1": {"name": "Signature", "result": FINDINGS}}
    artifact = {"structuredOutputs": outputs, "variableValues": FINDINGS, "transcript": "AI: x"}
    call = await told(
        world,
        analysis={"summary": "Checked.", "structuredData": FINDINGS},
        artifact=artifact,
        call={"assistantOverrides": {"metadata": FINDINGS}},
    )
    assert call["analysis"]["structuredData"] == FINDINGS
    assert call["structured_outputs"] == outputs
    assert call["variables"] == FINDINGS
    assert call["metadata"] == FINDINGS


LINKS = (
    "https://pay.example.com/i?token=abc", "https://cal.example.com/confirm?token=9f3",
    "https://b.s3.amazonaws.com/x.pdf?X-Amz-Signature=aa", "HTTPS://x.example/y?a=1&sig=zz",
    "https://storage.googleapis.com/b/o?X-Goog-Signature=ab",
)  # fmt: skip


@pytest.mark.parametrize("link", LINKS)
async def test_of_a_text_the_link_alone_is_replaced(world: CallsWorld, link: str) -> None:
    said = f"I have booked Friday at 3 pm. See {link}, or ({link})! Anything else?"
    kept = said.replace(link, "[expired link]")
    artifact = {
        "transcript": f"AI: {said}",
        "messages": [
            {"role": "bot", "message": said, "secondsFromStart": 1.0},
            {"role": "tool_call_result", "name": "t", "toolCallId": "t",
             "result": json.dumps({"invoice": 4711, "pdf": link})},
            {"role": "tool_call_result", "name": "t", "toolCallId": "u", "result": {"total": 99.5, "pdf": link}},
        ],
    }  # fmt: skip
    call = await told(
        world, artifact=artifact, analysis={"summary": said, "structuredData": {"note": said, "plain": "https://example.com/a?b=c"}}
    )  # fmt: skip
    assert call["summary"] == kept
    assert call["transcript"] == f"AI: {kept}"
    assert call["turns"][0]["text"] == kept
    assert json.loads(call["turns"][1]["text"]) == {"invoice": 4711, "pdf": "[expired link]"}
    assert json.loads(call["turns"][2]["text"]) == {"total": 99.5, "pdf": "[expired link]"}
    assert call["analysis"]["structuredData"] == {
        "note": kept,
        "plain": "https://example.com/a?b=c",
    }


@pytest.mark.parametrize(
    ("arguments", "result", "asked", "answered"),
    [
        ({"query": "deals"}, {"answer": "30% off", "grounded": True}, '{"query": "deals"}',
         '{"answer": "30% off", "grounded": true}'),
        ('{"query":"deals"}', '["a","b"]', '{"query":"deals"}', '["a","b"]'),
        ([1, 2], [{"slot": "Friday"}, "Monday"], "[1, 2]", '[{"slot": "Friday"}, "Monday"]'),
        (None, True, "", "true"), ({}, 0, "{}", "0"), ("", "No such caller.", "", "No such caller."),
        ({"q": "deals"}, "deals " * 40_000, '{"q": "deals"}', "deals " * 40_000),
    ],
)  # fmt: skip
async def test_tools_show_what_they_were_asked_and_answered(
    world: CallsWorld, arguments: Any, result: Any, asked: str, answered: str
) -> None:
    called = [
        {"id": "tc_1", "type": "function", "function": {"name": "faq", "arguments": arguments}}
    ]
    artifact = {
        "messages": [
            {"role": "bot", "message": "let me check", "secondsFromStart": 1.2},
            {"role": "tool_calls", "message": "", "secondsFromStart": 2.5, "toolCalls": called},
            {"role": "tool_call_result", "toolCallId": "tc_1", "name": "faq", "result": result},
        ]
    }
    call = await told(world, artifact=artifact)
    assert [turn["text"] for turn in call["turns"]] == ["let me check", f"faq({asked})", answered]
    found = await world.http.get("/api/calls", params={"text": "faq"})
    assert len(found.json()["items"]) == 1


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        ({"durationSeconds": 42.7}, 42.7), ({"durationMs": 42_700}, 42.7), ({"durationMinutes": 0.5}, 30.0),
        ({"durationSeconds": 0}, 0.0), ({"durationSeconds": -3, "durationMs": 900}, 0.9),
        ({"durationSeconds": "42"}, None), ({"durationSeconds": None}, None), ({}, None),
        ({"durationSeconds": 9e9}, 86_400.0), ({**TIMES, "durationSeconds": 9e9}, 25.276),
        ({"startedAt": TIMES["startedAt"]}, None), ({"endedAt": TIMES["endedAt"], "durationSeconds": 5}, 5.0),
        ({"startedAt": TIMES["endedAt"], "endedAt": TIMES["startedAt"]}, None),
        ({"startedAt": TIMES["endedAt"], "endedAt": TIMES["startedAt"], "durationSeconds": 7}, 7.0),
        ({"startedAt": 1790546400000, "endedAt": 1790546430000}, 30.0),
    ],
)  # fmt: skip
async def test_a_duration_in_any_form(
    world: CallsWorld, times: dict[str, Any], seconds: float | None
) -> None:
    call = await told(world, **{"startedAt": ..., "endedAt": ..., **times})
    assert call["duration_seconds"] == seconds
    assert bool(call["notes"]) is (seconds == 86_400)
    totals = await world.totals()
    assert totals["duration_seconds"] == (seconds or 0)


@pytest.mark.parametrize(
    ("number", "searched"),
    [
        ("+44 (0)20 7946 0000", ["+44 (0)20 7946 0000", "0044 20 7946 0000", "+442079460000", "020 7946 0000"]),
        ("sip:+442079460000@pbx.example.com;transport=tls", ["+44 20 7946 0000", "(0)20 7946-0000", "946 0000"]),
        ("+44 20 7946 0000 ext. 12", ["+44 (0) 20 7946 0000", "tel:+442079460000", "0000"]),
    ],
)  # fmt: skip
async def test_a_number_is_found_in_any_spelling(
    world: CallsWorld, number: str, searched: list[str]
) -> None:
    call = await told(world, customer={"number": number})
    assert call["customer_number"] == "+442079460000"
    for text in searched:
        found = await world.http.get("/api/calls", params={"text": text})
        assert len(found.json()["items"]) == 1, text


@pytest.mark.parametrize(
    ("said", "searched"),
    [
        ("Wir fliegen nach İstanbul.", ["istanbul", "ISTANBUL", "İstanbul"]),
        ("予約をキャンセルしたいです", ["予約", "キャンセル", "予約をキャンセル"]), ("我想预约星期五", ["预约", "星期五"]),
        ("ร้านเปิดกี่โมงคะ", ["เปิด", "กี่โมง"]), ("예약을 취소하고 싶어요", ["예약", "취소"]),
    ],
)  # fmt: skip
async def test_messages_without_a_transcript_are_found_in_every_script(
    world: CallsWorld, said: str, searched: list[str]
) -> None:
    await told(world, artifact={"messages": [{"role": "user", "message": said}]})
    for text in searched:
        found = await world.http.get("/api/calls", params={"text": text})
        assert len(found.json()["items"]) == 1, text
