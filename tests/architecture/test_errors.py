"""Every refusal has a code of its own, a status, and a sentence for the API's documentation."""

import importlib
import pkgutil
from collections import Counter

import pytest

import mission_control
from mission_control.api.problems import status_of
from mission_control.core.errors import MissionControlError

# Never answered to a request: they end a job, a start or a migration.
INTERNAL = {
    "internal",
    "lease_lost",
    "job_cancelled",
    "job_gave_up",
    "migration_broke_references",
    "settings_invalid",
}


def every_module() -> None:
    for module in pkgutil.walk_packages(mission_control.__path__, "mission_control."):
        if (
            "streamlit_app" not in module.name
            and "app_pages" not in module.name
            and "__main__" not in module.name
            and "migrations" not in module.name
        ):
            importlib.import_module(module.name)


def every_error(
    base: type[MissionControlError] = MissionControlError,
) -> list[type[MissionControlError]]:
    return [base, *(each for child in base.__subclasses__() for each in every_error(child))]


every_module()
ERRORS = sorted(
    {e for e in every_error() if e.__module__.startswith("mission_control.")},
    key=lambda e: e.__name__,
)


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: e.__name__)
def test_has_a_chosen_status(error: type[MissionControlError]) -> None:
    if error.code in INTERNAL or error.__module__.startswith(
        ("mission_control.supervisor", "mission_control.cli", "mission_control_sandbox")
    ):
        return
    assert status_of(error) != 500, f"{error.__name__} would be answered as an internal error"


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: e.__name__)
def test_says_what_it_is(error: type[MissionControlError]) -> None:
    assert error.__name__.endswith("Error")


def test_codes_are_unique() -> None:
    codes = Counter(error.code for error in ERRORS if "code" in vars(error))
    assert [code for code, count in codes.items() if count > 1] == []


def test_the_list_of_internal_errors_is_not_stale() -> None:
    assert {e.code for e in ERRORS} >= INTERNAL
