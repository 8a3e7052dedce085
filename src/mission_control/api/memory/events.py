"""What the memory feature announces. Never what is remembered: that may be personal."""

from mission_control.core.events import SYSTEM_CHANNEL, Event


def context_changed(agent_id: str, number: int) -> Event:
    return _event("context.changed", agent_id, number)


def context_reset(agent_id: str, number: int) -> Event:
    return _event("context.reset", agent_id, number)


def _event(name: str, agent_id: str, number: int) -> Event:
    return Event(channel=SYSTEM_CHANNEL, type=name, agent_id=agent_id, data={"number": number})
