"""Calls, as a client asks for them."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from mission_control.api.calls.schemas import CallDetail, CallPage, CallTotals
from mission_control.client.requests import Requests, part
from mission_control.core.words import CallEnding, CallSource


class Calls:
    """What Vapi and Close know of each phone call: `client.calls`."""

    def __init__(self, client: Requests) -> None:
        self._client = client

    def list(
        self,
        *,
        agent_id: str | None = None,
        source: CallSource | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        ending: CallEnding | None = None,
        ended_reason: str | None = None,
        success: bool | None = None,
        min_cost: Decimal | float | None = None,
        max_cost: Decimal | float | None = None,
        lead_id: str | None = None,
        text: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> CallPage:
        """Newest first. `since` and `until` are about when the calls came to be."""
        query: dict[str, object] = {
            "agent_id": agent_id,
            "source": source,
            "from": _moment(since),
            "to": _moment(until),
            "ending": ending,
            "ended_reason": ended_reason,
            "success": None if success is None else str(success).lower(),
            "min_cost": min_cost,
            "max_cost": max_cost,
            "lead_id": lead_id,
            "text": text,
            "limit": limit,
            "cursor": cursor,
        }
        return self._client.get("/api/calls", CallPage, **query)

    def get(self, call_id: UUID | str) -> CallDetail:
        return self._client.get(f"/api/calls/{part(call_id)}", CallDetail)

    def totals(
        self,
        *,
        agent_id: str | None = None,
        source: CallSource | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> CallTotals:
        """Figures of all calls of a span, by agent and by day.

        A call that both sources keep counts twice, unless one is named.
        """
        query: dict[str, object] = {
            "agent_id": agent_id,
            "source": source,
            "from": _moment(since),
            "to": _moment(until),
        }
        return self._client.get("/api/calls/totals", CallTotals, **query)


def _moment(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None
