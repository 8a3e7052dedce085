"""An evaluation and what its results amount to: rates, times and cost."""

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import numpy as np

from mission_control.core.clock import utc_now
from mission_control.core.words import EvaluationPurpose, JobStatus, ScenarioStatus
from mission_control.data.agents import AgentVersion
from mission_control.data.evaluations import Evaluation, ScenarioResult
from mission_control_protocol import (
    Model,
)

MEASUREMENTS = (EvaluationPurpose.CHECK, EvaluationPurpose.BASELINE)
RERUN = EvaluationPurpose.RERUN


def new_evaluation(
    *,
    job_id: UUID,
    version: AgentVersion,
    purpose: EvaluationPurpose,
    scenario_ids: Sequence[str],
    repetitions: int,
    model: Model,
) -> Evaluation:
    return Evaluation(
        id=uuid4(),
        agent_id=version.agent_id,
        version_id=version.id,
        job_id=job_id,
        purpose=purpose,
        model=model.name,
        scenario_ids=list(scenario_ids),
        repetitions=repetitions,
        passed=0,
        failed=0,
        errors=0,
        input_tokens=0,
        output_tokens=0,
    )


def sum_up(
    evaluation: Evaluation, results: Sequence[ScenarioResult], *, test: Collection[str]
) -> None:
    """Turn the stored results into rates. Errors count nowhere but as errors.

    `test`: the scenarios of the test split, whose rate is also told apart.
    """
    scored = [result for result in results if result.status is not ScenarioStatus.ERROR]
    scores = [result.score for result in scored if result.score is not None]
    lexical = [r.superoptix_score for r in scored if r.superoptix_score is not None]
    latencies = [result.latency_ms for result in scored]
    evaluation.status, evaluation.finished_at = JobStatus.COMPLETED, utc_now()
    evaluation.pass_rate = _mean([r.status is ScenarioStatus.PASSED for r in scored])
    tested = [result for result in scored if result.scenario_id in test]
    evaluation.test_pass_rate = _mean([r.status is ScenarioStatus.PASSED for r in tested])
    evaluation.test_scenarios = len({result.scenario_id for result in tested}) or None
    evaluation.mean_score = _mean(scores)
    evaluation.superoptix_score = _mean(lexical)
    if latencies:
        evaluation.latency_p50_ms = float(np.percentile(latencies, 50))
        evaluation.latency_p95_ms = float(np.percentile(latencies, 95))
    evaluation.cost_usd = cost_of(results)


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def added(first: int | None, second: int | None) -> int | None:
    """The sum of two counts of tokens; unknown as soon as one is."""
    return None if first is None or second is None else first + second


def cost_of(results: Sequence[ScenarioResult]) -> Decimal | None:
    """What these runs have cost together; None when nothing was paid or a price is unknown."""
    paid = [result for result in results if (result.input_tokens, result.output_tokens) != (0, 0)]
    priced = [result.cost_usd for result in paid if result.cost_usd is not None]
    return sum(priced, Decimal(0)) if paid and len(priced) == len(paid) else None


def end_unmeasured(
    evaluation: Evaluation,
    status: JobStatus,
    error: dict[str, Any] | None,
    results: Sequence[ScenarioResult],
) -> None:
    """End without rates: what was stored of it stays readable and was paid, but is no score."""
    evaluation.status, evaluation.error, evaluation.finished_at = status, error, utc_now()
    evaluation.test_pass_rate = evaluation.test_scenarios = None
    evaluation.pass_rate = evaluation.mean_score = evaluation.superoptix_score = None
    evaluation.cost_usd = cost_of(results)
