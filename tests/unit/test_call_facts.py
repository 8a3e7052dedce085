"""What is known of a call does not depend on the order in which it was said."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import reduce
from itertools import permutations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mission_control.core.words import CallEnding, CallSource, SuccessRubric
from mission_control.data.call_facts import CallFacts, KnownCall

T0 = datetime(2026, 11, 1, 10, tzinfo=UTC)


def said(
    minute: float | None,
    *,
    document: dict[str, Any] | None = None,
    created: float = 0,
    **told: Any,
) -> KnownCall:
    at = None if minute is None else T0 + timedelta(minutes=minute)
    facts = CallFacts(
        source=CallSource.VAPI,
        external_id="c",
        created_at=T0 + timedelta(minutes=created),
        document=document or {},
        source_updated_at=at,
        **told,
    )
    return KnownCall.of(facts)


def together(*known: KnownCall) -> KnownCall:
    return reduce(KnownCall.joined, known)


def seen(known: KnownCall) -> tuple[Any, ...]:
    return known.columns, known.document, known.stamps


def stored(known: KnownCall) -> KnownCall:
    """After a night in the database."""
    return KnownCall.stored(known.columns, known.document, known.stamps)


class TestWhatCounts:
    def test_the_later_statement(self) -> None:
        late, early = said(2, status="ringing", lead_id="b"), said(1, status="queued", lead_id="a")
        for known in (together(early, late), together(late, early)):
            assert (known.columns["status"], known.columns["lead_id"]) == ("ringing", "b")

    def test_an_ended_call_never_goes_back(self) -> None:
        ended = said(1, status="ended", ending=CallEnding.CUSTOMER, ended_at=T0)
        known = together(ended, said(9, status="in-progress"))
        assert (known.columns["status"], known.columns["ending"]) == ("ended", CallEnding.CUSTOMER)

    def test_what_says_nothing_erases_nothing(self) -> None:
        first = said(1, summary="S", cost_usd=Decimal(1), document={"artifact": {"messages": [1]}})
        later = said(2, status="x", document={"artifact": {"recording": "r", "messages": []}})
        for known in (together(first, later), together(later, first)):
            assert known.columns["summary"] == "S"
            assert known.columns["cost_usd"] == Decimal(1)
            assert known.document == {"artifact": {"messages": [1], "recording": "r"}}

    def test_what_is_removed_never_comes_back(self) -> None:
        told = said(5, transcript="T", summary="S", customer_name="Ada", cost_usd=Decimal(1),
                    document={"x": 1}, customer_number="+14155550123")  # fmt: skip
        removed = said(2, content_removed_at=T0)
        for known in (
            together(told, removed),
            together(removed, told),
            together(removed, told, told),
        ):
            columns = known.columns
            assert {columns[name] for name in ("transcript", "summary", "customer_name")} == {None}
            assert (columns["customer_number"], known.document) == (None, {})
            assert columns["cost_usd"] == Decimal(1)

    def test_the_earliest_moment_is_when_it_came_to_be(self) -> None:
        statements = [said(30, created=20), said(None, created=5), said(9, created=10)]
        for order in permutations(statements):
            assert together(*order).created_at == T0 + timedelta(minutes=5)

    def test_nothing_changes_before_it_came_to_be(self) -> None:
        assert said(3, created=10).created_at == T0 + timedelta(minutes=3)


MESSAGES: dict[str, Any] = {
    "artifact": {
        "messages": [
            {"role": "bot", "message": "Hello."},
            {"role": "user", "message": " Hi. "},
            {"role": "tool_calls", "message": "Looking.", "toolCalls": [{}]},
            {"role": "assistant", "content": "Bye."},
        ]
    }
}  # fmt: skip


class TestTranscript:
    def test_without_one_the_messages_are_it(self) -> None:
        known = said(1, document=MESSAGES)
        assert known.columns["transcript"] == "AI: Hello.\nUser: Hi.\nAI: Bye."
        assert stored(known).columns == known.columns

    def test_one_that_was_told_counts_whenever_it_came(self) -> None:
        told, derived = said(1, transcript="AI: Told"), said(2, document=MESSAGES)
        for known in (
            together(told, derived),
            together(derived, told),
            stored(derived).joined(told),
        ):
            assert known.columns["transcript"] == "AI: Told"

    def test_what_is_removed_is_not_derived_again(self) -> None:
        removed = said(2, content_removed_at=T0)
        known = together(said(1, document=MESSAGES), removed)
        assert known.columns["transcript"] is None


def spoken(text: str) -> dict[str, Any]:
    return {"artifact": {"messages": [{"role": "user", "message": text}]}}


VALUES: list[Any] = [None, 1, "x", [], [1], {}, {"m": [1]}, {"m": [], "n": 2}, {"m": [2]}]
DOCUMENTS = st.dictionaries(st.sampled_from("ab"), st.sampled_from(VALUES)) | st.builds(
    spoken, st.sampled_from(["one", "two"])
)
STATEMENTS = st.builds(
    said,
    st.sampled_from([None, 0, 1, 1.5, 2]),
    document=DOCUMENTS,
    status=st.sampled_from([None, "queued", "ended"]),
    ending=st.sampled_from([None, CallEnding.ERROR, CallEnding.CUSTOMER]),
    created=st.sampled_from([0, 1, 3]),
    summary=st.sampled_from([None, "one", "two"]),
    transcript=st.sampled_from([None, None, "User: one", "User: three"]),
    cost_usd=st.sampled_from([None, Decimal(0), Decimal("0.12345678")]),
    success_evaluation=st.sampled_from([None, "true", "9"]),
    success_rubric=st.sampled_from([None, SuccessRubric.NUMERIC]),
    agent_id=st.sampled_from([None, "remus"]),
    content_removed_at=st.sampled_from([None, None, None, T0]),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(STATEMENTS, min_size=1, max_size=3))
def test_in_any_order_any_number_of_times(statements: list[KnownCall]) -> None:
    expected = seen(together(*statements))
    for order in permutations(statements):
        assert seen(together(*order, order[0])) == expected
        assert seen(reduce(lambda known, one: stored(known).joined(one), order)) == expected
