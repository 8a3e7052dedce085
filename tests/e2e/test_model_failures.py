"""A model that fails is told as what it is, wherever one looks, and never becomes a score."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import Api, Product, running
from tests.services import free_port

# A model as the stand-in offers it → what kind of failure it is, and how that is said.
UNREACHABLE = ("transport", "The model could not be reached")
FAILURES = {
    "openai/sandbox-unauthorised": ("auth", "The model refused the credentials"),
    "openai/sandbox-down": ("server", "The model's server failed"),
    "openai/sandbox-broken": ("format", "The model answered in a form that cannot be read"),
    "openai/sandbox-half": ("unreliable", "could not be measured"),
}


@dataclass
class Surfaces:
    """The same failure in the four places where somebody may look for it."""

    command_line: subprocess.CompletedProcess[str]
    job: dict[str, Any]
    event: dict[str, Any]
    row: dict[str, Any]

    def all_say(self, kind: str, sentence: str) -> None:
        assert self.job["status"] == self.row["status"] == "failed"
        error = self.job["error"]
        assert (error["code"], error["kind"]) == ("superoptix_failed", kind)
        assert sentence in error["detail"]
        assert self.event["data"]["error"] == self.row["error"] == error
        assert self.command_line.returncode == 1
        assert error["detail"] in " ".join(self.command_line.stderr.split())


async def evaluate(product: Product, api: Api, agent: str, *arguments: str) -> Surfaces:
    viewer = product.watch(f"evaluate/{agent}")
    async with viewer.watching():
        said = await on_the_command_line(product, "evaluate", agent, *arguments)
        event = await viewer.until_event("evaluation.failed")
    (row,) = api.get(f"evaluate/{agent}/history", limit=1)["items"]
    return Surfaces(said, api.get(f"jobs/{event['job_id']}"), event, row)


async def optimize(product: Product, api: Api, agent: str, *arguments: str) -> Surfaces:
    viewer = product.watch(f"optimize/{agent}")
    async with viewer.watching():
        said = await on_the_command_line(product, "optimize", agent, *arguments)
        event = await viewer.until_event("optimization.failed")
    row = api.get(f"optimize/{agent}/status")
    return Surfaces(said, api.get(f"jobs/{event['job_id']}"), event, row)


async def on_the_command_line(
    product: Product, *arguments: str
) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "mission_control.cli", *arguments],
        capture_output=True,
        text=True,
        env={**product.environment(), "COLUMNS": "1000"},
        cwd=product.home,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("model", FAILURES)
async def test_an_evaluation_that_fails_is_no_score(product: Product, api: Api, model: str) -> None:
    agent = api.import_agent("genesis", f"failing_{model.rpartition('-')[2]}")
    before = api.get(f"agents/{agent}")

    failed = await evaluate(product, api, agent, "--model", model)

    failed.all_say(*FAILURES[model])
    assert failed.row["pass_rate"] is failed.row["mean_score"] is None
    assert failed.row["superoptix_score"] is None
    assert api.get(f"agents/{agent}") == before
    assert api.http.get(f"/api/evaluate/{agent}/latest").status_code == 404


@pytest.mark.parametrize("model", ["openai/sandbox-unauthorised", "openai/sandbox-broken"])
async def test_an_optimization_that_fails_leaves_the_agent_as_it_was(
    product: Product, api: Api, model: str
) -> None:
    agent = api.import_agent("genesis", f"searching_{model.rpartition('-')[2]}")
    before = api.get(f"agents/{agent}")

    failed = await optimize(product, api, agent, "--model", model, "--max-metric-calls", "60")

    failed.all_say(*FAILURES[model])
    assert failed.row["verdict"] is failed.row["improvement_pct"] is None
    assert failed.row["candidate_version"] is None
    after = api.get(f"agents/{agent}")
    assert {**after, "updated_at": None} == {**before, "updated_at": None}
    assert len(api.get(f"agents/{agent}/versions")["items"]) == 1


async def test_a_live_agent_stays_live_when_its_optimization_fails(
    product: Product, api: Api
) -> None:
    agent = api.import_agent("scout", "stays_live", type="standalone")
    api.complete(api.post(f"optimize/{agent}/deploy", {"version": 1, "force": True}))
    assert api.get(f"agents/{agent}")["status"] == "live"

    job = api.post(f"optimize/{agent}", {"model": "openai/sandbox-unauthorised"})

    assert api.finish(job)["status"] == "failed"
    assert api.get(f"agents/{agent}")["status"] == "live"


# -------------------------------------------------------------------- no model at all


@pytest.fixture
def product_without_model(tmp_path: Path) -> Iterator[Product]:
    nowhere = f"http://127.0.0.1:{free_port()}/v1"
    with running(tmp_path, OPENAI_BASE_URL=nowhere, OPENAI_API_KEY="sk-secret-of-the-test") as it:
        yield it


async def test_a_model_that_cannot_be_reached_is_said_everywhere(
    product_without_model: Product,
) -> None:
    product = product_without_model
    with product.client() as api:
        agents = api.import_agent("genesis"), api.import_agent("genesis", "searching")

        evaluated, searched = await asyncio.gather(
            evaluate(product, api, agents[0]), optimize(product, api, agents[1])
        )

        evaluated.all_say(*UNREACHABLE)
        searched.all_say(*UNREACHABLE)
        assert evaluated.row["pass_rate"] is searched.row["verdict"] is None
        for agent in agents:
            assert api.get(f"agents/{agent}")["status"] == "dev"
        components = {each["name"]: each for each in api.get("system/status")["components"]}
        assert components["model"]["state"] == "degraded"
        assert components["model"]["stand_in"] is False
    everything = [product.said(), *(log.read_text() for log in product.data_dir.glob("logs/*"))]
    assert "sk-secret-of-the-test" not in json.dumps(everything)
