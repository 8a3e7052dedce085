"""Calls as Vapi tells of them and leads as Close keeps them, stored as a sync stores them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from mission_control.api.mirrors.vapi.recording import facts_of
from mission_control.core.clock import utc_now
from mission_control.core.words import CallSource
from mission_control.data.calls import CallFacts
from mission_control.data.leads import LeadFacts, LeadField
from mission_control.data.unit_of_work import UnitOfWork

NUMBER = "+15125550142"
ASSISTANT = "a-1"


def a_vapi_call(**changes: Any) -> dict[str, Any]:
    """A call of agent `ada` that ended well, two hours ago."""
    began = utc_now() - timedelta(hours=2)
    start = int(began.timestamp() * 1_000)
    return {
        "id": str(uuid4()),
        "orgId": "org",
        "type": "outboundPhoneCall",
        "assistantId": ASSISTANT,
        "status": "ended",
        "createdAt": began.isoformat(),
        "updatedAt": (began + timedelta(minutes=5)).isoformat(),
        "startedAt": began.isoformat(),
        "endedAt": (began + timedelta(seconds=125)).isoformat(),
        "endedReason": "customer-ended-call",
        "cost": 0.21,
        "costBreakdown": {"llm": 0.05, "tts": 0.06, "vapi": 0.1, "total": 0.21},
        "customer": {"number": NUMBER, "name": "Ines"},
        "analysis": {"summary": "Ines wants a quote.", "successEvaluation": "true"},
        "artifact": {
            "transcript": "AI: Hello.\nUser: <b>Hi</b>",
            "messages": [
                {"role": "bot", "message": "Hello.", "time": start, "secondsFromStart": 0.4},
                {
                    "role": "user",
                    "message": "<b>Hi</b>",
                    "time": start + 2_000,
                    "endTime": start + 3_000,
                    "secondsFromStart": 2,
                },
                {
                    "role": "bot",
                    "message": "How can I help?",
                    "time": start + 5_500,
                    "secondsFromStart": 5.5,
                },
            ],
        },
        **changes,
    }


def call_facts(**changes: Any) -> CallFacts:
    facts = facts_of(a_vapi_call(**changes), {ASSISTANT: "ada"})
    assert facts is not None
    return facts


async def a_call(uow: UnitOfWork, **changes: Any) -> UUID:
    """Store one call; its id here."""
    (recorded,) = await uow.calls.record([call_facts(**changes)])
    return recorded.id


def close_call(lead_id: str, **changes: Any) -> CallFacts:
    began = changes.pop("began", utc_now() - timedelta(hours=2))
    columns: dict[str, Any] = {
        "source": CallSource.CLOSE,
        "external_id": f"acti_{uuid4().hex}",
        "created_at": began,
        "started_at": began,
        "document": {},
        "lead_id": lead_id,
        "customer_number": NUMBER,
        "direction": "outbound",
        "duration_seconds": 120.0,
        **changes,
    }
    return CallFacts(**columns)


def fields() -> list[LeadField]:
    roof = LeadField(
        id="cf_roof", name="Roof type", type="choices", choices=["Flat", "Gable"], position=0
    )
    wants = LeadField(
        id="cf_wants",
        name="Interests",
        type="choices",
        choices=["Repair", "Plan", "Survey"],
        accepts_multiple=True,
        position=1,
    )
    return [roof, wants]


async def a_lead(uow: UnitOfWork, lead_id: str = "lead_1", **changes: Any) -> str:
    """Store one lead, with what its fields mean."""
    at = datetime(2026, 5, 1, 12, tzinfo=UTC)
    name = changes.pop("name", "Calloway Farms")
    custom: dict[str, Any] = {"cf_roof": "Flat", "cf_wants": ["Repair"]}
    columns: dict[str, Any] = {
        "id": lead_id,
        "created_at": at,
        "updated_at": at,
        "name": name,
        "status_id": "stat_1",
        "status_label": "Qualified",
        "phones": [NUMBER],
        "primary_email": "ines@calloway.test",
        "search_text": f"{name} {NUMBER} ines@calloway.test".lower(),
        "custom": custom,
        "document": {
            "id": lead_id,
            "name": name,
            "description": "On the hill",
            "contacts": [
                {
                    "id": "cont_1",
                    "name": "Ines Calloway",
                    "phones": [{"phone": NUMBER}],
                    "emails": [{"email": "ines@calloway.test"}],
                }
            ],
            **{f"custom.{key}": value for key, value in custom.items()},
        },
        **changes,
    }
    await uow.leads.store([LeadFacts(**columns)], seen_at=utc_now())
    return lead_id
