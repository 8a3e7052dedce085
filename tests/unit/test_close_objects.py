"""What Close sends may be anything; what we rely on is read, and nothing crashes."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mission_control.core.page_sets import PageSet
from mission_control.integrations.close.fields import CustomField, LeadChange
from mission_control.integrations.close.objects import (
    CallTranscript,
    CloseCall,
    CloseLead,
    moment,
    storable,
)

JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
CALL_KEYS = st.sampled_from(
    ["status", "disposition", "duration", "cost", "remote_phone", "phone", "date_created",
     "activity_at", "date_updated", "lead_id", "recording_transcript", "voicemail_url"]
)  # fmt: skip
LEAD_KEYS = st.sampled_from(
    ["name", "display_name", "status_id", "contacts", "date_created", "date_updated", "custom.cf_1"]
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(CALL_KEYS, JSON), st.dictionaries(LEAD_KEYS, JSON), JSON)
def test_nothing_crashes(call: dict[str, Any], lead: dict[str, Any], definition: Any) -> None:
    read = CloseCall.of({**call, "id": "acti_1"})
    assert read.ending is None or read.reason is not None
    mirrored = CloseLead.of({**lead, "id": "lead_1"})
    assert mirrored.search_text is not None
    assert all(phone.startswith("+") for phone in mirrored.phones)
    CustomField.of({"id": "cf_1", "choices": definition, "type": definition}, 0)
    CallTranscript.of(definition)


@pytest.mark.parametrize(
    ("call", "ending"),
    [
        ({"status": "in-progress"}, None),
        ({"status": "created", "disposition": "answered"}, None),
        ({"status": "completed", "disposition": "answered"}, "other"),
        ({"status": "completed", "disposition": "vm-left"}, "voicemail"),
        ({"status": "completed", "disposition": "vm-answer"}, "voicemail"),
        ({"status": "no-answer", "disposition": "no-answer"}, "not_reached"),
        ({"status": "busy"}, "not_reached"),
        ({"status": "completed", "disposition": "abandoned"}, "customer"),
        ({"status": "failed", "disposition": "error"}, "error"),
        ({"status": "completed", "disposition": "something-new"}, "other"),
        ({}, None),
    ],
)
def test_why_a_call_ended(call: dict[str, Any], ending: str | None) -> None:
    assert CloseCall.of({"id": "acti_1", **call}).ending == ending


@pytest.mark.parametrize(
    ("cents", "usd"),
    [(2, "0.02"), ("1.5", "0.015"), (0, "0"), (None, None), ("free", None), (True, None), ("NaN", None)],
)  # fmt: skip
def test_cents_become_dollars(cents: Any, usd: str | None) -> None:
    cost = CloseCall.of({"id": "acti_1", "cost": cents}).cost_usd
    assert cost == (None if usd is None else Decimal(usd))


def test_a_transcript_is_read_line_by_line() -> None:
    call = CloseCall.of(
        {
            "id": "acti_1",
            "recording_transcript": {
                "utterances": [
                    {"speaker_label": "Dana", "text": "Hello?"},
                    {"speaker_side": "contact", "text": "Hi."},
                    {"text": None},
                    "nonsense",
                ],
                "summary_text": "Said hello.",
            },
        }
    )
    assert call.transcript is not None
    assert call.transcript.text == "Dana: Hello?\nCustomer: Hi."
    assert call.transcript.summary == "Said hello."


@pytest.mark.parametrize(
    ("call", "wants"),
    [
        ({"status": "completed", "disposition": "answered", "duration": 60}, True),
        ({"status": "completed", "disposition": "answered", "duration": 5}, False),
        ({"status": "completed", "duration": 60}, True),
        ({"status": "in-progress", "disposition": "answered", "duration": 60}, False),
        ({"status": "no-answer", "disposition": "no-answer", "duration": 30}, False),
        ({"status": "completed", "disposition": "vm-left", "duration": 3}, True),
        ({"status": "completed", "voicemail_url": "https://x"}, True),
    ],
)
def test_which_calls_may_have_been_transcribed(call: dict[str, Any], wants: bool) -> None:
    assert CloseCall.of({"id": "acti_1", **call}).wants_transcript is wants


def test_times_and_numbers() -> None:
    noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    assert moment("2026-01-02T12:00:00.000000") == noon  # the event log's: UTC, unsaid
    assert moment("2026-01-02T07:00:00-05:00") == noon
    assert moment("yesterday") is None
    assert storable({"a\x00": ["\ud800b", 1]}) == {"a": ["?b", 1]}


@pytest.mark.parametrize(
    ("patch", "lead", "shows"),
    [
        ({"name": "A"}, {"name": "A "}, True),
        ({"name": "A"}, {"name": "B"}, False),
        ({"status": "Won"}, {"status_label": "Won"}, True),
        ({"custom.cf_1": 5}, {"custom.cf_1": 5.0}, True),
        ({"custom.cf_1": None}, {}, True),
        ({"custom.cf_1": None}, {"custom.cf_1": 0}, False),
        ({"custom.cf_1": "2026-01-02T12:00:00Z"}, {"custom.cf_1": "2026-01-02T14:00:00+02:00"}, True),
        ({"custom.cf_1": ["a", "b"]}, {"custom.cf_1": ["b", "a"]}, True),
        ({"custom.cf_1": ["a"]}, {"custom.cf_1": ["a", "b"]}, False),
        ({"custom.cf_1.add": "a"}, {"custom.cf_1": ["b", "a"]}, True),
        ({"custom.cf_1.add": "a"}, {"custom.cf_1": ["b"]}, False),
        ({"custom.cf_1.remove": "a"}, {"custom.cf_1": ["b"]}, True),
        ({"custom.lcf_Multi1.remove": "Fleet"}, {"custom.lcf_Multi1": ["Cargo"]}, True),
        ({"custom.lcf_Multi1.remove": "Fleet"}, {"custom.lcf_Multi1": ["Cargo", "Fleet"]}, False),
        ({"custom.lcf_Multi1.add": "Fleet"}, {"custom.lcf_Multi1": ["Cargo", "Fleet"]}, True),
        ({"custom.lcf_Multi1": 5}, {"custom.lcf_Multi1": 5.0}, True),
        ({"custom.cf_1.remove": "a"}, {"custom.cf_1": ["a"]}, False),
        ({"name": "A", "url": "u"}, {"name": "A"}, False),
    ],
)  # fmt: skip
def test_whether_a_lead_shows_a_change(
    patch: dict[str, Any], lead: dict[str, Any], shows: bool
) -> None:
    assert LeadChange(patch).is_in(lead) is shows


@given(st.sets(st.integers(0, 40)))
def test_a_set_of_pages_survives_being_stored(pages: set[int]) -> None:
    first = PageSet()
    for page in pages:
        first.add(page)
    stored = first.to_json()
    again = PageSet(stored)
    assert {page for page in range(41) if page in again} == pages
    assert len(again) == len(pages)
    assert len(stored) <= len(pages)
