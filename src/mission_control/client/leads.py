"""Leads, as a client asks for them."""

from collections.abc import Mapping

from mission_control.api.leads.schemas import LeadDetail, LeadFieldsRead, LeadPage, LeadUpdate
from mission_control.client.requests import Requests, part


class Leads:
    """The mirror of what Close keeps: `client.leads`."""

    def __init__(self, client: Requests) -> None:
        self._client = client

    def list(
        self,
        *,
        search: str | None = None,
        status: str | None = None,
        custom: Mapping[str, str] | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> LeadPage:
        """`status` is an id or a label; `custom` is keyed by `cf_…` or by the field's name."""
        fields = {f"custom.{name}": value for name, value in (custom or {}).items()}
        query = {"search": search, "status": status, "limit": limit, "cursor": cursor, **fields}
        return self._client.get("/api/leads", LeadPage, **query)

    def get(self, lead_id: str) -> LeadDetail:
        return self._client.get(f"/api/leads/{part(lead_id)}", LeadDetail)

    def fields(self) -> LeadFieldsRead:
        """The custom fields and statuses that there are."""
        return self._client.get("/api/leads/fields", LeadFieldsRead)

    def update(self, lead_id: str, request: LeadUpdate) -> LeadDetail:
        """Write to Close, and then here. What Close refuses changes neither."""
        return self._client.put(f"/api/leads/{part(lead_id)}", request, LeadDetail)
