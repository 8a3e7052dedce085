"""The command line as an operator uses it, against the running product."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.builders import a_playbook, a_scenario
from tests.e2e.harness import Api, Product, running, wait_until
from tests.services import HANG_SECONDS

COMMAND = (sys.executable, "-m", "mission_control.cli")
QUICK = ("--max-metric-calls", "12", "--repetitions", "1")


def say(product: Product, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        input=given,
        capture_output=True,
        text=True,
        env=product.environment(),
        cwd=product.home,
        timeout=HANG_SECONDS,
        check=False,
    )


def document(product: Product, *arguments: str, code: int = 0, given: str = "") -> Any:
    """What `--json` prints: one document, whatever the exit code."""
    done = say(product, *arguments, "--json", given=given)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def test_an_agent_through_the_command_line(product: Product) -> None:
    playbook = a_playbook("cli_ada")
    assert document(product, "agents", "import", "-", given=playbook)["id"] == "cli_ada"
    again = document(product, "agents", "import", "-", given=playbook, code=2)
    assert again["error"]["code"] == "agent_exists"
    assert again["error"]["status"] == 409
    assert "cli_ada" in {each["id"] for each in document(product, "agents", "list")["items"]}

    evaluated = document(product, "evaluate", "cli_ada", "--split", "test", "--split", "train")
    assert (evaluated["status"], evaluated["scenarios"]) == ("completed", 6)
    watched = say(product, "evaluate", "cli_ada", "--baseline", "--watch")
    assert watched.returncode == 0, watched.stderr
    assert "9 of 9" in watched.stderr
    assert "pass rate" in watched.stdout
    assert "9 of 9" not in watched.stdout

    no_verdict = document(product, "compare", "cli_ada", code=2)
    assert no_verdict["error"]["code"] == "no_optimization"
    searched = say(product, "optimize", "cli_ada", "--watch", *QUICK)
    assert searched.returncode == 0, searched.stderr
    assert "trial 0 (from —)" in searched.stderr
    assert "verdict" in searched.stdout
    compared = document(product, "compare", "cli_ada")
    assert compared["verdict"] in {"not_enough_data", "no_difference_shown"}, "of 3 scenarios"
    assert compared["comparison"]["sentence"] in searched.stdout

    kinds = document(product, "jobs", "list", "--agent", "cli_ada")["items"]
    assert [each["kind"] for each in kinds] == ["optimize", "evaluate", "evaluate"]
    shown = document(product, "jobs", "show", kinds[0]["id"])
    assert (shown["status"], shown["agent_id"]) == ("completed", "cli_ada")


def test_a_version_is_deployed_and_taken_back(product: Product) -> None:
    document(product, "agents", "import", "-", given=a_playbook("cli_live"))
    document(product, "agents", "edit", "cli_live", "--prompt", "-", given="Be kind and brief.")
    refused = say(product, "deploy", "cli_live", "--version", "2")
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert "has not been shown to be better" in refused.stderr

    deployed = document(product, "deploy", "cli_live", "--version", "2", "--force")
    assert (deployed["status"], deployed["version"]) == ("verified", 2)
    assert document(product, "agents", "show", "cli_live")["status"] == "live"
    assert document(product, "rollback", "cli_live")["deployed_version"] is None
    assert say(product, "rollback", "cli_live").returncode == 2
    versions = document(product, "agents", "versions", "cli_live")["items"]
    assert [each["origin"] for each in versions] == ["rollback", "edit", "import"]


def test_a_new_prompt_is_a_new_version(product: Product) -> None:
    document(product, "agents", "import", "-", given=a_playbook("cli_edited"))
    edited = document(
        product, "agents", "edit", "cli_edited", "--prompt", "-", "--note", "kinder",
        given="You answer the phone. Be kind.",
    )  # fmt: skip
    assert (edited["current_version"], edited["prompt"]) == (2, "You answer the phone. Be kind.")
    shown = say(product, "agents", "diff", "cli_edited").stdout
    assert "-You answer the phone. Be brief." in shown
    assert "+You answer the phone. Be kind." in shown
    stale = document(
        product, "agents", "edit", "cli_edited", "--prompt", "-", "--based-on", "1",
        given="You are late.", code=2,
    )  # fmt: skip
    assert stale["error"]["code"] == "version_changed"


def test_a_failed_evaluation_has_exit_code_1(product: Product) -> None:
    document(product, "agents", "import", "-", given=a_playbook("cli_failing"))
    failed = document(
        product, "evaluate", "cli_failing", "--model", "openai/sandbox-unauthorised", code=1
    )
    assert (failed["status"], failed["pass_rate"]) == ("failed", None)
    shown = say(product, "evaluate", "cli_failing", "--model", "openai/sandbox-unauthorised")
    assert shown.returncode == 1
    assert "0.0 %" not in shown.stdout
    assert "$0" not in shown.stdout


def test_ctrl_c_leaves_the_job_running(product: Product, api: Api, tmp_path: Path) -> None:
    """Of a scenario that nobody can pass no search is ever done, and its budget is one of hours."""
    splits = ("train", "validation", "test")
    hopeless = {"checks": [{"contains": ["never ever said"]}]}
    scenarios = [
        a_scenario(f"{topic}_{split}", topic=topic, split=split, **hopeless)
        for split in splits
        for topic in ("price", "refund", "claim")
    ]
    agent_id = "cli_interrupted"
    api.post("agents", {"playbook": a_playbook(agent_id, scenarios=scenarios)}, expect=201)
    endless = ("--max-metric-calls", "100000", "--model", "openai/sandbox-slow")
    said = tmp_path / "said"
    with (
        said.open("wb") as terminal,
        subprocess.Popen(
            [*COMMAND, "optimize", agent_id, "--watch", *endless],
            stdout=subprocess.DEVNULL,
            stderr=terminal,
            env=product.environment(),
            cwd=product.home,
        ) as watching,
    ):
        wait_until(lambda: "trial 0" in said.read_text(), "the first trial to be shown")
        (job,) = api.get("jobs", agent_id=agent_id)["items"]
        watching.send_signal(signal.SIGINT)
        watching.wait(HANG_SECONDS)
    assert watching.returncode == 130
    assert said.read_text().splitlines()[-1] == (
        f"Interrupted. Job {job['id']} goes on; cancel it with "
        f"`mission-control jobs cancel {job['id']}`."
    )
    assert api.get(f"jobs/{job['id']}")["status"] == "running"
    assert document(product, "compare", agent_id, code=2)["error"]["code"] == "still_running"
    assert document(product, "jobs", "cancel", job["id"])["status"] == "cancelled"
    assert say(product, "compare", agent_id).returncode == 1
    again = document(product, "compare", agent_id, "--again", "--concurrency", "2", code=2)
    assert again["error"]["code"] == "nothing_to_complete", "no candidate is better than the start"


def test_the_doctor_and_the_schema(product: Product) -> None:
    examined = document(product, "doctor")
    assert examined["state"] == "ok"
    stand_ins = {each["name"] for each in examined["findings"] if each["stand_in"]}
    assert stand_ins == {"model", "vapi", "close"}
    assert document(product, "migrate")["revision"]


@pytest.mark.timeout(1800)
def test_the_demo_shows_the_main_job_and_shows_it_again(tmp_path: Path) -> None:
    with running(tmp_path) as product:
        shown = say(product, "demo")
        assert shown.returncode == 0, shown.stderr
        assert "verdict     better" in shown.stdout
        assert "model.messages[0].content" in shown.stdout

        again = document(product, "demo")
        assert again["optimization"]["verdict"] == "better"
        assert again["agent"]["status"] == "live"
        assert again["agent"]["deployed_version"] == again["optimization"]["candidate_version"]
        origins = [
            each["origin"] for each in document(product, "agents", "versions", "remus")["items"]
        ]
        assert origins == ["optimization", "rollback", "optimization", "import"]
