"""The calls of the world: the same every time, each its own, and in order."""

import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from mission_control_sandbox.vapi.costs import costs
from mission_control_sandbox.world import conversations, situations
from mission_control_sandbox.world.conversations import Conversation
from mission_control_sandbox.world.people import PEOPLE
from mission_control_sandbox.world.seeded_random import SeededRandom

TODAY = date(2026, 11, 23)
SAMPLE = range(0, conversations.CALLS, 61)


def told(index: int, *, people: int = PEOPLE) -> Conversation:
    return conversations.conversation(index, today=TODAY, people=people)


@pytest.fixture(scope="module")
def sample() -> list[Conversation]:
    return [told(index) for index in SAMPLE]


def test_sixty_thousand_calls_of_which_vapi_has_three_in_five() -> None:
    assert len(conversations.vapi_indices(PEOPLE)) == 36_000
    assert len(conversations.close_indices(PEOPLE)) == 24_000
    assert len(conversations.logged_indices(PEOPLE)) == 12_000


def test_another_process_tells_the_same() -> None:
    program = (
        "from datetime import date\n"
        "from mission_control_sandbox.world.conversations import conversation\n"
        "print(repr(conversation(777, today=date(2026, 11, 23), people=29000)))"
    )
    environment = {"PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.strip() == repr(told(777))


def test_ids_are_unique_and_lead_back() -> None:
    ids = {conversations.vapi_id(index): index for index in range(0, 36_000, 17)}
    assert len(ids) == len(range(0, 36_000, 17))
    assert all(conversations.index_of(name, PEOPLE) == index for name, index in ids.items())


@pytest.mark.parametrize(
    "name", ["", "nobody", "00000000-0000-4000-8000-000000000000", conversations.vapi_id(50_000)]
)
def test_an_id_that_vapi_does_not_know(name: str) -> None:
    assert conversations.index_of(name, PEOPLE) is None


@pytest.mark.parametrize("people", [1, 2, 40, 7_919, 29_000])
def test_every_call_is_with_one_person_and_found_from_there(people: int) -> None:
    last = conversations.calls(people)
    for index in range(0, last, max(1, last // 50)):
        whom = conversations.person_index(index, people)
        assert 0 <= whom < people
        assert index in list(conversations.indices_of_person(whom, people))


@pytest.mark.parametrize("people", [40, 29_000])
def test_times_grow_with_the_index_in_working_hours(people: int) -> None:
    for there in (conversations.vapi_indices(people), conversations.close_indices(people)):
        step = max(1, len(there) // 500)
        times = [
            conversations.created_at(index, today=TODAY, people=people) for index in there[::step]
        ]
        assert times == sorted(times)
        assert times[-1] < datetime(2026, 11, 23, tzinfo=UTC)
        assert times[0] > times[-1] - timedelta(days=conversations.DAYS + 7)
        assert all(at.weekday() < 5 and 13 <= at.hour < 23 for at in times)


def test_denser_lately() -> None:
    times = [
        conversations.created_at(index, today=TODAY, people=PEOPLE) for index in (0, 18_000, 35_999)
    ]
    assert times[1] - times[0] > (times[2] - times[1]) * 1.4


def test_a_campaign_places_several_calls_at_one_moment() -> None:
    times = Counter(
        conversations.created_at(index, today=TODAY, people=PEOPLE) for index in range(400)
    )
    assert sorted(times.values())[-2:] == [8, 8]


def test_the_texts_differ(sample: list[Conversation]) -> None:
    talked = [one for one in sample if len(one.turns) > 4]
    texts = {tuple(turn.text for turn in one.turns) for one in talked}
    assert len(texts) == len(talked) > 300


def test_turns_follow_each_other_and_fit_into_the_call(sample: list[Conversation]) -> None:
    for one in sample:
        assert bool(one.turns) == (one.started_at is not None) == (one.ended_at is not None)
        ends = [0.0, *(turn.end for turn in one.turns)]
        assert all(end <= turn.start < turn.end for end, turn in zip(ends, one.turns, strict=False))
        assert ends[-1] <= one.seconds + 1
        assert one.seconds <= conversations.LONGEST_CALL.total_seconds()


def test_nothing_is_left_to_fill_in(sample: list[Conversation]) -> None:
    assert not [turn.text for one in sample for turn in one.turns if set(turn.text) & set("{}")]


def test_the_agents_share_the_calls(sample: list[Conversation]) -> None:
    agents = Counter(one.agent for one in sample)
    assert agents["human"] / len(sample) == pytest.approx(0.4, abs=0.01)
    assert agents["remus"] > agents["genesis"] > agents["scout"] > 0
    assert {one.direction for one in sample if one.agent == "genesis"} == {"inbound"}


def test_the_failures_that_the_scenarios_exist_to_catch_happen(sample: list[Conversation]) -> None:
    failed = [one for one in sample if one.failure]
    kinds = {one.failure for one in failed}
    assert {"invented_price", "went_on_after_stop", "claimed_to_be_human", "gave_advice"} <= kinds
    assert kinds <= set(situations.FAILURES)
    assert not any(one.success for one in failed)
    assert 0.1 < len(failed) / len(sample) < 0.4
    assert not [one for one in failed if one.agent == "human" and one.outcome != "voicemail"]


def test_every_reason_and_outcome_occurs(sample: list[Conversation]) -> None:
    assert {one.outcome for one in sample} >= {*situations.OUTCOMES, "no_answer", "busy", "failed"}
    reasons = {one.ended_reason for one in sample}
    assert {"customer-ended-call", "assistant-ended-call", "voicemail", "customer-busy"} <= reasons
    assert any(reason.startswith("pipeline-error-") for reason in reasons)
    unanswered = [one for one in sample if one.outcome in ("no_answer", "busy")]
    assert all(one.started_at is None and one.success is None for one in unanswered)


def test_costs_add_up(sample: list[Conversation]) -> None:
    for one in sample:
        made = costs(one, provider="twilio", model={}, voice={})
        units = round(made["cost"] * 10_000)
        assert units == sum(round(part["cost"] * 10_000) for part in made["costs"])
        assert made["costBreakdown"]["total"] == made["cost"]
        parts = made["costBreakdown"]
        analysed = parts.get("analysisCostBreakdown", {})
        kinds = ("summary", "structuredData", "successEvaluation", "structuredOutput")
        known = [parts[name] for name in ("transport", "stt", "llm", "tts", "vapi", "chat")]
        known += [analysed.get(kind, 0) for kind in kinds]
        assert units == sum(round(value * 10_000) for value in known)
        assert (units > 0) == (one.started_at is not None)


def test_draws_are_spread_and_repeatable() -> None:
    drawn = Counter(SeededRandom(f"number {index}").below(10) for index in range(2000))
    assert min(drawn.values()) > 150
    assert sorted(SeededRandom("x").some("abcd", 9)) == list("abcd")
    assert SeededRandom("x").some(range(50), 5) == SeededRandom("x").some(range(50), 5)
