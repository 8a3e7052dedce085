"""What the organisation owns besides its assistants: phone numbers, tools, and whose they are."""

from collections.abc import Mapping
from typing import Any

from mission_control_sandbox.vapi.assistants import (
    GENESIS_ID,
    ORGANIZATION_ID,
    REMUS_ID,
    SCOUT_ID,
)
from mission_control_sandbox.world.conversations import Agent

Stored = dict[str, Any]

ASSISTANT_IDS: Mapping[Agent, str] = {
    "remus": REMUS_ID,
    "genesis": GENESIS_ID,
    "scout": SCOUT_ID,
}
PHONE_NUMBER_IDS: Mapping[Agent, str] = {
    "remus": "1b6f0c52-90d4-4f7e-8c33-a2e5d7f10b11",
    "genesis": "2c7a1d63-a1e5-4a8f-9d44-b3f6e8a21c12",
    "scout": "3d8b2e74-b2f6-4b90-8e55-c4a7f9b32d13",
}


def seeded_phone_numbers() -> list[Stored]:
    """One number per assistant. REMUS's is imported from Twilio, with the secrets that go with it."""
    return [
        _owned(
            PHONE_NUMBER_IDS["remus"],
            "2026-05-04T13:40:02.118Z",
            provider="twilio",
            number="+15550107788",
            name="REMUS outbound",
            assistantId=REMUS_ID,
            status="active",
            smsEnabled=False,
            twilioAccountSid="AC00000000000000000000000000000007",
            twilioAuthToken="stand-in-twilio-token",  # a webhook carries it along
        ),
        _owned(
            PHONE_NUMBER_IDS["genesis"],
            "2026-03-18T08:20:11.450Z",
            provider="vapi",
            number="+15550104411",
            name="GENESIS sales line",
            assistantId=GENESIS_ID,
            status="active",
        ),
        _owned(
            PHONE_NUMBER_IDS["scout"],
            "2026-01-22T11:02:47.900Z",
            provider="vapi",
            number="+15550102020",
            name="SCOUT callbacks",
            assistantId=SCOUT_ID,
            status="active",
        ),
    ]


def seeded_tools() -> list[Stored]:
    """The tools that the seeded assistants name by id."""
    return [
        _function(
            "3d0a6f1b-94c7-4e52-8b1f-5a60c9e7d711",
            "2026-05-04T13:50:00.000Z",
            "add_to_do_not_call",
            "Put a phone number on the do not call list.",
        ),
        _function(
            "a8c2e945-17db-4f36-9d08-c4e1b7f26a12",
            "2026-05-04T13:51:30.000Z",
            "correct_record",
            "Mark a phone number as wrong.",
        ),
        _function(
            "77b1f0de-5c39-48aa-b6e3-0fd94c82e513",
            "2026-03-18T08:25:00.000Z",
            "lookup_dot_number",
            "Find a trucking company by its DOT number.",
        ),
    ]


def _function(tool_id: str, created_at: str, name: str, description: str) -> Stored:
    return _owned(
        tool_id,
        created_at,
        type="function",
        function={
            "name": name,
            "description": description,
            "parameters": {
                "type": "object",
                "properties": {"number": {"type": "string"}},
                "required": ["number"],
            },
        },
        server={"url": f"https://hooks.northline.example/vapi/{name.replace('_', '-')}"},
    )


def _owned(given_id: str, created_at: str, **fields: Any) -> Stored:
    head = {"id": given_id, "orgId": ORGANIZATION_ID}
    return {**head, "createdAt": created_at, "updatedAt": created_at, **fields}
