"""Each import contract fails on a violation: one that cannot fail protects nothing."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]

PRODUCT = "src/mission_control"
FEATURE = f"{PRODUCT}/api/planted"
# For each contract, modules that break it and what they import.
PLANTED: dict[str, list[tuple[str, str]]] = {
    "layers": [
        (f"{PRODUCT}/api/deps.py", "mission_control.supervisor.lock"),
        (f"{PRODUCT}/integrations/errors.py", "mission_control.cli.options"),
        (f"{PRODUCT}/core/clock.py", "mission_control.data.pages"),
        (f"{PRODUCT}/worker/main.py", "mission_control.ui.clients"),
        (f"{PRODUCT}/elsewhere/__init__.py", "mission_control.core.clock"),  # in no layer
    ],
    "ui-is-a-client": [
        (f"{PRODUCT}/ui/clients.py", "mission_control.api.jobs.router"),
        (f"{PRODUCT}/ui/clients.py", "mission_control.api.mirrors"),
        (f"{PRODUCT}/ui/clients.py", "mission_control.integrations.errors"),
        (f"{PRODUCT}/ui/clients.py", "sqlalchemy"),
        (f"{PRODUCT}/client/jobs.py", "mission_control.api.jobs.router"),
    ],
    "client-has-no-page": [
        (f"{PRODUCT}/cli/options.py", "mission_control.ui.clients"),
    ],
    "supervisor-starts-processes": [
        (f"{PRODUCT}/supervisor/state.py", "mission_control.api.queue"),
    ],
    "feature-shape": [
        (f"{FEATURE}/__init__.py", "mission_control.api.planted.schemas"),
        (f"{FEATURE}/router.py", "mission_control.api.planted.tasks"),
        (f"{FEATURE}/commands.py", "mission_control.api.planted.work"),
        (f"{FEATURE}/work.py", "mission_control.api.planted.router"),
        (f"{FEATURE}/queries.py", "mission_control.api.planted.commands"),
        (f"{FEATURE}/anything.py", "mission_control.api.planted.queries"),
        (f"{FEATURE}/deeper/anything.py", "mission_control.api.planted.work"),
        (f"{FEATURE}/events.py", "mission_control.api.planted.anything"),
        (f"{FEATURE}/schemas.py", "mission_control.api.planted.events"),
        (f"{FEATURE}/errors.py", "mission_control.api.other.queries"),
        (f"{FEATURE}/commands.py", "mission_control.api.other.work"),
        (f"{FEATURE}/queries.py", "mission_control.api.other.commands"),
        (f"{FEATURE}/anything.py", "mission_control.api.other.tasks"),
        (f"{PRODUCT}/api/queue.py", "mission_control.api.other.tasks"),
    ],
    "plumbing-below-features": [
        (f"{PRODUCT}/api/queue.py", "mission_control.api.jobs.schemas"),
    ],
    "plumbing-above-features": [
        (f"{PRODUCT}/api/jobs/router.py", "mission_control.api.app"),
    ],
    "no-cycles": [
        (f"{PRODUCT}/core/money.py", "mission_control.core.storable"),
        (f"{PRODUCT}/core/storable.py", "mission_control.core.money"),
        (f"{PRODUCT}/client/aaa.py", "mission_control.client.bbb"),
        (f"{PRODUCT}/client/bbb.py", "mission_control.client.aaa"),
    ],
    "sql-in-data": [
        (f"{PRODUCT}/api/jobs/errors.py", "sqlalchemy"),
        (f"{PRODUCT}/api/jobs/work.py", "alembic"),
        (f"{PRODUCT}/core/clock.py", "sqlite3"),
    ],
    "drivers-by-name": [(f"{PRODUCT}/api/jobs/work.py", "psycopg")],
    "http-at-the-doors": [
        (f"{PRODUCT}/api/evaluate/work.py", "fastapi"),
        (f"{PRODUCT}/integrations/vapi/chat.py", "starlette"),
    ],
    "queue-at-the-doors": [(f"{PRODUCT}/api/calls/queries.py", "celery")],
    "pages-in-the-console": [(f"{PRODUCT}/cli/options.py", "streamlit")],
    "clients-are-pure": [(f"{PRODUCT}/integrations/vapi/chat.py", "mission_control.data.pages")],
    "clients-on-shared-ground": [
        (f"{PRODUCT}/integrations/errors.py", "mission_control.integrations.http.client"),
        (f"{PRODUCT}/integrations/newcomer/__init__.py", "mission_control.integrations.http.client"),
    ],
    "clients-are-independent": [
        (f"{PRODUCT}/integrations/close/search.py", "mission_control.integrations.vapi.chat"),
        (f"{PRODUCT}/integrations/vapi_client.py", "mission_control.integrations.close.errors"),
        (f"{PRODUCT}/integrations/close/search.py", "mission_control.integrations.close_client"),
    ],
    "memory-servers-are-plain": [(f"{PRODUCT}/memory_servers/units.py", "fastapi")],
    "memory-servers-are-independent": [
        (f"{PRODUCT}/memory_servers/hybrid/fusion.py", "mission_control.memory_servers.temporal.items"),
    ],
    "engine-apart": [
        ("engine/src/engine_host/errors.py", "mission_control.core.errors"),
        (f"{PRODUCT}/integrations/superoptix/failures.py", "engine_host.errors"),
    ],
    "protocol-is-plain": [
        ("protocol/src/mission_control_protocol/parts.py", "mission_control.core.errors"),
        ("protocol/src/mission_control_protocol/parts.py", "yaml"),
    ],
    "sandbox-apart": [
        ("src/mission_control_sandbox/faults.py", "mission_control.core.settings"),
        ("src/mission_control_sandbox/faults.py", "mission_control.api.jobs.schemas"),
    ],
    "sandbox-unused": [(f"{PRODUCT}/cli/options.py", "mission_control_sandbox.faults")],
    "core-is-plain": [(f"{PRODUCT}/core/clock.py", "redis")],
}  # fmt: skip


FEATURE_MODULES = (
    "router", "tasks", "commands", "work", "queries", "anything", "events", "schemas",
)  # fmt: skip
# What import-linter says where it does not write down the import.
SAID_OTHERWISE = {
    f"{PRODUCT}/elsewhere/__init__.py": "- mission_control.elsewhere\n",
    f"{PRODUCT}/integrations/newcomer/__init__.py": "- mission_control.integrations.newcomer\n",
    f"{PRODUCT}/core/money.py": "No cycles are allowed in mission_control.core",
    f"{PRODUCT}/core/storable.py": "No cycles are allowed in mission_control.core",
    f"{PRODUCT}/client/aaa.py": "No cycles are allowed in mission_control.client",
    f"{PRODUCT}/client/bbb.py": "No cycles are allowed in mission_control.client",
}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of everything that the contracts speak of, with two small features added."""
    copied = tmp_path_factory.mktemp("packages")
    for folder in ("src", "protocol/src", "engine/src", "tests/architecture"):
        ignored = shutil.ignore_patterns("__pycache__", "*.json", "*.js")
        shutil.copytree(ROOT / folder, copied / folder, ignore=ignored)
    for file in ("pyproject.toml", "tests/__init__.py"):
        shutil.copy(ROOT / file, copied / file)
    for module in FEATURE_MODULES:
        make(copied / f"{PRODUCT}/api/planted/{module}.py")
        make(copied / f"{PRODUCT}/api/other/{module}.py")
    return copied


def make(module: Path) -> None:
    """A module, and the packages that it lies in, where they are not there yet."""
    module.parent.mkdir(parents=True, exist_ok=True)
    (module.parent / "__init__.py").touch()
    module.touch()


def plant(root: Path, file: str, imported: str) -> None:
    make(root / file)
    with (root / file).open("a") as module:
        module.write(f"\nimport {imported}\n")


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        check=False,
        cwd=root,
        env={"PYTHONPATH": "src:protocol/src:engine/src", "COLUMNS": "400"},
        capture_output=True,
        text=True,
    )


def what_is_said_of(file: str, imported: str) -> str:
    if said := SAID_OTHERWISE.get(file):
        return said
    module = file.partition("src/")[2].removesuffix(".py").removesuffix("/__init__")
    return f" {module.replace('/', '.')} -> {imported}"


@pytest.fixture(scope="module")
def report(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is said when every violation of every contract has been planted."""
    broken = tmp_path_factory.mktemp("broken") / "packages"
    shutil.copytree(packages, broken)
    for violations in PLANTED.values():
        for file, imported in violations:
            plant(broken, file, imported)
    linted = lint(broken)
    assert linted.returncode == 1, linted.stdout + linted.stderr
    return linted.stdout


def said_by(contract: str, report: str) -> str:
    """The part of the report that one contract has written."""
    [name] = [each["name"] for each in CONTRACTS if each["id"] == contract]
    heading = f"\n{name}\n{'-' * len(name)}\n"
    assert heading in report, f"{name} is kept"
    own = report.partition(heading)[2]
    following = [f"\n{each['name']}\n{'-' * len(each['name'])}\n" for each in CONTRACTS]
    return own[: min((own.find(each) for each in following if each in own), default=None)]


def test_every_contract_has_a_planted_violation() -> None:
    assert set(PLANTED) == {contract["id"] for contract in CONTRACTS}


def test_all_are_kept_until_then(packages: Path) -> None:
    kept = lint(packages)
    assert kept.returncode == 0, kept.stdout + kept.stderr


@pytest.mark.parametrize("contract", PLANTED)
def test_fails_on_each_violation(contract: str, report: str) -> None:
    own = said_by(contract, report)
    assert [each for each in PLANTED[contract] if what_is_said_of(*each) not in own] == [], own
