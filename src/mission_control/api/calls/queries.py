"""What is read of calls: lists, one call with what was said, and totals; all from the mirror."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from mission_control.api.calls.schemas import (
    AgentFigures,
    CallDetail,
    CallPage,
    CallPartRead,
    CallRead,
    CallTotals,
    DayFigures,
    MatchedLead,
    SameCall,
    ScoreFigures,
    Successes,
    TurnRead,
    VersionFigures,
)
from mission_control.core.words import CallEnding, CallSource, LeadMatch
from mission_control.data.call_facts import CENT_OF_A_MICRO_DOLLAR
from mission_control.data.call_figures import MILLION, CallSums
from mission_control.data.calls import Call, CallContent, CallFilter, CallPart
from mission_control.data.pages import Cursor
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.vapi.call import LONGEST_CALL_SECONDS, VapiCall

# -------------------------------------------------------------------- showing


async def list_calls(
    uow: UnitOfWork, wanted: CallFilter, *, limit: int, cursor: str | None
) -> CallPage:
    page = await uow.calls.page(wanted, limit=limit, cursor=Cursor.decode(cursor, Call))
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
        structured_outputs=dict(seen.structured_outputs) if is_vapi else {},
        variables=dict(seen.variables) if is_vapi else {},
        metadata=dict(seen.metadata) if is_vapi else {},
        notes=_notes(seen) if is_vapi else [],
        cost_breakdown=dict(seen.cost_breakdown) if is_vapi else {},
        leads=await _leads_of(uow, call),
        same_calls=[
            SameCall.model_validate(each, from_attributes=True)
            for each in await _same_calls(uow, call)
        ],
        parts=[_part(each) for each in await uow.calls.parts(call.id)] if call.is_shared else [],
    )


async def _same_calls(uow: UnitOfWork, call: Call) -> Sequence[Call]:
    first = call if call.same_call_as is None else await uow.calls.get(call.same_call_as)
    rows = [first, *await uow.calls.repetitions(first.id)]
    return [row for row in rows if row.id != call.id]


def _part(part: CallPart) -> CallPartRead:
    names = ("assistant_id", "assistant_name", "assistant_version", "agent_id")
    microseconds, units = part.duration_us, part.cost_units
    return CallPartRead(
        **{name: getattr(part, name) for name in names},
        duration_seconds=None if microseconds is None else microseconds / MILLION,
        cost_usd=None if units is None else units * CENT_OF_A_MICRO_DOLLAR,
    )


def _is_withheld(call: Call, content: CallContent, turns: Sequence[TurnRead]) -> bool:
    # Close gives a start to calls that nobody took, too.
    was_held = call.started_at is not None and call.ending not in {None, CallEnding.NOT_REACHED}
    is_removed = call.content_removed_at is not None
    return is_removed or (was_held and not content.transcript and not turns)


def _notes(seen: VapiCall) -> list[str]:
    lasted = seen.reported_duration_seconds
    if lasted is None or lasted == seen.duration_seconds:
        return []
    return [
        f"Vapi says that this call lasted {lasted:,.0f} s. No call does: it is counted as "
        f"{LONGEST_CALL_SECONDS / 3600:.0f} hours."
    ]


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
    found = await uow.call_totals.read(wanted)
    by_agent = [
        AgentFigures(agent_id=agent_id, **_figures(sums))
        for agent_id, sums in found.by_agent.items()
    ]
    by_version = [
        VersionFigures(agent_id=agent_id, assistant_version=version, **_figures(sums))
        for (agent_id, version), sums in found.by_version.items()
    ]
    by_day = [DayFigures(day=day, **_figures(sums)) for day, sums in found.by_day.items()]
    return CallTotals(
        **_figures(found.overall),
        by_agent=sorted(by_agent, key=lambda one: (-one.calls, one.agent_id or "")),
        by_version=sorted(
            by_version,
            key=lambda one: (-one.calls, one.agent_id or "", one.assistant_version or ""),
        ),
        by_day=sorted(by_day, key=lambda one: one.day, reverse=True),
    )


def _figures(sums: CallSums) -> dict[str, Any]:
    return {
        "calls": sums.calls,
        "ended": sums.ended,
        "cost_usd": sums.cost_usd,
        "unpriced": sums.unpriced,
        "duration_seconds": round(sums.duration_seconds, 3),
        "success": Successes(
            yes=sums.succeeded,
            no=sums.failed,
            unknown=sums.unjudged,
            scores={
                rubric: ScoreFigures(calls=score.calls, average=score.average)
                for rubric, score in sums.scores.items()
            },
        ),
        "endings": dict(sums.endings),
    }
