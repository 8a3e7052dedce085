"""What comparisons of agents with their assistants at Vapi have shown."""

import difflib

import typer
from rich.console import RenderableType
from rich.text import Text

from mission_control.api.drift.schemas import DriftField, DriftPage, DriftRead
from mission_control.cli import tables
from mission_control.cli.formats import moment, plain
from mission_control.cli.session import UNAVAILABLE, Session
from mission_control.client.errors import ApiProblemError
from mission_control.core.words import AgentType, DriftState

MOST = 200
OF_ONE_AGENT = (404, 409)
TEXTS = frozenset({"system", "first_message"})


def show_one(session: Session, agent_id: str, *, check: bool) -> None:
    ask = session.client.drift.check if check else session.client.drift.get
    found = ask(agent_id)
    session.screen.answer(found, *_one(found))
    _end_if_not_asked(session, [found], checked=check)


def show_all(session: Session, *, check: bool) -> None:
    refused = _check_all(session) if check else []
    page = session.client.drift.list(limit=MOST)
    session.screen.answer(page, _table(page))
    _end_if_not_asked(session, page.items, checked=check)
    if refused:
        raise typer.Exit(UNAVAILABLE)


def _check_all(session: Session) -> list[str]:
    """Compare every phone bot. Returns those that could not be, each told with its reason."""
    refused: list[str] = []
    for agent in session.client.agents.list(type=AgentType.PHONE_BOT, limit=MOST).items:
        session.screen.note(f"Comparing {agent.id} …")
        try:
            session.client.drift.check(agent.id)
        except ApiProblemError as problem:
            if problem.status not in OF_ONE_AGENT and problem.code != "integration_not_found":
                raise  # the next one would meet the same
            session.screen.note(f"{agent.id}: {problem.detail}", "bold red")
            refused.append(agent.id)
    return refused


def _end_if_not_asked(session: Session, found: list[DriftRead], *, checked: bool) -> None:
    silent = [each.agent_id for each in found if each.state is DriftState.UNKNOWN]
    if checked and silent:
        session.screen.note(f"Vapi could not be asked about {', '.join(silent)}.", "bold red")
        raise typer.Exit(UNAVAILABLE)


def _table(page: DriftPage) -> RenderableType:
    if not page.items:
        return Text("No agent was compared with Vapi yet: `mission-control drift --check`.")
    made = tables.table("agent", "state", "differs in", "asked", "assistant")
    for each in page.items:
        made.add_row(
            each.agent_id, tables.state(each.state),
            Text(", ".join(field.field for field in each.fields)),
            moment(each.checked_at), each.assistant_id,
        )  # fmt: skip
    return made


def _one(found: DriftRead) -> list[RenderableType]:
    shown = tables.facts([
        ("agent", found.agent_id),
        ("assistant", found.assistant_id),
        ("state", tables.state(found.state)),
        ("asked", moment(found.checked_at)),
        *([("error", Text(found.error.detail, "red"))] if found.error else []),
        *(("note", Text(plain(warning), "yellow")) for warning in found.warnings),
        *((field.field, tables.state(field.state)) for field in found.fields),
    ])  # fmt: skip
    return [shown, *(part for field in found.fields for part in _texts(field))]


def _texts(field: DriftField) -> list[RenderableType]:
    if field.field not in TEXTS:
        return []
    name = plain(field.field)
    shown: list[RenderableType] = []
    if field.state in {DriftState.CHANGED_IN_VAPI, DriftState.BOTH}:
        shown.append(_difference(f"{name} as deployed", field.deployed, "at Vapi now", field.live))
    if field.state is not DriftState.CHANGED_IN_VAPI:
        shown.append(
            _difference(f"{name} at Vapi now", field.live, "the current version", field.here)
        )
    return shown


def _difference(before: str, old: str | None, after: str, new: str | None) -> Text:
    lines = difflib.unified_diff(
        (old or "").splitlines(), (new or "").splitlines(), before, after, lineterm=""
    )
    return tables.diff("\n" + "\n".join(lines))
