"""The main job: import, evaluate, optimize while others watch, deploy to the phone bot, roll back."""

from typing import Any

import httpx2
import pytest
import yaml

from tests.e2e.harness import Api, Product, ids

POINTS = 100


def assistant_named(product: Product, name: str) -> dict[str, Any]:
    listed = httpx2.get(f"{product.vapi}/assistant", headers={"Authorization": "Bearer any"}).json()
    return next(each for each in listed if each["name"].startswith(name))


def assistant(product: Product, assistant_id: str) -> dict[str, Any]:
    headers = {"Authorization": "Bearer any"}
    return httpx2.get(f"{product.vapi}/assistant/{assistant_id}", headers=headers).json()


def system_prompts(found: dict[str, Any]) -> list[str]:
    return [each["content"] for each in found["model"]["messages"] if each["role"] == "system"]


def without_prompt(found: dict[str, Any]) -> dict[str, Any]:
    """The assistant without what a deploy may change, and without Vapi's own bookkeeping."""
    rest = {key: value for key, value in found.items() if key not in {"updatedAt", "latestVersion"}}
    messages = [
        {**each, "content": None} if each["role"] == "system" else each
        for each in found["model"]["messages"]
    ]
    return {**rest, "model": {**found["model"], "messages": messages}}


@pytest.mark.timeout(1800)
async def test_an_agent_is_improved_deployed_and_rolled_back(product: Product, api: Api) -> None:
    statuses: list[str] = []

    def note_status() -> dict[str, Any]:
        state = api.get("agents/remus/status")
        statuses.append(state["status"])
        return state

    # ---------------------------------------------------------------- import
    for name in ("remus", "genesis", "scout"):
        api.import_agent(name)
    listed = {each["id"]: each for each in api.get("agents")["items"]}
    assert {"remus", "genesis", "scout"} <= set(listed)
    assert listed["remus"]["type"] == "phone_bot"
    before = assistant_named(product, listed["remus"]["name"])
    start = api.get("agents/remus")
    note_status()

    # ---------------------------------------------------------------- evaluate
    job = api.complete(api.post("evaluate/remus"))
    evaluation = api.get("evaluate/remus/latest")
    assert evaluation["job_id"] == job["id"]
    assert evaluation["passed"] + evaluation["failed"] == evaluation["scenarios"] == 55
    assert evaluation["pass_rate"] == pytest.approx(evaluation["passed"] / 55)
    assert evaluation["errors"] == 0
    assert 0 < evaluation["pass_rate"] < 1
    assert float(evaluation["cost_usd"]) > 0
    assert api.get("agents/remus/status")["status"] == "dev"

    # ---------------------------------------------------------------- optimize
    first, second = product.watch("optimize/remus"), product.watch("optimize/remus")
    async with first.watching(), second.watching():
        job = api.post("optimize/remus", {"optimizer": "GEPA", "auto": "light"})
        note_status()
        completed = await first.until_event("optimization.completed")
        await second.until_event("optimization.completed")
    assert api.finish(job)["status"] == "completed"
    assert ids(first.events) == ids(second.events) == ids(await product.stream("optimize:remus"))

    optimization = api.get("optimize/remus/status")
    trials = optimization["trials"]
    assert first.kinds()[0] == "optimization.started"
    assert first.kinds().count("optimization.completed") == 1
    finished = [e["data"] for e in first.events if e["type"] == "optimization.trial_finished"]
    assert [each["number"] for each in finished] == [each["number"] for each in trials]
    assert [each["number"] for each in trials] == list(range(len(trials)))
    assert len(trials) > 3
    assert "optimization.progressed" in first.kinds()

    # ---------------------------------------------------------------- the verdict, on unseen scenarios
    comparison = optimization["comparison"]
    assert (
        optimization["verdict"] == comparison["verdict"] == completed["data"]["verdict"] == "better"
    )
    difference = comparison["candidate_rate"] - comparison["baseline_rate"]
    assert optimization["improvement_pct"] == pytest.approx(POINTS * difference, abs=0.01)
    assert optimization["improvement_pct"] > 0
    assert comparison["interval_low"] > 0

    # The candidate was measured without anybody asking for it, on the test split alone.
    test_split = {each["id"] for each in start["scenarios"] if each["split"] == "test"}
    history = api.get("evaluate/remus/history")["items"]
    halves = {each["purpose"]: each for each in history if each["job_id"] == job["id"]}
    assert set(halves) >= {"comparison_baseline", "comparison_candidate"}
    for purpose, version, rate in (
        ("comparison_baseline", 1, comparison["baseline_rate"]),
        ("comparison_candidate", 2, comparison["candidate_rate"]),
    ):
        half = api.get(f"evaluate/remus/evaluations/{halves[purpose]['id']}")
        assert half["version"] == version
        assert half["pass_rate"] == pytest.approx(rate)
        assert {result["scenario_id"] for result in half["results"]} == test_split
        assert len(half["results"]) == len(test_split) * 3

    # ---------------------------------------------------------------- the candidate is a version
    candidate = api.get("agents/remus/versions/2")
    assert (candidate["origin"], candidate["parent"]) == ("optimization", 1)
    assert optimization["candidate_version"] == 2
    playbook = yaml.safe_load(candidate["playbook"])
    assert playbook["spec"]["prompt"] == candidate["prompt"] != start["prompt"]
    state = note_status()
    assert state.pop("answering")["line"].startswith("Never deployed")
    assert state == {
        "agent_id": "remus", "status": "dev", "current_version": 1, "deployed_version": None,
        "open_jobs": [],
    }  # fmt: skip
    assert assistant(product, before["id"]) == before

    # ---------------------------------------------------------------- deploy
    api.complete(api.post("optimize/remus/deploy"))
    deployed = assistant(product, before["id"])
    assert without_prompt(deployed) == without_prompt(before)
    assert system_prompts(deployed) == [candidate["prompt"]]
    assert system_prompts(before) != [candidate["prompt"]]
    state = note_status()
    assert (state["current_version"], state["deployed_version"]) == (2, 2)

    # ---------------------------------------------------------------- roll back
    api.complete(api.post("optimize/remus/rollback"))
    restored = assistant(product, before["id"])
    assert without_prompt(restored) == without_prompt(before)
    assert system_prompts(restored) == system_prompts(before)
    state = note_status()
    assert (state["current_version"], state["deployed_version"]) == (3, None)
    newest = api.get("agents/remus/versions/3")
    assert (newest["origin"], newest["parent"]) == ("rollback", 2)
    assert newest["content_hash"] == api.get("agents/remus/versions/1")["content_hash"]
    assert newest["prompt"] == start["prompt"]

    assert statuses == ["dev", "optimizing", "dev", "live", "dev"]
