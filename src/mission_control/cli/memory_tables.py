"""What is remembered, for a terminal; and trying every memory server out."""

import asyncio
from collections.abc import Iterable
from dataclasses import asdict

import typer
from rich.console import RenderableType
from rich.text import Text

from mission_control.api.memory.schemas import SearchRead, ServerTold, TemporalRead, WrittenRead
from mission_control.api.resources import build_resources
from mission_control.cli import tables
from mission_control.cli.formats import NOT_MEASURED, harmless, milliseconds, moment
from mission_control.cli.session import FAILED, Screen, Session, reporting
from mission_control.core.logging import configure_logging
from mission_control.core.settings import Settings, get_settings
from mission_control.integrations.memory.items import CheckedOperation, CheckedServer

OUTCOMES = {True: "ok", False: "failed", None: "not tried"}
STYLES = {True: "green", False: "red", None: "dim"}


# ------------------------------------------------------------------ what is remembered


def memories(found: TemporalRead) -> RenderableType:
    if not found.items:
        return Text("Nothing is remembered. Add something with `mission-control memory add`.")
    made = tables.table("since", "kind", "tier", "agent", "what", "at")
    for each in found.items:
        age = " (stale)" if each.stale else ""
        made.add_row(
            moment(each.valid_from or each.recorded_at), each.kind or NOT_MEASURED,
            str(each.tier or NOT_MEASURED), Text(harmless(each.agent or "all")),
            Text(harmless(each.content)),
            Text(harmless(f"{each.ref}{age}")),
        )  # fmt: skip
    return made


def hits(found: SearchRead) -> RenderableType:
    if not found.hits:
        return Text("Nothing was found.")
    made = tables.table("when", "what", "found at")
    for hit in found.hits:
        memory, conversation = hit.memory, hit.conversation
        at = (memory.valid_from or memory.recorded_at) if memory else None
        at = conversation.at if conversation else at
        said = conversation.text if conversation else memory.content if memory else ""
        stale = (conversation or memory) is not None and (
            conversation.stale if conversation else bool(memory and memory.stale)
        )
        places = ", ".join(f"{each.server} #{each.rank}" for each in hit.found)
        age = " (stale)" if stale else ""
        made.add_row(moment(at), Text(harmless(said)), Text(harmless(f"{places}{age}")))
    return made


def written(found: WrittenRead) -> RenderableType:
    at = harmless(f" as {found.id}") if found.id else ""
    return Text(f"Remembered at {found.server}{at}.")


def note_silent(session: Session, servers: Iterable[ServerTold]) -> None:
    """A server that said nothing is never taken for one that has nothing."""
    for each in servers:
        if each.error is None:
            continue
        known = f"shown is what it held {moment(each.stale_since)}" if each.stale_since else "nothing of it is shown"  # fmt: skip
        session.screen.note(f"{each.server}: {each.error.detail} ({known})", "yellow")


# ------------------------------------------------------------------ trying the servers out


def check_servers(*, as_json: bool) -> None:
    """Print a table of what works. Raises typer.Exit with 1 when something does not."""
    configure_logging("error")  # what goes wrong is in the table
    screen = Screen(as_json=as_json)
    with reporting(screen):
        checked = asyncio.run(_check(get_settings()))
        screen.answer({"servers": [asdict(each) for each in checked]}, *_tables(checked))
        if not all(map(_is_well, checked)):
            raise typer.Exit(FAILED)


async def _check(settings: Settings) -> tuple[CheckedServer, ...]:
    resources = build_resources(settings)
    try:
        return await resources.memory.check_servers()
    finally:
        await resources.aclose()


def _is_well(checked: CheckedServer) -> bool:
    works = all(each.works is not False for each in checked.operations)
    return checked.state.status == "connected" and works


def _tables(checked: Iterable[CheckedServer]) -> list[RenderableType]:
    servers = tables.table("server", "role", "over", "state", "tools", "why")
    operations = tables.table("server", "operation", "tool", "works", "items", "took", "why")
    for each in checked:
        state = each.state
        style = "green" if state.status == "connected" else "red"
        servers.add_row(
            state.name, state.role, state.transport, Text(state.status, style),
            str(len(state.tools)), Text(state.reason or ""),
        )  # fmt: skip
        for operation in each.operations:
            operations.add_row(*_row(operation))
    return [servers, Text(), operations]


def _row(operation: CheckedOperation) -> tuple[RenderableType, ...]:
    return (
        operation.server,
        operation.operation,
        operation.tool or NOT_MEASURED,
        Text(OUTCOMES[operation.works], STYLES[operation.works]),
        NOT_MEASURED if operation.count is None else str(operation.count),
        milliseconds(operation.duration_ms),
        Text(operation.why or ""),
    )
