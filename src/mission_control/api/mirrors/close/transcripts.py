"""Transcripts that Close has not made yet: asked for again as the call grows older."""

from collections.abc import Sequence
from datetime import timedelta

from mission_control.core.clock import utc_now
from mission_control.data.pending_transcripts import PendingTranscript
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.close.objects import CloseCall, JsonObject

# Nothing says when a transcript is there, so it is asked for at these ages of the call.
ASKED_AT_AGES = tuple(timedelta(minutes=each) for each in (5, 15, 60, 240, 720, 1440))


async def await_transcripts(uow: UnitOfWork, calls: Sequence[CloseCall]) -> None:
    """Remember to ask again for those that may yet be transcribed."""
    since = utc_now() - ASKED_AT_AGES[-1]
    await uow.pending_transcripts.add(
        {
            call.id: call.created_at
            for call in calls
            if call.wants_transcript and call.transcript is None and call.created_at >= since
        }
    )


async def due_transcripts(uow: UnitOfWork) -> list[str]:
    """Calls to ask for once more; each of them has been counted as asked."""
    due: list[str] = []
    for pending in await uow.pending_transcripts.locked():
        ages_passed = _ages_passed(pending)
        if ages_passed > pending.times_asked:
            due.append(pending.call_id)
        pending.times_asked = ages_passed
    await uow.pending_transcripts.remove_asked(len(ASKED_AT_AGES))
    return due


def _ages_passed(pending: PendingTranscript) -> int:
    age = utc_now() - pending.call_created_at
    return sum(age >= each for each in ASKED_AT_AGES)


async def stop_waiting(uow: UnitOfWork, calls: Sequence[JsonObject]) -> None:
    """What was said in these is known."""
    await uow.pending_transcripts.remove(
        [call.id for call in map(CloseCall.of, calls) if call.transcript is not None]
    )
