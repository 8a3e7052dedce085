"""An assistant at Vapi becomes an agent."""

import structlog

from mission_control.api.agent_import.schemas import AgentImport
from mission_control.api.agents.details import detail
from mission_control.api.agents.registration import refuse_linked, store_new
from mission_control.api.agents.schemas import AgentDetail
from mission_control.api.drift.known import KnownState, remember
from mission_control.api.drift.registry import registry_of
from mission_control.api.drift.storing import store_found
from mission_control.api.leads.contact_names import contact_names
from mission_control.api.resources import Resources
from mission_control.core import playbook as playbooks
from mission_control.core.json_types import JsonObject
from mission_control.core.playbook_parts import canonical_yaml
from mission_control.core.words import AgentType, KnownBy
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.errors import IntegrationError
from mission_control.integrations.superoptix_client import program_of
from mission_control.integrations.vapi.changes import Texts
from mission_control.integrations.vapi.playbook import (
    another_model_answers,
    ids_for,
    keeps_calls_private,
    playbook_of_assistant,
)
from mission_control.integrations.vapi.prompt_slots import live_prompt
from mission_control.integrations.vapi_client import VAPIClient

CALLS_READ = 40  # of the newest, for drafts of scenarios

log = structlog.get_logger(__name__)


async def import_assistant(resources: Resources, request: AgentImport) -> AgentDetail:
    """Make an agent of an assistant at Vapi, which is left as it is."""
    assistant_id = request.vapi_assistant_id
    async with resources.unit_of_work(readonly=True) as uow:
        await refuse_linked(uow, assistant_id)
    assistant = await resources.vapi.get_assistant(assistant_id)
    squads = await resources.vapi.get_squads()
    calls, warnings = await _last_calls(resources.vapi, assistant)
    async with resources.unit_of_work(readonly=True) as uow:
        known = await contact_names(uow, calls)
        agent_id = request.id or await _own_id(uow, assistant, request.name)
    read = playbooks.read_playbook(
        playbook_of_assistant(
            assistant, calls, known_names=known, name=request.name, agent_id=agent_id
        )
    )
    # As it will be read from now on: what would be too large then is refused now.
    playbook = playbooks.read_stored(canonical_yaml(read.data))
    if playbook.scenarios == [] and not warnings:
        warnings = ["No call of this assistant could become a scenario. Write some yourself."]
    compiled = await resources.superoptix.compile_agent(program_of(playbook))
    async with resources.unit_of_work() as uow:
        made = await store_new(
            uow, playbook, compiled,
            agent_type=AgentType.PHONE_BOT, assistant_id=assistant_id, note="Imported from Vapi",
            warnings=[*another_model_answers(assistant), *warnings],
        )  # fmt: skip
        # What was read is what is known: who changes it at Vapi from now on is not overwritten.
        ours = Texts(live_prompt(assistant), made.first_message)
        state = KnownState(assistant, ours)
        await remember(uow, resources.vault, made.id, state, KnownBy.IMPORTED)
        agent = await uow.agents.get(made.id)
        await store_found(
            uow, resources.vault, await registry_of(uow, agent), assistant, squads=squads
        )
        return await detail(uow, agent, await uow.agents.current(agent))


async def _own_id(uow: UnitOfWork, assistant: JsonObject, name: str | None) -> str:
    """Two assistants may have one name; their agents have ids of their own."""
    first, second = ids_for(assistant, name)
    return second if first in await uow.agents.known_among([first]) else first


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
