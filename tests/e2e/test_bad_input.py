"""What a client may get wrong: refused as a problem document that says what to do, nothing changed."""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.builders import a_playbook, a_scenario
from tests.e2e.harness import Api

AGENT = "guarded"
PLAYBOOK = a_playbook("never_stored")
PYTHON_TAG = "metadata: !!python/object/apply:os.system ['touch /tmp/owned']\n"
LAUGHS = (
    "a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
    + PLAYBOOK
)
TWICE = a_playbook("never_stored", scenarios=[a_scenario("same"), a_scenario("same")])
FIVE_MEGABYTES = PLAYBOOK + "#" + "x" * (5 << 20)


@dataclass(frozen=True)
class Bad:
    """A request, and how it must be refused. `says` is in the detail or in the field errors."""

    path: str
    status: int
    code: str
    says: str = ""
    body: Any = None
    method: str = "POST"
    raw: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])


def a_bad_playbook(text: str, says: str = "", code: str = "playbook_invalid") -> Bad:
    return Bad("agents", 422, code, says, {"playbook": text})


def a_bad_search(says: str, **body: Any) -> Bad:
    return Bad(f"optimize/{AGENT}", 422, "invalid_payload", says, body)


NOT_A_NUMBER = b'{"max_cost_usd": NaN}'
BAD = {
    # playbooks
    "broken YAML": a_bad_playbook("metadata: [unclosed"),
    "not a mapping": a_bad_playbook("- just\n- a list\n"),
    "python tag": a_bad_playbook(PYTHON_TAG + PLAYBOOK),
    "billion laughs": a_bad_playbook(LAUGHS),
    "scenario id twice": a_bad_playbook(TWICE, "Another scenario has this name"),
    "five megabytes": a_bad_playbook(FIVE_MEGABYTES),
    "empty playbook": a_bad_playbook(""),
    "no playbook at all": Bad("agents", 422, "invalid_payload", "marketplace", {}),
    "agent that exists": Bad(
        "agents", 409, "agent_exists", "another name", {"playbook": a_playbook(AGENT)}
    ),
    "another agent's playbook": Bad(
        f"agents/{AGENT}", 422, "agent_id_changed", AGENT, {"playbook": PLAYBOOK}, "PUT"
    ),
    # optimizations
    "unknown optimizer": a_bad_search("optimizer", optimizer="MAGIC"),
    "negative budget": a_bad_search("max_cost_usd", max_cost_usd=-1),
    "no budget at all": a_bad_search("max_metric_calls", max_metric_calls=0),
    "infinite budget": a_bad_search("max_cost_usd", max_cost_usd="Infinity"),
    "budget that is no number": Bad(f"optimize/{AGENT}", 400, "malformed", "NaN", raw=NOT_A_NUMBER),
    "model that is no name": a_bad_search("model", model="../../etc/passwd\n"),
    "unknown field": a_bad_search("budget_usd", budget_usd=1),
    # evaluations
    "unknown scenario": Bad(
        f"evaluate/{AGENT}", 422, "unknown_scenarios", "nope", {"scenario_ids": ["nope"]}
    ),
    "no repetitions": Bad(f"evaluate/{AGENT}", 422, "invalid_payload", "repetitions", {"repetitions": 0}),
    "version that is not there": Bad(f"evaluate/{AGENT}", 404, "not_found", body={"version": 99}),
    # deployments
    "deploy without a candidate": Bad(f"optimize/{AGENT}/deploy", 409, "no_candidate", "Optimize", {}),
    "deploy what was not proven": Bad(
        f"optimize/{AGENT}/deploy", 409, "not_shown_better", "force", {"version": 1}
    ),
    "roll back nothing": Bad(f"optimize/{AGENT}/rollback", 409, "nothing_to_roll_back", body={}),
    # agents that are not there
    "evaluate nobody": Bad("evaluate/nobody", 404, "not_found", body={}),
    "optimize nobody": Bad("optimize/nobody", 404, "not_found", body={}),
    "delete nobody": Bad("agents/nobody", 404, "not_found", method="DELETE"),
    "agent id that cannot be": Bad("agents/..%2f..%2fetc", 404, "not_found", method="GET"),
    "agent id in capitals": Bad("agents/REMUS", 422, "invalid_payload", "agent_id", method="GET"),
    # the wire
    "malformed JSON": Bad(f"evaluate/{AGENT}", 400, "malformed", raw=b'{"version": '),
    "body that is no text": Bad(f"evaluate/{AGENT}", 400, "malformed", raw=b"\xff\xfe\xfa"),
    "compressed JSON": Bad(
        f"evaluate/{AGENT}", 400, "malformed", raw=gzip.compress(b"{}"),
        headers={"content-encoding": "gzip"},
    ),
    "nested without end": Bad(f"evaluate/{AGENT}", 400, "malformed", raw=b"[" * 100_000),
    "nested deeply": Bad(f"evaluate/{AGENT}", 400, "malformed", "levels", raw=b"[" * 500 + b"]" * 500),
    "a key twice": Bad(
        f"optimize/{AGENT}/deploy", 400, "json_key_repeated", "force",
        raw=b'{"force": false, "force": true}',
    ),
    "half a character": Bad("memory/search", 422, "text_not_unicode", raw=b'{"query": "\\ud83d"}'),
    "number beyond all": Bad(f"optimize/{AGENT}", 422, "number_too_large", raw=b'{"seed": 1e400}'),
    "integer of 5,000 digits": Bad(
        f"optimize/{AGENT}", 400, "malformed", raw=b'{"seed": ' + b"9" * 5_000 + b"}"
    ),
    "ten megabytes": Bad(f"evaluate/{AGENT}", 413, "content_too_large", raw=b" " * (10 << 20)),
    "wrong content type": Bad(
        f"evaluate/{AGENT}", 415, "unsupported_media_type", "application/json", raw=b"{}",
        headers={"content-type": "text/plain"},
    ),
    "content type that looks like it": Bad(
        f"evaluate/{AGENT}", 415, "unsupported_media_type", raw=b"{}",
        headers={"content-type": "application/jsonx"},
    ),
    "no content type": Bad(
        f"evaluate/{AGENT}", 415, "unsupported_media_type", raw=b"{}", headers={"content-type": ""}
    ),
    "form": Bad(
        f"evaluate/{AGENT}", 415, "unsupported_media_type", raw=b"version=1",
        headers={"content-type": "application/x-www-form-urlencoded"},
    ),
    # values of another type
    "number for a truth": Bad(
        f"optimize/{AGENT}/deploy", 422, "invalid_payload", "force", {"force": 0}
    ),
    "text for a truth": Bad(
        f"optimize/{AGENT}/deploy", 422, "invalid_payload", "force", {"force": "yes"}
    ),
    "truth for a number": Bad(
        f"evaluate/{AGENT}", 422, "invalid_payload", "repetitions", {"repetitions": True}
    ),
    "text for a number": Bad(
        f"evaluate/{AGENT}", 422, "invalid_payload", "repetitions", {"repetitions": "2"}
    ),
    "number for a time": Bad("calls?to=0.5", 422, "invalid_payload", "offset", method="GET"),
    "time without an offset": Bad(
        "calls?from=2026-11-01T00:00:00", 422, "invalid_payload", "offset", method="GET"
    ),
    "number for a day": Bad(
        "memory/temporal?as_of=1700000000", 422, "invalid_payload", "as_of", method="GET"
    ),
    "word for a truth in an address": Bad(
        "calls?success=yes", 422, "invalid_payload", "true", method="GET"
    ),
    "number with an underscore": Bad("agents?limit=1_0", 422, "invalid_payload", "digits", method="GET"),
    # addresses
    "parameter with a slip": Bad(
        "calls?agnt_id=remus", 422, "query_parameter_unknown", "agent_id", method="GET"
    ),
    "parameter that nothing is like": Bad(
        "jobs?zzz=1", 422, "query_parameter_unknown", "no such parameter", method="GET"
    ),
    "parameter in capitals": Bad("jobs?Limit=1", 422, "query_parameter_unknown", "limit", method="GET"),
    "parameter twice": Bad(
        "jobs?limit=1&limit=2", 422, "query_parameter_repeated", "limit", method="GET"
    ),
    "parameter where there are none": Bad(
        f"evaluate/{AGENT}?force=true", 422, "query_parameter_unknown", "force", {}
    ),
    "slash at the end": Bad("agents/", 404, "not_found", method="GET"),
    "two slashes": Bad("agents//versions", 404, "not_found", method="GET"),
    "up and away": Bad(f"agents/{AGENT}/%2e%2e/%2e%2e/etc", 404, "not_found", method="GET"),
    "NUL in an address": Bad("agents/a%00b", 422, "invalid_payload", "agent_id", method="GET"),
    "id of another alphabet": Bad("agents/r%C3%A9mus", 422, "invalid_payload", "agent_id", method="GET"),
    "idempotency key without end": Bad(
        f"evaluate/{AGENT}", 422, "invalid_payload", "Idempotency-Key".lower(), {},
        headers={"idempotency-key": "k" * 500},
    ),
    "host of somebody else": Bad(
        "agents", 400, "host_unknown", "MC_HOST", method="GET", headers={"host": "evil.example"}
    ),
    "a list for an object": Bad(f"evaluate/{AGENT}", 422, "invalid_payload", body=[]),
    "wrong method": Bad("agents", 405, "method_not_allowed", "GET, POST", method="DELETE"),
    "options": Bad(f"agents/{AGENT}", 405, "method_not_allowed", "DELETE, GET, PUT", method="OPTIONS"),
    "memory that is not there": Bad(
        "memory/memories/no-such-id/correct", 404, "memory_unknown", "this id",
        {"server": "temporal-memory", "content": "Opens at eight"},
    ),
    "huge limit": Bad("jobs?limit=100000", 422, "invalid_payload", "limit", method="GET"),
    "negative limit": Bad("agents?limit=-1", 422, "invalid_payload", "limit", method="GET"),
    "garbage cursor": Bad("agents?cursor=%00garbage", 422, "invalid_payload", "cursor", method="GET"),
    "forged cursor": Bad("agents?cursor=Zm9yZ2Vk", 422, "cursor_invalid", "cursor", method="GET"),
    "job id that is none": Bad("jobs/7", 422, "invalid_payload", "job_id", method="GET"),
    "unknown route": Bad("nothing/here", 404, "not_found", method="GET"),
}  # fmt: skip


@pytest.fixture
def guarded(api: Api) -> str:
    if api.http.get(f"/api/agents/{AGENT}").status_code == 404:
        api.post("agents", {"playbook": a_playbook(AGENT)}, expect=201)
    return AGENT


@contextmanager
def nothing_changes(api: Api) -> Iterator[None]:
    before = everything(api)
    yield
    assert everything(api) == before


def everything(api: Api) -> dict[str, Any]:
    agents = api.get("agents", limit=200)["items"]
    versions = {each["id"]: api.get(f"agents/{each['id']}/versions") for each in agents}
    return {
        "agents": agents,
        "versions": versions,
        "jobs": api.get("jobs", limit=200),
        "deployments": api.get("deployments", limit=200),
    }


@pytest.mark.usefixtures("guarded")
@pytest.mark.parametrize("name", BAD)
def test_it_is_refused_and_nothing_is_changed(api: Api, name: str) -> None:
    bad = BAD[name]
    content = bad.raw if bad.raw is not None else json.dumps(bad.body).encode()
    headers = {"content-type": "application/json", **bad.headers}
    with nothing_changes(api):
        answer = api.http.request(bad.method, f"/api/{bad.path}", content=content, headers=headers)

    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (bad.status, bad.code), problem
    assert (problem["status"], problem["type"]) == (bad.status, f"/problems/{bad.code}")
    assert problem["title"]
    assert problem["detail"]
    assert bad.says in problem["detail"] + json.dumps(problem.get("errors", []))
    assert "Traceback" not in answer.text
    assert len(answer.text) < 4_000, "the input came back"


def test_a_second_optimization_is_told_which_one_runs(api: Api) -> None:
    agent = api.import_agent("remus", "searched_twice")
    job = api.post(f"optimize/{agent}", {"auto": "heavy"})
    with nothing_but_progress(api, agent):
        answer = api.http.post(f"/api/optimize/{agent}", json={})
    cancelled = api.http.post(f"/api/jobs/{job['id']}/cancel")

    assert (answer.status_code, answer.json()["code"]) == (409, "optimization_running")
    assert answer.json()["job_id"] == job["id"]
    assert cancelled.status_code == 202
    assert api.finish(job)["status"] == "cancelled"
    assert api.get(f"agents/{agent}")["status"] == "dev"


@contextmanager
def nothing_but_progress(api: Api, agent: str) -> Iterator[None]:
    def jobs() -> list[str]:
        return [each["id"] for each in api.get("jobs", agent_id=agent)["items"]]

    before = jobs(), api.get(f"agents/{agent}/versions")
    yield
    assert (jobs(), api.get(f"agents/{agent}/versions")) == before


def test_a_key_used_for_another_request_starts_nothing(api: Api, guarded: str) -> None:
    key = {"Idempotency-Key": "e2e-once"}
    first = api.http.post(f"/api/evaluate/{guarded}", json={}, headers=key)
    api.complete(first.json())
    with nothing_changes(api):
        again = api.http.post(f"/api/evaluate/{guarded}", json={}, headers=key)
        other = api.http.post(f"/api/evaluate/{guarded}", json={"repetitions": 2}, headers=key)

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json()["id"] == first.json()["id"]
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert other.json()["job_id"] == first.json()["id"]


def test_what_a_refused_method_could_have_been_is_in_allow(api: Api) -> None:
    for path, methods in {
        "agents": "GET, POST",
        "agents/remus": "DELETE, GET, PUT",
        "agents/import": "POST",
        "memory/context/remus": "DELETE, GET, PUT",
    }.items():
        for method in ("HEAD", "OPTIONS", "PATCH"):
            answer = api.http.request(method, f"/api/{path}")
            assert (answer.status_code, answer.headers["allow"]) == (405, methods), (method, path)
