"""What drift announces."""

from mission_control.core.events import SYSTEM_CHANNEL, Event, EventData
from mission_control.core.words import DriftState
from mission_control.data.drift_checks import DriftCheck


class OfADriftCheck(EventData):
    assistant_id: str
    state: DriftState
    fields: list[str]


class DriftFound(OfADriftCheck):
    """An agent and its assistant at Vapi have moved apart, or in another way than before."""

    type = "drift.found"


class DriftCleared(OfADriftCheck):
    """Nothing is left of it."""

    type = "drift.cleared"


EVENTS = (DriftFound, DriftCleared)


def drift_changed(check: DriftCheck) -> Event:
    of_its_kind = DriftCleared if check.state is DriftState.CLEAN else DriftFound
    return Event(
        channel=SYSTEM_CHANNEL,
        agent_id=check.agent_id,
        data=of_its_kind(
            assistant_id=check.assistant_id,
            state=check.state,
            fields=[each["field"] for each in check.fields],
        ),
    )
