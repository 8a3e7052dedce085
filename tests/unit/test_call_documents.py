"""Whose part of a call is whose, and what tools did, whatever the document has in it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mission_control.data.call_documents import shares_of, tools_text, transcript_of

FRONT = {"assistantId": "a1", "assistantName": "Front", "assistantVersion": "v3"}
BILLING = {"assistantId": "a2", "assistantName": "Billing", "assistantVersion": "v7"}


def spoke(at: float, **who: Any) -> dict[str, Any]:
    return {"role": "bot", "message": "Hello", "secondsFromStart": at, **who}


def handed_over(at: float) -> dict[str, Any]:
    return {
        "role": "tool_call_result",
        "name": "handoff_to_assistant_Billing",
        "secondsFromStart": at,
    }


def document(*messages: Any, activations: Any = (FRONT, BILLING)) -> dict[str, Any]:
    return {"artifact": {"messages": list(messages), "assistantActivations": list(activations)}}


def told(found: Any) -> list[tuple[Any, ...]]:
    return [
        (each.assistant_id, each.assistant_version, each.duration_us, each.cost_units, each.is_last)
        for each in found
    ]


@pytest.mark.parametrize(
    "known",
    [
        document(spoke(0.5, assistantId="a1"), spoke(60, assistantName="Billing"), spoke(80, assistantId="a2")),
        document(spoke(0.5), handed_over(60)),
        document(spoke(0.5, **FRONT), spoke(60, **BILLING), activations=()) ,
    ],
    ids=["by messages", "by the handover", "without activations"],
)  # fmt: skip
def test_each_has_the_time_until_the_next_one_spoke(known: dict[str, Any]) -> None:
    found = shares_of(known, 90.0, 100)
    versions = [each.assistant_version for each in found]
    assert versions in (["v3", "v7"], [None, None])
    assert [each[2:] for each in told(found)] == [(60_000_000, 67, False), (30_000_000, 33, True)]


def test_who_comes_back_has_one_part() -> None:
    known = document(spoke(0, **FRONT), spoke(10, **BILLING), spoke(25, **FRONT))
    assert told(shares_of(known, 30.0, 3)) == [
        ("a1", "v3", 15_000_000, 2, True), ("a2", "v7", 15_000_000, 1, False),
    ]  # fmt: skip


def test_what_nobody_can_tell_is_null() -> None:
    [front, billing] = shares_of(document(spoke(1)), 90.0, 100)
    assert (front.duration_us, front.cost_units, billing.duration_us) == (None, None, None)
    assert billing.is_last
    assert told(shares_of(document(spoke(0, **FRONT), spoke(9, **BILLING)), None, 5))[0][2:4] == (
        None,
        None,
    )


def test_a_call_of_one_has_no_parts() -> None:
    assert shares_of(document(spoke(1), activations=[FRONT]), 90.0, 100) == []
    assert shares_of(document(spoke(1, **FRONT), activations=[FRONT, FRONT]), 90.0, 100) == []
    assert shares_of({}, None, None) == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.sampled_from(["bot", "a1"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["role", "assistantId", "assistantName", "secondsFromStart", "name",
                         "toolCalls", "function", "arguments", "result", "message"]),
        inner, max_size=4,
    ),
    max_leaves=8,
)  # fmt: skip


@given(
    messages=st.lists(VALUES | st.builds(spoke, st.floats(-10, 400), assistantId=st.sampled_from("abc")), max_size=6),
    activations=st.lists(VALUES | st.just(FRONT), max_size=3),
    seconds=st.none() | st.floats(0, 1_000),
    cost=st.none() | st.integers(0, 10**9),
)  # fmt: skip
def test_parts_are_the_whole_whatever_is_told(
    messages: list[Any], activations: list[Any], seconds: float | None, cost: int | None
) -> None:
    known = document(*messages, activations=activations)
    found = shares_of(known, seconds, cost)
    tools_text(known)
    transcript_of(known)
    assert len(found) != 1
    if found:
        assert sum(each.is_last for each in found) == 1
    times = [each.duration_us for each in found]
    if times and None not in times:
        assert seconds is not None
        assert abs(sum(each or 0 for each in times) - seconds * 1_000_000) <= 1
    costs = [each.cost_units for each in found]
    if costs and None not in costs:
        assert sum(each or 0 for each in costs) == cost


def test_what_tools_were_asked_and_answered_is_text() -> None:
    asked: list[Any] = [{"function": {"name": "faq", "arguments": {"query": "deals"}}},
             {"function": {"name": "book", "arguments": '{"day":"Friday"}'}}, {"function": {}}, "odd"]  # fmt: skip
    known = document(
        {"role": "tool_calls", "toolCalls": asked},
        {"role": "assistant", "tool_calls": [{"function": {"name": "ping"}}]},
        {"role": "tool_call_result", "result": [{"answer": "30% off"}, "İstanbul"]},
        {"role": "tool_call_result", "result": '{"booked": true}'},
        {"role": "tool_call_result"},
    )
    assert tools_text(known) == (
        'faq({"query": "deals"})\nbook({"day":"Friday"})\nping()\n'
        '[{"answer": "30% off"}, "İstanbul"]\n{"booked": true}'
    )
