"""The product's own API as a typed client: what the console and the command line are made of."""

import time
from collections.abc import Callable, Generator
from typing import Any
from uuid import UUID

from mission_control.api.deployments.schemas import (
    DeploymentPage,
    DeployRequest,
    RollbackRequest,
    TakeOverRequest,
)
from mission_control.api.evaluate.schemas import EvaluationCreate, EvaluationDetail, EvaluationPage
from mission_control.api.jobs.schemas import JobRead
from mission_control.api.optimize.schemas import (
    ComparisonCreate,
    OptimizationCreate,
    OptimizationDetail,
    OptimizationPage,
)
from mission_control.api.system.schemas import SystemStatus
from mission_control.client.agents import Agents
from mission_control.client.calls import Calls
from mission_control.client.drift import Drift
from mission_control.client.errors import ApiUnreachableError, JobNotOverError
from mission_control.client.http_requests import DEFAULT_TIMEOUT, HttpRequests
from mission_control.client.jobs import Jobs
from mission_control.client.leads import Leads
from mission_control.client.live import WatchKind, watch
from mission_control.client.memory import Memories
from mission_control.client.requests import part
from mission_control.client.sync import Syncs
from mission_control.core.words import EvaluationPurpose, JobStatus

FIRST_POLL, LONGEST_POLL = 0.2, 1.0
PATIENCE = 30.0  # how long a watch or a wait outlasts an API that restarts


class ApiClient(HttpRequests):
    """One API. Safe to share between threads; close it, or use it as a context manager.

    Every method raises ApiProblemError when the API refuses, ApiUnreachableError when it is away.
    """

    def __init__(
        self, base_url: str, timeout: float = DEFAULT_TIMEOUT, *, name: str = "mission-control"
    ) -> None:
        """`name`: which client asks; the product records it."""
        super().__init__(base_url, timeout, name=name)
        self.agents = Agents(self)
        self.jobs = Jobs(self)
        self.calls = Calls(self)
        self.leads = Leads(self)
        self.drift = Drift(self)
        self.memory = Memories(self)
        self.syncs = Syncs(self)

    # ---------------------------------------------------------------- evaluate

    def evaluate(
        self,
        agent_id: str,
        request: EvaluationCreate | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> JobRead:
        """Start an evaluation; without a request, of the current version on all scenarios."""
        return self.start(f"/api/evaluate/{part(agent_id)}", request, idempotency_key)

    def baseline(
        self,
        agent_id: str,
        request: EvaluationCreate | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> JobRead:
        """The same, remembered as what later evaluations are held against."""
        return self.start(f"/api/evaluate/{part(agent_id)}/baseline", request, idempotency_key)

    def evaluation_history(
        self,
        agent_id: str,
        *,
        limit: int = 50,
        cursor: str | None = None,
        purpose: EvaluationPurpose | None = None,
        status: JobStatus | None = None,
    ) -> EvaluationPage:
        return self.get(
            f"/api/evaluate/{part(agent_id)}/history",
            EvaluationPage,
            limit=limit,
            cursor=cursor,
            purpose=purpose,
            status=status,
        )

    def latest_evaluation(self, agent_id: str) -> EvaluationDetail:
        """The newest completed one; ApiProblemError `no_evaluation` when there is none."""
        return self.get(f"/api/evaluate/{part(agent_id)}/latest", EvaluationDetail)

    def evaluation(self, agent_id: str, evaluation_id: UUID | str) -> EvaluationDetail:
        path = f"/api/evaluate/{part(agent_id)}/evaluations/{part(evaluation_id)}"
        return self.get(path, EvaluationDetail)

    # ---------------------------------------------------------------- optimize

    def optimize(
        self,
        agent_id: str,
        request: OptimizationCreate | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> JobRead:
        """Start a search for a better prompt; without a request, GEPA at its light level."""
        return self.start(f"/api/optimize/{part(agent_id)}", request, idempotency_key)

    def complete_comparison(
        self, agent_id: str, optimization_id: UUID | str, request: ComparisonCreate
    ) -> JobRead:
        """Run again what its comparison could not measure; ApiProblemError `nothing_to_complete`."""
        path = f"/api/optimize/{part(agent_id)}/optimizations/{part(optimization_id)}/comparison"
        return self.start(path, request, None)

    def optimization_status(self, agent_id: str) -> OptimizationDetail:
        """The newest one; ApiProblemError `no_optimization` when there is none."""
        return self.get(f"/api/optimize/{part(agent_id)}/status", OptimizationDetail)

    def optimization_history(
        self, agent_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> OptimizationPage:
        path = f"/api/optimize/{part(agent_id)}/history"
        return self.get(path, OptimizationPage, limit=limit, cursor=cursor)

    def optimization(self, agent_id: str, optimization_id: UUID | str) -> OptimizationDetail:
        path = f"/api/optimize/{part(agent_id)}/optimizations/{part(optimization_id)}"
        return self.get(path, OptimizationDetail)

    # ---------------------------------------------------------------- deploy

    def deploy(
        self,
        agent_id: str,
        *,
        version: int | None = None,
        force: bool = False,
        overwrite: bool = False,
        include_memory: bool = False,
        idempotency_key: str | None = None,
    ) -> JobRead:
        """Put a version on its target; left out: the candidate of the newest optimization."""
        request = DeployRequest(
            version=version, force=force, overwrite=overwrite, include_memory=include_memory
        )
        return self.start(f"/api/optimize/{part(agent_id)}/deploy", request, idempotency_key)

    def take_over(
        self, agent_id: str, *, note: str = "", idempotency_key: str | None = None
    ) -> JobRead:
        """Make what answers at Vapi a version, and the one in force."""
        request = TakeOverRequest(note=note)
        return self.start(f"/api/optimize/{part(agent_id)}/take-over", request, idempotency_key)

    def rollback(
        self,
        agent_id: str,
        *,
        overwrite: bool = False,
        force: bool = False,
        idempotency_key: str | None = None,
    ) -> JobRead:
        """Undo the deployment in force."""
        request = RollbackRequest(overwrite=overwrite, force=force)
        return self.start(f"/api/optimize/{part(agent_id)}/rollback", request, idempotency_key)

    def deployments(
        self, agent_id: str | None = None, *, limit: int = 50, cursor: str | None = None
    ) -> DeploymentPage:
        return self.get(
            "/api/deployments", DeploymentPage, agent_id=agent_id, limit=limit, cursor=cursor
        )

    # ---------------------------------------------------------------- system, waiting, watching

    def system_status(self) -> SystemStatus:
        return self.get("/api/system/status", SystemStatus)

    def wait_for_job(
        self,
        job_id: UUID | str,
        timeout: float | None = None,
        *,
        on_progress: Callable[[JobRead], None] | None = None,
    ) -> JobRead:
        """The job once it is over, whatever its end; None waits as long as it takes.

        An API that is away for less than half a minute is waited for.

        Raises:
            JobNotOverError: `timeout` seconds have passed.
        """
        begun = seen_at = time.monotonic()
        pause = FIRST_POLL
        while True:
            try:
                job = self.jobs.get(job_id)
                seen_at = time.monotonic()
            except ApiUnreachableError:
                if time.monotonic() - seen_at > PATIENCE:
                    raise
            else:
                if on_progress is not None:
                    on_progress(job)
                if job.status.is_over:
                    return job
                if timeout is not None and time.monotonic() - begun >= timeout:
                    raise JobNotOverError(job, timeout)
            time.sleep(pause)
            pause = min(pause * 1.3, LONGEST_POLL)

    def watch(
        self, kind: WatchKind, agent_id: str, after: str | None = None
    ) -> Generator[dict[str, Any]]:
        """Everything the agent's socket says, for ever: first `{type: "snapshot", id, data}`.

        Then events `{id, type, agent_id, job_id, at, data}` and, every 20 s of silence,
        `{type: "heartbeat", id}`. A lost connection is made again behind the last id, so nothing
        is missed and nothing told twice; another snapshot then comes first.

        Args:
            kind: Whose events: of the agent's optimizations, or of its evaluations.
            agent_id: Slug of the agent.
            after: Id of an event to go on behind.
        """
        return watch(self.base_url, kind, agent_id, after)
