"""What an event of Close's log or webhook means for the mirror: what to read again, what is gone."""

from mission_control.core.words import CallSource
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.close.objects import JsonObject


async def apply_end(uow: UnitOfWork, event: JsonObject) -> bool:
    """Do what a `deleted` or `merged` event says. False: it is neither, or of nothing kept here."""
    subject, action = event.get("object_type"), event.get("action")
    object_id = event.get("object_id")
    if not isinstance(object_id, str):
        return False
    match subject, action:
        case "lead", "deleted":
            return await uow.leads.remove([object_id]) > 0
        case "lead", "merged":
            source, destination = _merged(event, object_id)
            return source is not None and await uow.leads.merge(source, destination) > 0
        case "activity.call", "deleted":
            return await uow.calls.delete(CallSource.CLOSE, [object_id]) > 0
        case _:
            return False


def deleted_lead(event: JsonObject) -> str | None:
    """The lead that this event says is no more; its calls have to be looked after."""
    object_id = event.get("object_id")
    is_end = event.get("object_type") == "lead" and event.get("action") == "deleted"
    return object_id if is_end and isinstance(object_id, str) else None


def _merged(event: JsonObject, object_id: str) -> tuple[str | None, str]:
    """Which lead went, and into which one."""
    meta = event.get("meta")
    ids = meta if isinstance(meta, dict) else {}
    source, destination = ids.get("merge_source_lead_id"), ids.get("merge_destination_lead_id")
    into = destination if isinstance(destination, str) else object_id
    return (source if isinstance(source, str) and source != into else None), into


def lead_to_read(event: JsonObject) -> str | None:
    """The lead that has changed by this, in its own fields or in what it embeds."""
    if event.get("object_type") not in {"lead", "contact", "opportunity", "task.lead"}:
        return None
    if event.get("object_type") == "lead" and event.get("action") == "deleted":
        return None
    lead_id = event.get("lead_id") or event.get("object_id")
    if event.get("action") == "merged":
        return _merged(event, str(event.get("object_id")))[1]
    return lead_id if isinstance(lead_id, str) and lead_id else None


def call_to_read(event: JsonObject) -> str | None:
    object_id = event.get("object_id")
    is_call = event.get("object_type") == "activity.call" and event.get("action") != "deleted"
    return object_id if is_call and isinstance(object_id, str) else None
