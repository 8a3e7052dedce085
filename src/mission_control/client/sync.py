"""Reading Vapi, Close and the memory servers into the mirrors, as a client asks for it."""

from typing import Any

from mission_control.api.jobs.schemas import JobRead
from mission_control.api.sync.schemas import SyncRead
from mission_control.client.requests import Requests


class Syncs:
    """What is mirrored of the systems outside: `client.syncs`."""

    def __init__(self, client: Requests) -> None:
        self._client = client

    def read(self) -> SyncRead:
        """What is mirrored, and the sync that runs."""
        return self._client.get("/api/system/sync", SyncRead)

    def start(self) -> JobRead:
        """Read everything that is new; while a sync runs, that one is returned."""
        return self._client.start("/api/system/sync-all", None)


def parts(job: JobRead) -> dict[str, dict[str, Any]]:
    """How far a sync is with each system, by its name: `{status, phase, done, total, …}`."""
    return job.progress.get("systems") or {}
