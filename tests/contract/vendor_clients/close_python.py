"""Drives the stand-in at argv[1] with Close's Python client, and prints what it saw as JSON."""

import json
import sys
import time
from typing import Any

import requests
from closeio_api import APIError, Client, ValidationError

ORIGIN = sys.argv[1]


def plan(**fault: Any) -> None:
    requests.post(f"{ORIGIN}/sandbox/faults", json=fault, timeout=10).raise_for_status()


def asked() -> int:
    return len(requests.get(f"{ORIGIN}/sandbox/requests", timeout=10).json()["requests"])


def client(key: str = "key") -> Client:
    made = Client(key, tz_offset=0.5)
    made.base_url = f"{ORIGIN}/api/v1/"
    return made


def status_of(call: Any) -> int:
    try:
        call()
    except APIError as error:
        return error.response.status_code
    return 200


def every_lead(api: Client) -> list[str]:
    """As the client's own documentation pages."""
    found: list[str] = []
    more = True
    while more:
        page = api.get("lead", params={"_limit": 200, "_skip": len(found), "_fields": "id"})
        found += [lead["id"] for lead in page["data"]]
        more = page["has_more"]
    return found


def refused(api: Client) -> dict[str, Any]:
    try:
        api.get("lead", params={"_limit": 201})
    except ValidationError as error:
        return error.field_errors
    return {}


def limited(api: Client, **fault: Any) -> dict[str, Any]:
    plan(kind="rate_limit", path="/api/v1/me/", **fault)
    before, began = asked(), time.monotonic()
    answer = api.get("me")
    return {"id": answer["id"], "tries": asked() - before, "slept": time.monotonic() - began}


def main() -> None:
    api = client()
    ids = every_lead(api)
    lead = api.get(f"lead/{ids[0]}")
    made = api.post("lead", {"name": "Made by the client", "contacts": [{"name": "Somebody"}]})
    changed = api.put(f"lead/{made['id']}", {"status": "Quoted"})
    calls = api.get("activity/call", params={"_limit": 100})
    search = api.post("data/search", {"query": {"type": "object_type", "object_type": "lead"}})
    deleted = api.delete(f"lead/{made['id']}")
    seen = {
        "me": api.get("me")["email"],
        "leads": len(set(ids)),
        "total": api.get("lead", params={"_limit": 0})["total_results"],
        "lead": lead["id"] == ids[0],
        "contacts": [one["name"] for one in made["contacts"]],
        "changed": changed["status_label"],
        "calls": len(calls["data"]),
        "more_calls": calls["has_more"],
        "statuses": len(api.get("status/lead")["data"]),
        "events": len(api.get("event")["data"]),
        "search": len(search["data"]),
        "deleted": deleted,
        "gone": status_of(lambda: api.get(f"lead/{made['id']}")),
        "refused": refused(api),
        "unauthorized": status_of(lambda: client("wrong").get("me")),
        "limited": limited(api, headers={"RateLimit": "limit=160, remaining=0, reset=1"}, times=1),
        "limited_silently": limited(api, retry_after="0", times=2),
    }
    plan(kind="status", status=500, path="/api/v1/me/")
    seen["failed"] = status_of(lambda: api.get("me"))
    sys.stdout.write(json.dumps(seen))


main()
