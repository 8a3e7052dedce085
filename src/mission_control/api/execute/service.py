"""Executions: an agent runs on one input, and what came of it is kept."""

from uuid import uuid4

import structlog

from mission_control.api.agents.service import playbook_of
from mission_control.api.evaluate.service import money
from mission_control.api.execute.errors import InputMismatchError
from mission_control.api.execute.schemas import ExecutionCreate, ExecutionPage, ExecutionRead
from mission_control.api.jobs.service import describe
from mission_control.api.memory import prompt_memory as agent_memory
from mission_control.api.memory.prompt_memory import AgentMemory
from mission_control.api.resources import Resources
from mission_control.core.agent_context import place
from mission_control.core.playbook import Playbook
from mission_control.core.words import ExecutionStatus
from mission_control.data.agents import AgentVersion
from mission_control.data.executions import Execution
from mission_control.data.pages import Cursor
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.errors import SuperOptiXError
from mission_control.integrations.superoptix.language_models import task_model
from mission_control.integrations.superoptix_client import program_of

log = structlog.get_logger(__name__)


async def execute(resources: Resources, agent_id: str, request: ExecutionCreate) -> ExecutionRead:
    """Run the agent and store the run, also when it failed; no transaction is open meanwhile.

    Raises SuperOptiXError after the failed run was stored; `execution_id` says which it is.
    """
    async with resources.unit_of_work(readonly=True) as uow:
        agent = await uow.agents.get(agent_id)
        version = await uow.agents.version(agent_id, request.version or agent.current_version)
    playbook = playbook_of(version)
    program = program_of(playbook)
    compiled = await resources.superoptix.compile_agent(program)
    _refuse_mismatch(request.input, compiled.inputs)
    model = task_model(resources.settings, playbook.language_model, override=request.model)
    memory = await agent_memory.load(resources, agent_id)
    if memory is not None:
        program = program_of(_remembering(playbook, version.prompt, memory))
    execution = _new(version, request, model=model.name)
    execution.memories = memory.record() if memory is not None else None
    failure: SuperOptiXError | None = None
    try:
        ran = await resources.superoptix.run_agent(program, request.input, model=model)
    except SuperOptiXError as error:
        failure = error
        execution.status, execution.error = ExecutionStatus.FAILED, describe(error)
    else:
        execution.output, execution.latency_ms = dict(ran.output), ran.latency_ms
        execution.input_tokens = ran.usage.input_tokens
        execution.output_tokens = ran.usage.output_tokens
        execution.cost_usd = money(ran.usage.cost_usd)
    async with resources.unit_of_work() as uow:
        uow.executions.add(execution)
    if failure is not None:
        raise SuperOptiXError(
            failure.message, kind=failure.kind, execution_id=str(execution.id)
        ) from failure
    return _read(execution, version.number)


def _remembering(playbook: Playbook, prompt: str, memory: AgentMemory) -> Playbook:
    """The playbook with the memory in its prompt, which is then no longer left to SuperOptiX."""
    return playbook.model_copy(update={"prompt": place(prompt, memory.text)})


def _refuse_mismatch(given: dict[str, str], expected: list[str]) -> None:
    missing, unknown = sorted(set(expected) - set(given)), sorted(set(given) - set(expected))
    if missing or unknown:
        raise InputMismatchError(missing=missing, unknown=unknown)


def _new(version: AgentVersion, request: ExecutionCreate, *, model: str) -> Execution:
    return Execution(
        id=uuid4(),
        agent_id=version.agent_id,
        version_id=version.id,
        status=ExecutionStatus.COMPLETED,
        model=model,
        input=dict(request.input),
        input_tokens=0,
        output_tokens=0,
    )


async def list_executions(
    uow: UnitOfWork,
    agent_id: str,
    *,
    limit: int,
    cursor: str | None,
    status: ExecutionStatus | None,
) -> ExecutionPage:
    await uow.agents.get(agent_id)
    page = await uow.executions.page(
        agent_id, limit=limit, cursor=Cursor.decode(cursor) if cursor else None, status=status
    )
    versions = await uow.agents.versions_by_id([item.version_id for item in page.items])
    return ExecutionPage(
        items=[_read(item, versions[item.version_id].number) for item in page.items],
        next_cursor=page.next_cursor,
    )


def _read(execution: Execution, version_number: int) -> ExecutionRead:
    columns = {
        name: getattr(execution, name) for name in ExecutionRead.model_fields if name != "version"
    }
    return ExecutionRead.model_validate({**columns, "version": version_number})
