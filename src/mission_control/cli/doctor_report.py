"""What the doctor found, a line each."""

import asyncio
from dataclasses import asdict

import typer
from rich.table import Table
from rich.text import Text

from mission_control.cli import tables
from mission_control.cli.session import FAILED, Screen
from mission_control.core.logging import configure_logging
from mission_control.core.settings import get_settings
from mission_control.supervisor.doctor import Finding, examine

MARKS = {"ok": "✓", "warning": "!", "problem": "✗"}


def examine_all(screen: Screen) -> None:
    """Exit code 1 when there is a problem; a warning is none."""
    configure_logging("warning")
    findings = asyncio.run(examine(get_settings()))
    problems = [finding for finding in findings if finding.state == "problem"]
    document = {
        "state": "problem" if problems else "ok",
        "findings": [asdict(finding) for finding in findings],
    }
    screen.answer(document, _table(findings))
    if problems:
        names = ", ".join(finding.name for finding in problems)
        screen.note(f"Not right: {names}.", "bold red")
        raise typer.Exit(FAILED)


def _table(findings: list[Finding]) -> Table:
    made = tables.table("", "", "found", "what to do")
    for finding in findings:
        style = tables.STATE_STYLES[finding.state]
        sentence = f"{finding.sentence}{'  STAND-IN' if finding.stand_in else ''}"
        made.add_row(
            Text(MARKS[finding.state], style), finding.name, Text(sentence), Text(finding.to_do)
        )
    return made
