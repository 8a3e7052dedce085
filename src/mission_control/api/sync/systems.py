"""The systems outside that are mirrored here, and what has to be read for each to be complete."""

from mission_control.api.mirrors.close.store import CALLS, LEADS
from mission_control.api.mirrors.memory import STATE as MEMORY_STATE
from mission_control.api.mirrors.vapi.sync import SYNC_NAME as VAPI_STATE
from mission_control.core.words import JobKind, SyncSystem

# By the names of the `SyncState`s.
MIRRORS: dict[SyncSystem, tuple[str, ...]] = {
    SyncSystem.VAPI: (VAPI_STATE,),
    SyncSystem.CLOSE: (LEADS, CALLS),
    SyncSystem.MEMORY: (MEMORY_STATE,),
}
EVERYTHING = tuple(SyncSystem)


def exclusive_key(systems: tuple[SyncSystem, ...]) -> str:
    """Of the job that reads these: one such job at a time."""
    key = JobKind.SYNC.value
    return key if systems == EVERYTHING else ":".join([key, *systems])
