"""Which rate is shown of an agent, and what a result keeps of what was asked."""

from typing import Any

import httpx2
import pytest

from tests.builders import a_playbook, a_scenario
from tests.integration.conftest import RunJob

SPLITS = ("train", "validation", "test")
TOPICS = ("price", "refund", "claim")


@pytest.fixture
async def ada(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/api/agents", json={"playbook": a_playbook()})).status_code == 201


async def evaluate(client: httpx2.AsyncClient, run: RunJob, **body: Any) -> None:
    job = await run((await client.post("/api/evaluate/ada", json=body)).json()["id"])
    assert job["status"] == "completed", job


async def measured(client: httpx2.AsyncClient) -> dict[str, Any] | None:
    """As the list and the agent itself say, which must be the same."""
    [listed] = (await client.get("/api/agents")).json()["items"]
    shown = (await client.get("/api/agents/ada")).json()
    assert listed["measured"] == shown["measured"]
    return listed["measured"]


@pytest.mark.usefixtures("ada")
class TestTheRateOfAnAgent:
    async def test_is_over_its_whole_test_split(
        self, client: httpx2.AsyncClient, run: RunJob
    ) -> None:
        assert await measured(client) is None
        await evaluate(client, run, splits=["train", "validation"])
        await evaluate(client, run, scenario_ids=["price_test"])
        assert await measured(client) is None
        await evaluate(client, run, repetitions=2)
        newest = (await client.get("/api/evaluate/ada/latest")).json()
        tested = [each for each in newest["results"] if each["split"] == "test"]
        found = await measured(client)
        assert found is not None
        assert found["pass_rate"] == sum(each["status"] == "passed" for each in tested) / 6
        assert (found["split"], found["scenarios"], found["repetitions"]) == ("test", 3, 2)
        assert (found["version"], found["evaluation_id"]) == (1, newest["id"])

    async def test_is_of_the_version_in_force(
        self, client: httpx2.AsyncClient, run: RunJob
    ) -> None:
        body = {"optimizer": "GEPA", "auto": "light", "repetitions": 1}
        await run((await client.post("/api/optimize/ada", json=body)).json()["id"])
        before = await measured(client)
        assert before is not None
        assert (before["version"], before["pass_rate"]) == (1, 0.0)
        forced = {"version": 2, "force": True}
        job = await client.post("/api/optimize/ada/deploy", json=forced)
        assert (await run(job.json()["id"]))["status"] == "completed"
        after = await measured(client)
        assert after is not None
        assert (after["version"], after["pass_rate"], after["scenarios"]) == (2, 1.0, 3)
        undo = await client.post("/api/optimize/ada/rollback", json={})
        assert (await run(undo.json()["id"]))["status"] == "completed"
        again = await measured(client)
        assert again is not None  # version 3 is a copy of version 1
        assert (again["version"], again["pass_rate"]) == (3, 0.0)
        await client.put("/api/agents/ada", json={"prompt": "Nobody has measured this."})
        assert await measured(client) is None


@pytest.mark.usefixtures("ada")
async def test_a_result_keeps_what_was_asked_and_expected(
    client: httpx2.AsyncClient, run: RunJob
) -> None:
    await evaluate(client, run, scenario_ids=["price_test"])
    rewritten = [
        a_scenario(
            f"{topic}_{split}",
            topic=topic,
            split=split,
            anchor=True,
            input={"caller_says": f"Something else of {topic} and {split}"},
            expected_output={"reply": "Something else"},
        )
        for split in SPLITS
        for topic in TOPICS
    ]
    changed = {"playbook": a_playbook(scenarios=rewritten)}
    assert (await client.put("/api/agents/ada", json=changed)).status_code == 200
    [result] = (await client.get("/api/evaluate/ada/latest")).json()["results"]
    assert result["input"] == {"caller_says": "And how is it with the price?"}
    assert result["expected"] == {"reply": "Here is what we say about the price"}
    assert (result["split"], result["anchor"]) == ("test", False)


async def test_what_a_playbook_asks_for_and_does_not_get_is_said(
    client: httpx2.AsyncClient,
) -> None:
    model = {"provider": "openai", "model": "gpt-4o-mini", "api_base": "http://10.1.2.3:1/v1"}
    asking = a_playbook(
        language_model=model,
        datasets=[{"name": "calls", "source": "calls.csv"}],
        optimization={"metric": "answer_exact_match"},
    )
    imported = await client.post("/api/agents", json={"playbook": asking})
    warnings = " ".join(imported.json()["warnings"])
    for asked in ("`language_model.api_base`", "`datasets`", "`optimization.metric`"):
        assert asked in warnings
    assert "10.1.2.3" not in warnings
    plain = await client.put("/api/agents/ada", json={"playbook": a_playbook()})
    assert "not used" not in " ".join(plain.json()["warnings"])
