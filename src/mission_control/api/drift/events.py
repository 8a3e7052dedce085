"""What drift announces."""

from mission_control.core.events import SYSTEM_CHANNEL, Event
from mission_control.core.words import DriftState
from mission_control.data.drift_checks import DriftCheck


def drift_changed(check: DriftCheck) -> Event:
    """`drift.found`, or `drift.cleared` once nothing is left of it."""
    is_clean = check.state is DriftState.CLEAN
    return Event(
        channel=SYSTEM_CHANNEL,
        type="drift.cleared" if is_clean else "drift.found",
        agent_id=check.agent_id,
        data={
            "assistant_id": check.assistant_id,
            "state": check.state.value,
            "fields": [each["field"] for each in check.fields],
        },
    )
