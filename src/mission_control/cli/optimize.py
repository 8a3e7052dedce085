"""`mission-control optimize` and `mission-control compare`."""

from typing import Annotated

import typer

from mission_control.cli.options import AgentId, ApiUrl, AsJson, Concurrency, Model, Wait, Watch
from mission_control.core.words import Level, OptimizerName


def optimize(
    *,
    agent_id: AgentId,
    optimizer: Annotated[
        OptimizerName | None, typer.Option(help="How to search.  [default: GEPA]")
    ] = None,
    auto: Annotated[
        Level | None, typer.Option(help="How long.  [default: light, unless limited below]")
    ] = None,
    max_metric_calls: Annotated[
        int | None, typer.Option(help="End the search after so many scored answers.")
    ] = None,
    max_cost_usd: Annotated[
        float | None, typer.Option(help="What the search and the comparison may cost together.")
    ] = None,
    max_minutes: Annotated[
        float | None, typer.Option(help="End the search after so many minutes.")
    ] = None,
    repetitions: Annotated[
        int | None, typer.Option(min=1, max=20, help="Of the final comparison.  [default: 3]")
    ] = None,
    concurrency: Concurrency = None,
    model: Model = None,
    reflection_model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Writes the new prompts.")
    ] = None,
    watch: Watch = False,
    wait: Wait = True,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Search for a better prompt, then compare it once on scenarios the search has not seen.

    Exit code 0 once there is a verdict, whatever it says.
    """
    from mission_control.api.optimize.schemas import OptimizationCreate
    from mission_control.cli import job_results
    from mission_control.cli.session import given, open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        asked = given(
            optimizer=optimizer,
            auto=auto,
            max_metric_calls=max_metric_calls,
            max_cost_usd=max_cost_usd,
            max_minutes=max_minutes,
            repetitions=repetitions,
            concurrency=concurrency,
            model=model,
            reflection_model=reflection_model,
        )
        job = session.client.optimize(agent_id, OptimizationCreate.model_validate(asked))
        if wait or watch:
            job_results.await_optimization(session, job, watch=watch)
        else:
            job_results.leave_running(session, job)


def compare(
    *,
    agent_id: AgentId,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="First run what could not be measured, and complete the verdict."
        ),
    ] = False,
    concurrency: Concurrency = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Show the verdict of the newest optimization, and what it rests on."""
    from mission_control.api.optimize.schemas import ComparisonCreate
    from mission_control.cli import job_results
    from mission_control.cli.session import given, open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        found = session.client.optimization_status(agent_id)
        if again:
            asked = ComparisonCreate.model_validate(given(concurrency=concurrency))
            job = session.client.complete_comparison(agent_id, found.id, asked)
            job_results.await_optimization(session, job, watch=False)
        else:
            job_results.show_comparison(session, found)
