"""What calls announce."""

from uuid import UUID

from mission_control.core.events import SYSTEM_CHANNEL, Event, EventData
from mission_control.core.words import CallEnding, CallSource
from mission_control.data.calls import RecordedCall


class CallRecorded(EventData):
    """Which call has changed. Nothing of what was said in it, nor whose it was."""

    type = "call.recorded"
    call_id: UUID
    source: CallSource
    ending: CallEnding | None


EVENTS = (CallRecorded,)


def call_recorded(call: RecordedCall) -> Event:
    return Event(
        channel=SYSTEM_CHANNEL,
        agent_id=call.agent_id,
        data=CallRecorded(call_id=call.id, source=call.source, ending=call.ending),
    )
