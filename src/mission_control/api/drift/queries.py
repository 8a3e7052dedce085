"""What is read of drift: the latest comparisons."""

from mission_control.api.drift.comparison import compared_anew, overall
from mission_control.api.drift.errors import NotComparedError
from mission_control.api.drift.registry import registry_of
from mission_control.api.drift.schemas import DriftPage, DriftRead
from mission_control.api.jobs.schemas import ErrorRead
from mission_control.core.encryption import SecretUnreadableError, Vault
from mission_control.core.words import DriftState
from mission_control.data.agents import Agent
from mission_control.data.drift_checks import DriftCheck
from mission_control.data.pages import Cursor
from mission_control.data.unit_of_work import UnitOfWork


async def show_drift(uow: UnitOfWork, vault: Vault, agent_id: str) -> DriftRead:
    agent = await uow.agents.get(agent_id)
    check = await uow.drift_checks.find(agent_id)
    if check is None or agent.vapi_assistant_id not in (None, check.assistant_id):
        raise NotComparedError(agent_id)
    return await _of_now(uow, vault, agent, check)


async def list_drift(uow: UnitOfWork, vault: Vault, *, limit: int, cursor: str | None) -> DriftPage:
    page = await uow.drift_checks.page(limit=limit, cursor=Cursor.decode(cursor, Agent))
    items = [
        await _of_now(uow, vault, await uow.agents.get(check.agent_id), check)
        for check in page.items
    ]
    return DriftPage(items=items, next_cursor=page.next_cursor)


async def _of_now(uow: UnitOfWork, vault: Vault, agent: Agent, check: DriftCheck) -> DriftRead:
    """Of the current version, also where another one was compared: it was edited since."""
    found = read(check)
    if check.version is None or check.version == agent.current_version:
        return found
    ours = await registry_of(uow, agent)
    before = await uow.agents.version(agent.id, check.version)
    try:
        known = ours.known.opened(vault)
    except SecretUnreadableError as error:
        unknown = {"state": DriftState.UNKNOWN, "error": ErrorRead(**error.described())}
        return found.model_copy(update=unknown)
    fields = compared_anew(
        found.fields, ours.texts_of(before), ours.here, known, was_deployed=ours.was_deployed
    )
    is_unknown = found.state is DriftState.UNKNOWN
    state = found.state if is_unknown else overall(field.state for field in fields)
    return found.model_copy(update={"state": state, "fields": fields})


def read(check: DriftCheck) -> DriftRead:
    columns = {name: getattr(check, name) for name in DriftRead.model_fields}
    return DriftRead.model_validate(columns)
