"""What the command line makes of comparing many agents."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import typer

from mission_control.api.drift.schemas import DriftPage
from mission_control.cli import drift_tables
from mission_control.cli.session import UNAVAILABLE, Session
from mission_control.client.errors import ApiProblemError


def a_session(problem: ApiProblemError, asked: list[str]) -> Session:
    """Of two agents, the first cannot be compared."""

    def check(agent_id: str) -> None:
        asked.append(agent_id)
        if agent_id == "ada":
            raise problem

    agents = SimpleNamespace(items=[SimpleNamespace(id="ada"), SimpleNamespace(id="bea")])

    def nothing(*_: object, **__: object) -> Any:
        return DriftPage(items=[], next_cursor=None)

    client = SimpleNamespace(
        agents=SimpleNamespace(list=lambda **_: agents),
        drift=SimpleNamespace(check=check, list=nothing),
    )
    return cast(
        "Session",
        SimpleNamespace(client=client, screen=SimpleNamespace(note=nothing, answer=nothing)),
    )


def test_one_that_cannot_be_compared_stops_no_other() -> None:
    asked: list[str] = []
    gone = ApiProblemError(424, "integration_not_found", "Vapi has no such thing.")
    with pytest.raises(typer.Exit) as ended:
        drift_tables.show_all(a_session(gone, asked), check=True)
    assert (asked, ended.value.exit_code) == (["ada", "bea"], UNAVAILABLE)


def test_a_vapi_that_is_away_is_asked_once() -> None:
    asked: list[str] = []
    away = ApiProblemError(424, "integration_unavailable", "Vapi could not be reached.")
    with pytest.raises(ApiProblemError):
        drift_tables.show_all(a_session(away, asked), check=True)
    assert asked == ["ada"]
