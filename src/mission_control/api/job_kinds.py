"""Which work each kind of job is."""

from collections.abc import Callable
from uuid import UUID

from mission_control.api.deployments.work import DeployWork, RollbackWork
from mission_control.api.evaluate.work import EvaluationWork
from mission_control.api.jobs.job_run import Work
from mission_control.api.optimize.work import OptimizationWork
from mission_control.api.sync.work import SyncWork
from mission_control.core.words import JobKind
from mission_control.data.jobs import Job

WORK: dict[JobKind, Callable[[UUID], Work]] = {
    JobKind.EVALUATE: EvaluationWork,
    JobKind.OPTIMIZE: OptimizationWork,
    JobKind.DEPLOY: DeployWork,
    JobKind.ROLLBACK: RollbackWork,
    JobKind.SYNC: SyncWork,
}


def work_of(job: Job) -> Work:
    return WORK[job.kind](job.id)
