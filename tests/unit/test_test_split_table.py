"""The ledger of the test split, as the command line shows it."""

from datetime import UTC, datetime
from uuid import uuid4

from rich.console import Console

from mission_control.api.test_split.schemas import ReadingRead, SplitRead
from mission_control.cli import tables
from mission_control.core.words import ReadingKind


def test_says_what_the_next_comparison_needs_and_what_was_never_read() -> None:
    reading = ReadingRead(
        number=2,
        kind=ReadingKind.COMPARISON,
        job_id=uuid4(),
        edited_version=None,
        counted_at=datetime(2026, 11, 28, tzinfo=UTC),
    )
    found = SplitRead(
        agent_id="remus",
        version=4,
        readings=2,
        next_reading=3,
        next_level=0.05 / 12,
        uncounted_evaluations=1,
        scenarios=10,
        questions=8,
        never_read=["price"],
        leaked=["time"],
        copies=[["claim", "claim_again"]],
        same_questions=[],
        history=[reading],
    )
    console = Console(width=120, record=True, force_terminal=False)
    console.print(tables.test_split(found))
    shown = console.export_text()
    assert "reading 3, which needs p < 0.0042" in shown
    assert "1 of 8 questions: price" in shown
    assert "claim, claim_again" in shown
    assert "time" in shown
