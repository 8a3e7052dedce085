"""The test split is spent by reading it: what counts, what does not, and what starts it again."""

from typing import Any

import httpx2
import pytest

from tests.builders import a_playbook, a_scenario
from tests.integration.conftest import RunJob

TOPICS = ("price", "refund", "claim")
WORDINGS = ("And how is it with the {}?", "So the {} then?", "Is it the {}?")
# Eight questions that what is learned in train answers.
TEST = {
    f"{topic}_test_{number}": (topic, wording)
    for topic in TOPICS
    for number, wording in enumerate(WORDINGS)
    if (topic, number) != ("claim", 2)
}
FRESH = {f"{topic}_test": (topic, WORDINGS[0]) for topic in ("weather", "parking", "permit", "fee")}


def scenarios(test: dict[str, tuple[str, str]] = TEST) -> list[dict[str, Any]]:
    """Three in train and in validation, which ask what the eight of the test split ask."""
    learned = [
        a_scenario(f"{topic}_{split}", topic=topic, split=split)
        for split in ("train", "validation")
        for topic in TOPICS
    ]
    tested = [
        a_scenario(name, topic=topic, split="test", input={"caller_says": wording.format(topic)})
        for name, (topic, wording) in test.items()
    ]
    return [*learned, *tested]


@pytest.fixture
async def ada(client: httpx2.AsyncClient) -> None:
    response = await client.post(
        "/api/agents", json={"playbook": a_playbook(scenarios=scenarios())}
    )
    assert response.status_code == 201, response.text
    assert not [each for each in response.json()["warnings"] if "question" in each]


async def split(client: httpx2.AsyncClient) -> dict[str, Any]:
    response = await client.get("/api/agents/ada/test-split")
    assert response.status_code == 200
    return response.json()


async def optimize(client: httpx2.AsyncClient, run: RunJob) -> dict[str, Any]:
    body = {"optimizer": "GEPA", "auto": "light", "repetitions": 1}
    response = await client.post("/api/optimize/ada", json=body)
    assert response.status_code == 202, response.text
    job = await run(response.json()["id"])
    assert job["status"] == "completed", job
    return (await client.get("/api/optimize/ada/status")).json()


async def evaluate(client: httpx2.AsyncClient, run: RunJob, **body: Any) -> None:
    job = await run((await client.post("/api/evaluate/ada", json=body)).json()["id"])
    assert job["status"] == "completed", job


async def test_an_agent_that_is_not_there_has_none(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/api/agents/nobody/test-split")).status_code == 404


@pytest.mark.usefixtures("ada")
class TestReadings:
    async def test_nothing_is_spent_at_first(self, client: httpx2.AsyncClient) -> None:
        found = await split(client)
        assert (found["readings"], found["next_reading"]) == (0, 1)
        assert found["next_level"] == pytest.approx(0.05 / 2)
        assert found["never_read"] == list(TEST)
        assert (found["scenarios"], found["questions"]) == (8, 8)
        assert found["history"] == []

    async def test_each_comparison_is_one_and_needs_more_than_the_last(
        self, client: httpx2.AsyncClient, run: RunJob
    ) -> None:
        first = await optimize(client, run)
        assert first["verdict"] == "better"
        assert first["comparison"]["reading"] == 1
        assert first["comparison"]["level"] == pytest.approx(0.05 / 2)
        assert (
            "reading 1 of this test split, which needs p < 0.025" in first["comparison"]["sentence"]
        )
        found = await split(client)
        assert (found["readings"], found["next_reading"], found["never_read"]) == (1, 2, [])
        assert found["next_level"] == pytest.approx(0.05 / 6)
        second = await optimize(client, run)
        assert second["comparison"]["p_value"] == pytest.approx(2 / 2**8)
        assert second["comparison"]["level"] == pytest.approx(0.05 / 6)
        assert second["verdict"] == "better"
        third = await optimize(client, run)
        assert third["comparison"]["reading"] == 3
        assert third["verdict"] == "not_enough_data"  # eight scenarios cannot reach p < 0.0042
        assert "fewer than 9 scenarios" in third["comparison"]["sentence"]
        assert [each["number"] for each in (await split(client))["history"]] == [3, 2, 1]

    async def test_looking_is_free_until_an_edit_follows(
        self, client: httpx2.AsyncClient, run: RunJob
    ) -> None:
        await evaluate(client, run)
        await evaluate(client, run, splits=["test"])
        found = await split(client)
        assert (found["readings"], found["uncounted_evaluations"]) == (0, 2)
        edited = await client.put("/api/agents/ada", json={"prompt": "Say what it costs."})
        [warning] = [each for each in edited.json()["warnings"] if "reading" in each]
        assert "counts as reading 1 of the test split" in warning
        assert "needs p < 0.0083" in warning
        found = await split(client)
        assert (found["readings"], found["uncounted_evaluations"], found["never_read"]) == (
            1,
            0,
            [],
        )
        assert {(each["number"], each["edited_version"]) for each in found["history"]} == {(1, 2)}
        again = await client.put("/api/agents/ada", json={"prompt": "Say it differently."})
        assert not [each for each in again.json()["warnings"] if "reading" in each]
        assert (await split(client))["readings"] == 1

    async def test_an_evaluation_that_shows_no_test_scenario_is_none(
        self, client: httpx2.AsyncClient, run: RunJob
    ) -> None:
        await evaluate(client, run, splits=["train", "validation"])
        edited = await client.put("/api/agents/ada", json={"prompt": "Say what it costs."})
        assert not [each for each in edited.json()["warnings"] if "reading" in each]
        assert (await split(client))["readings"] == 0

    async def test_other_scenarios_are_no_answer_to_what_failed(
        self, client: httpx2.AsyncClient, run: RunJob
    ) -> None:
        await evaluate(client, run)
        more = a_playbook(scenarios=scenarios(TEST | FRESH))
        assert (await client.put("/api/agents/ada", json={"playbook": more})).status_code == 200
        found = await split(client)
        assert (found["readings"], found["uncounted_evaluations"]) == (0, 1)

    @pytest.mark.parametrize(("fresh", "readings"), [(3, 1), (4, 0)])
    async def test_half_of_the_scenarios_never_read_start_the_count_again(
        self, client: httpx2.AsyncClient, run: RunJob, fresh: int, readings: int
    ) -> None:
        await optimize(client, run)
        new = dict(list(FRESH.items())[:fresh])
        other = a_playbook(scenarios=scenarios(dict(list(TEST.items())[: 8 - fresh]) | new))
        assert (await client.put("/api/agents/ada", json={"playbook": other})).status_code == 200
        found = await split(client)
        assert (found["readings"], found["next_reading"]) == (readings, readings + 1)
        assert found["never_read"] == list(new)
        assert len(found["history"]) == 1

    async def test_a_question_in_other_dress_is_not_fresh(
        self, client: httpx2.AsyncClient, run: RunJob
    ) -> None:
        await optimize(client, run)
        renamed = scenarios()
        for each in renamed:
            if each["split"] == "test":
                each["name"] += "_2"
                each["input"]["caller_says"] = f"{each['input']['caller_says'].upper()}, please!"
        changed = a_playbook(scenarios=renamed)
        assert (await client.put("/api/agents/ada", json={"playbook": changed})).status_code == 200
        found = await split(client)
        assert (found["readings"], found["never_read"]) == (1, [])


def renamed(playbook: str) -> str:
    return playbook.replace("caller_says", "said_by_caller")


@pytest.mark.usefixtures("ada")
class TestNothingIsResetSilently:
    async def test_a_field_with_another_name_makes_nothing_fresh(
        self, client: httpx2.AsyncClient, run: RunJob
    ) -> None:
        await optimize(client, run)
        body = {"playbook": renamed(a_playbook(scenarios=scenarios()))}
        assert (await client.put("/api/agents/ada", json=body)).status_code == 200
        found = await split(client)
        assert (found["readings"], found["never_read"]) == (1, [])

    async def test_one_more_field_that_says_the_same_everywhere_makes_nothing_fresh(
        self, client: httpx2.AsyncClient, run: RunJob
    ) -> None:
        await optimize(client, run)
        more = scenarios()
        for each in more:
            each["input"] = {"line": "support", **each["input"]}
        fields = [{"name": "line", "type": "str"}, {"name": "caller_says", "type": "str"}]
        body = {"playbook": a_playbook(scenarios=more, input_fields=fields)}
        assert (await client.put("/api/agents/ada", json=body)).status_code == 200
        assert (await split(client))["readings"] == 1

    async def test_an_agent_that_is_imported_again_goes_on_counting(
        self, client: httpx2.AsyncClient, run: RunJob
    ) -> None:
        await optimize(client, run)
        assert (await client.delete("/api/agents/ada")).status_code == 204
        body = {"playbook": a_playbook(scenarios=scenarios())}
        imported = (await client.post("/api/agents", json=body)).json()
        [said] = [each for each in imported["warnings"] if "the count goes on" in each]
        assert "needs p < 0.0083" in said
        found = await split(client)
        assert (found["readings"], found["next_reading"]) == (1, 2)

    async def test_an_evaluation_before_a_deletion_counts_when_the_agent_comes_back(
        self, client: httpx2.AsyncClient, run: RunJob
    ) -> None:
        await evaluate(client, run)
        assert (await client.delete("/api/agents/ada")).status_code == 204
        body = {"playbook": a_playbook(scenarios=scenarios(), prompt="Say what it costs.")}
        imported = (await client.post("/api/agents", json=body)).json()
        assert [each for each in imported["warnings"] if "counts as reading 1" in each]
        assert (await split(client))["readings"] == 1

    async def test_under_another_id_it_is_said_whose_questions_they_are(
        self, client: httpx2.AsyncClient, run: RunJob
    ) -> None:
        await optimize(client, run)
        body = {"playbook": renamed(a_playbook("bob", scenarios=scenarios()))}
        imported = (await client.post("/api/agents", json=body)).json()
        [said] = [each for each in imported["warnings"] if "of agent ada" in each]
        assert said.startswith("8 of 8 questions of the test split")
        assert "read 1 time." in said


class TestLeaksAndCopies:
    async def test_what_the_search_is_shown_proves_nothing(
        self, client: httpx2.AsyncClient
    ) -> None:
        """Every test question is word for word one of train and validation."""
        leaking = scenarios({f"{topic}_test": (topic, "what about the {}") for topic in TOPICS})
        imported = await client.post(
            "/api/agents", json={"playbook": a_playbook(scenarios=leaking)}
        )
        [warning] = [each for each in imported.json()["warnings"] if "do not count" in each]
        assert "price_train (train) and price_test (test)" in warning
        refused = await client.post("/api/optimize/ada", json={})
        assert refused.status_code == 422
        assert refused.json()["code"] == "too_few_scenarios"
        assert "do not count when the search is shown their questions" in refused.json()["detail"]
        assert (await split(client))["leaked"] == ["claim_test", "price_test", "refund_test"]

    async def test_a_leaked_scenario_does_not_count_and_the_verdict_says_so(
        self, client: httpx2.AsyncClient, run: RunJob
    ) -> None:
        leaking = scenarios()
        leaking[6]["input"] = {"caller_says": "WHAT ABOUT THE PRICE"}
        await client.post("/api/agents", json={"playbook": a_playbook(scenarios=leaking)})
        found = await optimize(client, run)
        assert found["comparison"]["leaked"] == ["price_test_0"]
        assert found["comparison"]["scenarios"] == 7
        assert "1 test scenario left out" in found["comparison"]["sentence"]
        assert "price_train (train) and price_test_0 (test)" in found["warnings"][0]

    async def test_one_question_eight_times_is_one(
        self, client: httpx2.AsyncClient, run: RunJob
    ) -> None:
        copied = scenarios()
        for each in copied:
            if each["split"] == "test":
                each |= {key: copied[6][key] for key in ("input", "expected_output", "checks")}
        imported = await client.post("/api/agents", json={"playbook": a_playbook(scenarios=copied)})
        assert any("count once in a verdict" in each for each in imported.json()["warnings"])
        found = await optimize(client, run)
        assert found["comparison"]["scenarios"] == 1
        assert found["verdict"] == "not_enough_data"
        assert "8 scenarios ask 1 question" in found["comparison"]["sentence"]
        assert (await split(client))["never_read"] == []
