"""Makes what is searched all anew from the rows themselves: after a migration, or on demand.

It holds a plain connection, since migrations have no session, and says how far it is every few
seconds: a million calls take minutes.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import (
    Connection,
    Text,
    bindparam,
    cast,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)

from mission_control.core.text_folding import all_words, folded
from mission_control.data.call_documents import tools_text
from mission_control.data.call_texts import NARROWS, CallText, call_text
from mission_control.data.calls import Call, CallContent, CallPart
from mission_control.data.conversations import Turn
from mission_control.data.lead_texts import LeadText, lead_text
from mission_control.data.leads import Lead, LeadPhone
from mission_control.data.memories import Memory

log = structlog.get_logger(__name__)

ROWS_AT_ONCE = 2_000
SAID_EVERY_SECONDS = 5.0

Rows = Sequence[Any]


def rebuild_search(connection: Connection) -> None:
    """All of it, in the transaction of this connection."""
    for texts in (CallText, LeadText):
        connection.execute(delete(texts))
    fill_call_texts(connection, part_agents=_part_agents(connection))
    fill_lead_texts(connection)
    fold_turns(connection)
    fold_memories(connection)


def fill_call_texts(
    connection: Connection, *, part_agents: Mapping[UUID, Sequence[str]] | None = None
) -> None:
    columns = [getattr(Call, name) for name in (*NARROWS, "summary", "customer_name")]
    told = select(
        Call.id,
        Call.created_at,
        Call.customer_number,
        *columns,
        CallContent.transcript,
        CallContent.document,
    ).outerjoin(CallContent, CallContent.call_id == Call.id)
    for rows in _read(connection, told, Call.created_at, Call.id, what="calls"):
        texts = [
            call_text(row.id, row._asdict() | {"part_agents": (part_agents or {}).get(row.id)})
            for row in rows
        ]
        connection.execute(insert(CallText), texts)


def add_tools(connection: Connection) -> None:
    """What tools were asked and answered, to calls that were made searchable without it."""
    changed = (
        update(CallText)
        .where(CallText.call_id == bindparam("call"))
        .values(words=bindparam("found"))
    )
    columns = [getattr(Call, name) for name in (*NARROWS, "summary", "customer_name")]
    told = (
        select(
            Call.id,
            Call.created_at,
            Call.customer_number,
            *columns,
            CallContent.transcript,
            CallContent.document,
        )
        .join(CallContent, CallContent.call_id == Call.id)
        .where(cast(CallContent.document, Text).like("%tool%"))
    )
    for rows in _read(connection, told, Call.created_at, Call.id, what="calls"):
        with_tools = [row for row in rows if tools_text(row.document or {})]
        if not with_tools:
            continue
        texts = [call_text(row.id, row._asdict()) for row in with_tools]
        words = [{"call": each["call_id"], "found": each["words"]} for each in texts]
        connection.execute(changed, words)
        ended = update(Call).where(
            Call.id.in_([row.id for row in with_tools]), Call.ending.is_not(None)
        )
        # The memory's index reads these calls again, with what their tools did.
        connection.execute(ended.values(to_index=True, updated_at=Call.updated_at))


def _part_agents(connection: Connection) -> Mapping[UUID, Sequence[str]]:
    """Of the few calls that several agents spoke in."""
    found: dict[UUID, list[str]] = {}
    told = select(CallPart.call_id, CallPart.agent_id).where(CallPart.agent_id.is_not(None))
    for call_id, agent_id in connection.execute(told):
        found.setdefault(call_id, []).append(str(agent_id))
    return found


def fill_lead_texts(connection: Connection) -> None:
    told = select(Lead.id, Lead.created_at, Lead.search_text, Lead.status_id, Lead.custom)
    for rows in _read(connection, told, Lead.created_at, Lead.id, what="leads"):
        phones: dict[str, list[str]] = {}
        ids = [row.id for row in rows]
        known = select(LeadPhone.lead_id, LeadPhone.phone).where(LeadPhone.lead_id.in_(ids))
        for lead_id, phone in connection.execute(known):
            phones.setdefault(lead_id, []).append(phone)
        texts = [
            lead_text(
                row.id,
                created_at=row.created_at,
                search_text=row.search_text,
                status_id=row.status_id,
                phones=phones.get(row.id, ()),
                custom=row.custom,
            )
            for row in rows
        ]
        connection.execute(insert(LeadText), texts)


def fold_turns(connection: Connection) -> None:
    """Triggers, or a generated column, take what is folded into the search."""
    changed = update(Turn).where(Turn.id == bindparam("turn")).values(words=bindparam("folded"))
    for rows in _read(connection, select(Turn.id, Turn.text), Turn.id, what="turns"):
        words = [{"turn": row.id, "folded": " ".join(all_words(row.text))} for row in rows]
        connection.execute(changed, words)


def fold_memories(connection: Connection) -> None:
    changed = (
        update(Memory).where(Memory.id == bindparam("memory")).values(search_text=bindparam("said"))
    )
    told = select(Memory.id, Memory.subject, Memory.content)
    for rows in _read(connection, told, Memory.id, what="memories"):
        said = [
            {"memory": row.id, "said": folded(f"{row.subject or ''}\n{row.content}")}
            for row in rows
        ]
        connection.execute(changed, said)


def _read(connection: Connection, told: Any, *key: Any, what: str) -> Iterator[Rows]:
    """In the order of the key, some at a time. It is what the rows say first."""
    table = key[-1].class_
    total = connection.scalar(select(func.count()).select_from(table)) or 0
    progress, done, last = _Progress(what, total), 0, None
    told = told.order_by(*key).limit(ROWS_AT_ONCE)
    while True:
        rest = told if last is None else told.where(tuple_(*key) > tuple_(*last))
        rows = connection.execute(rest).all()
        if not rows:
            return
        yield rows
        done += len(rows)
        progress.say(done)
        last = [bindparam(None, getattr(rows[-1], column.key), type_=column.type) for column in key]


class _Progress:
    def __init__(self, what: str, total: int) -> None:
        self._what, self._total = what, total
        self._said_at = time.monotonic()

    def say(self, done: int) -> None:
        if time.monotonic() - self._said_at >= SAID_EVERY_SECONDS:
            self._said_at = time.monotonic()
            log.warning("search_being_built", of=self._what, done=done, total=self._total)
