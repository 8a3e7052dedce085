"""Storing calls: what a statement changes of a call, and of what is kept beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from mission_control.core.call_success import judged, rubric_in_force
from mission_control.core.clock import utc_now
from mission_control.core.words import CallSource, SuccessRubric
from mission_control.data.base import Base
from mission_control.data.call_documents import shares_of, tools_text
from mission_control.data.call_facts import CallFacts, KnownCall
from mission_control.data.call_texts import CallText, call_text, reads_otherwise
from mission_control.data.call_totals import CallTotalsRepository
from mission_control.data.calls import (
    Call,
    CallContent,
    CallPart,
    RecordedCall,
    batched,
    cost_units,
)
from mission_control.data.merged_leads import merged_into
from mission_control.data.same_calls import SameCalls, lock_calls
from mission_control.data.upserts import insert_into

CallKey = tuple[CallSource, str]
Columns = dict[str, Any]


class CallRecording:
    """Stores statements about calls in the transaction of its session."""

    def __init__(self, session: AsyncSession, totals: CallTotalsRepository) -> None:
        self._session = session
        self._totals = totals

    async def record(self, found: Sequence[CallFacts]) -> list[RecordedCall]:
        """Store, in a few statements, and return the calls that changed.

        Statements may come late, twice and in any order: each part of a call is what the most
        final and then latest statement says of it, and one that says nothing erases nothing.
        """
        told: dict[CallKey, KnownCall] = {}
        for facts in await self._where_leads_are_now(found):
            key, known = (facts.source, facts.external_id), KnownCall.of(facts)
            told[key] = told[key].joined(known) if key in told else known
        await lock_calls(self._session)
        changed: list[RecordedCall] = []
        for keys in batched(sorted(told)):
            changed += await self._record({key: told[key] for key in keys})
        await SameCalls(self._session, self._totals).match([call.id for call in changed])
        return changed

    async def _where_leads_are_now(self, found: Sequence[CallFacts]) -> list[CallFacts]:
        """Vapi repeats the lead that a call was made for, after that has become part of another."""
        named = {facts.lead_id for facts in found if facts.lead_id is not None}
        into = await merged_into(self._session, named)
        return [
            replace(facts, lead_id=into[facts.lead_id]) if facts.lead_id in into else facts
            for facts in found
        ]

    async def _record(self, told: dict[CallKey, KnownCall]) -> list[RecordedCall]:
        new = await self._reserve(told)
        stored = await self._locked(list(told))
        parts = await self._parts([row["id"] for row in stored.values() if row["is_shared"]])
        changed: dict[CallKey, tuple[UUID, KnownCall, list[Columns]]] = {}
        texts: list[Columns] = []
        for key, one in told.items():
            row = stored[key]
            had = parts.get(row["id"], [])
            known = KnownCall.stored(row, row["document"] or {}, row["stamps"] or {})
            joined = one if key in new else known.joined(one)
            agents = _agents_of(had) | dict(one.part_agents)
            has = _parts_of(row["id"], joined, agents)
            is_changed = joined.columns != known.columns or joined.document != known.document
            if key in new or is_changed or has != had:
                changed[key] = (row["id"], joined, has)
                now = _columns(key, joined, row, has)
                before = {**row, "part_agents": sorted(_agents_of(had).values())}
                if key in new or reads_otherwise(before, now):
                    texts.append(call_text(row["id"], now))
                if key not in new:
                    self._totals.add(row, had, times=-1)
                self._totals.add(now, has)
        await self._write(changed, stored)
        await self._write_parts(changed, parts)
        await self._upsert(CallText, "call_id", texts)
        return [
            RecordedCall(call_id, *key, known.agent_id, known.columns["ending"])
            for key, (call_id, known, _) in changed.items()
        ]

    async def _reserve(self, told: dict[CallKey, KnownCall]) -> set[CallKey]:
        """Make sure that there is a row for each call, and that it stays. Returns the new ones."""
        rows = [
            {
                "id": uuid4(),
                "source": source,
                "external_id": external_id,
                "created_at": known.created_at,
                "updated_at": utc_now(),
            }
            for (source, external_id), known in told.items()
        ]
        insert = insert_into(self._session, Call)
        # An update that changes nothing locks a row that is there: nobody deletes it meanwhile.
        statement = insert.on_conflict_do_update(
            index_elements=["source", "external_id"],
            set_={"external_id": insert.excluded.external_id},
        ).returning(Call.id, Call.source, Call.external_id)
        kept: Sequence[Any] = (await self._session.execute(statement, rows)).all()
        made = {row["id"] for row in rows}
        return {(row[1], row[2]) for row in kept if row[0] in made}

    async def _locked(self, keys: list[CallKey]) -> dict[CallKey, Mapping[str, Any]]:
        return {(row["source"], row["external_id"]): row for row in await self._rows(_any_of(keys))}

    async def _rows(self, which: ColumnElement[bool]) -> list[Columns]:
        """With their contents, locked in the one order in which everybody does."""
        statement = (
            select(
                *Call.__table__.columns,
                CallContent.transcript,
                CallContent.document,
                CallContent.stamps,
            )
            .outerjoin(CallContent, CallContent.call_id == Call.id)
            .where(which)
            .order_by(Call.source, Call.external_id)
            .with_for_update(of=Call)
        )
        return [dict(row) for row in (await self._session.execute(statement)).mappings()]

    async def _parts(self, call_ids: Sequence[UUID]) -> dict[UUID, list[Columns]]:
        found: dict[UUID, list[Columns]] = {}
        for some in batched(call_ids):
            statement = select(*CallPart.__table__.columns).where(CallPart.call_id.in_(some))
            ordered = statement.order_by(CallPart.call_id, CallPart.position)
            for row in (await self._session.execute(ordered)).mappings():
                found.setdefault(row["call_id"], []).append(dict(row))
        return found

    async def _write(
        self,
        changed: dict[CallKey, tuple[UUID, KnownCall, list[Columns]]],
        stored: Mapping[CallKey, Mapping[str, Any]],
    ) -> None:
        now = utc_now()
        rows: list[Columns] = []
        contents: list[Columns] = []
        for key, (call_id, known, parts) in changed.items():
            columns = _columns(key, known, stored[key], parts)
            contents.append(
                {
                    "call_id": call_id,
                    "transcript": columns.pop("transcript"),
                    "document": columns.pop("document"),
                    "stamps": known.stamps,
                }
            )
            del columns["part_agents"]
            rows.append({"id": call_id, **columns, "updated_at": now})
        await self._upsert(Call, "id", rows)
        await self._upsert(CallContent, "call_id", contents)

    async def _write_parts(
        self,
        changed: dict[CallKey, tuple[UUID, KnownCall, list[Columns]]],
        had: Mapping[UUID, list[Columns]],
    ) -> None:
        others = [
            (call_id, has) for call_id, _, has in changed.values() if has != had.get(call_id, [])
        ]
        gone = [call_id for call_id, _ in others if call_id in had]
        if gone:
            await self._session.execute(delete(CallPart).where(CallPart.call_id.in_(gone)))
        rows = [part for _, has in others for part in has]
        if rows:
            await self._session.execute(insert_into(self._session, CallPart), rows)

    async def _upsert(self, table: type[Base], key: str, rows: list[Columns]) -> None:
        if not rows:
            return
        statement = insert_into(self._session, table)
        new = {name: statement.excluded[name] for name in rows[0] if name != key}
        await self._session.execute(
            statement.on_conflict_do_update(index_elements=[key], set_=new), rows
        )

    # ------------------------------------------------------------ what is found out afterwards

    async def link_agents(self, agents: Mapping[str, str]) -> int:
        """Give calls, and parts of calls, the agent of their assistant. Returns how many calls."""
        await lock_calls(self._session)
        linked: set[UUID] = set()
        for assistant_id in sorted(agents):
            of_it = and_(Call.assistant_id == assistant_id, Call.agent_id.is_(None))
            spoken = select(CallPart.call_id).where(
                CallPart.assistant_id == assistant_id, CallPart.agent_id.is_(None)
            )
            ids = (
                await self._session.scalars(select(Call.id).where(or_(of_it, Call.id.in_(spoken))))
            ).all()
            for some in batched(ids):
                linked |= await self._link(some, agents)
        return len(linked)

    async def _link(self, ids: Sequence[UUID], agents: Mapping[str, str]) -> set[UUID]:
        rows = await self._rows(Call.id.in_(ids))
        parts = await self._parts([row["id"] for row in rows if row["is_shared"]])
        texts: list[Columns] = []
        for row in rows:
            had = parts.get(row["id"], [])
            has = [
                part | {"agent_id": part["agent_id"] or agents.get(part["assistant_id"])}
                for part in had
            ]
            now = row | {"agent_id": row["agent_id"] or agents.get(row["assistant_id"])}
            self._totals.add(row, had, times=-1)
            self._totals.add(now, has)
            await self._session.execute(
                update(Call)
                .where(Call.id == row["id"])
                .values(agent_id=now["agent_id"], to_index=_is_to_index(row), updated_at=utc_now())
                .execution_options(synchronize_session=False)
            )
            for part in has:
                await self._session.execute(
                    update(CallPart)
                    .where(CallPart.call_id == row["id"], CallPart.position == part["position"])
                    .values(agent_id=part["agent_id"])
                    .execution_options(synchronize_session=False)
                )
            # The search can be narrowed to an agent, so it has to know whose calls these are now.
            texts.append(
                call_text(row["id"], now | {"part_agents": sorted(_agents_of(has).values())})
            )
        await self._upsert(CallText, "call_id", texts)
        return {row["id"] for row in rows}

    async def judge_by(self, rubrics: Mapping[str, SuccessRubric]) -> int:
        """Say by what these assistants' calls were judged, where that was not known."""
        await lock_calls(self._session)
        waiting = and_(
            Call.assistant_id.in_(list(rubrics)),
            Call.success_evaluation.is_not(None),
            Call.success_rubric.is_(None),
        )
        ids = (await self._session.scalars(select(Call.id).where(waiting))).all()
        for some in batched(ids):
            rows = await self._rows(Call.id.in_(some))
            parts = await self._parts([row["id"] for row in rows if row["is_shared"]])
            for row in rows:
                had = parts.get(row["id"], [])
                now = row | _judgement(rubrics[row["assistant_id"]], row["success_evaluation"])
                self._totals.add(row, had, times=-1)
                self._totals.add(now, had)
                told = {name: now[name] for name in ("success_rubric", "success", "success_score")}
                await self._session.execute(
                    update(Call)
                    .where(Call.id == row["id"])
                    .values(**told, updated_at=Call.updated_at)
                    .execution_options(synchronize_session=False)
                )
            texts = [
                call_text(row["id"], row | _judgement(rubrics[row["assistant_id"]], row["success_evaluation"])
                | {"part_agents": sorted(_agents_of(parts.get(row["id"], [])).values())})
                for row in rows
            ]  # fmt: skip
            await self._upsert(CallText, "call_id", texts)
        return len(ids)

    async def forget(self, ids: Sequence[UUID]) -> int:
        """Forget these calls altogether. What repeats them is a call of its own from now on."""
        await lock_calls(self._session)
        gone = 0
        for some in batched(ids):
            rows = await self._rows(Call.id.in_(some))
            await SameCalls(self._session, self._totals).part([row["id"] for row in rows])
            rows = await self._rows(Call.id.in_(some))
            parts = await self._parts([row["id"] for row in rows if row["is_shared"]])
            for row in rows:
                self._totals.add(row, parts.get(row["id"], []), times=-1)
            await self._session.execute(
                delete(Call).where(Call.id.in_([row["id"] for row in rows]))
            )
            gone += len(rows)
        return gone


def _columns(
    key: CallKey, known: KnownCall, row: Mapping[str, Any], parts: list[Columns]
) -> Columns:
    """What the call's row becomes, with its contents and whose parts it has."""
    columns = known.columns
    cost = columns["cost_usd"]
    made = {
        "source": key[0],
        "external_id": key[1],
        **columns,
        **_judgement(columns["success_rubric"], columns["success_evaluation"]),
        "cost_units": None if cost is None else cost_units(cost),
        "same_call_as": row["same_call_as"],
        "is_shared": bool(parts),
        "document": known.document,
        "part_agents": sorted(_agents_of(parts).values()),
    }
    return made | {"to_index": _is_to_index(made)}


def _is_to_index(call: Mapping[str, Any]) -> bool:
    told = call["summary"] or call["transcript"] or tools_text(call["document"] or {})
    says_something = bool(told)
    return call["ending"] is not None and says_something and call["content_removed_at"] is None


def _judgement(rubric: SuccessRubric | None, answer: str | None) -> Columns:
    found = judged(rubric, answer)
    return {
        "success_rubric": rubric_in_force(rubric, answer),
        "success": found.success,
        "success_score": found.score,
    }


def _parts_of(call_id: UUID, known: KnownCall, agents: Mapping[str, str]) -> list[Columns]:
    columns = known.columns
    cost = columns["cost_usd"]
    units = None if cost is None else cost_units(cost)
    return [
        {
            "call_id": call_id,
            "position": position,
            "assistant_id": share.assistant_id,
            "assistant_name": share.assistant_name,
            "assistant_version": share.assistant_version,
            "agent_id": agents.get(share.assistant_id or ""),
            "duration_us": share.duration_us,
            "cost_units": share.cost_units,
            "is_last": share.is_last,
        }
        for position, share in enumerate(
            shares_of(known.document, columns["duration_seconds"], units)
        )
    ]


def _agents_of(parts: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {
        part["assistant_id"]: part["agent_id"]
        for part in parts
        if part["assistant_id"] is not None and part["agent_id"] is not None
    }


def _any_of(keys: Sequence[CallKey]) -> ColumnElement[bool]:
    by_source: dict[CallSource, list[str]] = {}
    for source, external_id in keys:
        by_source.setdefault(source, []).append(external_id)
    return or_(
        *(
            and_(Call.source == source, Call.external_id.in_(ids))
            for source, ids in by_source.items()
        )
    )
