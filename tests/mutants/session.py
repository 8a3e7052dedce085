"""A pytest plugin: one session tries many mutants, so that Redis, PostgreSQL and engine start once.

First every test runs on the code as it is, which shows what functions it meets. Then each mutant is
switched on in turn, and the tests that meet its function run, quickest first, until one fails.
"""

# pyright: basic, reportMissingImports=false, reportMissingModuleSource=false
# mutmut is installed by `make mutants` alone.

import json
import os
import time
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import mutmut.mutation.trampoline as trampoline
import pytest
from _pytest.runner import runtestprotocol
from mutmut.utils.format_utils import mangled_name_from_mutant_name

SWITCH = "MUTANT_UNDER_TEST"  # mutmut's own; processes that a test starts have the mutant too


class Meeting:
    """Which functions a test runs through."""

    def __init__(self) -> None:
        self.functions: set[str] = set()
        self.is_looking = False

    def active_mutant(self) -> str:
        return "stats" if self.is_looking else os.environ.get(SWITCH, "")

    def record(self, function: str, caller: str | None = None) -> None:
        self.functions.add(function)


meeting = Meeting()
trampoline.get_mutant_under_test = meeting.active_mutant
trampoline.record_trampoline_hit = meeting.record


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    plan = json.loads(Path(os.environ["MUTANTS_PLAN"]).read_text("utf-8"))
    tests, took = _tests_by_function(session)
    if not tests:
        pytest.exit("No test meets any of it.", returncode=3)
    with Path(os.environ["MUTANTS_RESULTS"]).open("a", encoding="utf-8") as results:
        for mutant in plan:
            met = tests.get(mangled_name_from_mutant_name(mutant), [])
            noticed_by = _noticed(mutant, sorted(met, key=lambda test: took[test.nodeid]))
            row = {"mutant": mutant, "tests": len(met), "noticed_by": noticed_by}
            results.write(json.dumps(row) + "\n")
            results.flush()
    return True


def _tests_by_function(
    session: pytest.Session,
) -> tuple[dict[str, list[pytest.Item]], dict[str, float]]:
    tests: dict[str, list[pytest.Item]] = defaultdict(list)
    took: dict[str, float] = {}
    for test in session.items:
        meeting.functions, meeting.is_looking = set(), True
        began = time.monotonic()
        failure = _failure(test)
        took[test.nodeid] = time.monotonic() - began
        meeting.is_looking = False
        if failure is not None:
            print(
                f"\nleft out, for it fails without any mutant: {test.nodeid}\n{failure}", flush=True
            )
            continue
        for function in meeting.functions:
            tests[function].append(test)
    return tests, took


def _noticed(mutant: str, tests: list[pytest.Item]) -> str | None:
    os.environ[SWITCH] = mutant
    try:
        return next((test.nodeid for test in tests if _failure(test) is not None), None)
    finally:
        del os.environ[SWITCH]


def _failure(test: pytest.Item) -> str | None:
    assert isinstance(test, pytest.Function)
    test._initrequest()  # as if it had not run before
    # "Next comes something of this session": its services stay, everything smaller ends.
    following = SimpleNamespace(listchain=lambda: [test.session])
    reports = runtestprotocol(test, log=False, nextitem=following)  # type: ignore[arg-type]
    return next((report.longreprtext for report in reports if report.failed), None)
