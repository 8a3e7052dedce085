"""Runs an agent on one input, and keeps what came of it."""

from uuid import uuid4

from mission_control.api.agents.versions import playbook_of
from mission_control.api.execute.errors import InputMismatchError
from mission_control.api.execute.queries import read
from mission_control.api.execute.schemas import ExecutionCreate, ExecutionRead
from mission_control.api.memory import prompt_memory as agent_memory
from mission_control.api.memory.prompt_memory import AgentMemory
from mission_control.api.resources import Resources
from mission_control.core.agent_context import place
from mission_control.core.money import as_money
from mission_control.core.playbook import Playbook
from mission_control.core.words import ExecutionStatus
from mission_control.data.agents import AgentVersion
from mission_control.data.executions import Execution
from mission_control.integrations.errors import SuperOptiXError
from mission_control.integrations.superoptix.language_models import task_model
from mission_control.integrations.superoptix_client import program_of


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
        execution.status, execution.error = ExecutionStatus.FAILED, error.described()
    else:
        execution.output, execution.latency_ms = dict(ran.output), ran.latency_ms
        execution.input_tokens = ran.usage.input_tokens
        execution.output_tokens = ran.usage.output_tokens
        execution.cost_usd = as_money(ran.usage.cost_usd)
        execution.truncated, execution.thinking = ran.truncated, ran.thinking
    async with resources.unit_of_work() as uow:
        uow.executions.add(execution)
    if failure is not None:
        raise SuperOptiXError(
            failure.message, kind=failure.kind, execution_id=str(execution.id)
        ) from failure
    return read(execution, version.number)


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
