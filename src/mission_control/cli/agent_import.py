"""Reads what is given from outside, and imports it."""

import sys
from pathlib import Path

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mission_control.api.agent_import.schemas import ImportCandidates
from mission_control.cli import tables
from mission_control.cli.session import FAILED, CommandError, Session
from mission_control.client.errors import ApiProblemError
from mission_control.core.safe_yaml import MAX_BYTES
from mission_control.core.words import AgentType


def read(file: str) -> str:
    """The text of a file, or of standard input for `-`. Raises CommandError."""
    try:
        if file == "-":
            return sys.stdin.read()
        if (size := Path(file).stat().st_size) > MAX_BYTES:
            raise CommandError(
                f"{file} is {size} bytes; a playbook may have {MAX_BYTES}. Nothing was sent."
            )
        return Path(file).read_text(encoding="utf-8")
    except OSError as exc:
        raise CommandError(f"{file} cannot be read: {exc.strerror}. Nothing was sent.") from None
    except UnicodeDecodeError:
        raise CommandError(f"{file} is not UTF-8 text. Nothing was sent.") from None


def import_one(
    session: Session,
    *,
    file: str | None,
    marketplace: str | None,
    agent_type: AgentType | None,
    vapi_assistant: str | None,
) -> None:
    detail = session.client.agents.import_(
        read(file) if file is not None else None,
        marketplace=marketplace,
        type=agent_type,
        vapi_assistant_id=vapi_assistant,
    )
    session.screen.answer(detail, *tables.agent(detail))


def import_assistant(
    session: Session, assistant_id: str, *, name: str | None, agent_id: str | None
) -> None:
    """Make an agent of an assistant at Vapi, and say what is left to do with it."""
    detail = session.client.agents.import_assistant(assistant_id, name=name, agent_id=agent_id)
    session.screen.answer(detail, *tables.agent(detail))
    session.screen.note("Nothing was changed at Vapi.")


def candidates(found: ImportCandidates) -> RenderableType:
    if not found.items:
        return Text("There is no assistant at Vapi.")
    made = tables.table(
        "assistant", "name", "model", "here as", "cannot be imported", "stays at Vapi"
    )
    for each in found.items:
        model = " ".join(part for part in (each.provider, each.model) if part)
        here = each.agent_id or ("" if each.refusal else f"({each.proposed_id})")
        made.add_row(
            each.vapi_assistant_id, Text(each.name or ""), Text(model), here,
            Text(each.refusal or ""), Text(", ".join(left.what for left in each.left_at_vapi)),
        )  # fmt: skip
    return Group(made, Text("In brackets: the id that its agent would get.", "dim"))


def import_all(session: Session, *, agent_type: AgentType | None) -> None:
    """Import whatever can be, and say of each what became of it.

    Exit code 1 when some were refused; those that are there already do not count.
    """
    outcomes: list[dict[str, str | None]] = []
    names = session.client.agents.marketplace().names
    for number, name in enumerate(names, start=1):
        outcome = _import_named(session, name, agent_type)
        outcomes.append(outcome)
        session.screen.note(f"{number}/{len(names)} {name}: {outcome['outcome']}")
    session.screen.answer({"items": outcomes}, _outcome_table(outcomes))
    refused = sum(outcome["outcome"] == "refused" for outcome in outcomes)
    if refused:
        session.screen.note(f"{refused} of {len(names)} were refused; the others are imported.")
        raise typer.Exit(FAILED)


def _import_named(
    session: Session, name: str, agent_type: AgentType | None
) -> dict[str, str | None]:
    try:
        agent = session.client.agents.import_(marketplace=name, type=agent_type)
    except ApiProblemError as problem:
        outcome = "there already" if problem.code == "agent_exists" else "refused"
        found = problem.fields.get("agent_id")
        return {"name": name, "outcome": outcome, "agent_id": found, "reason": problem.detail}
    return {"name": name, "outcome": "imported", "agent_id": agent.id, "reason": None}


def _outcome_table(outcomes: list[dict[str, str | None]]) -> Table:
    styles = {"imported": "green", "there already": "dim", "refused": "red"}
    made = tables.table("playbook", "outcome", "agent", "why")
    for each in outcomes:
        outcome = str(each["outcome"])
        reason = each["reason"] if outcome == "refused" else None
        made.add_row(
            each["name"], Text(outcome, styles[outcome]), each["agent_id"] or "", Text(reason or "")
        )
    return made


def versions_to_compare(
    session: Session, agent_id: str, before: int | None, after: int | None
) -> tuple[int, int]:
    """Left out: the newest version, against the one it was made from."""
    newest = session.client.agents.versions(agent_id, limit=1).items[0]
    second = after or newest.number
    if before is not None:
        return before, second
    parent = session.client.agents.version(agent_id, second).parent
    if parent is None:
        raise CommandError(f"Version {second} is the first one; there is nothing before it.")
    return parent, second
