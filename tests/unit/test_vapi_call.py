"""What is read from a Vapi call, and what of it is stored: whatever Vapi sends."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mission_control.core.phone_numbers import e164
from mission_control.core.words import CallEnding
from mission_control.integrations.vapi.call import VapiCall, bucket, call_of_message
from mission_control.integrations.vapi.storing import storable

ASKED = 1_790_000_000_000  # ms


def a_call(**changes: Any) -> dict[str, Any]:
    return {
        "id": "0b6b2f1e-77a5-4c35-8fd5-0d9b6e2e1f00",
        "orgId": "org",
        "type": "inboundPhoneCall",
        "status": "ended",
        "createdAt": "2026-11-01T10:00:00.123Z",
        "updatedAt": "2026-11-01T10:03:00.000Z",
        "startedAt": "2026-11-01T10:00:02.000Z",
        "endedAt": "2026-11-01T10:01:32.500Z",
        "endedReason": "customer-ended-call",
        "assistantId": "asst-1",
        "assistantVersion": "v7",
        "cost": 0.1843,
        "costBreakdown": {
            "stt": 0.01, "llm": 0.1, "tts": 0.0143, "vapi": 0.05, "transport": 0.01,
            "total": 0.1843, "llmPromptTokens": 900, "ttsCharacters": 310,
            "analysisCostBreakdown": {"summary": 0.002, "summaryPromptTokens": 12},
        },
        "customer": {"number": "+1 (415) 555-0123", "name": "Ada"},
        "assistantOverrides": {
            "metadata": {"close_lead_id": "lead_1", "close_contact_id": "cont_1"},
            "model": {"messages": [{"role": "system", "content": "A PROMPT"}]},
        },
        "analysis": {"summary": "They want a roof.", "successEvaluation": "true"},
        "artifact": {
            "transcript": "AI: Hello\nUser: Hi",
            "messages": [
                {"role": "system", "message": "A PROMPT", "time": ASKED - 9000},
                {"role": "user", "message": "How much?", "time": ASKED - 2000, "endTime": ASKED,
                 "secondsFromStart": 3.1, "duration": 2000},
                {"role": "bot", "message": "Ten dollars.", "time": ASKED + 850,
                 "endTime": ASKED + 2350, "secondsFromStart": 5.95, "duration": 1500},
            ],
        },
        **changes,
    }  # fmt: skip


def plan_of(rubric: Any) -> dict[str, Any]:
    return {"analysisPlan": {"successEvaluationPlan": {"rubric": rubric}}}


class TestReading:
    def test_what_is_relied_on(self) -> None:
        call = VapiCall.of(a_call())
        assert call.created_at == datetime(2026, 11, 1, 10, 0, 0, 123_000, tzinfo=UTC)
        assert (call.duration_seconds, call.direction) == (90.5, "inbound")
        assert (call.ending, call.success_evaluation, call.assistant_version) == (
            CallEnding.CUSTOMER, "true", "v7",
        )  # fmt: skip
        assert (call.customer_number, call.lead_id, call.contact_id) == (
            "+14155550123", "lead_1", "cont_1",
        )  # fmt: skip
        assert (call.transcript, call.summary) == ("AI: Hello\nUser: Hi", "They want a roof.")

    def test_a_cost_is_what_the_number_says(self) -> None:
        call = VapiCall.of(json.loads(json.dumps(a_call())))
        assert call.cost_usd == Decimal("0.1843")
        assert call.cost_breakdown["llm"] == Decimal("0.1")
        assert call.cost_breakdown["analysis.summary"] == Decimal("0.002")
        assert not [part for part in call.cost_breakdown if "Token" in part or "Char" in part]

    @pytest.mark.parametrize("cost", ["0.5", True, -1, 1e300, [], {}, float("nan")])
    def test_what_is_no_cost_is_unpriced(self, cost: Any) -> None:
        assert VapiCall.of(a_call(cost=cost)).cost_usd is None

    @pytest.mark.parametrize(
        ("told", "kept"),
        [("true", "true"), (True, "true"), (7.5, "7.5"), (9, "9"), ("Good", "Good"),
         ({"greeted": True}, '{"greeted": true}'), (["met"], '["met"]'), (None, None), ("", None)],
    )  # fmt: skip
    def test_a_judgement_is_kept_as_it_was_said(self, told: Any, kept: Any) -> None:
        call = VapiCall.of(a_call(analysis={"successEvaluation": told}))
        assert call.success_evaluation == kept

    @pytest.mark.parametrize(
        ("told", "rubric"),
        [
            ({}, None),
            ({"assistant": {"name": "Ana"}}, None),
            ({"assistant": {"model": {"provider": "openai"}}}, "pass_fail"),  # Vapi's own default
            ({"assistant": plan_of("NumericScale")}, "numeric"),
            ({"assistant": plan_of("LikertScale")}, "likert"),
            ({"assistant": plan_of("SomethingNew")}, None),
            ({"assistant": plan_of(None)}, "pass_fail"),
            ({"assistant": plan_of("PassFail"), "assistantOverrides": plan_of("Checklist")}, "checklist"),
            ({"assistant": {"analysisPlan": {"successEvaluationPlan": "odd"}}}, "pass_fail"),
        ],
    )  # fmt: skip
    def test_the_rubric_is_the_calls_own_assistants(self, told: Any, rubric: Any) -> None:
        assert VapiCall.of(a_call() | told).success_rubric == rubric

    def test_of_a_squads_call_who_spoke_is_told(self) -> None:
        activations = [
            {"assistantId": "asst-1", "assistantName": "Front"},
            {"assistantName": "Billing"},
        ]
        raw = a_call(artifact={
            "assistantActivations": activations,
            "messages": [
                {"role": "bot", "message": "Hello", "assistantName": "Front", "assistantId": "asst-1"},
                {"role": "user", "message": "Hi"},
                {"role": "bot", "message": "Billing here", "assistantId": "asst-2"},
            ],
        })  # fmt: skip
        del raw["assistantId"]
        call = VapiCall.of(raw)
        assert (call.assistant_id, call.activated) == ("asst-1", ("asst-1",))
        assert [turn.assistant for turn in call.turns] == ["Front", None, "asst-2"]

    def test_turns_have_times_in_milliseconds(self) -> None:
        asked, answered = VapiCall.of(a_call()).turns
        assert (asked.speaker, asked.duration_seconds, asked.latency_seconds) == (
            "caller", 2.0, None,
        )  # fmt: skip
        assert (answered.speaker, answered.text) == ("agent", "Ten dollars.")
        assert (answered.at_seconds, answered.duration_seconds, answered.latency_seconds) == (
            5.95, 1.5, 0.85,
        )  # fmt: skip

    def test_what_stands_beside_tool_calls_was_never_spoken(self) -> None:
        tool = {"function": {"name": "book", "arguments": '{"day": "Tue"}'}}
        messages = [
            {"role": "assistant", "content": "Booked!", "tool_calls": [tool]},
            {"role": "tool_calls", "message": "Booked!", "toolCalls": [tool]},
            {"role": "tool_call_result", "name": "book", "result": "ok"},
            {"role": "assistant", "message": "You are booked."},
        ]
        turns = VapiCall.of(a_call(artifact={"messages": messages})).turns
        assert [(turn.speaker, turn.text) for turn in turns] == [
            ("tool", 'book({"day": "Tue"})'),
            ("tool", 'book({"day": "Tue"})'),
            ("tool", "ok"),
            ("agent", "You are booked."),
        ]

    def test_what_tools_were_asked_and_answered_may_be_objects(self) -> None:
        tool = {"function": {"name": "faq_lookup", "arguments": {"query": "Ermäßigung"}}}
        messages = [
            {"role": "tool_calls", "toolCalls": [tool]},
            {"role": "tool_call_result", "result": {"answer": "30% off", "grounded": True}},
            {"role": "tool_call_result", "result": ["a", 1]},
            {"role": "tool_call_result", "result": None},
        ]
        turns = VapiCall.of(storable(a_call(artifact={"messages": messages}))).turns
        assert [turn.text for turn in turns] == [
            'faq_lookup({"query": "Ermäßigung"})',
            '{"answer": "30% off", "grounded": true}',
            '["a", 1]',
            "",
        ]

    @pytest.mark.parametrize(
        ("told", "seconds"),
        [
            ({"durationSeconds": 42.7}, 42.7),
            ({"durationMs": 42_700}, 42.7),
            ({"durationMinutes": 1.5}, 90.0),
            ({"durationSeconds": -1}, None),
            ({"durationSeconds": True}, None),
            ({}, None),
        ],
    )
    def test_a_duration_alone_is_a_duration(self, told: Any, seconds: float | None) -> None:
        report: dict[str, Any] = {"type": "end-of-call-report", **told, "call": {"id": "c"}}
        assert VapiCall.of(call_of_message(report)).duration_seconds == seconds

    def test_the_two_times_of_a_call_come_before_its_duration(self) -> None:
        assert VapiCall.of(a_call(durationSeconds=4000)).duration_seconds == 90.5

    def test_an_absurd_duration_is_capped_and_known(self) -> None:
        call = VapiCall.of(a_call(startedAt="1996-11-01T10:00:00Z"))
        assert call.duration_seconds == 24 * 3600
        assert call.reported_duration_seconds is not None
        assert call.reported_duration_seconds > 9e8

    @pytest.mark.parametrize("cost", [{"cost": None}, {}])
    def test_without_a_cost_of_its_own_the_breakdowns_total_is_the_cost(self, cost: Any) -> None:
        call = {key: value for key, value in a_call().items() if key != "cost"} | cost
        assert VapiCall.of(call).cost_usd == Decimal("0.1843")

    def test_a_call_without_content_is_a_call(self) -> None:
        call = VapiCall.of({"id": "c", "status": "ended", "cost": 0.1})
        assert (call.has_content, call.ending, call.cost_usd) == (
            False, CallEnding.OTHER, Decimal("0.1"),
        )  # fmt: skip

    def test_a_call_that_goes_on_has_no_ending(self) -> None:
        assert VapiCall.of({"id": "c", "status": "in-progress"}).ending is None

    @pytest.mark.parametrize(
        ("reason", "ending"),
        [
            ("customer-ended-call", CallEnding.CUSTOMER),
            ("customer-busy", CallEnding.NOT_REACHED),
            ("customer-did-not-answer", CallEnding.NOT_REACHED),
            ("twilio-reported-customer-misdialed", CallEnding.NOT_REACHED),
            ("assistant-ended-call-after-message-spoken", CallEnding.ASSISTANT),
            ("assistant-said-end-call-phrase", CallEnding.ASSISTANT),
            ("assistant-forwarded-call", CallEnding.TRANSFERRED),
            ("assistant-request-returned-forwarding-phone-number", CallEnding.TRANSFERRED),
            ("assistant-request-returned-no-assistant", CallEnding.ERROR),
            ("assistant-not-found", CallEnding.ERROR),
            ("voicemail", CallEnding.VOICEMAIL),
            ("silence-timed-out", CallEnding.SILENCE),
            ("exceeded-max-duration", CallEnding.TIME_LIMIT),
            ("pipeline-error-openai-llm-failed", CallEnding.ERROR),
            ("pipeline-no-available-llm-model", CallEnding.ERROR),
            ("call.in-progress.error-vapifault-deepgram-voice-failed", CallEnding.ERROR),
            ("call.in-progress.error-warm-transfer-max-duration", CallEnding.ERROR),
            ("call.start.assistant-version-error-validation", CallEnding.ERROR),
            ("call.ringing.hook-executed-transfer", CallEnding.TRANSFERRED),
            ("phone-call-provider-closed-websocket", CallEnding.ERROR),
            ("a-reason-of-next-year", CallEnding.OTHER),
            ("", CallEnding.OTHER),
        ],
    )
    def test_reasons_are_bucketed(self, reason: str, ending: CallEnding) -> None:
        assert bucket(reason) is ending


class TestStoring:
    def test_no_secret_no_configuration_no_link_that_expires(self) -> None:
        message: dict[str, Any] = {
            "type": "end-of-call-report",
            "timestamp": 1_793_528_580_000,
            "call": a_call(monitor={"controlUrl": "https://HIDDEN"}),
            "assistant": {"name": "REMUS", "model": {"tools": [{"server": {"secret": "HIDDEN"}}]}},
            "phoneNumber": {"twilioAuthToken": "HIDDEN", "number": "+1"},
            "artifact": {
                "messages": [
                    {"role": "system", "message": "A PROMPT"},
                    {"role": "user", "message": "Hi", "originalMessage": "HIDDEN"},
                ],
                "messagesOpenAIFormatted": [{"role": "system", "content": "A PROMPT"}],
                "presignedMonoUrl": "https://x/HIDDEN",
                "recordingUrl": "https://s3/rec.wav?X-Amz-Signature=HIDDEN",
                "variableValues": {"apiKey": "HIDDEN-4f9c2d71b0", "secretary": "Bob"},
            },
            "credentials": [{"twilioAuthToken": "HIDDEN"}],
        }
        written = json.dumps(storable(call_of_message(message)))
        assert "HIDDEN" not in written
        assert "PROMPT" not in written
        assert '"secretary": "Bob"' in written
        assert '"close_lead_id": "lead_1"' in written

    def test_what_was_found_is_kept_whole_whatever_its_names_are(self) -> None:
        found = {
            "patient_id": "P1",
            "prior_authorization_number": "AUTH-7781",
            "authorization_status": "approved",
            "authorization": "pending",
            "password_reset_requested": True,
            "credential_verified": True,
            "customer_signature": "yes",
            "loyalty_token": "LT-48213",
            "token": 7,
            "headers": ["name", "price"],
        }
        tool = {"function": {"name": "check", "arguments": found}}
        call = a_call(
            analysis={"structuredData": found, "summary": "x"},
            metadata=found,
            artifact={
                "structuredOutputs": {"so-1": {"name": "Authorization", "result": found}},
                "variableValues": found,
                "messages": [
                    {"role": "tool_calls", "toolCalls": [tool]},
                    {"role": "tool_call_result", "result": found},
                ],
            },
        )
        call["assistantOverrides"] = {"variableValues": found, "metadata": found}
        stored = VapiCall.of(storable(call))
        assert stored.analysis["structuredData"] == found
        assert stored.structured_outputs == {"so-1": {"name": "Authorization", "result": found}}
        assert (stored.variables, stored.metadata) == (found, found)
        assert [turn.text for turn in stored.turns] == [
            f"check({json.dumps(found)})", json.dumps(found),
        ]  # fmt: skip

    @pytest.mark.parametrize(
        "secret",
        [
            "sk-proj-4fHq83hdkJdk39dkJd83", "sk_live_51Hq83hdkJdk39dkJd83", "AKIAIOSFODNN7EXAMPLE",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "xoxb-1234567890-abcdef",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.dBjftJeZ4CVP",
            "SK0123456789abcdef0123456789abcdef", "api_2Gq8sJ3kL9dkJd83Xx.5hT7kQ2mN8pR4vW6",
        ],
    )  # fmt: skip
    def test_a_secret_is_known_by_its_form_and_masked(self, secret: str) -> None:
        call = a_call(
            analysis={"structuredData": {"note": f"The key is {secret}, he said."}},
            artifact={"messages": [{"role": "user", "message": f"Bearer {secret}"}]},
        )
        written = json.dumps(storable(call))
        assert secret not in written
        assert '"note": "The key is [secret], he said."' in written

    def test_words_with_hyphens_are_no_secrets(self) -> None:
        said = "It's a pat-a-cake-pat-a-cake-bakers-man and a risk-free-trial-offer-for-you thing."
        assert storable({"id": "c", "summary": said})["summary"] == said

    def test_of_a_text_only_the_link_that_expires_is_replaced(self) -> None:
        asked = "I am texting you https://cal.example.com/confirm?token=9f3. Anything else?"
        found = '{"total": 99.5, "pdf": "https://b.s3.amazonaws.com/x.pdf?X-Amz-Signature=aa"}'
        messages = [
            {"role": "bot", "message": asked},
            {"role": "tool_call_result", "result": found},
            {"role": "bot", "message": "See https://example.com/prices?day=fri (or call)."},
        ]
        summary = "We sent https://pay.example.com/i?token=abc and booked Friday."
        call = VapiCall.of(
            storable(a_call(artifact={"messages": messages}, analysis={"summary": summary}))
        )
        assert [turn.text for turn in call.turns] == [
            "I am texting you [expired link]. Anything else?",
            '{"total": 99.5, "pdf": "[expired link]"}',
            "See https://example.com/prices?day=fri (or call).",
        ]
        assert call.analysis["summary"] == "We sent [expired link] and booked Friday."

    def test_what_we_do_not_know_is_kept(self) -> None:
        kept = storable(a_call(newField={"deep": [1, {"er": None}]}))
        assert kept["newField"] == {"deep": [1, {"er": None}]}

    def test_reading_what_is_stored_gives_the_same(self) -> None:
        first = VapiCall.of(a_call())
        again = VapiCall.of(storable(a_call()))
        assert (again.turns, again.analysis, again.cost_breakdown) == (
            first.turns, first.analysis, first.cost_breakdown,
        )  # fmt: skip

    def test_no_database_chokes_on_it(self) -> None:
        stored = storable(
            {"id": "c", "note\x00": "a\x00b \ud83d", "analysis": {"summary": "x\x00"}}
        )
        assert json.dumps(stored).count("\\u0000") == 0
        json.dumps(stored, ensure_ascii=False).encode()

    def test_however_deep(self) -> None:
        deep: Any = "end"
        for _ in range(900):
            deep = {"a": deep}
        stored = json.dumps(storable({"id": "c", "x": deep}))
        assert '"id": "c"' in stored
        assert "end" not in stored


class TestMessages:
    def test_a_report_is_a_call_that_has_ended(self) -> None:
        call = VapiCall.of(
            call_of_message(
                {
                    "type": "end-of-call-report",
                    "timestamp": 1_793_528_580_000,
                    "endedReason": "silence-timed-out",
                    "cost": 0.2,
                    "analysis": {"summary": "Nobody spoke."},
                    "call": {"id": "c", "status": "in-progress", "updatedAt": "2026-11-01T00:00:00Z"},
                }
            )
        )  # fmt: skip
        assert (call.status, call.ending, call.summary) == (
            "ended", CallEnding.SILENCE, "Nobody spoke.",
        )  # fmt: skip
        assert call.updated_at == datetime(2026, 11, 1, 10, 23, tzinfo=UTC)

    def test_a_status_is_the_messages(self) -> None:
        message: dict[str, Any] = {
            "type": "status-update",
            "status": "ringing",
            "call": {"id": "c", "status": "queued"},
        }
        assert VapiCall.of(call_of_message(message)).status == "ringing"


ODD: tuple[Any, ...] = (
    None, True, 0, -1, 7, 10**400, 1e308, float("nan"), float("inf"), "", "x" * 500, "\x00", "\ud83d",
    "true", "8", "2026-11-01T10:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31", [], {}, [[]],
    [None, 1, "a", {}], {"id": 1}, {"messages": {"role": "bot"}}, [{"role": ["bot"]}],
    [{"role": "bot", "message": 5, "time": "now", "endTime": True}], {"number": 5, "name": []},
)  # fmt: skip
KEYS = st.sampled_from(
    ["id", "artifact", "messages", "customer", "cost", "status", "analysis", "x"]
)
JSON = st.recursive(
    st.sampled_from(ODD) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(KEYS, JSON, max_size=8))
def test_nothing_that_vapi_could_send_crashes(raw: dict[str, Any]) -> None:
    check_readable_and_storable(raw)


def test_nothing_odd_in_a_real_call_crashes() -> None:
    whole = json.dumps(a_call(type="end-of-call-report", timestamp=1, messages=[{"role": "user"}]))
    random = Random(3)
    for _ in range(500):
        raw = json.loads(whole)
        for _ in range(random.randint(1, 3)):
            disfigure(raw, random)
        check_readable_and_storable(raw)


def disfigure(raw: Any, random: Random) -> None:
    """Put something odd in one place, however deep."""
    keys = [*(cast("dict[str, Any]", raw) if isinstance(raw, dict) else range(len(raw)))]
    if not keys:
        return
    key = random.choice(keys)
    if isinstance(raw[key], dict | list) and random.random() < 0.7:
        disfigure(raw[key], random)
    else:
        raw[key] = random.choice(ODD)


def check_readable_and_storable(raw: dict[str, Any]) -> None:
    for call in (raw, call_of_message(raw), call_of_message({"call": raw, "type": "hang"})):
        seen, stored = VapiCall.of(call), storable(call)
        json.dumps(stored, ensure_ascii=False, allow_nan=False).encode()
        assert seen.id is None or 0 < len(seen.id) <= 64
        for at in (seen.created_at, seen.updated_at, seen.started_at, seen.ended_at):
            assert at is None or at.tzinfo is not None
        for text in (seen.status, seen.assistant_version, seen.customer_number):
            assert text is None or len(text) <= 32
        VapiCall.of(stored)


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+14155550123", "+14155550123"),
        ("+1 (415) 555-0123", "+14155550123"),
        ("0041 44 668 18 00", "+41446681800"),
        ("tel:+49-30-901820", "+4930901820"),
        ("4155550123", None),  # of which country?
        ("+0123456789", None),
        ("+44 (0)20 7946 0000", "+442079460000"),
        ("+4402079460000", "+442079460000"),
        ("(+33) 1 23 45 67 89", "+33123456789"),
        ("+33 (0)1 23 45 67 89 poste 12", "+33123456789"),
        ("+1 415 555 0123 ext. 5", "+14155550123"),
        ("+14155550123;ext=5", "+14155550123"),
        ("+39 06 6982 1234", "+390669821234"),  # an Italian zero is part of the number
        ("sip:+14155550123@pbx.example.com;user=phone", "+14155550123"),
        ("sips:00442079460000@pbx.example.com", "+442079460000"),
        ("\uff0b81 3-1234-5678", "+81312345678"),
        ("sip:ada@example.org", None),
        ("+1" + "5" * 70, None),
        (None, None),
    ],
)
def test_e164(written: str | None, number: str | None) -> None:
    assert e164(written) == number
