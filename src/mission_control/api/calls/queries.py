"""Calls: read from Vapi by webhook and by sync into one mirror, and shown from there alone."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import structlog
from pydantic import JsonValue

from mission_control.api.calls.schemas import (
    AgentFigures,
    CallDetail,
    CallFigures,
    CallPage,
    CallRead,
    CallTotals,
    DayFigures,
    MatchedLead,
    Successes,
    TurnRead,
)
from mission_control.api.jobs.service import describe
from mission_control.api.mirrors import events
from mission_control.api.mirrors.report import SyncReport
from mission_control.api.resources import Resources
from mission_control.core.clock import utc_now
from mission_control.core.words import CallEnding, CallSource, LeadMatch
from mission_control.data.agents import Agent
from mission_control.data.calls import (
    Call,
    CallContent,
    CallFacts,
    CallFilter,
    CallTally,
    RecordedCall,
)
from mission_control.data.pages import Cursor
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.errors import IntegrationError, IntegrationNotFoundError
from mission_control.integrations.vapi.assistant import AssistantSummary, JsonObject
from mission_control.integrations.vapi.call import VapiCall, call_of_message, storable

log = structlog.get_logger(__name__)

SYNC_NAME = "vapi.calls"
# What changed shortly before the newest change we saw is asked for again.
OVERLAP = timedelta(minutes=2)
CLOCKS_DIFFER_BY = timedelta(minutes=10)  # at the most, Vapi's and ours
OPEN_CALLS_ASKED_AT_ONCE = 50
MAY_NOT_BE_THERE_YET = timedelta(hours=1)  # a webhook may be ahead of what Vapi lists
# Messages that tell what a call has come to. The others tell of its single words.
TELLING = frozenset({
    "assistant.started", "call.deleted", "end-of-call-report", "hang", "status-update",
    "transfer-update",
})  # fmt: skip

KeyT = TypeVar("KeyT")
AgentOf = Mapping[str, str]  # by assistant


# -------------------------------------------------------------------- showing


async def list_calls(
    uow: UnitOfWork, wanted: CallFilter, *, limit: int, cursor: str | None
) -> CallPage:
    page = await uow.calls.page(
        wanted, limit=limit, cursor=Cursor.decode(cursor) if cursor else None
    )
    items = [CallRead.model_validate(call, from_attributes=True) for call in page.items]
    return CallPage(items=items, next_cursor=page.next_cursor)


async def read_call(uow: UnitOfWork, call_id: UUID) -> CallDetail:
    call = await uow.calls.get(call_id)
    content = await uow.calls.content(call_id) or CallContent(document={})
    seen = VapiCall.of(content.document)
    is_vapi = call.source is CallSource.VAPI
    turns = _turns_at_vapi(seen) if is_vapi else _turns_at_close(content.document)
    return CallDetail(
        **CallRead.model_validate(call, from_attributes=True).model_dump(),
        content_withheld=_is_withheld(call, content, turns),
        transcript=content.transcript,
        turns=turns,
        analysis=dict(seen.analysis) if is_vapi else {},
        cost_breakdown=dict(seen.cost_breakdown) if is_vapi else {},
        leads=await _leads_of(uow, call),
    )


def _is_withheld(call: Call, content: CallContent, turns: Sequence[TurnRead]) -> bool:
    # Close gives a start to calls that nobody took, too.
    was_held = call.started_at is not None and call.ending not in {None, CallEnding.NOT_REACHED}
    is_removed = call.content_removed_at is not None
    return is_removed or (was_held and not content.transcript and not turns)


def _turns_at_vapi(seen: VapiCall) -> list[TurnRead]:
    return [TurnRead.model_validate(turn, from_attributes=True) for turn in seen.turns]


def _turns_at_close(document: Mapping[str, Any]) -> list[TurnRead]:
    match document.get("recording_transcript") or document.get("voicemail_transcript"):
        case {"utterances": [*utterances]}:
            said: list[Any] = utterances
            return [turn for one in said if (turn := _utterance(one)) is not None]
        case _:
            return []


def _utterance(said: Any) -> TurnRead | None:
    match said:
        case {"text": str(words), "speaker_side": side, "start": int() | float() as start}:
            end = said.get("end")
            lasted = round(end - start, 3) if isinstance(end, int | float) else None
            speaker = "caller" if side == "contact" else "agent"
            return TurnRead(
                speaker=speaker,
                text=words,
                at_seconds=start,
                duration_seconds=lasted,
                latency_seconds=None,
            )
        case _:
            return None


async def _leads_of(uow: UnitOfWork, call: Call) -> list[MatchedLead]:
    by_id = LeadMatch.CLOSE if call.source is CallSource.CLOSE else LeadMatch.METADATA
    if call.lead_id is not None:
        match, names = by_id, await uow.leads.named([call.lead_id])
    elif call.customer_number is not None:
        answering = await uow.leads.with_phones([call.customer_number])
        match, names = LeadMatch.PHONE, answering.get(call.customer_number, {})
    else:
        return []
    return [MatchedLead(id=lead, name=name, matched_by=match) for lead, name in names.items()]


async def totals(uow: UnitOfWork, wanted: CallFilter) -> CallTotals:
    tallies = await uow.calls.tallies(wanted)
    by_agent = [
        AgentFigures(agent_id=agent_id, **_figures(some).model_dump())
        for agent_id, some in _grouped(tallies, _agent_of).items()
    ]
    by_day = [
        DayFigures(day=day, **_figures(some).model_dump())
        for day, some in _grouped(tallies, _day_of).items()
    ]
    return CallTotals(
        **_figures(tallies).model_dump(),
        by_agent=sorted(by_agent, key=lambda one: (-one.calls, one.agent_id or "")),
        by_day=sorted(by_day, key=lambda one: one.day, reverse=True),
    )


def _agent_of(tally: CallTally) -> str | None:
    return tally.agent_id


def _day_of(tally: CallTally) -> date:
    return tally.day


def _grouped(
    tallies: Sequence[CallTally], key: Callable[[CallTally], KeyT]
) -> dict[KeyT, list[CallTally]]:
    groups: dict[KeyT, list[CallTally]] = {}
    for tally in tallies:
        groups.setdefault(key(tally), []).append(tally)
    return groups


def _figures(tallies: Sequence[CallTally]) -> CallFigures:
    ended = [tally for tally in tallies if tally.ending is not None]
    endings: dict[CallEnding, int] = {}
    for tally in ended:
        if tally.ending is not None:
            endings[tally.ending] = endings.get(tally.ending, 0) + tally.calls
    return CallFigures(
        calls=sum(tally.calls for tally in tallies),
        ended=sum(tally.calls for tally in ended),
        cost_usd=sum((tally.cost_usd for tally in tallies), Decimal("0.00000000")),
        unpriced=sum(tally.calls - tally.priced for tally in ended),
        duration_seconds=round(sum(tally.duration_seconds for tally in tallies), 3),
        success=Successes(
            yes=sum(tally.calls for tally in ended if tally.success is True),
            no=sum(tally.calls for tally in ended if tally.success is False),
            unknown=sum(tally.calls for tally in ended if tally.success is None),
        ),
        endings=endings,
    )


# -------------------------------------------------------------------- what Vapi says


def facts_of(raw: JsonObject, agents: AgentOf) -> CallFacts | None:
    """What this JSON says of a call; None when it does not even say of which."""
    call = VapiCall.of(raw)
    if call.id is None:
        return None
    known = (call.created_at, call.started_at, call.updated_at, call.ended_at)
    return CallFacts(
        source=CallSource.VAPI,
        external_id=call.id,
        created_at=next((at for at in known if at is not None), utc_now()),
        document=storable(raw),
        source_updated_at=call.updated_at,
        agent_id=agents.get(call.assistant_id or ""),
        assistant_id=call.assistant_id,
        assistant_version=call.assistant_version,
        lead_id=call.lead_id,
        contact_id=call.contact_id,
        direction=call.direction,
        status=call.status,
        started_at=call.started_at,
        ended_at=call.ended_at,
        duration_seconds=call.duration_seconds,
        ended_reason=call.ended_reason,
        ending=call.ending,
        success_evaluation=call.success_evaluation,
        success=call.success,
        cost_usd=call.cost_usd,
        customer_number=call.customer_number,
        customer_name=call.customer_name,
        summary=call.summary,
        transcript=call.transcript,
    )


async def take_vapi_message(uow: UnitOfWork, message: JsonObject) -> bool:
    """Put what a server message says into the mirror. False: it says nothing that is kept."""
    [taken] = await take_vapi_messages(uow, [message])
    return taken


async def take_vapi_messages(uow: UnitOfWork, messages: Sequence[JsonObject]) -> list[bool]:
    """The same for several, in a few statements. Late, repeated and shuffled ones do no harm."""
    agents = await _agents_by_assistant(uow)
    told = [_told_by(message, agents) for message in messages]
    _announce(uow, await uow.calls.record([facts for facts in told if facts is not None]))
    return [facts is not None for facts in told]


def _told_by(message: JsonObject, agents: AgentOf) -> CallFacts | None:
    if message.get("type") not in TELLING:
        return None
    facts = facts_of(call_of_message(message), agents)
    if facts is None or message["type"] != "call.deleted":
        return facts
    return CallFacts(
        source=facts.source,
        external_id=facts.external_id,
        created_at=facts.created_at,
        source_updated_at=facts.source_updated_at,
        document={},
        content_removed_at=facts.source_updated_at or utc_now(),
    )


def _announce(uow: UnitOfWork, changed: Sequence[RecordedCall]) -> None:
    for call in changed:
        uow.publish(events.call_recorded(call))


# -------------------------------------------------------------------- reading Vapi


async def sync_vapi_calls(resources: Resources, report: SyncReport) -> dict[str, int]:
    """Mirror every call at Vapi; once that is done, what has changed since.

    Each page is stored together with the position behind it: a sync that was killed goes on at the
    page where it stopped. Returns how many calls were new or had changed.

    Raises:
        IntegrationError: Vapi could not be read; kept as the state's error too.
    """
    try:
        return await _CallSync(resources, report).run()
    except IntegrationError as error:
        async with resources.unit_of_work() as uow:
            (await uow.sync_states.of(SYNC_NAME)).error = describe(error)
        raise


class _CallSync:
    def __init__(self, resources: Resources, report: SyncReport) -> None:
        self._resources = resources
        self._report = report
        self._read: set[str] = set()
        self._changed = 0

    async def run(self) -> dict[str, int]:
        async with self._resources.unit_of_work() as uow:
            state = await uow.sync_states.of(SYNC_NAME)
            complete_until, position = state.complete_until, dict(state.position)
        if complete_until is None:
            complete_until = await self._read_everything(position)
        else:
            complete_until = await self._read_changes(complete_until)
            await self._read_open_calls()
        await self._link_by_name()
        async with self._resources.unit_of_work() as uow:
            state = await uow.sync_states.of(SYNC_NAME)
            state.complete_until, state.position, state.error = complete_until, {}, None
        return {"calls": self._changed}

    async def _read_everything(self, position: dict[str, Any]) -> datetime:
        """From the newest call back to the first, or on from where an earlier sync stopped."""
        began = utc_now()
        since = _instant(position.get("changed_until"))
        pages = self._resources.vapi.walk_calls(created_before=_instant(position.get("before")))
        async with aclosing(pages) as walking:
            async for page in walking:
                calls = [VapiCall.of(raw) for raw in page]
                # What changes from here on is found by the next sync: changes have Vapi's own times.
                since = since or _newest_change(calls)
                position = {
                    "before": _text(_end_of(calls)),
                    "changed_until": _text(since),
                    "done": position.get("done", 0) + len(page),
                }
                await self._store(page, position=position)
                await self._report(phase="calls", done=position["done"], total=None)
        return since or began - CLOCKS_DIFFER_BY  # nobody has called yet

    async def _read_changes(self, since: datetime) -> datetime:
        """Everything that changed since. Returns the moment up to which that is complete."""
        until: datetime | None = None
        pages = self._resources.vapi.walk_calls(updated_after=since - OVERLAP)
        async with aclosing(pages) as walking:
            async for page in walking:
                # By the first page alone: while it walks, calls may change that it has passed.
                until = until or _newest_change([VapiCall.of(raw) for raw in page])
                await self._store(page, announced=True)
                await self._report(phase="calls", done=len(self._read), total=None)
        return max(since, until or since)

    async def _read_open_calls(self) -> None:
        """Ask for each call that has not ended as far as we know, and that did not come up."""
        async with self._resources.unit_of_work(readonly=True) as uow:
            is_open = await uow.calls.open(CallSource.VAPI, limit=OPEN_CALLS_ASKED_AT_ONCE)
        for call in is_open:
            if call.external_id not in self._read and (found := await self._asked_for(call)):
                await self._store([found], announced=True)

    async def _asked_for(self, call: Call) -> JsonObject | None:
        try:
            return await self._resources.vapi.get_call(call.external_id)
        except IntegrationNotFoundError:
            if call.created_at > utc_now() - MAY_NOT_BE_THERE_YET:
                return None
            # Nobody can tell any more how it ended; asking for ever would not help.
            gone = {"status": "not-found", "updatedAt": utc_now().isoformat()}
            return {"id": call.external_id, **gone}

    async def _store(
        self,
        page: Sequence[JsonObject],
        *,
        position: dict[str, Any] | None = None,
        announced: bool = False,
    ) -> None:
        async with self._resources.unit_of_work(readonly=True) as uow:
            agents = await _agents_by_assistant(uow)
        # Made of JSON before the transaction: while that is open, nobody else may write on SQLite.
        told = [facts for raw in page if (facts := facts_of(raw, agents)) is not None]
        async with self._resources.unit_of_work() as uow:
            changed = await uow.calls.record(told)
            if announced:  # the first reading would announce every call there ever was
                _announce(uow, changed)
            if position is not None:
                (await uow.sync_states.of(SYNC_NAME)).position = position
        self._read |= {facts.external_id for facts in told}
        self._changed += len(changed)

    async def _link_by_name(self) -> None:
        """An agent that was never deployed from here has the calls of the assistant of its name."""
        async with self._resources.unit_of_work(readonly=True) as uow:
            unlinked = await uow.calls.unlinked_assistants()
            bots = await uow.agents.phone_bots()
        agents = _by_assistant(bots)
        waiting = [agent for agent in bots if agent.vapi_assistant_id is None]
        if unlinked and waiting:
            agents = _by_name(waiting, await self._resources.vapi.list_assistants()) | agents
        links = {one: agent for one, agent in agents.items() if one in unlinked}
        if links:
            async with self._resources.unit_of_work() as uow:
                await uow.calls.link_agents(links)


async def _agents_by_assistant(uow: UnitOfWork) -> AgentOf:
    return _by_assistant(await uow.agents.phone_bots())


def _by_assistant(agents: Sequence[Agent]) -> dict[str, str]:
    """Where several agents name one assistant, its calls are the oldest agent's."""
    newest_first = sorted(agents, key=lambda agent: (agent.created_at, agent.id), reverse=True)
    return {agent.vapi_assistant_id: agent.id for agent in newest_first if agent.vapi_assistant_id}


def _by_name(agents: Sequence[Agent], assistants: Sequence[AssistantSummary]) -> dict[str, str]:
    """By exactly the same name, if no other agent and no other assistant has it."""
    names = Counter(agent.name for agent in agents)
    agent_of = {agent.name: agent.id for agent in agents if names[agent.name] == 1}
    taken = Counter(assistant.name for assistant in assistants)
    return {
        assistant.id: agent_of[assistant.name]
        for assistant in assistants
        if assistant.name in agent_of and taken[assistant.name] == 1
    }


def _newest_change(calls: Sequence[VapiCall]) -> datetime | None:
    times = [call.updated_at or call.created_at for call in calls]
    return max((at for at in times if at is not None), default=None)


def _end_of(calls: Sequence[VapiCall]) -> datetime | None:
    """Where the next page begins; None when they are not newest first, and so nobody can tell."""
    times = [call.created_at for call in calls if call.created_at is not None]
    is_in_order = len(times) == len(calls) and times == sorted(times, reverse=True)
    return times[-1] if is_in_order and times else None


def _text(at: datetime | None) -> JsonValue:
    return None if at is None else at.isoformat()


def _instant(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
