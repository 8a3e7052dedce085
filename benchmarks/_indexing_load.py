"""Fills a database with calls that nobody has indexed, and asks workers to index them.

Run in a process of the checkout that `contention` measures.
"""

import asyncio
import sys
from datetime import UTC, datetime, timedelta

from mission_control.api.queue import celery_app
from mission_control.api.resources import build_resources
from mission_control.core.settings import get_settings
from mission_control.core.words import CallEnding, CallSource
from mission_control.data.call_facts import CallFacts
from mission_control.data.migrate import upgrade

MESSAGES = 8
CALLS_AT_ONCE = 500
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
SPOKEN = """
AI: Good morning, this is the claims desk, how can I help you today?
User: I have moved house and want my policy {n} sent to the new address.
AI: Of course. Which street is it, and from which day on?
User: Number {n} in the long street behind the station, from the first of next month.
AI: I have noted that. Is there anything else that I can do for you?
User: No, that was all. Thank you very much, and goodbye.
""".strip()


async def fill(calls: int) -> None:
    settings = get_settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    await asyncio.to_thread(upgrade, settings.database)
    held = build_resources(settings)
    for first in range(0, calls, CALLS_AT_ONCE):
        async with held.unit_of_work() as uow:
            await uow.calls.store(
                [a_call(n) for n in range(first, first + CALLS_AT_ONCE)][: calls - first]
            )
    await held.engine.dispose()


def a_call(number: int) -> CallFacts:
    begin = BEGIN + timedelta(minutes=number)
    return CallFacts(
        source=CallSource.VAPI, external_id=f"call-{number}", document={}, created_at=begin,
        started_at=begin, ended_at=begin + timedelta(minutes=1), ending=CallEnding.CUSTOMER,
        source_updated_at=begin, transcript=SPOKEN.format(n=number),
    )  # fmt: skip


def ask_for_indexing() -> None:
    """In whichever queue that checkout has for it."""
    for _ in range(MESSAGES):
        celery_app.send_task("memory.index")


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        asyncio.run(fill(int(sys.argv[2])))
    else:
        ask_for_indexing()
