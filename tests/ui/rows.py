"""Optimizations as the worker leaves them, with a comparison that was really computed."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import uuid4

from mission_control.core.clock import utc_now
from mission_control.core.comparison import ScenarioScore, compare
from mission_control.core.words import JobKind, JobStatus, Verdict, VersionOrigin
from mission_control.data.optimizations import Optimization, Trial
from mission_control.data.unit_of_work import UnitOfWork
from tests.builders import a_job, a_version, an_agent

Outcomes = Sequence[float | None]


async def an_ended_optimization(
    uow: UnitOfWork,
    *,
    baseline: Sequence[Outcomes],
    candidate: Sequence[Outcomes],
    anchors: Sequence[int] = (),
    cost_usd: Decimal | None = Decimal("0.0123"),
) -> Optimization:
    """Agent `ada`, version 1 optimized to version 2; an outcome per repetition of each scenario."""
    agent = await an_agent(uow, current_version=1)
    first = await a_version(uow, agent)
    second = await a_version(
        uow,
        agent,
        origin=VersionOrigin.OPTIMIZATION,
        parent_id=first.id,
        content_hash="1" * 64,
        prompt="You answer the phone. Be brief.\nNever promise a price.",
    )
    found = compare(_scores(baseline), _scores(candidate), anchors=[_id(each) for each in anchors])
    job = await a_job(uow, agent, kind=JobKind.OPTIMIZE, status=JobStatus.COMPLETED)
    now = utc_now()
    optimization = Optimization(
        id=uuid4(),
        agent_id=agent.id,
        job_id=job.id,
        base_version_id=first.id,
        candidate_version_id=second.id,
        optimizer="GEPA",
        budget={"level": "light"},
        model="openai/sandbox-1",
        reflection_model="openai/sandbox-1",
        seed=0,
        repetitions=len(baseline[0]),
        previous_status="dev",
        status=JobStatus.COMPLETED,
        phase="completed",
        metric_calls=40,
        input_tokens=1_000,
        output_tokens=200,
        cost_usd=cost_usd,
        baseline_validation_score=0.25,
        best_validation_score=0.75,
        verdict=Verdict(found.verdict),
        improvement_pct=None if found.difference is None else 100 * found.difference,
        comparison=found.model_dump(mode="json"),
        started_at=now,
        finished_at=now,
    )
    uow.optimizations.add(optimization)
    await uow.flush()
    uow.optimizations.add_trial(
        Trial(
            optimization_id=optimization.id,
            number=0,
            accepted=True,
            validation_score=0.25,
            prompt=first.prompt,
            demonstrations=[],
            metric_calls=9,
            cost_usd=None,
        )
    )
    return optimization


def _scores(outcomes: Sequence[Outcomes]) -> list[ScenarioScore]:
    return [ScenarioScore(_id(number), tuple(each)) for number, each in enumerate(outcomes)]


def _id(number: int) -> str:
    return f"scenario_{number}"
