"""What is asked for: a search for a better prompt."""

from collections.abc import Sequence
from uuid import uuid4

from mission_control.api.agents.versions import playbook_of
from mission_control.api.jobs import commands as jobs
from mission_control.api.optimize.errors import (
    OptimizationRunningError,
    TooFewScenariosError,
    UnpricedBudgetError,
)
from mission_control.api.optimize.schemas import (
    OptimizationCreate,
)
from mission_control.core.counting import counted
from mission_control.core.playbook import Playbook, scenarios_in
from mission_control.core.same_questions import SameQuestions, same_questions, warnings
from mission_control.core.settings import Settings
from mission_control.core.words import (
    AgentStatus,
    JobKind,
)
from mission_control.data.jobs import Job
from mission_control.data.optimizations import Optimization
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.superoptix.language_models import (
    judge_model,
    reflection_model,
    task_model,
)
from mission_control_protocol import (
    Budget,
    Model,
)

FEWEST_TRAIN = 2


async def request_optimization(
    uow: UnitOfWork,
    settings: Settings,
    agent_id: str,
    request: OptimizationCreate,
    *,
    idempotency_key: str | None,
) -> Job:
    """Promise an optimization of the current version. One at a time per agent."""
    parameters = request.model_dump(mode="json", exclude_none=True)
    agent = await uow.agents.get_locked(agent_id)
    asked = jobs.JobRequest(
        kind=JobKind.OPTIMIZE,
        agent_id=agent_id,
        parameters=parameters,
        idempotency_key=idempotency_key,
        exclusive=jobs.Exclusive(key=f"optimize:{agent_id}", refusal=OptimizationRunningError),
    )
    if (existing := await jobs.existing_job(uow, asked)) is not None:
        return existing
    version = await uow.agents.current(agent)
    playbook = playbook_of(version)
    same = same_questions(agent_id, playbook.reviewed)
    _refuse_small_splits(agent_id, playbook, same)
    model = task_model(settings, playbook.language_model, override=request.model)
    reflection = reflection_model(settings, model, override=request.reflection_model)
    if request.max_cost_usd is not None:
        _refuse_unpriced([model, reflection, judge_model(settings, model)])
    job = await jobs.submit(uow, asked)
    uow.optimizations.add(
        Optimization(
            id=uuid4(),
            agent_id=agent_id,
            job_id=job.id,
            base_version_id=version.id,
            optimizer=request.optimizer,
            budget=_budget(request).model_dump(exclude_none=True),
            model=model.name,
            reflection_model=reflection.name,
            seed=request.seed,
            repetitions=request.repetitions,
            previous_status=agent.status.value,
            warnings=warnings(same),
        )
    )
    agent.status = AgentStatus.OPTIMIZING
    return job


def _refuse_small_splits(agent_id: str, playbook: Playbook, same: SameQuestions) -> None:
    train, validation, test = (
        len(scenarios_in(agent_id, playbook, "train")),
        len(scenarios_in(agent_id, playbook, "validation")),
        len(same.questions),
    )
    if train < FEWEST_TRAIN or not validation or not test:
        drafts = len(playbook.scenarios) - len(playbook.reviewed)
        leaked = (
            f" Test scenarios do not count when the search is shown their questions, as it is "
            f"here: {len(same.leaked)}."
            if same.leaked
            else ""
        )
        uncounted = (
            f" Its {counted(drafts, 'draft')} must be reviewed first to count." if drafts else ""
        )
        raise TooFewScenariosError(
            f"An optimization needs scenarios to learn from ({FEWEST_TRAIN} train), to choose by "
            f"(1 validation) and to prove itself on (1 test); this version has {train}, "
            f"{validation} and {test}.{leaked}{uncounted} Nothing was started; add scenarios to the "
            "playbook."
        )


def _refuse_unpriced(models: Sequence[Model]) -> None:
    unpriced = sorted({model.name for model in models if model.price is None})
    if unpriced:
        raise UnpricedBudgetError(unpriced)


def _budget(request: OptimizationCreate) -> Budget:
    limited = request.max_metric_calls or request.max_cost_usd or request.max_minutes
    return Budget(
        level=request.auto or (None if limited else "light"),
        metric_calls=request.max_metric_calls,
        usd=request.max_cost_usd,
        minutes=request.max_minutes,
    )
