"""`mission-control evaluate`."""

from enum import StrEnum
from typing import Annotated, Literal

import typer

from mission_control.cli.options import AgentId, ApiUrl, AsJson, Concurrency, Model, Wait, Watch


class Split(StrEnum):
    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


def evaluate(
    *,
    agent_id: AgentId,
    baseline: Annotated[
        bool, typer.Option("--baseline", help="Remember it as what later ones are held against.")
    ] = False,
    version: Annotated[int | None, typer.Option(min=1, help="[default: the current one]")] = None,
    split: Annotated[
        list[Split] | None, typer.Option(help="Only its scenarios; may be repeated.")
    ] = None,
    scenario: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only this one; may be repeated.")
    ] = None,
    repetitions: Annotated[
        int | None, typer.Option(min=1, max=20, help="Of each scenario.  [default: 1]")
    ] = None,
    rerun: Annotated[
        Literal["failed", "error"] | None,
        typer.Option(help="Only what failed, or could not be measured, in the newest one."),
    ] = None,
    concurrency: Concurrency = None,
    model: Model = None,
    watch: Watch = False,
    wait: Wait = True,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Run an agent's scenarios and show how many pass. Exit code 0 once it is measured."""
    from mission_control.api.evaluate.schemas import EvaluationCreate
    from mission_control.cli import job_results
    from mission_control.cli.session import given, open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        asked = given(
            version=version,
            splits=split,
            scenario_ids=scenario,
            repetitions=repetitions,
            rerun=rerun,
            concurrency=concurrency,
            model=model,
        )
        start = session.client.baseline if baseline else session.client.evaluate
        job = start(agent_id, EvaluationCreate.model_validate(asked))
        if wait or watch:
            job_results.await_evaluation(session, job, watch=watch)
        else:
            job_results.leave_running(session, job)
