"""What calls announce."""

from mission_control.core.events import SYSTEM_CHANNEL, Event
from mission_control.data.calls import RecordedCall


def call_recorded(call: RecordedCall) -> Event:
    """Which call has changed. Nothing of what was said in it, nor whose it was."""
    return Event(
        channel=SYSTEM_CHANNEL,
        type="call.recorded",
        agent_id=call.agent_id,
        data={"call_id": str(call.id), "source": call.source, "ending": call.ending},
    )
