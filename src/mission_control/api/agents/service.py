"""Agents and their versions: import, edit, compare, compile."""

import difflib
from collections.abc import Mapping, Sequence
from uuid import UUID, uuid4

import structlog

from mission_control.api.agents.errors import (
    AgentBusyError,
    AgentDeployedError,
    AgentExistsError,
    AgentIdChangedError,
    AssistantLinkedError,
    VersionChangedError,
)
from mission_control.api.agents.schemas import (
    AgentCreate,
    AgentDetail,
    AgentRead,
    AgentState,
    AgentUpdate,
    ImportCandidate,
    ImportCandidates,
    ScenarioRead,
    VersionDetail,
    VersionDiff,
    VersionPage,
    VersionRead,
)
from mission_control.api.resources import Resources
from mission_control.core import playbook as playbooks
from mission_control.core.playbook import Playbook
from mission_control.core.words import AgentStatus, AgentType, JobKind, VersionOrigin
from mission_control.data.agents import Agent, AgentVersion
from mission_control.data.pages import Cursor
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.errors import IntegrationError
from mission_control.integrations.superoptix.protocol import Compiled
from mission_control.integrations.superoptix_client import SuperOptiXClient, program_of
from mission_control.integrations.vapi.assistant import AssistantSummary, JsonObject
from mission_control.integrations.vapi.playbook import (
    keeps_calls_private,
    left_at_vapi,
    playbook_of_assistant,
    slug_of,
    why_not,
)
from mission_control.integrations.vapi_client import VAPIClient

log = structlog.get_logger(__name__)

CALLS_READ = 40  # of the newest, for drafts of scenarios


# -------------------------------------------------------------------- import and edit


async def import_agent(
    uow: UnitOfWork, superoptix: SuperOptiXClient, request: AgentCreate
) -> AgentDetail:
    """Make an agent of a playbook. SuperOptiX must be able to compile it."""
    playbook = await _requested_playbook(superoptix, request)
    # Compiled before the first query: no transaction stays open while the engine works.
    compiled = await superoptix.compile_agent(program_of(playbook))
    return await _store_new(
        uow, playbook, compiled, agent_type=request.type, assistant_id=request.vapi_assistant_id
    )


async def _store_new(
    uow: UnitOfWork,
    playbook: Playbook,
    compiled: Compiled,
    *,
    agent_type: AgentType,
    assistant_id: str | None,
    note: str = "",
    warnings: Sequence[str] = (),
) -> AgentDetail:
    if await uow.agents.find(playbook.agent_id) is not None:
        raise AgentExistsError(playbook.agent_id)
    await _refuse_linked(uow, assistant_id)
    agent = Agent(
        id=playbook.agent_id,
        name=playbook.name,
        description=playbook.description,
        type=agent_type,
        status=AgentStatus.DEV,
        current_version=1,
        vapi_assistant_id=assistant_id,
    )
    uow.agents.add(agent)
    await uow.flush()
    version = await add_version(
        uow, agent, playbook,
        prompt=compiled.prompt, warnings=[*compiled.warnings, *warnings],
        origin=VersionOrigin.IMPORT, parent_id=None, note=note,
    )  # fmt: skip
    log.info("agent_imported", agent_id=agent.id, scenarios=len(playbook.scenarios))
    return detail(agent, version)


async def _requested_playbook(superoptix: SuperOptiXClient, request: AgentCreate) -> Playbook:
    if request.playbook is not None:
        return playbooks.parse_playbook(request.playbook)
    listed = await superoptix.marketplace(request.marketplace)
    return playbooks.parse_playbook(listed.playbook or "", lenient=True)


async def import_assistant(resources: Resources, assistant_id: str) -> AgentDetail:
    """Make an agent of an assistant at Vapi, which is left as it is."""
    async with resources.unit_of_work(readonly=True) as uow:
        await _refuse_linked(uow, assistant_id)
    assistant = await resources.vapi.get_assistant(assistant_id)
    calls, warnings = await _last_calls(resources.vapi, assistant)
    read = playbooks.read_playbook(playbook_of_assistant(assistant, calls))
    # As it will be read from now on: what would be too large then is refused now.
    playbook = playbooks.parse_playbook(playbooks.canonical_yaml(read.data))
    if playbook.scenarios == [] and not warnings:
        warnings = ["No call of this assistant could become a scenario. Write some yourself."]
    compiled = await resources.superoptix.compile_agent(program_of(playbook))
    async with resources.unit_of_work() as uow:
        return await _store_new(
            uow, playbook, compiled,
            agent_type=AgentType.PHONE_BOT, assistant_id=assistant_id, note="Imported from Vapi",
            warnings=[*left_at_vapi(assistant), *warnings],
        )  # fmt: skip


async def _refuse_linked(uow: UnitOfWork, assistant_id: str | None) -> None:
    """Two agents on one assistant would overwrite each other, and both be called live."""
    linked = await uow.agents.of_assistant(assistant_id) if assistant_id is not None else None
    if linked is not None and assistant_id is not None:
        raise AssistantLinkedError(linked.id, assistant_id)


async def _last_calls(
    vapi: VAPIClient, assistant: JsonObject
) -> tuple[list[JsonObject], list[str]]:
    """What scenarios can be drafted from; else why there are none."""
    if keeps_calls_private(assistant):
        return [], [
            "The assistant is under HIPAA or PCI: no scenario was made from its calls, since what "
            "is said in them must not be copied. Write scenarios yourself."
        ]
    try:
        return await vapi.get_call_logs(str(assistant["id"]), limit=CALLS_READ), []
    except IntegrationError as error:
        log.warning("import_without_calls", code=error.code)
        return [], [f"Its calls could not be read ({error.code}), so there are no scenarios yet."]


async def list_candidates(resources: Resources) -> ImportCandidates:
    """Every assistant at Vapi, and why one cannot become an agent."""
    there = await resources.vapi.get_assistants()
    async with resources.unit_of_work(readonly=True) as uow:
        linked = {each.vapi_assistant_id: each.id for each in await uow.agents.phone_bots()}
        taken = await uow.agents.known_among([slug_of(each) for each in there])
    return ImportCandidates(items=[_candidate(each, linked, taken) for each in there])


def _candidate(
    assistant: JsonObject, linked: Mapping[str | None, str], taken: set[str]
) -> ImportCandidate:
    summary, slug = AssistantSummary.of(assistant), slug_of(assistant)
    agent_id = linked.get(summary.id)
    refusal = why_not(assistant)
    if agent_id is not None:
        refusal = f"The agent {agent_id} is linked to it."
    elif refusal is None and slug in taken:
        refusal = f"There is an agent {slug} already: link that one to it, or rename either."
    return ImportCandidate(
        vapi_assistant_id=summary.id,
        name=summary.name,
        provider=summary.provider,
        model=summary.model,
        updated_at=summary.updated_at,
        agent_id=agent_id,
        refusal=refusal,
    )


async def update_agent(resources: Resources, agent_id: str, request: AgentUpdate) -> AgentDetail:
    """Change an agent. The same content again makes no new version."""
    async with resources.unit_of_work(readonly=True) as uow:
        agent = await uow.agents.get(agent_id)
        current = await uow.agents.current(agent)
        _refuse_if_changed(agent, request.based_on)
        edited = _edited_playbook(agent_id, current, request)
        if edited is None or edited.hash == current.content_hash:
            edited = None
        else:
            await _refuse_while_optimizing(uow, agent)
    if edited is None:
        return await _store_update(resources, current, request)
    # Compiled between two transactions: other writers need not wait for the engine.
    compiled = await resources.superoptix.compile_agent(program_of(edited))
    return await _store_update(resources, current, request, edited=edited, compiled=compiled)


async def _store_update(
    resources: Resources,
    current: AgentVersion,
    request: AgentUpdate,
    *,
    edited: Playbook | None = None,
    compiled: Compiled | None = None,
) -> AgentDetail:
    async with resources.unit_of_work() as uow:
        agent = await uow.agents.get_locked(current.agent_id)
        _refuse_if_changed(agent, current.number)
        if _moves(agent, request):
            await _refuse_moving(uow, agent)
        if request.type is not None:
            agent.type = request.type
        if "vapi_assistant_id" in request.model_fields_set:
            if request.vapi_assistant_id != agent.vapi_assistant_id:
                await _refuse_linked(uow, request.vapi_assistant_id)
            agent.vapi_assistant_id = request.vapi_assistant_id
        if edited is not None and compiled is not None:
            await _refuse_while_optimizing(uow, agent)
            current = await add_version(
                uow, agent, edited,
                prompt=compiled.prompt, warnings=compiled.warnings,
                origin=VersionOrigin.EDIT, parent_id=current.id, note=request.note,
            )  # fmt: skip
            agent.current_version = current.number
            agent.name, agent.description = edited.name, edited.description
        await uow.flush()
        return detail(agent, current)


def _refuse_if_changed(agent: Agent, based_on: int | None) -> None:
    if based_on is not None and based_on != agent.current_version:
        raise VersionChangedError(agent.current_version)


def _moves(agent: Agent, request: AgentUpdate) -> bool:
    """True when it would be deployed to another target from now on."""
    return (request.type is not None and request.type != agent.type) or (
        "vapi_assistant_id" in request.model_fields_set
        and request.vapi_assistant_id != agent.vapi_assistant_id
    )


async def _refuse_moving(uow: UnitOfWork, agent: Agent) -> None:
    """`live` is said of a target: another target would make it a lie, now or in a moment."""
    if agent.deployed_version is not None:
        raise AgentDeployedError(agent.id, agent.deployed_version)
    for job in await uow.jobs.open_for(agent.id):
        if job.kind in (JobKind.DEPLOY, JobKind.ROLLBACK):
            raise AgentBusyError(agent.id, str(job.id))


def _edited_playbook(agent_id: str, current: AgentVersion, request: AgentUpdate) -> Playbook | None:
    if request.prompt is not None:
        data = playbooks.parse_playbook(current.playbook).data
        return playbooks.read_playbook(playbooks.with_prompt(data, request.prompt))
    if request.playbook is None:
        return None
    edited = playbooks.parse_playbook(request.playbook)
    if edited.agent_id != agent_id:
        raise AgentIdChangedError(agent_id, edited.agent_id)
    return edited


async def add_version(
    uow: UnitOfWork,
    agent: Agent,
    playbook: Playbook,
    *,
    prompt: str,
    warnings: list[str],
    origin: VersionOrigin,
    parent_id: UUID | None,
    note: str,
) -> AgentVersion:
    version = AgentVersion(
        id=uuid4(),
        agent_id=agent.id,
        number=await uow.agents.next_number(agent.id),
        content_hash=playbook.hash,
        playbook=playbooks.canonical_yaml(playbook.data),
        prompt=prompt,
        origin=origin,
        parent_id=parent_id,
        note=note,
        warnings=warnings,
    )
    uow.agents.add_version(version)
    await uow.flush()
    return version


async def delete_agent(uow: UnitOfWork, agent_id: str) -> None:
    """Remove an agent with its versions, evaluations and optimizations. Vapi is not touched."""
    agent = await uow.agents.get_locked(agent_id)
    for job in await uow.jobs.open_for(agent_id):
        raise AgentBusyError(agent_id, str(job.id))
    await uow.agents.delete(agent)


async def _refuse_while_optimizing(uow: UnitOfWork, agent: Agent) -> None:
    """A search from a version that is no longer the current one would end in confusion."""
    if agent.status is AgentStatus.OPTIMIZING:
        for job in await uow.jobs.open_for(agent.id):
            raise AgentBusyError(agent.id, str(job.id))


# -------------------------------------------------------------------- reading


async def show_agent(uow: UnitOfWork, agent_id: str) -> AgentDetail:
    agent = await uow.agents.get(agent_id)
    return detail(agent, await uow.agents.current(agent))


async def show_state(uow: UnitOfWork, agent_id: str) -> AgentState:
    agent = await uow.agents.get(agent_id)
    return AgentState(
        agent_id=agent.id,
        status=agent.status,
        current_version=agent.current_version,
        deployed_version=agent.deployed_version,
        open_jobs=[job.id for job in await uow.jobs.open_for(agent_id)],
    )


async def compile_agent(
    uow: UnitOfWork, superoptix: SuperOptiXClient, agent_id: str
) -> tuple[AgentVersion, Compiled]:
    agent = await uow.agents.get(agent_id)
    version = await uow.agents.current(agent)
    return version, await superoptix.compile_agent(program_of(playbook_of(version)))


async def list_versions(
    uow: UnitOfWork, agent_id: str, *, limit: int, cursor: str | None
) -> VersionPage:
    await uow.agents.get(agent_id)
    page = await uow.agents.version_page(
        agent_id, limit=limit, cursor=Cursor.decode(cursor) if cursor else None
    )
    parents = await uow.agents.versions_by_id([v.parent_id for v in page.items if v.parent_id])
    numbers = {version_id: version.number for version_id, version in parents.items()}
    return VersionPage(
        items=[_version_read(version, numbers) for version in page.items],
        next_cursor=page.next_cursor,
    )


async def show_version(uow: UnitOfWork, agent_id: str, number: int) -> VersionDetail:
    version = await uow.agents.version(agent_id, number)
    parents = await uow.agents.versions_by_id([version.parent_id] if version.parent_id else [])
    read = _version_read(version, {key: parent.number for key, parent in parents.items()})
    return VersionDetail(
        **read.model_dump(),
        prompt=version.prompt,
        first_message=playbook_of(version).first_message,
        playbook=version.playbook,
    )


async def diff_versions(uow: UnitOfWork, agent_id: str, before: int, after: int) -> VersionDiff:
    first = await uow.agents.version(agent_id, before)
    second = await uow.agents.version(agent_id, after)
    names = (f"version {before}", f"version {after}")
    return VersionDiff(
        agent_id=agent_id,
        before=before,
        after=after,
        prompt=unified_diff(first.prompt, second.prompt, *names),
        playbook=unified_diff(first.playbook, second.playbook, *names),
    )


def unified_diff(before: str, after: str, before_name: str, after_name: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), before_name, after_name, lineterm="", n=2
    )
    return "\n".join(lines)


def playbook_of(version: AgentVersion) -> Playbook:
    return playbooks.parse_playbook(version.playbook)


def detail(agent: Agent, version: AgentVersion) -> AgentDetail:
    playbook = playbook_of(version)
    return AgentDetail(
        **AgentRead.model_validate(agent).model_dump(),
        prompt=version.prompt,
        first_message=playbook.first_message,
        warnings=[*version.warnings, *_drafts_to_review(playbook)],
        scenarios=scenarios_read(agent.id, playbook),
    )


def _drafts_to_review(playbook: Playbook) -> list[str]:
    drafts = len(playbook.scenarios) - len(playbook.reviewed)
    if not drafts:
        return []
    return [
        f"Scenarios that are drafts: {drafts}. They are left out of evaluations until somebody "
        "reviews them and takes `draft` away."
    ]


def scenarios_read(agent_id: str, playbook: Playbook) -> list[ScenarioRead]:
    return [
        ScenarioRead(
            id=scenario.id,
            description=scenario.description,
            tags=scenario.tags,
            split=playbooks.split_of(agent_id, scenario),
            anchor=scenario.anchor,
            draft=scenario.draft,
            input=scenario.input,
            expected=scenario.expected,
            checks=[f"{check.kind}: {' · '.join(check.values)}" for check in scenario.checks],
        )
        for scenario in playbook.scenarios
    ]


def _version_read(version: AgentVersion, numbers: dict[UUID, int]) -> VersionRead:
    return VersionRead(
        id=version.id,
        agent_id=version.agent_id,
        number=version.number,
        content_hash=version.content_hash,
        origin=version.origin,
        parent=numbers.get(version.parent_id) if version.parent_id else None,
        note=version.note,
        warnings=version.warnings,
        created_at=version.created_at,
    )
