"""What is read of evaluations."""

from uuid import UUID

from mission_control.api.agents.versions import playbook_of
from mission_control.api.evaluate.errors import (
    NoEvaluationError,
)
from mission_control.api.evaluate.results import MEASUREMENTS
from mission_control.api.evaluate.schemas import (
    EvaluationDetail,
    EvaluationPage,
    EvaluationRead,
    EvaluationSnapshot,
    ScenarioResultRead,
)
from mission_control.core.playbook import Scenario, split_of
from mission_control.core.words import EvaluationPurpose, JobStatus
from mission_control.data.evaluations import Evaluation, ScenarioResult
from mission_control.data.pages import Cursor
from mission_control.data.unit_of_work import UnitOfWork


async def list_evaluations(
    uow: UnitOfWork,
    agent_id: str,
    *,
    limit: int,
    cursor: str | None,
    purpose: EvaluationPurpose | None,
    status: JobStatus | None,
) -> EvaluationPage:
    await uow.agents.get(agent_id)
    page = await uow.evaluations.page(
        agent_id,
        limit=limit,
        cursor=Cursor.decode(cursor, Evaluation),
        purpose=purpose,
        status=status,
    )
    versions = await uow.agents.versions_by_id([item.version_id for item in page.items])
    return EvaluationPage(
        items=[read(item, versions[item.version_id].number) for item in page.items],
        next_cursor=page.next_cursor,
    )


async def latest_evaluation(uow: UnitOfWork, agent_id: str) -> EvaluationDetail:
    """The newest completed measurement: not a rerun, not one half of a comparison."""
    await uow.agents.get(agent_id)
    evaluation = await uow.evaluations.newest(
        agent_id, purposes=MEASUREMENTS, status=JobStatus.COMPLETED
    )
    if evaluation is None:
        raise not_evaluated(agent_id)
    return await detail(uow, evaluation)


async def show_evaluation(uow: UnitOfWork, agent_id: str, evaluation_id: UUID) -> EvaluationDetail:
    evaluation = await uow.evaluations.get(evaluation_id)
    if evaluation.agent_id != agent_id:
        raise not_evaluated(agent_id)
    return await detail(uow, evaluation)


async def detail(uow: UnitOfWork, evaluation: Evaluation) -> EvaluationDetail:
    version = await uow.agents.version_by_id(evaluation.version_id)
    results = await uow.evaluations.results(evaluation.id)
    asked = {each.id: each for each in playbook_of(version).scenarios}
    return EvaluationDetail(
        **read(evaluation, version.number).model_dump(),
        results=[
            _result(evaluation.agent_id, result, asked.get(result.scenario_id))
            for result in results
        ],
    )


def _result(agent_id: str, result: ScenarioResult, asked: Scenario | None) -> ScenarioResultRead:
    """The evaluated version never changes, so it keeps what its results answered."""
    read = ScenarioResultRead.model_validate(result)
    if asked is None:
        return read
    return read.model_copy(
        update={
            "split": split_of(agent_id, asked),
            "anchor": asked.anchor,
            "input": asked.input,
            "expected": asked.expected,
        }
    )


def read(evaluation: Evaluation, version_number: int) -> EvaluationRead:
    columns = {
        name: getattr(evaluation, name)
        for name in EvaluationRead.model_fields
        if name not in {"version", "scenarios"}
    }
    return EvaluationRead.model_validate(
        {**columns, "version": version_number, "scenarios": len(evaluation.scenario_ids)}
    )


async def snapshot(uow: UnitOfWork, agent_id: str) -> EvaluationSnapshot:
    """What a console needs before the first live event: the newest evaluation, whatever its end."""
    await uow.agents.get(agent_id)
    page = await uow.evaluations.page(agent_id, limit=1, cursor=None)
    if not page.items:
        return EvaluationSnapshot(evaluation=None)
    return EvaluationSnapshot(evaluation=await detail(uow, page.items[0]))


def not_evaluated(agent_id: str) -> NoEvaluationError:
    return NoEvaluationError("This agent has not been evaluated yet.", agent_id=agent_id)
