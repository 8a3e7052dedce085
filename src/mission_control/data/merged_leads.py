"""Which leads have become part of which: calls go on naming the lead that they were made for."""

from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncSession

from mission_control.data.sync_states import SyncState, SyncStateRepository

NAME = "close.merged"
MOST = 2_000  # a call that is reported long after an earlier merge keeps the old id


async def note_merged(session: AsyncSession, source_id: str, destination_id: str) -> str:
    """Remember it. Returns the lead that both are by now: merges are told late and in any order."""
    state = await SyncStateRepository(session).of(NAME)
    into: dict[str, str] = dict(state.position.get("into", []))
    now = into.get(destination_id, destination_id)
    if now == source_id:  # a merge and its reverse: one of them is no news
        return now
    into = {one: now if other == source_id else other for one, other in into.items()}
    into[source_id] = now
    # A list: JSON on PostgreSQL does not keep the order of keys.
    state.position = {"into": [*into.items()][-MOST:]}
    return now


async def merged_into(session: AsyncSession, lead_ids: Collection[str]) -> dict[str, str]:
    """For those of these leads that became part of another one: its id."""
    state = await session.get(SyncState, NAME) if lead_ids else None
    pairs: list[list[str]] = state.position.get("into", []) if state is not None else []
    return {one: other for one, other in pairs if one in lead_ids}
