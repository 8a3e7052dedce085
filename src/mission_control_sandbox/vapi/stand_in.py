"""The whole stand-in without HTTP: every part of it, and what of it outlives the process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from mission_control.core.clock import utc_now
from mission_control_sandbox.server import Observed
from mission_control_sandbox.vapi.assistants import Assistant
from mission_control_sandbox.vapi.calls import Calls
from mission_control_sandbox.vapi.chats import Chats
from mission_control_sandbox.vapi.exchange import Exchange
from mission_control_sandbox.vapi.organization import seeded_phone_numbers, seeded_tools
from mission_control_sandbox.vapi.placing import stored_placements
from mission_control_sandbox.vapi.records import Records
from mission_control_sandbox.vapi.storage import Storage
from mission_control_sandbox.vapi.store import Assistants
from mission_control_sandbox.vapi.traffic import TrafficAllocations
from mission_control_sandbox.vapi.webhooks import Webhooks

TOOLS = {
    "apiRequest": "CreateApiRequestToolDTO",
    "bash": "CreateBashToolDTO",
    "code": "CreateCodeToolDTO",
    "computer": "CreateComputerToolDTO",
    "dtmf": "CreateDtmfToolDTO",
    "endCall": "CreateEndCallToolDTO",
    "function": "CreateFunctionToolDTO",
    "handoff": "CreateHandoffToolDTO",
    "mcp": "CreateMcpToolDTO",
    "query": "CreateQueryToolDTO",
    "sms": "CreateSmsToolDTO",
    "textEditor": "CreateTextEditorToolDTO",
    "transferCall": "CreateTransferCallToolDTO",
}
PHONE_NUMBERS = {
    "byo-phone-number": "CreateByoPhoneNumberDTO",
    "twilio": "CreateTwilioPhoneNumberDTO",
    "vonage": "CreateVonagePhoneNumberDTO",
    "vapi": "CreateVapiPhoneNumberDTO",
    "telnyx": "CreateTelnyxPhoneNumberDTO",
}
# Read by whoever copies an organisation; what is in them is not checked.
COLLECTIONS = {
    "squad": "Squad",
    "file": "File",
    "credential": "Credential",
    "structured-output": "Structured Output",
    "eval": "Eval",
    "eval/simulation": "Simulation",
    "eval/simulation/personality": "Personality",
    "eval/simulation/scenario": "Scenario",
    "eval/simulation/suite": "Simulation Suite",
}


@dataclass
class StandIn(Observed):
    assistants: Assistants
    calls: Calls
    records: Mapping[str, Records]
    traffic: TrafficAllocations
    chats: Chats
    exchange: Exchange
    storage: Storage
    api_key: str | None = None

    @property
    def webhooks(self) -> Webhooks:
        return self.exchange.webhooks

    def reset(self) -> None:
        self.exchange.stop()
        self.webhooks.reset()
        self.assistants.reset()
        self.calls.reset()
        self.chats.reset()
        self.traffic.made.clear()
        for records in self.records.values():
            records.reset()
        self.forget_requests()
        self.storage.save()


def build(
    seeds: Sequence[Assistant],
    *,
    data_file: Path | None,
    whitelist: bool,
    people: int,
    today: date | None,
    webhooks: Webhooks,
    pace: float,
    api_key: str | None,
) -> StandIn:
    """Raises VapiStandInError for a data file that is not this stand-in's."""
    storage = Storage(data_file)
    stored = storage.load()
    save = storage.save
    try:
        # A world that moved with the clock would be another one every day.
        anchor = today or date.fromisoformat(stored.get("today", utc_now().date().isoformat()))
        there = {one["id"]: one for one in stored.get("assistants", [])}
        assistants = Assistants(seeds, save, whitelist)
        if stored:
            assistants.by_id = there
        calls = _calls(anchor, people, storage, stored.get("calls", {}))
        records = _records(storage, stored.get("records", {}))
        traffic = TrafficAllocations(assistants, save, stored.get("traffic", []))
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise storage.not_ours() from exc
    stand_in = StandIn(
        assistants,
        calls,
        records,
        traffic,
        Chats(assistants, whitelist=whitelist),
        Exchange(calls, assistants, records["phone-number"], records["squad"], webhooks, pace),
        storage,
        api_key,
    )
    _keep(stand_in, anchor)
    if not stored.get("today"):
        storage.save()
    return stand_in


def _calls(today: date, people: int, storage: Storage, stored: Mapping[str, Any]) -> Calls:
    placed = {one.id: one for one in stored_placements(stored.get("placed", []))}
    names, deleted = dict(stored.get("names", {})), set(stored.get("deleted", []))
    prompts = dict(stored.get("prompts", {}))
    return Calls(today, people, storage.save, placed, prompts, names, deleted)


def _records(storage: Storage, stored: Mapping[str, Any]) -> dict[str, Records]:
    save = storage.save
    records = {
        "phone-number": Records(
            "Phone Number", save, seeded_phone_numbers(), tag="provider", schemas=PHONE_NUMBERS
        ),
        "tool": Records("Tool", save, seeded_tools(), tag="type", schemas=TOOLS),
        **{name: Records(kind, save) for name, kind in COLLECTIONS.items()},
    }
    for name, found in stored.items():
        records[name].load(found)
    return records


def _keep(stand_in: StandIn, today: date) -> None:
    keep, calls = stand_in.storage.keep, stand_in.calls
    keep("today", today.isoformat)
    keep("assistants", lambda: list(stand_in.assistants.by_id.values()))
    keep(
        "calls",
        lambda: {
            "placed": [one.stored() for one in calls.placed.values()],
            "prompts": calls.prompts,
            "names": calls.names,
            "deleted": sorted(calls.deleted),
        },
    )
    keep("records", lambda: {name: one.all() for name, one in stand_in.records.items()})
    keep("traffic", lambda: stand_in.traffic.made)
