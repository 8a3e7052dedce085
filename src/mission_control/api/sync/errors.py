"""What can be refused or go wrong when the outside world is read."""

from collections.abc import Sequence

from mission_control.integrations.errors import IntegrationError


class SyncIncompleteError(IntegrationError):
    """One or more systems could not be read to the end."""

    code = "sync_incomplete"

    def __init__(self, failed: Sequence[str]) -> None:
        names = " and ".join(failed)
        super().__init__(
            f"{names} could not be read to the end; the job's progress says why for each. What was "
            "read is kept, and the next sync goes on from there.",
            failed=list(failed),
        )
