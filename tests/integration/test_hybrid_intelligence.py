"""Hybrid intelligence on both databases: what is indexed, what is found, and in which order."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx2
import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mission_control.core.setting_values import SearchWeights
from mission_control.core.words import CallEnding, CallSource
from mission_control.data import turn_search
from mission_control.data.calls import CallFacts
from mission_control.data.engine import create_engine, create_sessions
from mission_control.data.turn_search import ConversationFilter
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.memory_servers.errors import (
    EmbeddingError,
    EmbeddingUnavailableError,
    MemoryCursorError,
    MemoryInputError,
    MemoryNotFoundError,
)
from mission_control.memory_servers.hybrid import service
from mission_control.memory_servers.hybrid.embedding import EmbeddingServer, embed_missing
from mission_control.memory_servers.hybrid.fusion import fused
from mission_control.memory_servers.hybrid.indexing import index_calls
from mission_control.memory_servers.hybrid.items import GivenConversation, GivenTurn, Hits
from mission_control.memory_servers.hybrid.service import HybridIntelligence
from mission_control.memory_servers.units import UnitsOfWork

START = datetime(2026, 11, 1, 9, tzinfo=UTC)


@pytest.fixture
async def units(database_url: str) -> AsyncGenerator[UnitsOfWork]:
    engine: AsyncEngine = create_engine(database_url)
    yield partial(UnitOfWork, create_sessions(engine))
    await engine.dispose()


@pytest.fixture
def hybrid(units: UnitsOfWork) -> HybridIntelligence:
    return HybridIntelligence(units)


def a_transcript(name: str, *said: str, day: int = 0, **given: Any) -> GivenConversation:
    turns = [
        GivenTurn(text=text, speaker=("agent", "caller")[n % 2]) for n, text in enumerate(said)
    ]
    at = (START + timedelta(days=day)).isoformat()
    return GivenConversation(external_id=name, started_at=at, turns=turns, **given)


def a_call(name: str, **given: Any) -> CallFacts:
    facts: dict[str, Any] = {
        "source": CallSource.VAPI, "external_id": name, "created_at": START, "started_at": START,
        "ended_at": START, "ending": CallEnding.CUSTOMER, "source_updated_at": START,
        "document": {}, "transcript": "AI: Hello there.\nUser: Hi.", **given,
    }  # fmt: skip
    return CallFacts(**facts)


async def store(units: UnitsOfWork, *calls: CallFacts) -> None:
    async with units() as uow:
        await uow.calls.store(calls)


def names(hits: Hits) -> list[str]:
    return [each.text for each in hits.items]


class TestImported:
    async def test_words_are_found_in_any_form_and_each_conversation_once(
        self, hybrid: HybridIntelligence
    ) -> None:
        indexed = await hybrid.index([
            a_transcript("a", "How can I help?", "My invoices are wrong", "Which invoice?", agent="remus"),
            a_transcript("b", "Hello", "The parcel never came", day=1, agent="scout"),
            a_transcript("c", "Hello", "An invoice for a parcel", day=2),
        ])  # fmt: skip
        assert (indexed.new, indexed.changed, indexed.unchanged) == (3, 0, 0)

        found = await hybrid.search("What about the invoice?")
        assert {each.conversation_id for each in found.items} == {
            each.conversation_id for each in (await hybrid.search("invoices")).items
        }
        assert len(found.items) == 2
        assert sorted(each.turns_found for each in found.items) == [1, 2]
        assert found.mode == "lexical"
        assert names(await hybrid.search("parcel invoice", limit=1)) == ["An invoice for a parcel"]
        assert names(await hybrid.search("parcel", agent="scout")) == ["The parcel never came"]
        since = (START + timedelta(days=2)).isoformat()
        assert names(await hybrid.search("parcel", since=since)) == ["An invoice for a parcel"]
        assert names(await hybrid.search("parcel", until=since)) == ["The parcel never came"]

    async def test_the_same_again_changes_nothing_and_another_text_replaces(
        self, hybrid: HybridIntelligence
    ) -> None:
        await hybrid.index(
            [a_transcript("a", "about dogs", "yes"), a_transcript("b", "about birds")]
        )
        again = await hybrid.index([a_transcript("a", "about dogs", "yes")])
        assert (again.new, again.changed, again.unchanged) == (0, 0, 1)
        before = await hybrid.search("dogs")

        changed = await hybrid.index([a_transcript("a", "about cats", title="Pets")])
        assert (changed.new, changed.changed, changed.unchanged) == (0, 1, 0)
        assert (await hybrid.search("dogs")).items == []
        after = await hybrid.search("cats")
        assert after.items[0].conversation_id == before.items[0].conversation_id
        assert after.items[0].id != before.items[0].id  # an id never comes to stand for other words
        stats = await hybrid.stats()
        assert (stats.conversations, stats.turns, stats.by_source) == (2, 2, {"import": 2})

    @pytest.mark.parametrize("query", [
        "what's up?", "foo-bar", "x:y", "a AND", "*", "NEAR(", '"quote', "'); DROP TABLE turns; --",
        "wrong | & ! <-> :*", "{col}: -wrong", "ünï ^wrong", "the and of",
    ])  # fmt: skip
    async def test_syntax_of_the_search_engines_is_only_words(
        self, hybrid: HybridIntelligence, query: str
    ) -> None:
        await hybrid.index([a_transcript("a", "something is wrong")])
        expected = ["something is wrong"] if "wrong" in query else []
        assert names(await hybrid.search(query)) == expected

    async def test_reading_one_and_walking_through_all(self, hybrid: HybridIntelligence) -> None:
        await hybrid.index([
            a_transcript(f"c{n}", *[f"turn {t}" for t in range(3)], day=n, summary=f"about {n}")
            for n in range(5)
        ])  # fmt: skip
        first = await hybrid.recent(limit=2)
        rest = await hybrid.recent(limit=10, cursor=first.next_cursor)
        assert [e.text for e in [*first.items, *rest.items]] == [
            f"about {n}" for n in (4, 3, 2, 1, 0)
        ]
        assert rest.next_cursor is None
        whole = await hybrid.conversation(first.items[0].id)
        assert [turn.text for turn in whole.turns] == ["turn 0", "turn 1", "turn 2"]
        assert (whole.turn_count, whole.next_offset) == (3, None)
        # A summary is found as what was said is.
        assert (await hybrid.search("about 3")).items[0].speaker == "summary"

    async def test_bad_input_is_named_and_nothing_is_stored(
        self, hybrid: HybridIntelligence
    ) -> None:
        refused: list[list[GivenConversation]] = [
            [],
            [a_transcript("a")],
            [a_transcript("a", "x" * 30_000)],
            [a_transcript("a", "a\x00b")],
            [a_transcript("a", "good"), a_transcript("a", "twice")],
            [a_transcript("a", "good"), a_transcript("b", "bad agent", agent="No One!")],
            [GivenConversation(external_id="a", started_at="soon", transcript="AI: x")],
            [GivenConversation(external_id="a", started_at="2026-01-01", transcript="x" * 2_000_000)],
        ]  # fmt: skip
        for each in refused:
            with pytest.raises(MemoryInputError):
                await hybrid.index(each)
        asked: dict[str, Any]
        for asked in ({"query": " "}, {"query": "w " * 5_000}, {"query": "x", "mode": "psychic"},
                      {"query": "x", "since": "yesterday"}, {"query": "x", "limit": 201}):  # fmt: skip
            with pytest.raises(MemoryInputError):
                await hybrid.search(**asked)
        with pytest.raises(MemoryNotFoundError):
            await hybrid.conversation("nobody")
        with pytest.raises(MemoryCursorError):
            await hybrid.recent(cursor="nonsense")
        with pytest.raises(EmbeddingUnavailableError, match="MC_EMBEDDING_MODEL"):
            await hybrid.search("x", mode="dense")
        assert (await hybrid.stats()).conversations == 0


class TestCalls:
    async def test_calls_are_indexed_once_and_again_when_they_change(
        self, units: UnitsOfWork, hybrid: HybridIntelligence
    ) -> None:
        messages = [
            {"role": "system", "message": "You are a secret prompt."},
            {"role": "bot", "message": "Good morning.", "secondsFromStart": 1.5},
            {"role": "user", "message": "I want a refund.", "secondsFromStart": 4},
        ]
        utterances = [{"text": "We sell umbrellas.", "speaker_side": "close-user", "start": 2}]
        await store(
            units,
            a_call("v", document={"artifact": {"messages": messages}}, summary="Wants money back."),
            a_call("c", source=CallSource.CLOSE, transcript="We sell umbrellas.",
                   document={"recording_transcript": {"utterances": utterances}}),
            a_call("plain"),
            a_call("silent", transcript=None),
            a_call("running", ending=None, ended_at=None),
        )  # fmt: skip
        first = await index_calls(units)
        assert (first.new, first.changed) == (3, 0)
        assert await index_calls(units) == type(first)(new=0, changed=0, unchanged=0)

        refund = (await hybrid.search("refund")).items[0]
        assert refund.speaker == "caller"
        assert refund.at == "2026-11-01T09:00:04.000000Z"
        assert refund.source["system"] == "vapi"
        assert (await hybrid.search("secret prompt")).items == []
        assert (await hybrid.search("umbrella")).items[0].speaker == "agent"
        assert (await hybrid.search("money")).items[0].speaker == "summary"

        later = START + timedelta(hours=1)
        await store(units, a_call("plain", transcript="AI: Zebras.", source_updated_at=later))
        second = await index_calls(units)
        assert (second.new, second.changed) == (0, 1)
        assert names(await hybrid.search("zebra")) == ["Zebras."]

    async def test_messages_alone_and_what_tools_did_are_found_in_every_script(
        self, hybrid: HybridIntelligence, units: UnitsOfWork
    ) -> None:
        called = [{"function": {"name": "faq_lookup", "arguments": {"query": "zeppelins"}}}]
        said = {
            "one": [{"role": "user", "message": "Wir fliegen nach İstanbul."}],
            "two": [{"role": "user", "message": "予約をキャンセルしたいです"}],
            "three": [{"role": "bot", "message": "星期五预约好了"}],
            "four": [{"role": "user", "message": "ร้านเปิดกี่โมงคะ"}],
            "five": [{"role": "tool_calls", "message": "", "toolCalls": called},
                     {"role": "tool_call_result", "result": {"answer": "nach İzmir", "ids": [4711]}}],
        }  # fmt: skip
        async with units() as uow:
            await uow.calls.store(
                [
                    a_call(name, transcript=None, document={"artifact": {"messages": messages}})
                    for name, messages in said.items()
                ]
            )
        await index_calls(units)
        for asked, name in {
            "istanbul": "one", "İSTANBUL": "one", "キャンセル": "two", "予約": "two", "预约": "three",
            "เปิด": "four", "zeppelins": "five", "faq_lookup": "five", "izmir": "five", "4711": "five",
        }.items():  # fmt: skip
            first = (await hybrid.search(asked)).items[0]
            assert first.source["external_id"] == name, asked

    async def test_what_a_call_loses_the_index_loses(
        self, units: UnitsOfWork, hybrid: HybridIntelligence
    ) -> None:
        await store(
            units, a_call("a", transcript="AI: apples"), a_call("b", transcript="AI: berries")
        )
        await index_calls(units)
        later = START + timedelta(hours=1)
        await store(units, a_call("a", transcript=None, source_updated_at=later, content_removed_at=later))  # fmt: skip
        async with units() as uow:
            await uow.calls.delete(CallSource.VAPI, ["b"])
        await index_calls(units)
        assert (await hybrid.search("apples berries")).items == []
        assert (await hybrid.stats()).turns == 0


# -------------------------------------------------------------------- by meaning

CONCEPTS = [
    {"price", "cost", "fee", "expensive"},
    {"parcel", "shipment", "delivery"},
    {"dog", "puppy"},
]


class Meaning:
    """An embedding server over HTTP whose model knows three concepts."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: JSONResponse | None = None
        self.hangs = False
        app = Starlette(routes=[Route("/v1/embeddings", self.embeddings, methods=["POST"])])
        http = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app), base_url="http://model/v1/"
        )
        self.embedder = EmbeddingServer("concepts-1", http)

    async def embeddings(self, request: Request) -> JSONResponse:
        if self.hangs:
            await asyncio.Event().wait()
        body = await request.json()
        assert body["model"] == "concepts-1"
        self.asked += len(body["input"])
        rows = [
            {"index": at, "embedding": [*(float(len(c & set(text.lower().split()))) for c in CONCEPTS), 0.1]}
            for at, text in enumerate(body["input"])
        ]  # fmt: skip
        return self.answer or JSONResponse({"data": rows[::-1]})  # the index counts, not the order


@pytest.fixture
async def meaning() -> AsyncGenerator[Meaning]:
    meaning = Meaning()
    yield meaning
    await meaning.embedder.aclose()


class TestByMeaning:
    async def test_embedding_goes_on_where_it_stopped_and_counts_honestly(
        self, units: UnitsOfWork, meaning: Meaning
    ) -> None:
        hybrid = HybridIntelligence(units, embedder=meaning.embedder)
        await hybrid.index([a_transcript(f"c{n}", "the fee", "a dog") for n in range(50)])
        first = await embed_missing(units, meaning.embedder, at_most=70)
        assert (first.made, first.with_vector, first.texts) == (70, 70, 100)
        stats = await hybrid.stats()
        assert stats.dense is not None
        assert (stats.dense.with_vector, stats.dense.without_vector) == (70, 30)
        rest = await embed_missing(units, meaning.embedder)
        assert (rest.made, rest.with_vector, meaning.asked) == (30, 100, 100)

    async def test_other_words_of_the_same_meaning_are_found(
        self, units: UnitsOfWork, meaning: Meaning
    ) -> None:
        hybrid = HybridIntelligence(
            units, embedder=meaning.embedder, weights=SearchWeights(lexical=0.7, dense=0.3), k=1
        )
        await hybrid.index([
            a_transcript("a", "what does it cost", agent="remus"),
            a_transcript("b", "my puppy is ill", day=1),
            a_transcript("c", "no shipment arrived", day=2),
        ])  # fmt: skip
        await embed_missing(units, meaning.embedder)

        assert (await hybrid.search("expensive delivery", mode="lexical")).items == []
        dense = await hybrid.search("fee", mode="dense")
        assert dense.items[0].text == "what does it cost"
        both = await hybrid.search("puppy fee")
        assert both.mode == "fused"
        assert names(both)[0] == "my puppy is ill"  # by words and by meaning
        assert "what does it cost" in names(both)  # by meaning alone
        only = await hybrid.search("dog", mode="dense", agent="remus")
        assert names(only) == ["what does it cost"]

        # What is indexed later, or again, is found as well, and what is gone is not.
        await hybrid.index([a_transcript("a", "hello"), a_transcript("d", "a dog")])
        await embed_missing(units, meaning.embedder)
        assert "what does it cost" not in names(await hybrid.search("fee", mode="dense"))
        assert names(await hybrid.search("puppy dog", mode="dense"))[:2] == [
            "my puppy is ill",
            "a dog",
        ]

    async def test_nobody_waits_for_a_model_that_hangs(
        self, units: UnitsOfWork, meaning: Meaning, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service, "QUESTION_SECONDS", 0.05)
        hybrid = HybridIntelligence(units, embedder=meaning.embedder)
        await hybrid.index([a_transcript("a", "a dog")])
        meaning.hangs = True
        found = await hybrid.search("dog")
        assert (found.mode, names(found)) == ("lexical", ["a dog"])
        assert "does not answer within" in found.notes[0]
        with pytest.raises(EmbeddingUnavailableError):
            await hybrid.search("dog", mode="dense")

    async def test_without_its_model_the_search_goes_by_words_and_says_so(
        self, units: UnitsOfWork, meaning: Meaning
    ) -> None:
        hybrid = HybridIntelligence(units, embedder=meaning.embedder)
        await hybrid.index([a_transcript("a", "a dog")])
        for answer, error in (
            (JSONResponse({"error": "no"}, status_code=500), EmbeddingUnavailableError),
            (JSONResponse({"data": []}), EmbeddingError),
            (JSONResponse({"data": [{"index": 0, "embedding": ["x"]}]}), EmbeddingError),
        ):
            meaning.answer = answer
            found = await hybrid.search("dog")
            assert (found.mode, names(found)) == ("lexical", ["a dog"])
            assert "embedding model" in found.notes[0]
            with pytest.raises(error):
                await hybrid.search("dog", mode="dense")
            with pytest.raises(error):
                await embed_missing(units, meaning.embedder)


def test_fusion_goes_by_weighted_ranks() -> None:
    ranked = fused(
        {"lexical": [1, 2], "dense": [3, 2]}, weights={"lexical": 0.7, "dense": 0.3}, k=1
    )
    assert [each for each, _ in ranked] == [1, 2, 3]
    assert np.isclose(ranked[0][1], 0.35)
    assert np.isclose(ranked[1][1], 0.7 / 3 + 0.3 / 3)


async def test_a_filter_binds_times_as_they_are_kept(units: UnitsOfWork) -> None:
    await HybridIntelligence(units).index([a_transcript("a", "word")])
    async with units(readonly=True) as uow:
        exactly = ConversationFilter(since=START, until=START + timedelta(microseconds=1))
        assert len(await uow.conversations.search(["word"], exactly, limit=5)) == 1
        after = ConversationFilter(since=START + timedelta(microseconds=1))
        assert await uow.conversations.search(["word"], after, limit=5) == []


async def test_words_that_very_many_have_do_not_decide(
    hybrid: HybridIntelligence, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More turns than can be ranked: those with every word, then those with the rare one."""
    monkeypatch.setattr(turn_search, "MOST_RANKED", 3)
    await hybrid.index([a_transcript(f"c{n}", f"a parcel of number {n}") for n in range(8)])
    await hybrid.index([
        a_transcript("rare", "an invoice is missing"), a_transcript("both", "an invoice for a parcel"),
    ])  # fmt: skip
    # PostgreSQL guesses how many have a word: it has to have looked.
    async with hybrid._units() as uow:  # pyright: ignore[reportPrivateUsage]
        await uow._session.execute(text("ANALYZE"))  # pyright: ignore[reportPrivateUsage]
    assert names(await hybrid.search("parcel invoice", limit=2)) == [
        "an invoice for a parcel", "an invoice is missing",
    ]  # fmt: skip
    assert len((await hybrid.search("parcel", limit=20)).items) == 9


async def test_spellings_and_scripts(hybrid: HybridIntelligence) -> None:
    await hybrid.index([
        a_transcript("a", "Un café à İstanbul"), a_transcript("b", "ご返金をお約束します"),
        a_transcript("c", "a follow\u2011up about the re\u00adfund"),
    ])  # fmt: skip
    for asked, expected in {
        "cafe": "a", "ISTANBUL": "a", "返金": "b", "follow-up": "c", "refund": "c",
    }.items():  # fmt: skip
        found = (await hybrid.search(asked)).items
        assert len(found) == 1, (asked, expected)
