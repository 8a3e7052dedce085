"""What a worker does for an evaluation that somebody asked for."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from mission_control.api.agents.versions import playbook_of
from mission_control.api.evaluate import events
from mission_control.api.evaluate.measuring import concurrency_of, measure
from mission_control.api.evaluate.results import end_unmeasured
from mission_control.api.jobs.job_run import JobRun
from mission_control.api.test_split import ledger
from mission_control.core.playbook import Playbook, scenarios_in
from mission_control.core.words import JobStatus
from mission_control.data.evaluations import Evaluation
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.superoptix.language_models import task_model
from mission_control.integrations.superoptix_client import program_of


def _whole_test_split(playbook: Playbook, scenario_ids: Sequence[str]) -> set[str]:
    """A rate over hand-picked scenarios of it would say nothing of the version."""
    test = {each.id for each in scenarios_in(playbook.agent_id, playbook, "test")}
    return test if test <= set(scenario_ids) else set()


class EvaluationWork:
    """Runs an evaluation that somebody asked for."""

    def __init__(self, job_id: UUID) -> None:
        self._job_id = job_id

    async def run(self, job: JobRun) -> None:
        async with job.resources.unit_of_work(readonly=True) as uow:
            evaluation = await self._evaluation(uow)
            version = await uow.agents.version_by_id(evaluation.version_id)
        if evaluation.status is JobStatus.COMPLETED:
            return  # by an attempt that died before it could say so
        playbook = playbook_of(version)
        async with job.step() as uow:
            await ledger.note_evaluation(uow, job.id, playbook, evaluation.scenario_ids)
        model = task_model(
            job.resources.settings, playbook.language_model, override=evaluation.model
        )
        await measure(
            job,
            evaluation,
            program=program_of(playbook),
            scenarios=[s for s in playbook.scenarios if s.id in set(evaluation.scenario_ids)],
            model=model,
            concurrency=concurrency_of(job),
            journal=job.directory,
            test=_whole_test_split(playbook, evaluation.scenario_ids),
        )

    async def completed(self, uow: UnitOfWork) -> None:
        evaluation = await self._evaluation(uow)
        uow.publish(events.evaluation_completed(evaluation))

    async def failed(self, uow: UnitOfWork, error: dict[str, Any]) -> None:
        evaluation = await self._evaluation(uow)
        end_unmeasured(
            evaluation, JobStatus.FAILED, error, await uow.evaluations.results(evaluation.id)
        )
        uow.publish(events.evaluation_failed(evaluation, error))

    async def cancelled(self, uow: UnitOfWork) -> None:
        evaluation = await self._evaluation(uow)
        end_unmeasured(
            evaluation, JobStatus.CANCELLED, None, await uow.evaluations.results(evaluation.id)
        )
        uow.publish(events.evaluation_cancelled(evaluation))

    async def _evaluation(self, uow: UnitOfWork) -> Evaluation:
        return (await uow.evaluations.of_job(self._job_id))[0]
