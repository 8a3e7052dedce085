"""Searching conversations: by words, by meaning where there is a model for it, or by both."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import structlog

from mission_control.core.setting_values import SearchWeights
from mission_control.data.conversations import Conversation, Turn
from mission_control.data.turn_search import ConversationFilter
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.memory_servers import cursors, inputs
from mission_control.memory_servers.errors import (
    EmbeddingError,
    EmbeddingUnavailableError,
    MemoryInputError,
    MemoryNotFoundError,
)
from mission_control.memory_servers.hybrid.dense import DenseIndex
from mission_control.memory_servers.hybrid.embedding import Embedder, Vectors
from mission_control.memory_servers.hybrid.fusion import fused
from mission_control.memory_servers.hybrid.indexing import index_conversations
from mission_control.memory_servers.hybrid.items import (
    ConversationItem,
    DenseStats,
    GivenConversation,
    Hit,
    Hits,
    Indexed,
    IndexStats,
    Mode,
    RecentConversations,
    SpokenItem,
)
from mission_control.memory_servers.times import said
from mission_control.memory_servers.units import UnitsOfWork
from mission_control.memory_servers.words import words_of

log = structlog.get_logger(__name__)

CANDIDATES = 200  # turns of each ranking that are fused
TURNS_AT_ONCE = 500
QUESTION_SECONDS = 5.0  # for its vector: whoever asks waits, and the words alone find much
MODES: tuple[Mode, ...] = ("fused", "lexical", "dense")


class HybridIntelligence:
    """What the server does, over the database.

    Raises, from every method: MemoryInputError, MemoryNotFoundError, MemoryCursorError; nothing was
    stored then.
    """

    def __init__(
        self,
        units: UnitsOfWork,
        *,
        embedder: Embedder | None = None,
        weights: SearchWeights | None = None,
        k: float = 1,
    ) -> None:
        self._units = units
        self._embedder = embedder
        self._weights = weights or SearchWeights()
        self._k = k
        self._dense = DenseIndex(embedder.model) if embedder else None

    # ------------------------------------------------------------ searching

    async def search(
        self,
        query: str,
        *,
        agent: str | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int = 20,
        mode: str = "fused",
    ) -> Hits:
        """Conversations that answer the query, each once, best first.

        Raises:
            EmbeddingUnavailableError, EmbeddingError: Only for `mode` dense; fused goes on by words.
        """
        text = inputs.text_of("query", query, longest=inputs.LONGEST_QUERY)
        wanted, most = _wanted(agent, since, until), inputs.limit_of(limit)
        asked = _mode_of(mode)
        question, notes = await self._question(text, asked)
        rankings: dict[str, list[int]] = {}
        async with self._units(readonly=True) as uow:
            if asked != "dense" and (words := words_of(text)):
                found = await uow.conversations.search(words, wanted, limit=CANDIDATES)
                rankings["lexical"] = [turn for turn, _ in found]
            if question is not None:
                rankings["dense"] = await self._nearest(uow, question, wanted)
            ranked = fused(rankings, weights=self._weights_of(asked), k=self._k)
            items = await _grouped(uow, ranked, most)
        done: Mode = asked if asked != "fused" or question is not None else "lexical"
        return Hits(items=items, mode=done, notes=notes)

    async def _question(self, text: str, asked: Mode) -> tuple[Vectors | None, list[str]]:
        """The question's vector, or why there is none."""
        if asked == "lexical":
            return None, []
        if self._embedder is None:
            if asked == "dense":
                raise EmbeddingUnavailableError(
                    "No embedding model is set (MC_EMBEDDING_MODEL), so nothing can be searched by "
                    "meaning. Search with mode lexical or fused."
                )
            return None, []
        try:
            return await _vector_of(text, self._embedder), []
        except (EmbeddingUnavailableError, EmbeddingError) as refused:
            if asked == "dense":
                raise
            log.warning("searched_by_words_only", reason=refused.code)
            return None, [refused.message]

    async def _nearest(
        self, uow: UnitOfWork, question: Vectors, wanted: ConversationFilter
    ) -> list[int]:
        assert self._dense is not None
        await self._dense.refresh(uow)
        within = None if wanted.is_any else await uow.conversations.turns_within(wanted)
        found = self._dense.nearest(question, limit=CANDIDATES, within=within)
        return [turn for turn, _ in found]

    def _weights_of(self, asked: Mode) -> dict[str, float]:
        if asked != "fused":
            return {asked: 1.0}
        return self._weights.model_dump()

    # ------------------------------------------------------------ reading

    async def conversation(self, conversation_id: str, *, offset: int = 0) -> ConversationItem:
        wanted = inputs.id_of(conversation_id)
        if not 0 <= offset < 1_000_000:
            raise MemoryInputError("offset", "It is not between 0 and 999,999.")
        async with self._units(readonly=True) as uow:
            found = await uow.conversations.get(wanted)
            if found is None:
                raise MemoryNotFoundError("There is no conversation with this id.")
            turns = await uow.conversations.spoken(wanted, offset=offset, limit=TURNS_AT_ONCE)
        reached = offset + len(turns)
        return ConversationItem(
            id=str(found.id),
            agent=found.agent,
            at=said(found.started_at),
            title=found.title,
            summary=found.summary,
            source=_source_of(found),
            turn_count=found.turn_count,
            turns=[_spoken(turn) for turn in turns],
            next_offset=reached if reached < found.turn_count and turns else None,
        )

    async def recent(self, *, limit: int = 50, cursor: str | None = None) -> RecentConversations:
        """The latest first, each with its summary or its first words."""
        most, after = inputs.limit_of(limit), None
        if cursor:
            (started_at,), last = cursors.decode(cursor, times=1)
            after = (started_at, last)
        async with self._units(readonly=True) as uow:
            found = await uow.conversations.recent(limit=most + 1, after=after)
            items = found[:most]
            first = await uow.conversations.first_words([each.id for each in items])
        last_one = items[-1] if len(found) > most else None
        return RecentConversations(
            items=[_recent_hit(each, first.get(each.id)) for each in items],
            next_cursor=cursors.encode(last_one.started_at, last_one.id) if last_one else None,
        )

    async def stats(self) -> IndexStats:
        async with self._units(readonly=True) as uow:
            counts = await uow.conversations.counts()
            dense = await self._dense_stats(uow)
        return IndexStats(
            conversations=counts.conversations,
            turns=counts.turns,
            by_source=counts.by_source,
            by_agent=counts.by_agent,
            last_indexed_at=said(counts.last_indexed_at),
            dense=dense,
            weights=self._weights.model_dump(),
            k=self._k,
        )

    async def _dense_stats(self, uow: UnitOfWork) -> DenseStats | None:
        if self._embedder is None:
            return None
        texts = await uow.turn_vectors.count_of_texts()
        made, _ = await uow.turn_vectors.vector_state(self._embedder.model)
        return DenseStats(
            model=self._embedder.model, texts=texts, with_vector=made, without_vector=texts - made
        )

    # ------------------------------------------------------------ indexing

    async def index(self, given: Sequence[GivenConversation]) -> Indexed:
        return await index_conversations(self._units, given)


async def _vector_of(text: str, embedder: Embedder) -> Vectors:
    try:
        async with asyncio.timeout(QUESTION_SECONDS):
            return (await embedder.embed([text]))[0]
    except TimeoutError as late:
        raise EmbeddingUnavailableError(
            f"The embedding model does not answer within {QUESTION_SECONDS:g} s. Texts are found by "
            "their words meanwhile."
        ) from late


def _mode_of(mode: str) -> Mode:
    for each in MODES:
        if mode.strip().lower() == each:
            return each
    raise MemoryInputError("mode", f"It is none of {', '.join(MODES)}.")


def _wanted(agent: str | None, since: str | None, until: str | None) -> ConversationFilter:
    return ConversationFilter(
        agent=inputs.agent_of(agent),
        since=inputs.time_of("since", since),
        until=inputs.time_of("until", until),
    )


async def _grouped(uow: UnitOfWork, ranked: Sequence[tuple[int, float]], most: int) -> list[Hit]:
    """Each conversation once, at the place of its best turn."""
    rows = {
        turn.id: (turn, of) for turn, of in await uow.conversations.turns([t for t, _ in ranked])
    }
    hits: dict[str, Hit] = {}
    for turn_id, score in ranked:
        if turn_id not in rows:  # deleted since its vector was read
            continue
        turn, conversation = rows[turn_id]
        key = str(conversation.id)
        if key in hits:
            hits[key] = replace(hits[key], turns_found=hits[key].turns_found + 1)
        else:
            hits[key] = _hit(turn, conversation, score)
    return list(hits.values())[:most]


def _hit(turn: Turn, conversation: Conversation, score: float) -> Hit:
    return Hit(
        id=str(turn.id),
        conversation_id=str(conversation.id),
        agent=conversation.agent,
        at=said(turn.at or conversation.started_at),
        speaker=turn.speaker,
        text=turn.text,
        summary=conversation.summary,
        score=round(score, 6),
        source=_source_of(conversation),
    )


def _recent_hit(conversation: Conversation, first_words: str | None) -> Hit:
    return Hit(
        id=str(conversation.id),
        conversation_id=str(conversation.id),
        agent=conversation.agent,
        at=said(conversation.started_at),
        speaker=None,
        text=conversation.summary or first_words or conversation.title or "",
        summary=conversation.summary,
        score=None,
        source=_source_of(conversation),
        turns_found=conversation.turn_count,
    )


def _source_of(conversation: Conversation) -> dict[str, Any]:
    return {**conversation.details, "kind": conversation.source.value}


def _spoken(turn: Turn) -> SpokenItem:
    return SpokenItem(
        position=turn.position, speaker=turn.speaker, text=turn.text, at=said(turn.at)
    )
