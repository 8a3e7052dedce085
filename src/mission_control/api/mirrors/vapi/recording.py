"""What Vapi's JSON says of calls, put into the mirror: from webhooks and from syncs alike."""

from collections.abc import Sequence

from mission_control.api.mirrors import events
from mission_control.api.mirrors.vapi.agents import AgentOf, agents_by_assistant
from mission_control.core.clock import utc_now
from mission_control.core.json_types import JsonObject
from mission_control.core.words import CallSource
from mission_control.data.calls import CallFacts, RecordedCall
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.vapi.call import VapiCall, call_of_message
from mission_control.integrations.vapi.storing import masked, storable

# Messages that tell what a call has come to. The others tell of its single words.
CALL_STATE_MESSAGES = frozenset({
    "assistant.started", "call.deleted", "end-of-call-report", "hang", "status-update",
    "transfer-update",
})  # fmt: skip


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
        part_agents={one: agents[one] for one in call.activated if one in agents},
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
        success_rubric=None if call.success_evaluation is None else call.success_rubric,
        cost_usd=call.cost_usd,
        customer_number=call.customer_number,
        customer_name=call.customer_name,
        summary=masked(call.summary) if call.summary else None,
        transcript=masked(call.transcript) if call.transcript else None,
    )


async def record_messages(uow: UnitOfWork, messages: Sequence[JsonObject]) -> list[bool]:
    """Put what server messages say into the mirror. False: that one says nothing that is kept.

    Late, repeated and shuffled messages do no harm.
    """
    agents = await agents_by_assistant(uow)
    found = [_facts_of_message(message, agents) for message in messages]
    announce(uow, await uow.calls.record([facts for facts in found if facts is not None]))
    return [facts is not None for facts in found]


def _facts_of_message(message: JsonObject, agents: AgentOf) -> CallFacts | None:
    if message.get("type") not in CALL_STATE_MESSAGES:
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


def announce(uow: UnitOfWork, changed: Sequence[RecordedCall]) -> None:
    for call in changed:
        uow.publish(events.call_recorded(call))
