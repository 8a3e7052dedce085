"""What is asked for: an evaluation of a version on chosen scenarios."""

from mission_control.api.agents.versions import playbook_of
from mission_control.api.evaluate.errors import (
    NoScenariosError,
    NothingToRerunError,
    OnlyDraftsError,
    UnknownScenariosError,
)
from mission_control.api.evaluate.queries import not_evaluated
from mission_control.api.evaluate.results import MEASUREMENTS, RERUN, new_evaluation
from mission_control.api.evaluate.schemas import (
    EvaluationCreate,
)
from mission_control.api.jobs import commands as jobs
from mission_control.core.playbook import Playbook, split_of
from mission_control.core.settings import Settings
from mission_control.core.words import EvaluationPurpose, JobKind, ScenarioStatus
from mission_control.data.jobs import Job
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.superoptix.language_models import task_model


async def request_evaluation(
    uow: UnitOfWork,
    settings: Settings,
    agent_id: str,
    request: EvaluationCreate,
    *,
    purpose: EvaluationPurpose,
    idempotency_key: str | None,
) -> Job:
    """Promise an evaluation of a version of this agent."""
    parameters = {"purpose": purpose.value, **request.model_dump(mode="json", exclude_none=True)}
    agent = await uow.agents.get_locked(agent_id)
    asked = jobs.JobRequest(
        kind=JobKind.EVALUATE,
        agent_id=agent_id,
        parameters=parameters,
        idempotency_key=idempotency_key,
    )
    if (existing := await jobs.existing_job(uow, asked)) is not None:
        return existing
    version = await uow.agents.version(agent_id, request.version or agent.current_version)
    playbook = playbook_of(version)
    scenario_ids = await _chosen_scenarios(uow, agent_id, playbook, request)
    job = await jobs.submit(uow, asked)
    drafts = len(playbook.scenarios) - len(playbook.reviewed)
    if drafts:
        job.progress = {"drafts_left_out": drafts}
    model = task_model(settings, playbook.language_model, override=request.model)
    uow.evaluations.add(
        new_evaluation(
            job_id=job.id,
            version=version,
            purpose=EvaluationPurpose.RERUN if request.rerun else purpose,
            scenario_ids=scenario_ids,
            repetitions=request.repetitions,
            model=model,
        )
    )
    return job


async def _chosen_scenarios(
    uow: UnitOfWork, agent_id: str, playbook: Playbook, request: EvaluationCreate
) -> list[str]:
    asked = playbook.scenarios
    if request.scenario_ids is not None:
        unknown = sorted(set(request.scenario_ids) - {each.id for each in asked})
        if unknown:
            raise UnknownScenariosError(unknown)
        asked = [each for each in asked if each.id in set(request.scenario_ids)]
    if request.splits is not None:
        asked = [each for each in asked if split_of(agent_id, each) in request.splits]
    chosen = [each.id for each in asked if not each.draft]
    if asked and not chosen:
        raise OnlyDraftsError(len(asked))
    if request.rerun is not None:
        again = await _to_rerun(uow, agent_id, request.rerun)
        chosen = [name for name in chosen if name in again]
        if not chosen:
            raise NothingToRerunError("The latest evaluation left nothing of this to run again.")
    if not chosen:
        raise NoScenariosError(
            "There is no scenario to evaluate; nothing was started. "
            "Add scenarios to the playbook, or choose others."
        )
    return chosen


async def _to_rerun(uow: UnitOfWork, agent_id: str, what: str) -> set[str]:
    newest = await uow.evaluations.newest(agent_id, purposes=(*MEASUREMENTS, RERUN))
    if newest is None:
        raise not_evaluated(agent_id)
    wanted = {ScenarioStatus.ERROR, *([ScenarioStatus.FAILED] if what == "failed" else [])}
    results = await uow.evaluations.results(newest.id)
    seen = {result.scenario_id for result in results}
    never_run = {name for name in newest.scenario_ids if name not in seen}
    return never_run | {result.scenario_id for result in results if result.status in wanted}
