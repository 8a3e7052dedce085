"""What webhooks of Close have named is read again from Close, behind the webhook's back."""

from mission_control.api.mirrors.close.changes import read_again
from mission_control.api.mirrors.close.event_log import (
    apply_end,
    call_to_read,
    deleted_lead,
    lead_to_read,
)
from mission_control.api.mirrors.close.run import SyncRun
from mission_control.api.mirrors.report import unreported
from mission_control.api.queue import send_message
from mission_control.api.resources import Resources
from mission_control.core.words import RefetchKind
from mission_control.data.close_refetches import Refetch
from mission_control.integrations.close.objects import JsonObject

REFETCH = "leads.refetch"  # the task's name
MOST_AT_ONCE = 1_000


async def take_close_event(resources: Resources, event: JsonObject) -> None:
    """Note what a webhook names, and return at once.

    Events come late, twice and in any order, and hold no contacts: so what has changed is read
    again from Close. Only ends are applied as they are told.
    """
    named = {
        RefetchKind.LEAD: lead_to_read(event),
        RefetchKind.CALL: call_to_read(event),
        RefetchKind.DELETED_LEAD: deleted_lead(event),
    }
    wanted = [Refetch(kind, close_id) for kind, close_id in named.items() if close_id is not None]
    async with resources.unit_of_work() as uow:
        await apply_end(uow, event)
        if not wanted:
            return
        if not await uow.close_refetches.pending(limit=1):  # else a worker is on its way already
            uow.after_commit(lambda: send_message(REFETCH))
        await uow.close_refetches.add(wanted)


async def refetch_named(resources: Resources) -> None:
    """Read again what webhooks have named. What cannot be read now stays named."""
    async with resources.unit_of_work(readonly=True) as uow:
        pending = await uow.close_refetches.pending(limit=MOST_AT_ONCE)
    if not pending:
        return

    def named(kind: RefetchKind) -> list[str]:
        return [each.close_id for each in pending if each.kind is kind]

    sync = SyncRun(resources, unreported)
    await read_again(
        sync,
        lead_ids=named(RefetchKind.LEAD),
        call_ids=named(RefetchKind.CALL),
        gone_ids=named(RefetchKind.DELETED_LEAD),
    )
    async with sync.step() as uow:
        await uow.close_refetches.remove(pending)
    # After the commit: a webhook that saw these still pending has left that to us.
    async with resources.unit_of_work(readonly=True) as uow:
        left = await uow.close_refetches.pending(limit=1)
    if left:
        await send_message(REFETCH)
