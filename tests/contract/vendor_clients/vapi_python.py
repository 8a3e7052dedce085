"""Drives the stand-in at argv[1] with Vapi's Python SDK, and prints what it saw as JSON.

Everything in one process: the SDK takes about fifteen seconds to import.
"""

# The SDK lies in an environment of its own, so nobody here knows its types.
# pyright: basic, reportMissingImports=false

import gc
import json
import sys
import time
from datetime import UTC, datetime
from typing import Any

import httpx
from vapi import Vapi
from vapi.core.api_error import ApiError
from vapi.core.request_options import RequestOptions

ORIGIN, KEY = sys.argv[1], "key"
ONCE = RequestOptions(max_retries=0)


def plan(**fault: Any) -> None:
    httpx.post(f"{ORIGIN}/sandbox/faults", json=fault).raise_for_status()


def refusal(call: Any) -> dict[str, Any]:
    try:
        call()
    except ApiError as error:
        return {"status": error.status_code, "body": error.body}
    return {"status": 200, "body": None}


def version_of(assistant: Any) -> int:
    """As Vapi names it: `v7`."""
    return int(json.loads(assistant.json(by_alias=True))["latestVersion"].removeprefix("v"))


def every_call(vapi: Vapi, size: int) -> tuple[list[Any], int]:
    """The way to page that Vapi's lists leave open: back in time, and each call once."""
    found: dict[str, Any] = {}
    before, requests = datetime.now(UTC), 0
    while True:
        page = vapi.calls.list(limit=size, created_at_le=before)
        requests += 1
        found.update((call.id, call) for call in page)
        if len(page) < size:
            return list(found.values()), requests
        before = page[-1].created_at


def over(vapi: Vapi, call_id: str, members: list[str]) -> dict[str, Any] | None:
    """A squad's call once it has ended, by the models of the SDK; None when nobody answered."""
    while (call := vapi.calls.get(call_id)).status != "ended":
        time.sleep(0.2)
    if call.artifact is None or not call.artifact.messages:
        return None
    activated = [one.assistant_id for one in call.artifact.assistant_activations or []]
    messages = call.artifact.messages or []
    # As it came, whatever model the SDK reads a message with.
    spoke = {json.loads(one.json()).get("assistantId") for one in messages if one.role == "bot"}
    return {"activated": activated == members, "spoke": spoke in (set(members), set(members[:1]))}


def main() -> dict[str, Any]:
    gc.disable()  # the SDK makes millions of objects while it loads its models
    vapi = Vapi(base_url=ORIGIN, token=KEY)
    seen: dict[str, Any] = {}

    assistants = vapi.assistants.list(limit=10)
    seen["assistants"] = [one.name for one in assistants]
    remus = vapi.assistants.get(assistants[0].id)
    seen["provider"] = remus.model.provider
    prompt = remus.model.messages[0].content
    model = json.loads(remus.model.json(by_alias=True, exclude_unset=True))
    model["messages"][0]["content"] = f"{prompt}\nBe kind."
    changed = vapi.assistants.update(remus.id, model=model, first_message="Hello.")
    seen["updated"] = {
        "grew": changed.model.messages[0].content == f"{prompt}\nBe kind.",
        "tools_kept": changed.model.tool_ids == remus.model.tool_ids,
        "first_message": vapi.assistants.get(remus.id).first_message,
    }
    # By these an edit is told from a loss, and one that nobody saw is noticed.
    now = vapi.assistants.get(remus.id)
    versions = [version_of(each) for each in (remus, changed, now)]
    seen["counted"] = [each - versions[0] for each in versions]
    seen["same_moment"] = (now.updated_at == changed.updated_at, now.updated_at > remus.updated_at)
    made = vapi.assistants.create(name="made by the SDK")
    vapi.assistants.delete(made.id)
    seen["deleted"] = refusal(lambda: vapi.assistants.get(made.id))["status"]

    calls, requests = every_call(vapi, 20)
    seen["calls"] = {"ids": [call.id for call in calls], "requests": requests}
    seen["cost_units"] = sum(round(call.cost * 10_000) for call in calls)
    talked = next(call for call in calls if call.artifact and call.artifact.messages)
    whole = vapi.calls.get(talked.id)
    seen["call"] = {
        "same": whole.artifact.transcript == talked.artifact.transcript,
        "roles": sorted({one.role for one in whole.artifact.messages}),
        "costs": [one.type for one in whole.costs],
        "latencies": len(whole.artifact.performance_metrics.turn_latencies),
    }
    placed = vapi.calls.create(
        assistant_id=remus.id,
        phone_number_id=vapi.phone_numbers.list()[0].id,
        customer={"number": "+15550109900"},
    )
    seen["placed"] = {"status": placed.status, "type": placed.type}

    # Not every call is answered: the first that was held.
    httpx.post(f"{ORIGIN}/sandbox/live", json={"every_seconds": None, "pace": 200})
    squad = vapi.squads.create(
        name="both", members=[{"assistantId": assistants[0].id}, {"assistantId": assistants[1].id}]
    )
    number = vapi.phone_numbers.list()[0].id
    for _ in range(20):
        handed = vapi.calls.create(
            squad_id=squad.id, phone_number_id=number, customer={"number": "+15550109900"}
        )
        seen["squad"] = over(vapi, handed.id, [one.id for one in assistants[:2]])
        if seen["squad"] is not None:
            break

    chat = vapi.chats.create(assistant_id=remus.id, input="Stop calling me. I mean it.")
    seen["said"] = chat.output[0].content
    split = vapi.traffic_allocations.traffic_allocation_controller_create(
        assistant_id=remus.id,
        targets=[
            {"assistantVersion": "v7", "percentage": 90},
            {"assistantVersion": "v8", "percentage": 10},
        ],
        allocation_intent="explicit",
    )
    seen["shares"] = [one.percentage for one in split.targets]

    plan(kind="rate_limit", retry_after="1", path="/assistant")
    began = time.monotonic()
    seen["after_429"] = len(vapi.assistants.list())
    seen["waited"] = time.monotonic() - began
    plan(kind="rate_limit", path="/call")
    seen["429"] = refusal(lambda: vapi.calls.list(request_options=ONCE))
    plan(kind="status", status=500, path="/call")
    seen["500"] = refusal(lambda: vapi.calls.list(request_options=ONCE))
    plan(kind="html", path="/call")
    seen["html"] = refusal(lambda: vapi.calls.list(request_options=ONCE))["status"]
    seen["400"] = refusal(lambda: vapi.assistants.update(remus.id, name="x" * 41))
    return seen


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main()))
