"""Evaluations, optimizations and deployments as jobs, with the real engine."""

import asyncio
from datetime import timedelta
from uuid import UUID

import httpx2
import pytest

from mission_control.api.evaluate.work import EvaluationWork
from mission_control.api.jobs.job_run import directory_of
from mission_control.api.jobs.sweeper import sweep
from mission_control.api.jobs.work import run_job
from mission_control.api.optimize.work import OptimizationWork
from mission_control.api.resources import Resources
from mission_control.core.lease_owners import this_host
from mission_control.core.words import JobStatus, Verdict
from tests.builders import a_playbook
from tests.integration.conftest import RunJob
from tests.services import HANG_SECONDS


@pytest.fixture
async def ada(client: httpx2.AsyncClient) -> None:
    response = await client.post("/api/agents", json={"playbook": a_playbook()})
    assert response.status_code == 201


async def until_under_way(client: httpx2.AsyncClient, job_id: UUID, counted: str) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while not (await client.get(f"/api/jobs/{job_id}")).json()["progress"].get(counted):
            await asyncio.sleep(0.05)


@pytest.mark.usefixtures("ada")
class TestEvaluate:
    async def test_measures_every_scenario(self, client: httpx2.AsyncClient, run: RunJob) -> None:
        response = await client.post("/api/evaluate/ada", json={"repetitions": 2})
        assert response.status_code == 202
        job = await run(response.json()["id"])
        assert job["status"] == "completed"
        assert job["progress"]["done"] == 18
        latest = (await client.get("/api/evaluate/ada/latest")).json()
        assert latest["passed"] + latest["failed"] == 18
        assert latest["errors"] == 0
        assert latest["pass_rate"] == latest["passed"] / 18
        assert len(latest["results"]) == 18
        assert float(latest["cost_usd"]) > 0

    async def test_a_repeated_request_is_the_first_job(self, client: httpx2.AsyncClient) -> None:
        headers = {"Idempotency-Key": "k1"}
        first, second = [
            await client.post("/api/evaluate/ada", json={}, headers=headers) for _ in range(2)
        ]
        assert first.json()["id"] == second.json()["id"]
        other = await client.post("/api/evaluate/ada", json={"repetitions": 2}, headers=headers)
        assert other.status_code == 409
        assert other.json()["code"] == "idempotency_key_reused"

    async def test_an_unpriced_model_is_unpriced(
        self, client: httpx2.AsyncClient, run: RunJob
    ) -> None:
        response = await client.post("/api/evaluate/ada", json={"model": "openai/sandbox-2"})
        await run(response.json()["id"])
        assert (await client.get("/api/evaluate/ada/latest")).json()["cost_usd"] is None

    @pytest.mark.parametrize(
        ("model", "kind"),
        [
            ("openai/sandbox-down", "server"),
            ("openai/sandbox-unauthorised", "auth"),
            ("openai/sandbox-broken", "format"),
            ("openai/sandbox-half", "unreliable"),
        ],
    )
    async def test_a_failing_model_gives_no_score(
        self, client: httpx2.AsyncClient, run: RunJob, model: str, kind: str
    ) -> None:
        response = await client.post("/api/evaluate/ada", json={"model": model, "repetitions": 2})
        job = await run(response.json()["id"])
        assert job["status"] == "failed"
        assert job["error"]["code"] == "superoptix_failed"
        assert job["error"]["kind"] == kind
        assert (await client.get("/api/evaluate/ada/latest")).status_code == 404
        row = (await client.get("/api/evaluate/ada/history")).json()["items"][0]
        assert row["status"] == "failed"
        assert row["pass_rate"] is None
        assert row["error"]["kind"] == kind
        assert (await client.get("/api/agents/ada")).json()["status"] == "dev"

    async def test_what_failed_runs_again(self, client: httpx2.AsyncClient, run: RunJob) -> None:
        first = await client.post("/api/evaluate/ada", json={})
        await run(first.json()["id"])
        before = (await client.get("/api/evaluate/ada/latest")).json()
        again = await client.post("/api/evaluate/ada", json={"rerun": "failed"})
        await run(again.json()["id"])
        history = (await client.get("/api/evaluate/ada/history")).json()["items"]
        assert history[0]["purpose"] == "rerun"
        assert history[0]["scenarios"] == before["failed"]
        assert (await client.get("/api/evaluate/ada/latest")).json()["id"] == before["id"]
        nothing = await client.post("/api/evaluate/ada", json={"rerun": "error"})
        assert nothing.status_code == 409

    async def test_refusals_start_nothing(self, client: httpx2.AsyncClient) -> None:
        for body, status in (
            ({"repetitions": 0}, 422),
            ({"repetitions": -1}, 422),
            ({"unknown": 1}, 422),
            ({"scenario_ids": ["nope"]}, 422),
            ({"version": 7}, 404),
            ({"model": "a b; rm -rf"}, 422),
        ):
            response = await client.post("/api/evaluate/ada", json=body)
            assert response.status_code == status, body
        assert (await client.get("/api/jobs")).json()["items"] == []


@pytest.mark.usefixtures("ada")
class TestCancel:
    async def test_a_queued_job(self, client: httpx2.AsyncClient, run: RunJob) -> None:
        job = (await client.post("/api/evaluate/ada", json={})).json()
        cancelled = await client.post(f"/api/jobs/{job['id']}/cancel")
        assert (cancelled.status_code, cancelled.json()["status"]) == (202, "cancelled")
        assert cancelled.json()["finished_at"] is not None
        history = (await client.get("/api/evaluate/ada/history")).json()["items"]
        assert [each["status"] for each in history] == ["cancelled"]
        assert (await run(job["id"]))["status"] == "cancelled"  # a worker that hears of it late
        again = await client.post(f"/api/jobs/{job['id']}/cancel")
        assert again.status_code == 409
        assert again.json()["code"] == "job_already_finished"

    async def test_a_queued_job_leaves_room_for_the_next(
        self, client: httpx2.AsyncClient, resources: Resources
    ) -> None:
        job = (await client.post("/api/optimize/ada", json={})).json()
        kept = directory_of(resources.settings, UUID(job["id"]))
        kept.mkdir(parents=True)
        await client.post(f"/api/jobs/{job['id']}/cancel")
        assert not kept.exists()
        assert (await client.get("/api/agents/ada")).json()["status"] == "dev"
        assert (await client.post("/api/optimize/ada", json={})).status_code == 202
        body = {"version": 1, "force": True}
        deploy = (await client.post("/api/optimize/ada/deploy", json=body)).json()
        await client.post(f"/api/jobs/{deploy['id']}/cancel")
        [deployment] = (await client.get("/api/deployments")).json()["items"]
        assert (deployment["status"], deployment["error"]["code"]) == ("failed", "job_cancelled")
        assert (await client.post("/api/optimize/ada/deploy", json=body)).status_code == 202

    async def test_a_deployment_that_waits_to_go_on_is_not_left_half_done(
        self, client: httpx2.AsyncClient, resources: Resources
    ) -> None:
        body = {"version": 1, "force": True}
        job = (await client.post("/api/optimize/ada/deploy", json=body)).json()
        async with resources.unit_of_work() as uow:
            (await uow.jobs.get(UUID(job["id"]))).attempts = 1  # it has begun, and waits again
        refused = await client.post(f"/api/jobs/{job['id']}/cancel")
        assert (refused.status_code, refused.json()["code"]) == (409, "job_not_cancellable")

    async def test_a_running_search_ends_when_it_is_cancelled(
        self, client: httpx2.AsyncClient, resources: Resources
    ) -> None:
        body = {"auto": "heavy", "model": "openai/sandbox-slow"}
        job = (await client.post("/api/optimize/ada", json=body)).json()
        job_id = UUID(job["id"])
        assert (await client.get("/api/agents/ada")).json()["status"] == "optimizing"
        working = asyncio.ensure_future(run_job(resources, job_id, OptimizationWork(job_id)))
        await until_under_way(client, job_id, "metric_calls")
        await client.post(f"/api/jobs/{job_id}/cancel")
        await working
        assert (await client.get(f"/api/jobs/{job_id}")).json()["status"] == "cancelled"
        assert (await client.get("/api/agents/ada")).json()["status"] == "dev"


@pytest.mark.usefixtures("ada")
class TestOptimize:
    async def test_one_at_a_time(self, client: httpx2.AsyncClient) -> None:
        first = await client.post("/api/optimize/ada", json={"optimizer": "GEPA", "auto": "light"})
        second = await client.post("/api/optimize/ada", json={"optimizer": "MIPROv2"})
        assert first.status_code == 202
        assert second.status_code == 409
        assert second.json()["code"] == "optimization_running"
        assert second.json()["job_id"] == first.json()["id"]

    async def test_refusals_start_nothing(self, client: httpx2.AsyncClient) -> None:
        for body in (
            {"optimizer": "Magic"},
            {"max_cost_usd": -1},
            {"max_cost_usd": 0},
            {"max_minutes": -3},
            {"max_metric_calls": 0},
            {"auto": "extreme"},
            {"max_cost_usd": 1, "model": "openai/unpriced"},
        ):
            response = await client.post("/api/optimize/ada", json=body)
            assert response.status_code == 422, body
        assert (await client.get("/api/jobs")).json()["items"] == []
        assert (await client.get("/api/agents/ada")).json()["status"] == "dev"

    async def test_a_dead_model_changes_nothing(
        self, client: httpx2.AsyncClient, run: RunJob
    ) -> None:
        body = {"model": "openai/sandbox-down"}
        job = await run((await client.post("/api/optimize/ada", json=body)).json()["id"])
        assert job["status"] == "failed"
        assert job["error"]["kind"] == "server"
        status = (await client.get("/api/optimize/ada/status")).json()
        assert status["verdict"] is None
        assert status["improvement_pct"] is None
        assert (await client.get("/api/agents/ada")).json()["status"] == "dev"

    async def test_a_model_that_fails_half_of_the_time_is_unreliable(
        self, client: httpx2.AsyncClient, run: RunJob
    ) -> None:
        """As an evaluation of it is, also where the preflight is among what fails."""
        body = {"model": "openai/sandbox-half"}
        job = await run((await client.post("/api/optimize/ada", json=body)).json()["id"])
        assert (job["status"], job["error"]["kind"]) == ("failed", "unreliable"), job["error"]
        assert (await client.get("/api/optimize/ada/status")).json()["verdict"] is None

    async def test_searches_compares_and_never_touches_the_current_version(
        self, client: httpx2.AsyncClient, run: RunJob
    ) -> None:
        body = {"optimizer": "GEPA", "auto": "light", "repetitions": 2}
        job = await run((await client.post("/api/optimize/ada", json=body)).json()["id"])
        assert job["status"] == "completed", job
        status = (await client.get("/api/optimize/ada/status")).json()
        assert status["trials"][0]["number"] == 0
        assert status["stop_reason"] == "perfect"
        assert status["improvement_pct"] == 100.0
        assert status["verdict"] == "not_enough_data"  # three test scenarios prove nothing
        arms = (await client.get("/api/evaluate/ada/history")).json()["items"]
        assert {arm["purpose"]: arm["pass_rate"] for arm in arms} == {
            "comparison_baseline": 0.0,
            "comparison_candidate": 1.0,
        }
        agent = (await client.get("/api/agents/ada")).json()
        assert (agent["current_version"], agent["status"]) == (1, "dev")
        assert status["candidate_version"] == 2
        refused = await client.post("/api/optimize/ada/deploy", json={})
        assert refused.status_code == 409
        assert refused.json()["code"] == "not_shown_better"


@pytest.mark.usefixtures("ada")
class TestDeploy:
    async def test_nothing_to_deploy_or_undo(self, client: httpx2.AsyncClient) -> None:
        for what, code in (("deploy", "no_candidate"), ("rollback", "nothing_to_roll_back")):
            response = await client.post(f"/api/optimize/ada/{what}", json={})
            assert response.status_code == 409
            assert response.json()["code"] == code
        assert (await client.get("/api/jobs")).json()["items"] == []

    async def test_a_local_agent_goes_live_and_back(
        self, client: httpx2.AsyncClient, run: RunJob
    ) -> None:
        await client.put("/api/agents/ada", json={"prompt": "Another."})
        unproven = await client.post("/api/optimize/ada/deploy", json={"version": 2})
        assert unproven.status_code == 409
        forced = await client.post("/api/optimize/ada/deploy", json={"version": 2, "force": True})
        assert (await run(forced.json()["id"]))["status"] == "completed"
        agent = (await client.get("/api/agents/ada")).json()
        assert (agent["status"], agent["deployed_version"]) == ("live", 2)
        undo = await client.post("/api/optimize/ada/rollback", json={})
        assert (await run(undo.json()["id"]))["status"] == "completed"
        agent = (await client.get("/api/agents/ada")).json()
        assert (agent["status"], agent["deployed_version"]) == ("dev", None)
        newest = (await client.get("/api/agents/ada/versions")).json()["items"][0]
        assert (newest["number"], newest["origin"]) == (3, "rollback")

    async def test_a_deployed_agent_keeps_its_target(
        self, client: httpx2.AsyncClient, run: RunJob
    ) -> None:
        forced = await client.post("/api/optimize/ada/deploy", json={"version": 1, "force": True})
        await run(forced.json()["id"])
        for change in ({"type": "webhook"}, {"vapi_assistant_id": "another"}):
            refused = await client.put("/api/agents/ada", json=change)
            assert refused.status_code == 409, change
            assert refused.json()["code"] == "agent_deployed"
        assert (await client.put("/api/agents/ada", json={"type": "standalone"})).status_code == 200

    async def test_what_is_in_force_is_not_deployed_again(
        self, client: httpx2.AsyncClient, run: RunJob
    ) -> None:
        body = {"version": 1, "force": True}
        await run((await client.post("/api/optimize/ada/deploy", json=body)).json()["id"])
        again = await client.post("/api/optimize/ada/deploy", json={"version": 1})
        assert again.status_code == 409
        assert again.json()["code"] == "already_in_force"
        assert len((await client.get("/api/deployments")).json()["items"]) == 1

    async def test_a_deployment_under_way_is_not_cancelled(
        self, client: httpx2.AsyncClient, resources: Resources, run: RunJob
    ) -> None:
        body = {"version": 1, "force": True}
        job = (await client.post("/api/optimize/ada/deploy", json=body)).json()
        async with resources.unit_of_work() as uow:
            assert await uow.jobs.claim(UUID(job["id"]), owner="w", lease=timedelta(seconds=-1))
        refused = await client.post(f"/api/jobs/{job['id']}/cancel")
        assert refused.status_code == 409
        assert refused.json()["code"] == "job_not_cancellable"
        assert (await run(job["id"]))["status"] == "completed"

    async def test_an_old_proof_is_no_proof(
        self, client: httpx2.AsyncClient, run: RunJob, resources: Resources
    ) -> None:
        body = {"optimizer": "GEPA", "auto": "light", "repetitions": 1}
        job = await run((await client.post("/api/optimize/ada", json=body)).json()["id"])
        async with resources.unit_of_work() as uow:  # as if the test split had been larger
            optimization = await uow.optimizations.of_job(UUID(job["id"]))
            assert optimization is not None
            optimization.verdict = Verdict.BETTER
        await client.put("/api/agents/ada", json={"prompt": "Meanwhile somebody wrote this."})
        refused = await client.post("/api/optimize/ada/deploy", json={})
        assert refused.status_code == 409
        assert refused.json()["code"] == "compared_with_another"
        assert (refused.json()["compared_with"], refused.json()["in_force"]) == (1, 3)


@pytest.mark.usefixtures("ada")
class TestPickedUpAgain:
    async def test_a_second_delivery_does_nothing(
        self, client: httpx2.AsyncClient, resources: Resources
    ) -> None:
        job_id = UUID((await client.post("/api/evaluate/ada", json={})).json()["id"])
        await asyncio.gather(
            *(run_job(resources, job_id, EvaluationWork(job_id)) for _ in range(3))
        )
        results = (await client.get("/api/evaluate/ada/latest")).json()["results"]
        assert len(results) == 9

    async def test_the_sweeper_requeues_a_dead_workers_job(
        self, client: httpx2.AsyncClient, resources: Resources, run: RunJob
    ) -> None:
        job_id = UUID((await client.post("/api/evaluate/ada", json={})).json()["id"])
        gone = f"{this_host()}:999999:x"
        async with resources.unit_of_work() as uow:
            assert await uow.jobs.claim(job_id, owner=gone, lease=timedelta(hours=1))
        assert await sweep(resources) == 1
        assert (await run(str(job_id)))["status"] == "completed"

    async def test_a_job_without_progress_is_given_up(
        self, client: httpx2.AsyncClient, resources: Resources, run: RunJob
    ) -> None:
        job_id = UUID((await client.post("/api/evaluate/ada", json={})).json()["id"])
        async with resources.unit_of_work() as uow:
            (await uow.jobs.get(job_id)).attempts = 5
        job = await run(str(job_id))
        assert job["status"] == JobStatus.FAILED
        assert job["error"]["code"] == "job_gave_up"

    async def test_who_lost_the_lease_stores_nothing_more(
        self, client: httpx2.AsyncClient, resources: Resources
    ) -> None:
        body = {"model": "openai/sandbox-slow", "concurrency": 1}
        job_id = UUID((await client.post("/api/evaluate/ada", json=body)).json()["id"])
        working = asyncio.ensure_future(run_job(resources, job_id, EvaluationWork(job_id)))
        await until_under_way(client, job_id, "done")
        async with resources.unit_of_work() as uow:
            job = await uow.jobs.get(job_id)
            job.lease_owner = "another:1:x"
        await working
        job = (await client.get(f"/api/jobs/{job_id}")).json()
        assert job["status"] == "running"  # it is the other one's now
