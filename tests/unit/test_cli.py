"""The command line where no product runs: usage, refusals, exit codes, words."""

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from mission_control.api.jobs.schemas import JobRead
from mission_control.api.leads.schemas import LeadFieldRead
from mission_control.cli import lead_changes
from mission_control.cli.app import app
from mission_control.cli.first_start import show_main_job
from mission_control.cli.formats import harmless, money, points, rate
from mission_control.cli.job_progress import EvaluationView, OptimizationView
from mission_control.cli.session import CommandError, Screen, base_url, reporting
from mission_control.client.errors import ApiProblemError
from mission_control.core.clock import utc_now
from mission_control.core.settings import Settings, SettingsError, get_settings, load_settings
from mission_control.core.words import JobKind, JobStatus
from tests.services import free_port

runner = CliRunner()


@pytest.fixture
def nowhere() -> list[str]:
    """Options that name an API which is not there."""
    return ["--api-url", f"http://127.0.0.1:{free_port()}"]


# ------------------------------------------------------------------ usage


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from mission_control.cli.app import app\n"
        "print(CliRunner().invoke(app, ['--help']).output)\n"
        "heavy = {'pydantic', 'httpx2', 'sqlalchemy', 'celery', 'fastapi', 'websockets'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout
    for command in ("up", "demo", "doctor", "agents", "evaluate", "optimize", "compare", "deploy",
                    "rollback", "drift", "calls", "leads", "memory", "sync", "jobs", "migrate", "sandbox"):  # fmt: skip
        assert f"\n  {command} " in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate"],
        ["evaluate", "remus", "--split", "everything"],
        ["evaluate", "remus", "--repetitions", "0"],
        ["evaluate", "remus", "--rerun", "passed"],
        ["evaluate", "remus", "--concurrency", "0"],
        ["optimize", "remus", "--concurrency", "129"],
        ["compare", "remus", "--again", "--concurrency", "0"],
        ["optimize", "remus", "--optimizer", "MAGIC"],
        ["optimize", "remus", "--max-cost-usd", "-1"],
        ["optimize", "remus", "--max-metric-calls", "0"],
        ["optimize", "remus", "--model", "no name"],
        ["agents", "import"],
        ["agents", "import", "a.yaml", "--all"],
        ["agents", "import", "/nowhere/a.yaml"],
        ["agents", "edit", "remus", "--note", "because"],
        ["agents", "list", "--limit", "201"],
        ["sandbox", "model"],
        ["deploy", "remus", "--colour"],
        ["agents", "import", "a.yaml", "--from-vapi", "a-1"],
        ["agents", "import", "--from-vapi", "a-1", "--type", "webhook"],
        ["calls", "list", "--from", "yesterday"],
        ["calls", "list", "--ending", "badly"],
        ["calls", "totals", "--source", "twilio"],
        ["leads", "list", "--custom", "Roof type"],
        ["leads", "list", "--custom", "Roof type+=Flat"],
        ["leads", "set", "lead_1"],
        ["leads", "set", "lead_1", "Roof type"],
        ["leads", "set", "lead_1", "=Flat"],
    ],
)
def test_wrong_usage_is_refused_before_anything_is_asked(
    arguments: list[str], nowhere: list[str]
) -> None:
    options = [] if arguments[0] == "sandbox" else nowhere
    result = runner.invoke(app, [*arguments, *options])
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_a_binary_file_is_no_playbook(tmp_path: Any, nowhere: list[str]) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    result = runner.invoke(app, ["agents", "import", str(tmp_path / "a.yaml"), *nowhere])
    assert result.exit_code == 2
    assert "is not UTF-8" in result.stderr


# ------------------------------------------------------------------ an API that is away


@pytest.mark.parametrize(
    "arguments",
    [
        ["agents", "list"], ["agents", "show", "remus"], ["evaluate", "remus"], ["compare", "remus"], ["compare", "remus", "--again"],
        ["evaluate", "remus", "--watch"], ["optimize", "remus"], ["deploy", "remus"],
        ["rollback", "remus"], ["jobs", "list"], ["jobs", "cancel", str(uuid4())], ["demo"],
        ["calls", "list"], ["calls", "totals"], ["leads", "list"], ["leads", "show", "lead_1"],
        ["leads", "set", "lead_1", "status=Won"], ["sync"], ["drift"], ["drift", "ada", "--check"],
        ["agents", "candidates"], ["agents", "import", "--from-vapi", "a-1"],
    ],
)  # fmt: skip
def test_an_api_that_is_away_is_said_in_one_line(arguments: list[str], nowhere: list[str]) -> None:
    result = runner.invoke(app, [*arguments, *nowhere])
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr == f"The API does not answer at {nowhere[1]}: start it with `make run`.\n"


def test_a_refusal_is_one_document_too(nowhere: list[str]) -> None:
    result = runner.invoke(app, ["agents", "list", "--json", *nowhere])
    assert result.exit_code == 3
    assert json.loads(result.stdout)["error"]["code"] == "api_unreachable"


def test_a_setting_that_cannot_be_used_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MC_API_PORT", "many")
    get_settings.cache_clear()
    try:
        result = runner.invoke(app, ["agents", "list"])
    finally:
        get_settings.cache_clear()
    assert result.exit_code == 2
    assert "MC_API_PORT" in result.stderr
    assert len(result.stderr.splitlines()) == 1


# ------------------------------------------------------------------ exit codes


@pytest.mark.parametrize(
    ("status", "exit_code"),
    [(400, 2), (404, 2), (409, 2), (422, 2), (424, 3), (429, 3), (503, 3), (500, 1)],
)
def test_a_problem_has_the_exit_code_of_its_kind(
    status: int, exit_code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = ApiProblemError(status, "a_code", "What happened.", {"job_id": "7"})
    with pytest.raises(typer.Exit) as ended, reporting(Screen(as_json=True)):
        raise problem
    assert ended.value.exit_code == exit_code
    said = capsys.readouterr()
    assert json.loads(said.out) == {
        "error": {"code": "a_code", "detail": "What happened. (job 7)", "status": status, "job_id": "7"}
    }  # fmt: skip
    assert said.err == "What happened. (job 7)\n"


def test_fields_that_are_wrong_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    errors = [{"field": "max_cost_usd", "message": "gpt-9 is unpriced"}]
    with pytest.raises(typer.Exit), reporting(Screen()):
        raise ApiProblemError(422, "unpriced_budget", "It cannot be kept.", {"errors": errors})
    assert capsys.readouterr().err == "It cannot be kept. (max_cost_usd: gpt-9 is unpriced)\n"


def test_what_the_sentence_says_already_is_not_said_twice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    errors = [{"field": "yaml", "message": "Line 2."}]
    with pytest.raises(typer.Exit), reporting(Screen()):
        raise ApiProblemError(
            422, "playbook_invalid", "Not saved. yaml: Line 2.", {"errors": errors}
        )
    assert capsys.readouterr().err == "Not saved. yaml: Line 2.\n"


@pytest.mark.parametrize(("kind", "exit_code"), [("playbook", 2), ("auth", 3)])
def test_a_playbook_that_the_engine_refuses_is_a_refusal(kind: str, exit_code: int) -> None:
    with pytest.raises(typer.Exit) as ended, reporting(Screen()):
        raise ApiProblemError(424, "superoptix_failed", "It did not compile.", {"kind": kind})
    assert ended.value.exit_code == exit_code


def test_an_interruption_ends_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, reporting(Screen()):
        raise KeyboardInterrupt
    assert ended.value.exit_code == 130
    assert capsys.readouterr().err == "Interrupted.\n"


# ------------------------------------------------------------------ where the API is


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),  # noqa: S104  # read, not bound
        ("::", "http://127.0.0.1:8000"),
        ("::1", "http://[::1]:8000"),
        ("console.lan", "http://console.lan:8000"),
    ],
)
def test_the_base_url_can_be_reached_from_here(host: str, url: str) -> None:
    assert base_url(Settings(_env_file=None, mc_host=host, mc_api_port=8000)) == url  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize(
    "settings",
    [
        {"mc_demo": False},
        {"openai_api_key": "sk-real"},
        {"openai_base_url": "http://models.lan/v1"},
        {"vapi_api_key": "real"},
        {"vapi_base_url": "http://vapi.lan"},
    ],
)
async def test_the_real_world_is_never_shown_the_demo(
    settings: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    await show_main_job(Settings(_env_file=None, mc_api_port=free_port(), **settings))  # pyright: ignore[reportCallIssue]
    assert capsys.readouterr().out == ""


# ------------------------------------------------------------------ words


def test_what_was_not_measured_is_no_number() -> None:
    assert rate(None) == points(None) == "—"
    assert rate(0.0) == "0.0 %"
    assert rate(0.4375) == "43.8 %"
    assert points(-0.125) == "-12.5 points"


@pytest.mark.parametrize(
    ("usd", "told"),
    [
        (None, "unpriced"),
        (Decimal("0.0042131"), "$0.0042"),
        ("0.00000042", "<$0.0001"),
        (Decimal("12.345"), "$12.34"),
        (Decimal(0), "$0.0000"),
    ],
)
def test_money(usd: Decimal | str | None, told: str) -> None:
    assert money(usd) == told


def test_a_cost_that_is_not_known_yet_is_not_unpriced() -> None:
    assert money(None, is_final=False) == "—"


# ------------------------------------------------------------------ changing a lead

FIELDS = [
    LeadFieldRead(id="cf_1", name="Roof age", type="number", accepts_multiple=False, choices=[]),
    LeadFieldRead(id="cf_2", name="Wants", type="choices", accepts_multiple=True, choices=["Plan"]),
]


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        (["status=Won"], {"status": "Won"}),
        (["url="], {"url": None}),
        (["Roof age=12"], {"custom": {"Roof age": 12}}),
        (["cf_1=-2.5"], {"custom": {"cf_1": -2.5}}),
        (["Roof age="], {"custom": {"Roof age": None}}),
        (["Wants+=Plan"], {"custom": {"Wants": {"add": "Plan"}}}),
        (["Wants -= Plan"], {"custom": {"Wants": {"remove": "Plan"}}}),
        (["custom.status=x"], {"custom": {"status": "x"}}),
        (["Note=a=b"], {"custom": {"Note": "a=b"}}),
        (["name=A", "Unknown=1"], {"name": "A", "custom": {"Unknown": "1"}}),
    ],
)
def test_what_is_typed_is_what_is_sent(typed: list[str], sent: dict[str, Any]) -> None:
    request = lead_changes.request([lead_changes.read(each) for each in typed], FIELDS)
    assert request.model_dump(exclude_unset=True) == sent


@pytest.mark.parametrize(
    "typed", [["Roof age=old"], ["status+=Won"], ["Wants+=a", "Wants+=b"], ["name=A", "name=B"]]
)
def test_what_cannot_be_meant_is_refused(typed: list[str]) -> None:
    with pytest.raises(CommandError):
        lead_changes.request([lead_changes.read(each) for each in typed], FIELDS)


# ------------------------------------------------------------------ following


def _job(kind: JobKind) -> JobRead:
    return JobRead(
        id=uuid4(), kind=kind, agent_id="ada", status=JobStatus.RUNNING, progress={}, error=None,
        created_at=utc_now(), started_at=None, finished_at=None,
    )  # fmt: skip


def _rendered(view: EvaluationView | OptimizationView) -> str:
    console = Console(width=150)
    with console.capture() as capture:
        console.print(view.render())
    return capture.get()


def _result(job: JobRead, done: int, status: str = "passed") -> dict[str, Any]:
    return {
        "type": "evaluation.scenario_finished", "id": f"{done}-0", "job_id": str(job.id),
        "data": {"status": status, "done": done, "total": 4},
    }  # fmt: skip


def test_an_evaluation_is_told_in_steps_and_only_ours() -> None:
    job = _job(JobKind.EVALUATE)
    view = EvaluationView(job)
    assert view.take(_result(_job(JobKind.EVALUATE), 1)) is None
    assert view.take(_result(job, 1)) == "ada: 1 of 4: 1 passed, 0 failed, 0 not measured"
    assert view.take(_result(job, 2, "failed")) == "ada: 2 of 4: 1 passed, 1 failed, 0 not measured"
    assert view.take(_result(job, 3, "error")) == "ada: 3 of 4: 1 passed, 1 failed, 1 not measured"
    assert "3/4" in _rendered(view)


def test_a_snapshot_replaces_what_was_missed() -> None:
    job = _job(JobKind.EVALUATE)
    view = EvaluationView(job)
    state = {
        "job_id": str(job.id),
        "scenarios": 4,
        "repetitions": 1,
        "passed": 2,
        "failed": 1,
        "errors": 0,
    }
    view.take({"type": "snapshot", "id": "0-0", "data": {"evaluation": state}})
    assert "3/4" in _rendered(view)
    view.take(
        {"type": "snapshot", "id": "0-0", "data": {"evaluation": {**state, "job_id": "another"}}}
    )
    assert "3/4" in _rendered(view)


def _trial(job: JobRead, number: int, score: float | None) -> dict[str, Any]:
    data = {
        "number": number, "parent": number - 1 if number else None, "accepted": score is not None,
        "validation_score": score, "sample_score": None if number == 0 else 0.5,
    }  # fmt: skip
    return {"type": "optimization.trial_finished", "id": "1-0", "job_id": str(job.id), "data": data}


def test_trials_are_told_with_their_scores() -> None:
    job = _job(JobKind.OPTIMIZE)
    view = OptimizationView(job)
    told = view.take(_trial(job, 0, 0.25))
    assert told == "trial 0 (from —): sample —, validation 0.250, where it starts"
    assert view.take(_trial(job, 1, None)) == (
        "trial 1 (from 0): sample 0.500, validation —, rejected"
    )
    assert view.take(_trial(_job(JobKind.OPTIMIZE), 2, 1.0)) is None


def test_the_best_trial_stays_in_sight() -> None:
    job = _job(JobKind.OPTIMIZE)
    view = OptimizationView(job)
    view.take(_trial(job, 0, 0.25))
    view.take(_trial(job, 1, 0.987))
    for number in range(2, 40):
        view.take(_trial(job, number, 0.5))
    shown = _rendered(view)
    assert "0.987" in shown
    assert len(shown.splitlines()) < 20


def test_a_search_without_a_score_shows_none() -> None:
    job = _job(JobKind.OPTIMIZE)
    view = OptimizationView(job)
    data = {
        "phase": "preparing", "trials": 0, "metric_calls": 0, "metric_calls_budget": None,
        "best_validation_score": None, "cost_usd": None,
    }  # fmt: skip
    told = view.take(
        {"type": "optimization.progressed", "id": "1-0", "job_id": str(job.id), "data": data}
    )
    assert told == "ada: preparing, best —, cost —"
    assert "$0" not in _rendered(view)
    assert "0.000" not in _rendered(view)


# ------------------------------------------------------------------ memory servers


def with_servers(
    directory: Path, *command: str, **servers: str
) -> subprocess.CompletedProcess[str]:
    """In a process of its own, which sets up its logging."""
    file = directory / "servers.toml"
    file.write_text("".join(f"[servers.{name}]\n{table}\n" for name, table in servers.items()))
    return subprocess.run(
        [sys.executable, "-m", "mission_control.cli", *command],
        check=False,
        capture_output=True,
        text=True,
        cwd=directory,
        env={"PATH": os.environ["PATH"], "MC_MEMORY_CONFIG": str(file)},
    )


def test_checking_memory_servers_says_what_works_and_why_not(tmp_path: Path) -> None:
    sloppy = Path(__file__).parents[1] / "contract" / "memory_servers" / "sloppy.py"
    behaving = (
        'transport = "stdio"\npreset = "private-temporal-memory"\n'
        f"command = {json.dumps(sys.executable)}\n"
        f'args = ["-S", {json.dumps(str(sloppy))}, "HOW"]\n'
    )
    servers = {how: behaving.replace("HOW", how) for how in ("well", "exits")}
    done = with_servers(tmp_path, "memory", "check", "--json", **servers)
    assert done.returncode == 1, done.stderr
    well, exits = json.loads(done.stdout)["servers"]
    works = {each["operation"]: each["works"] for each in well["operations"]}
    assert well["state"]["status"] == "connected"
    assert works == {"list": True, "search": False, "stats": False, "add": None}
    assert exits["state"]["status"] == "unreachable"
    assert {each["works"] for each in exits["operations"]} == {False}
    assert "cannot open the database" in exits["operations"][0]["why"]


def test_a_memory_file_that_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = 'transport = "smoke"'
    refused = with_servers(tmp_path, "up", mine=broken)
    assert refused.returncode == 2
    assert "servers.mine.transport" in refused.stderr
    assert not (tmp_path / "data").exists()  # nothing was started
    done = with_servers(tmp_path, "memory", "check", "--json", mine=broken)
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "memory_configuration_invalid"
    assert "line 2: servers.mine.transport" in done.stderr
    assert "Traceback" not in done.stderr

    monkeypatch.setenv("MC_MEMORY_CONFIG", str(tmp_path / "gone.toml"))
    with pytest.raises(SettingsError, match="MC_MEMORY_CONFIG: There is no such file"):
        load_settings()


def test_what_others_wrote_commands_no_terminal() -> None:
    assert (
        harmless("a\x1b]0;owned\x07\x9b2J\tb\n\xa0é") == "a\ufffd]0;owned\ufffd\ufffd2J\tb\n\xa0é"
    )
