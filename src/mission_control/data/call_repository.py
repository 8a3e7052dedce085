"""Reading calls, and the ways in which they are changed."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from mission_control.core.errors import NotFoundError
from mission_control.core.words import CallSource, SuccessRubric
from mission_control.data.call_facts import CallFacts
from mission_control.data.call_recording import CallRecording
from mission_control.data.call_texts import (
    CALL_INDEX,
    asked_for,
    is_narrowed_by_more,
    said_in,
)
from mission_control.data.call_totals import CallTotalsRepository
from mission_control.data.calls import Call, CallContent, CallFilter, CallPart, RecordedCall
from mission_control.data.pages import Cursor, Page, page_of, page_with
from mission_control.data.text_search import Mark, TextQuery, says_all

# Calls that cost so much are few, or one in a hundred of all and soon met on the way back in time.
FEW = 10_000
READ_AT_ONCE = 2_000


class CallRepository:
    def __init__(self, session: AsyncSession, totals: CallTotalsRepository) -> None:
        self._session = session
        self._totals = totals

    # ------------------------------------------------------------ storing

    async def store(self, found: Sequence[CallFacts]) -> int:
        """Insert what is new and update what is newer. Returns how many calls that changed."""
        return len(await self.record(found))

    async def record(self, found: Sequence[CallFacts]) -> list[RecordedCall]:
        """The same; returns the calls that changed. Late, repeated and shuffled facts do no harm."""
        return await CallRecording(self._session, self._totals).record(found)

    async def delete(self, source: CallSource, external_ids: Sequence[str]) -> int:
        """Forget these calls altogether. Returns how many there were."""
        there = select(Call.id).where(Call.source == source, Call.external_id.in_(external_ids))
        return await CallRecording(self._session, self._totals).forget(
            (await self._session.scalars(there)).all()
        )

    # ------------------------------------------------------------ whose call it is

    async def link_agents(self, agents: Mapping[str, str]) -> int:
        """Give calls without an agent the one of their assistant (`{assistant_id: agent_id}`)."""
        return await CallRecording(self._session, self._totals).link_agents(agents)

    async def unlinked_assistants(self) -> set[str]:
        """The assistants of calls, and of parts of calls, that are no agent's."""
        found: set[str] = set()
        for whose in (Call, CallPart):
            statement = select(whose.assistant_id).where(
                whose.agent_id.is_(None), whose.assistant_id.is_not(None)
            )
            found |= {one for one in await self._session.scalars(statement.distinct()) if one}
        return found

    # ------------------------------------------------------------ what their judgement means

    async def assistants_without_rubric(self) -> set[str]:
        """The assistants of calls that were judged by nobody knows what."""
        statement = select(Call.assistant_id).where(
            Call.success_evaluation.is_not(None),
            Call.success_rubric.is_(None),
            Call.assistant_id.is_not(None),
        )
        return {one for one in await self._session.scalars(statement.distinct()) if one}

    async def judge_by(self, rubrics: Mapping[str, SuccessRubric]) -> int:
        """Say by what these assistants' calls were judged, where that was not known."""
        return await CallRecording(self._session, self._totals).judge_by(rubrics)

    # ------------------------------------------------------------ reading

    async def get(self, call_id: UUID) -> Call:
        found = await self._session.get(Call, call_id)
        if found is None:
            raise NotFoundError("There is no call with this id.", call_id=str(call_id))
        return found

    async def content(self, call_id: UUID) -> CallContent | None:
        return await self._session.get(CallContent, call_id)

    async def count(self, source: CallSource) -> int:
        return await self._totals.count(source)

    async def page(self, wanted: CallFilter, *, limit: int, cursor: Cursor | None) -> Page[Call]:
        """Newest first."""
        wanted = wanted.narrowed(with_parts=await self._has_parts(wanted))
        before = Mark(cursor.created_at, cursor.key(UUID)) if cursor is not None else None
        if wanted.text is not None:
            return page_with(await self._with_text(wanted, before, limit + 1), limit=limit)
        if wanted.has_cost and await self._are_few(wanted):
            return page_with(await self._with_cost(wanted, before, limit + 1), limit=limit)
        statement = select(Call).where(*wanted.conditions())
        return await page_of(self._session, statement, Call, limit=limit, cursor=cursor)

    async def _has_parts(self, wanted: CallFilter) -> bool:
        """Few have, and who asks for nobody's parts is answered by an index."""
        if not wanted.whose:
            return False
        spoken = [getattr(CallPart, name) == value for name, value in wanted.whose.items()]
        some = select(CallPart.call_id).where(or_(*spoken)).limit(1)
        return await self._session.scalar(some) is not None

    async def parts(self, call_id: UUID) -> Sequence[CallPart]:
        """What each assistant had of a call that several spoke in."""
        statement = select(CallPart).where(CallPart.call_id == call_id)
        return (await self._session.scalars(statement.order_by(CallPart.position))).all()

    async def repetitions(self, call_id: UUID) -> Sequence[Call]:
        """The rows of other systems that tell of the same call."""
        statement = select(Call).where(Call.same_call_as == call_id)
        return (await self._session.scalars(statement.order_by(Call.created_at, Call.id))).all()

    async def _with_text(
        self, wanted: CallFilter, before: Mark | None, count: int
    ) -> Sequence[Call]:
        query, between = asked_for(wanted), await self._between(wanted)
        if not query.alternatives or between is None:
            return []
        at_once = READ_AT_ONCE if is_narrowed_by_more(wanted) or query.runs else count
        found = CALL_INDEX.newest_first(
            self._session, query, between=between, before=before, at_once=at_once
        )

        async def that_fit(ids: Sequence[UUID]) -> list[Call]:
            return await self._that_say_it(wanted, query, ids)

        return await _first(found, that_fit, count)

    async def _that_say_it(
        self, wanted: CallFilter, query: TextQuery, ids: Sequence[UUID]
    ) -> list[Call]:
        """Of a call that two systems keep one row, unless the other one alone says it."""
        found = await self._that_fit(wanted, ids, runs=query.runs)
        if wanted.source is not None:
            return found
        others = [call.same_call_as for call in found if call.same_call_as is not None]
        if not others:
            return found
        told = select(Call.created_at, Call.id).where(Call.id.in_(others))
        rows = [Mark(*row) for row in (await self._session.execute(told)).all()]
        saying = await CALL_INDEX.that_match(self._session, query, rows)
        listed = {call.id for call in await self._that_fit(wanted, saying, runs=query.runs)}
        return [call for call in found if call.same_call_as not in listed]

    async def _are_few(self, wanted: CallFilter) -> bool:
        """Few that cost so much are looked up by it; many are soon met on the way through all.

        No database can know which is quicker, and SQLite takes the slower one.
        """
        some = select(Call.id).where(*wanted.cost_conditions()).limit(FEW + 1).subquery()
        return (await self._session.scalar(select(func.count()).select_from(some)) or 0) <= FEW

    async def _with_cost(
        self, wanted: CallFilter, before: Mark | None, count: int
    ) -> Sequence[Call]:
        found = self._by_cost(wanted, before, at_once=READ_AT_ONCE)

        async def that_fit(ids: Sequence[UUID]) -> list[Call]:
            newest = (Call.created_at.desc(), Call.id.desc())
            fitting = select(Call).where(Call.id.in_(ids), *wanted.conditions())
            return [*await self._session.scalars(fitting.order_by(*newest))]

        return await _first(found, that_fit, count)

    async def _by_cost(
        self, wanted: CallFilter, before: Mark | None, *, at_once: int
    ) -> AsyncGenerator[Sequence[Mark]]:
        few = select(Call.created_at, Call.id).where(*wanted.cost_conditions()).cte("few")
        few = few.prefix_with("MATERIALIZED")  # else it is sought by time, in all there are
        key = (few.c.created_at, few.c.id)
        newest = select(*key).order_by(*(column.desc() for column in key)).limit(at_once)
        while True:
            statement = (
                newest if before is None else newest.where(tuple_(*key) < before.among(*key))
            )
            found = [Mark(*row) for row in (await self._session.execute(statement)).all()]
            yield found
            if len(found) < at_once:
                return
            before = found[-1]

    async def _that_fit(
        self, wanted: CallFilter, ids: Sequence[UUID], *, runs: Sequence[str]
    ) -> list[Call]:
        fitting = and_(Call.id.in_(ids), *wanted.conditions(once=False))
        newest = (Call.created_at.desc(), Call.id.desc())
        if not runs:
            statement = select(Call).where(fitting).order_by(*newest)
            return [*await self._session.scalars(statement)]
        read = select(Call, CallContent).outerjoin(CallContent).where(fitting)
        rows = (await self._session.execute(read.order_by(*newest))).all()
        return [call for call, content in rows if says_all(runs, said_in(call, content))]

    async def _between(self, wanted: CallFilter) -> tuple[datetime, datetime] | None:
        """The times of the oldest and the newest call that can be wanted; None without any."""
        by_age = select(Call.created_at).limit(1)
        oldest = await self._session.scalar(by_age.order_by(Call.created_at, Call.id))
        newest = await self._session.scalar(by_age.order_by(Call.created_at.desc(), Call.id.desc()))
        if oldest is None or newest is None:
            return None
        return max(oldest, wanted.created_from or oldest), min(newest, wanted.created_to or newest)

    async def of_lead(
        self, lead_id: str, phones: Collection[str], *, limit: int = 100
    ) -> Sequence[Call]:
        """Calls that carry the lead's id, and those with one of its numbers that carry no id."""
        newest = select(Call).order_by(Call.created_at.desc(), Call.id.desc()).limit(limit)
        found: dict[UUID, Call] = {}
        carries_none = func.coalesce(Call.lead_id, "") == ""  # IS NULL would be looked up first
        # Two look-ups: with an OR, SQLite would walk through all calls there are.
        for belongs in (
            Call.lead_id == lead_id,
            and_(Call.customer_number.in_(phones), carries_none),
        ):
            found |= {call.id: call for call in await self._session.scalars(newest.where(belongs))}
        in_order = sorted(found.values(), key=lambda call: (call.created_at, call.id), reverse=True)
        return in_order[:limit]

    async def ids_between(
        self, source: CallSource, since: datetime, before: datetime
    ) -> Sequence[str]:
        """The external ids of calls that came to be in this time."""
        statement = select(Call.external_id).where(
            Call.source == source, Call.created_at >= since, Call.created_at < before
        )
        return (await self._session.scalars(statement)).all()

    async def open(self, source: CallSource, *, limit: int) -> Sequence[Call]:
        """Calls that have not ended, newest first."""
        statement = (
            select(Call)
            .where(Call.source == source, Call.ending.is_(None))
            .order_by(Call.created_at.desc())
            .limit(limit)
        )
        return (await self._session.scalars(statement)).all()


async def _first(
    candidates: AsyncGenerator[Sequence[Mark]],
    that_fit: Callable[[Sequence[UUID]], Awaitable[list[Call]]],
    count: int,
) -> Sequence[Call]:
    """The first of them that fit everything wanted."""
    found: list[Call] = []
    async with aclosing(candidates) as chunks:
        async for marks in chunks:
            found += await that_fit([mark.id for mark in marks])
            if len(found) >= count:
                break
    return found[:count]
