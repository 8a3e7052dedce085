"""Deployments: a version goes live, proven by reading it back, and can be taken back."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import structlog

from mission_control.api.agents.service import add_version, playbook_of
from mission_control.api.deployments import events
from mission_control.api.deployments.errors import (
    AlreadyInForceError,
    AssistantGoneError,
    AssistantSharedError,
    ComparedBeforeError,
    ComparedWithAnotherError,
    DeploymentRunningError,
    NoCandidateError,
    NothingToRollBackError,
    NotShownBetterError,
)
from mission_control.api.deployments.schemas import (
    DeploymentPage,
    DeploymentRead,
    DeployRequest,
    RollbackRequest,
)
from mission_control.api.jobs import service as jobs
from mission_control.api.jobs.errors import JobGaveUpError
from mission_control.api.jobs.service import JobRun, describe
from mission_control.api.memory import prompt_memory as agent_memory
from mission_control.api.memory.prompt_memory import MemoryIncompleteError, NoAgentContextError
from mission_control.api.queue import send_hint
from mission_control.core.agent_context import place
from mission_control.core.clock import utc_now
from mission_control.core.errors import MissionControlError
from mission_control.core.playbook import Playbook
from mission_control.core.words import (
    AgentStatus,
    AgentType,
    DeploymentStatus,
    DeploymentTarget,
    DriftState,
    JobKind,
    RunStatus,
    Verdict,
    VersionOrigin,
)
from mission_control.data.agents import Agent, AgentVersion
from mission_control.data.deployments import Deployment
from mission_control.data.jobs import Job
from mission_control.data.optimizations import Optimization
from mission_control.data.pages import Cursor
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.errors import (
    DeployNotVerifiedError,
    DeployUnconfirmedError,
    IntegrationNotFoundError,
)
from mission_control.integrations.vapi.assistant import (
    JsonObject,
    OptimizedPrompts,
    Snapshot,
    is_live,
    with_previous,
)

log = structlog.get_logger(__name__)

# A job that ended like this may have died after it changed the target.
ENDED_UNSEEN = (MissionControlError.code, JobGaveUpError.code)
COMPARE = "drift.check"


# -------------------------------------------------------------------- asking


async def request_deploy(
    uow: UnitOfWork, agent_id: str, request: DeployRequest, *, idempotency_key: str | None
) -> Job:
    """Promise to put a version on its target."""
    parameters = {"deploy": True, **request.model_dump(mode="json", exclude_none=True)}
    agent = await uow.agents.get_locked(agent_id)
    earlier = await jobs.repeated(
        uow,
        idempotency_key=idempotency_key,
        kind=JobKind.DEPLOY,
        agent_id=agent_id,
        parameters=parameters,
    )
    if earlier is not None:
        return earlier
    in_force = await uow.agents.version(agent_id, agent.deployed_version or agent.current_version)
    version = await _version_to_deploy(uow, request, in_force)
    if request.include_memory:
        await _refuse_without_context(uow, agent_id)
    job = await _submit(uow, JobKind.DEPLOY, agent_id, parameters, idempotency_key)
    is_phone_bot = agent.type is AgentType.PHONE_BOT
    uow.deployments.add(
        Deployment(
            id=uuid4(),
            agent_id=agent_id,
            version_id=version.id,
            previous_version_id=in_force.id,
            job_id=job.id,
            target=DeploymentTarget.VAPI if is_phone_bot else DeploymentTarget.LOCAL,
            target_id=agent.vapi_assistant_id if is_phone_bot else None,
        )
    )
    return job


async def _refuse_without_context(uow: UnitOfWork, agent_id: str) -> None:
    if agent_memory.settings_of(await uow.agent_contexts.latest(agent_id)) is None:
        raise NoAgentContextError(agent_id)


async def _version_to_deploy(
    uow: UnitOfWork, request: DeployRequest, in_force: AgentVersion
) -> AgentVersion:
    """The version asked for, or the latest candidate; only if proven, unless forced."""
    agent_id = in_force.agent_id
    latest = await uow.optimizations.latest_with_candidate(agent_id)
    if request.version is not None:
        version = await uow.agents.version(agent_id, request.version)
        proof = await uow.optimizations.latest_of_candidate(version.id)
    elif latest is not None and latest.candidate_version_id is not None:
        version, proof = await uow.agents.version_by_id(latest.candidate_version_id), latest
    else:
        raise NoCandidateError
    if not request.force:
        standing = await uow.deployments.standing(agent_id)
        if version.content_hash == in_force.content_hash and standing is not None:
            if request.include_memory or standing.memories is not None:
                return version  # its prompt is proven; only its memory is another
            raise AlreadyInForceError(version.number, in_force.number)
        await _refuse_unproven(uow, version, proof, in_force)
    return version


async def _refuse_unproven(
    uow: UnitOfWork, version: AgentVersion, proof: Optimization | None, in_force: AgentVersion
) -> None:
    """Only better than what callers hear now counts: an old comparison may be with something else."""
    verdict = proof.verdict.value if proof is not None and proof.verdict else None
    is_better = (
        proof is not None
        and proof.status is RunStatus.COMPLETED
        and proof.verdict is Verdict.BETTER
    )
    if proof is None or not is_better:
        raise NotShownBetterError(version.number, verdict)
    compared_with = await uow.agents.version_by_id(proof.base_version_id)
    if compared_with.content_hash != in_force.content_hash:
        raise ComparedWithAnotherError(version.number, compared_with.number, in_force.number)


async def request_rollback(
    uow: UnitOfWork, agent_id: str, request: RollbackRequest, *, idempotency_key: str | None
) -> Job:
    """Promise to undo the deployment in force."""
    parameters = {"rollback": True, **request.model_dump(mode="json")}
    await uow.agents.get_locked(agent_id)
    earlier = await jobs.repeated(
        uow,
        idempotency_key=idempotency_key,
        kind=JobKind.ROLLBACK,
        agent_id=agent_id,
        parameters=parameters,
    )
    if earlier is not None:
        return earlier
    standing = await uow.deployments.standing(agent_id)
    if standing is None:
        raise NothingToRollBackError
    job = await _submit(uow, JobKind.ROLLBACK, agent_id, parameters, idempotency_key)
    standing.rollback_job_id = job.id
    return job


async def _submit(
    uow: UnitOfWork,
    kind: JobKind,
    agent_id: str,
    parameters: dict[str, Any],
    idempotency_key: str | None,
) -> Job:
    running = await running_job(uow, agent_id)
    if running is not None:
        raise DeploymentRunningError(str(running.id))
    return await jobs.submit(
        uow,
        kind=kind,
        agent_id=agent_id,
        parameters=parameters,
        idempotency_key=idempotency_key,
        exclusive_key=_exclusive_key(agent_id),
    )


async def running_job(uow: UnitOfWork, agent_id: str) -> Job | None:
    """The deployment or rollback of this agent that is not over yet."""
    return await uow.jobs.holding(_exclusive_key(agent_id))


def _exclusive_key(agent_id: str) -> str:
    return f"deploy:{agent_id}"


# -------------------------------------------------------------------- deploying


class DeployWork:
    """Puts the version on its target. Run again after a crash, it finishes what was begun."""

    def __init__(self, job_id: UUID) -> None:
        self._job_id = job_id

    async def run(self, job: JobRun) -> None:
        async with job.resources.unit_of_work(readonly=True) as uow:
            deployment = await self._deployment(uow)
            agent = await uow.agents.get(deployment.agent_id)
            version = await uow.agents.version_by_id(deployment.version_id)
        if deployment.target is DeploymentTarget.VAPI:
            if job.parameters.get("include_memory") and deployment.memories is None:
                deployment.memories = await _load_memory(job, deployment)
            await _deploy_to_vapi(job, deployment, agent, version)

    async def completed(self, uow: UnitOfWork) -> None:
        """Only now, with the target read back, may the agent be called live."""
        deployment = await self._deployment(uow)
        version = await uow.agents.version_by_id(deployment.version_id)
        agent = await uow.agents.get_locked(deployment.agent_id)
        deployment.status, deployment.finished_at = DeploymentStatus.VERIFIED, utc_now()
        agent.current_version = agent.deployed_version = version.number
        await _let_stand(uow, agent, AgentStatus.LIVE)
        await _outdate_comparison(uow, agent)
        uow.publish(events.deployment_verified(deployment, version=version.number))

    async def failed(self, uow: UnitOfWork, error: dict[str, Any]) -> None:
        deployment = await self._deployment(uow)
        deployment.status, deployment.error = DeploymentStatus.FAILED, error
        deployment.finished_at = utc_now()
        await _settle(uow, deployment, error)
        uow.publish(events.deployment_failed(deployment, error))

    async def cancelled(self, uow: UnitOfWork) -> None:
        await self.failed(
            uow, {"code": "job_cancelled", "detail": "Cancelled; look at the target before more."}
        )

    async def _deployment(self, uow: UnitOfWork) -> Deployment:
        deployment = await uow.deployments.of_job(self._job_id)
        assert deployment is not None
        return deployment


async def _load_memory(job: JobRun, deployment: Deployment) -> dict[str, Any]:
    """Stored before anything is changed: a deployment that is resumed puts the same there."""
    memory = await agent_memory.load(job.resources, deployment.agent_id, patiently=True)
    if memory is None:
        raise NoAgentContextError(deployment.agent_id)
    if memory.missing:
        raise MemoryIncompleteError(memory.missing)
    async with job.step() as uow:
        stored = await uow.deployments.get(deployment.id)
        stored.memories = memory.record()
    return memory.record()


async def _deploy_to_vapi(
    job: JobRun, deployment: Deployment, agent: Agent, version: AgentVersion
) -> None:
    vapi, prompts = job.resources.vapi, prompts_of(version, deployment.memories)
    assistant_id = deployment.target_id or (await vapi.find_assistant(agent.name)).id
    async with _saying_what_is_unsure(job, agent.id, assistant_id):
        if deployment.snapshot is None:
            before = await _note_what_is_there(job, deployment, assistant_id, prompts)
        else:
            before = _snapshot(job, deployment.snapshot).assistant
        deployed = await vapi.deploy_optimized(assistant_id, prompts, before=before)
    async with job.step() as uow:
        (await uow.deployments.get(deployment.id)).changed = list(deployed.changed_fields)


async def _note_what_is_there(
    job: JobRun, deployment: Deployment, assistant_id: str, prompts: OptimizedPrompts
) -> JsonObject:
    """Stored before anything is changed: what was there can always be put back."""
    there = await job.resources.vapi.get_assistant(assistant_id)
    async with job.step() as uow:
        agent = await uow.agents.get_locked(deployment.agent_id)
        other = await uow.agents.deployed_to(assistant_id, besides=agent.id)
        if other is not None:
            raise AssistantSharedError(other.id, assistant_id)
        unconfirmed = await _unconfirmed(job, uow, deployment, assistant_id)
        # What an unconfirmed deployment has put there is ours: it is not what to go back to.
        is_ours = unconfirmed is not None and unconfirmed.deployed == prompts
        before = there
        if unconfirmed is not None and is_ours and is_live(there, prompts):
            before = with_previous(there, unconfirmed)
        stored = await uow.deployments.get(deployment.id)
        stored.snapshot = job.resources.vault.encrypt_json(Snapshot(before, prompts).to_json())
        stored.target_id = agent.vapi_assistant_id = assistant_id
        await _unsettle(uow, agent.id)
    return before


async def _unconfirmed(
    job: JobRun, uow: UnitOfWork, deployment: Deployment, assistant_id: str
) -> Snapshot | None:
    """What the deployment before this one was to change, if nobody knows whether it did."""
    last = await uow.deployments.latest_begun(deployment.agent_id, besides=deployment.id)
    is_open = (
        last is not None
        and last.status is DeploymentStatus.FAILED
        and last.target_id == assistant_id
    )
    if last is None or last.snapshot is None or not is_open:
        return None
    return _snapshot(job, last.snapshot)


def _snapshot(job: JobRun, sealed: bytes) -> Snapshot:
    return Snapshot.from_json(job.resources.vault.decrypt_json(sealed))


# ------------------------------------------------------------ what may be called live meanwhile


async def _unsettle(uow: UnitOfWork, agent_id: str) -> None:
    """The target is about to change: nothing is called live until it has been read back."""
    agent = await uow.agents.get_locked(agent_id)
    if await _standing_of(uow, agent) is AgentStatus.LIVE:
        await _let_stand(uow, agent, AgentStatus.DEV)


@asynccontextmanager
async def _saying_what_is_unsure(
    job: JobRun, agent_id: str, assistant_id: str
) -> AsyncGenerator[None]:
    """Where nobody knows what is on the target, or it is not what it should be, say so first."""
    try:
        yield
    except (DeployUnconfirmedError, DeployNotVerifiedError) as error:
        if not error.fields.get("restored"):
            await _say_error(job, agent_id)
        raise
    except IntegrationNotFoundError as error:
        async with job.resources.unit_of_work(readonly=True) as uow:
            is_deployed = (await uow.agents.get(agent_id)).deployed_version is not None
        if not is_deployed:
            raise
        await _say_error(job, agent_id)
        raise AssistantGoneError(assistant_id) from error


async def _say_error(job: JobRun, agent_id: str) -> None:
    async with job.step() as uow:
        await _let_stand(uow, await uow.agents.get_locked(agent_id), AgentStatus.ERROR)


async def _settle(uow: UnitOfWork, deployment: Deployment, error: dict[str, Any]) -> None:
    """It ended without its result: the agent is what it was, if the target is."""
    agent = await uow.agents.get_locked(deployment.agent_id)
    _compare_soon(uow, agent)
    is_unsure = await _standing_of(uow, agent) is AgentStatus.ERROR
    if deployment.snapshot is None or is_unsure:
        return
    await uow.flush()
    if error["code"] in ENDED_UNSEEN:
        await _let_stand(uow, agent, AgentStatus.ERROR)
    elif await uow.deployments.standing(agent.id) is not None:
        await _let_stand(uow, agent, AgentStatus.LIVE)


async def _outdate_comparison(uow: UnitOfWork, agent: Agent) -> None:
    """What was found before tells nothing of what is there now."""
    found = await uow.drift_checks.find(agent.id)
    if found is not None:
        found.state, found.error = DriftState.UNKNOWN, describe(ComparedBeforeError())
    _compare_soon(uow, agent)


def _compare_soon(uow: UnitOfWork, agent: Agent) -> None:
    agent_id = agent.id
    if agent.vapi_assistant_id is not None:
        uow.after_commit(lambda: send_hint(COMPARE, agent_id))


async def _let_stand(uow: UnitOfWork, agent: Agent, status: AgentStatus) -> None:
    """What the agent is now, or will be once the search that is going on has ended."""
    if agent.status is not AgentStatus.OPTIMIZING:
        agent.status = status
        return
    search = await uow.optimizations.latest(agent.id)
    if search is not None:
        search.previous_status = status.value


async def _standing_of(uow: UnitOfWork, agent: Agent) -> AgentStatus:
    search = await uow.optimizations.latest(agent.id)
    if agent.status is AgentStatus.OPTIMIZING and search is not None:
        return AgentStatus(search.previous_status)
    return agent.status


def prompts_of(
    version: AgentVersion, memories: Mapping[str, Any] | None = None
) -> OptimizedPrompts:
    """All that a version puts on an assistant; `memories` as a deployment has recorded them."""
    playbook = playbook_of(version)
    prompt = version.prompt if memories is None else place(version.prompt, memories["text"])
    return OptimizedPrompts(
        system=spoken_prompt(prompt, playbook), first_message=playbook.first_message
    )


def spoken_prompt(prompt: str, playbook: Playbook) -> str:
    """The prompt as a phone bot gets it: with the demonstrations, which DSPy would send apart."""
    if not playbook.demonstrations:
        return prompt
    turns = [
        "\n".join([*(f"Caller: {text}" for text in each.inputs.values()),
                   *(f"You: {text}" for text in each.outputs.values())])
        for each in playbook.demonstrations
    ]  # fmt: skip
    return "\n\n".join([prompt, "Examples of good replies:", *turns])


# -------------------------------------------------------------------- rolling back


class RollbackWork:
    """Undoes a deployment: our change is taken back, what others changed since is kept."""

    def __init__(self, job_id: UUID) -> None:
        self._job_id = job_id
        self._is_as_before = True

    async def run(self, job: JobRun) -> None:
        async with job.resources.unit_of_work(readonly=True) as uow:
            deployment = await self._deployment(uow)
            below = await uow.deployments.standing(deployment.agent_id, below=deployment.id)
        if deployment.target is DeploymentTarget.VAPI and deployment.snapshot is not None:
            there = await _take_back(job, deployment, deployment.snapshot)
            self._is_as_before = there is not None and _is_of(job, below, there)

    async def completed(self, uow: UnitOfWork) -> None:
        deployment = await self._deployment(uow)
        agent = await uow.agents.get_locked(deployment.agent_id)
        deployment.status = DeploymentStatus.ROLLED_BACK
        await uow.flush()
        restored = await _restore_version(uow, agent, deployment)
        standing = await uow.deployments.standing(agent.id)
        agent.current_version = restored.number
        agent.deployed_version = restored.number if standing is not None else None
        await _let_stand(uow, agent, self._status(standing))
        await _outdate_comparison(uow, agent)
        uow.publish(events.deployment_rolled_back(deployment, version=restored.number))

    async def failed(self, uow: UnitOfWork, error: dict[str, Any]) -> None:
        """The deployment stays in force, and the job says why."""
        deployment = await self._deployment(uow)
        await _settle(uow, deployment, error)
        uow.publish(events.deployment_failed(deployment, error))

    async def cancelled(self, uow: UnitOfWork) -> None:
        await self.failed(uow, {"code": "job_cancelled", "detail": "The rollback was cancelled."})

    def _status(self, standing: Deployment | None) -> AgentStatus:
        """Somebody may have written there between two deployments: that came back, and not ours."""
        if standing is None:
            return AgentStatus.DEV
        return AgentStatus.LIVE if self._is_as_before else AgentStatus.ERROR

    async def _deployment(self, uow: UnitOfWork) -> Deployment:
        deployment = await uow.deployments.undone_by(self._job_id)
        assert deployment is not None
        return deployment


async def _take_back(job: JobRun, deployment: Deployment, sealed: bytes) -> JsonObject | None:
    """The assistant with our change taken back; None when Vapi no longer has it, and forced."""
    assert deployment.target_id is not None
    is_forced = bool(job.parameters.get("force"))
    async with job.step() as uow:
        await _unsettle(uow, deployment.agent_id)
    try:
        async with _saying_what_is_unsure(job, deployment.agent_id, deployment.target_id):
            undone = await job.resources.vapi.rollback(
                deployment.target_id, _snapshot(job, sealed), force=is_forced
            )
    except AssistantGoneError:
        if not is_forced:
            raise
        log.warning("deployment_given_up", assistant_id=deployment.target_id)
        return None
    return undone.assistant


def _is_of(job: JobRun, below: Deployment | None, there: JsonObject) -> bool:
    """True when the assistant says what this deployment has put there."""
    if below is None or below.snapshot is None:
        return False
    return is_live(there, _snapshot(job, below.snapshot).deployed)


async def _version_before(uow: UnitOfWork, deployment: Deployment) -> AgentVersion:
    return await uow.agents.version_by_id(deployment.previous_version_id or deployment.version_id)


async def _restore_version(uow: UnitOfWork, agent: Agent, deployment: Deployment) -> AgentVersion:
    """What was in force before becomes the newest version: history is never rewritten."""
    undone = await uow.agents.version_by_id(deployment.version_id)
    previous = await _version_before(uow, deployment)
    return await add_version(
        uow,
        agent,
        playbook_of(previous),
        prompt=previous.prompt,
        warnings=previous.warnings,
        origin=VersionOrigin.ROLLBACK,
        parent_id=undone.id,
        note=f"Back to version {previous.number} from version {undone.number}",
    )


# -------------------------------------------------------------------- reading


async def list_deployments(
    uow: UnitOfWork, *, agent_id: str | None, limit: int, cursor: str | None
) -> DeploymentPage:
    page = await uow.deployments.page(
        agent_id=agent_id, limit=limit, cursor=Cursor.decode(cursor) if cursor else None
    )
    wanted = [item.version_id for item in page.items]
    wanted += [item.previous_version_id for item in page.items if item.previous_version_id]
    numbers = {key: each.number for key, each in (await uow.agents.versions_by_id(wanted)).items()}
    return DeploymentPage(
        items=[_read(item, numbers) for item in page.items], next_cursor=page.next_cursor
    )


def _read(deployment: Deployment, numbers: dict[UUID, int]) -> DeploymentRead:
    columns = {
        name: getattr(deployment, name)
        for name in DeploymentRead.model_fields
        if name not in {"version", "previous_version"}
    }
    previous = deployment.previous_version_id
    return DeploymentRead.model_validate(
        {
            **columns,
            "version": numbers[deployment.version_id],
            "previous_version": numbers.get(previous) if previous is not None else None,
        }
    )
