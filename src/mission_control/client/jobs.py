"""Long work, as a client asks for it."""

from uuid import UUID

from mission_control.api.jobs.schemas import JobPage, JobRead
from mission_control.client.requests import Requests, part
from mission_control.core.words import JobKind, JobStatus


class Jobs:
    """Long work: `client.jobs`."""

    def __init__(self, client: Requests) -> None:
        self._client = client

    def list(
        self,
        *,
        limit: int = 50,
        cursor: str | None = None,
        agent_id: str | None = None,
        kind: JobKind | None = None,
        status: JobStatus | None = None,
    ) -> JobPage:
        return self._client.get(
            "/api/jobs",
            JobPage,
            limit=limit,
            cursor=cursor,
            agent_id=agent_id,
            kind=kind,
            status=status,
        )

    def get(self, job_id: UUID | str) -> JobRead:
        return self._client.get(f"/api/jobs/{part(job_id)}", JobRead)

    def cancel(self, job_id: UUID | str) -> JobRead:
        """Ask it to end, which takes up to two seconds; wait for it to see its end."""
        return self._client.post(f"/api/jobs/{part(job_id)}/cancel", None, JobRead)
