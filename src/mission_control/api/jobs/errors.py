"""What jobs can refuse."""

from uuid import UUID

from mission_control.core.errors import ConflictError, MissionControlError


class JobAlreadyFinishedError(ConflictError):
    code = "job_already_finished"

    def __init__(self, job_id: UUID, status: str) -> None:
        super().__init__(
            f"This job has already ended ({status}); there is nothing left to cancel.",
            job_id=str(job_id),
            job_status=status,
        )


class JobNotCancellableError(ConflictError):
    """This kind of work is not left half done."""

    code = "job_not_cancellable"

    def __init__(self, job_id: UUID) -> None:
        super().__init__(
            "A deployment or rollback under way is finished, so that it is known what callers "
            "hear. Wait for it, then roll back if need be.",
            job_id=str(job_id),
        )


class IdempotencyKeyReusedError(ConflictError):
    code = "idempotency_key_reused"

    def __init__(self, job_id: UUID) -> None:
        super().__init__(
            "This Idempotency-Key belongs to another request. Nothing was started; "
            "use a new key for a new request.",
            job_id=str(job_id),
        )


class LeaseLostError(MissionControlError):
    """Another worker has taken the job over; whatever this one still does must not be stored."""

    code = "lease_lost"


class JobCancelledError(MissionControlError):
    """Somebody asked for the job to end."""

    code = "job_cancelled"


class JobGaveUpError(MissionControlError):
    """The job was started again and again without any progress."""

    code = "job_gave_up"
