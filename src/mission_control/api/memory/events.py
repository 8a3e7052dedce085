"""What the memory feature announces. Never what is remembered: that may be personal."""

from mission_control.core.events import SYSTEM_CHANNEL, Event, EventData


class OfAContext(EventData):
    number: int


class ContextChanged(OfAContext):
    """An agent is given other memories, or has been given any for the first time."""

    type = "context.changed"


class ContextReset(OfAContext):
    """An agent is given no memories any more."""

    type = "context.reset"


EVENTS = (ContextChanged, ContextReset)


def context_changed(agent_id: str, number: int) -> Event:
    return Event(channel=SYSTEM_CHANNEL, agent_id=agent_id, data=ContextChanged(number=number))


def context_reset(agent_id: str, number: int) -> Event:
    return Event(channel=SYSTEM_CHANNEL, agent_id=agent_id, data=ContextReset(number=number))
