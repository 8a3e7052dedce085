"""The search for a better prompt: prepares it, measures the start, runs the optimizer, answers honestly."""

from contextlib import AbstractContextManager
from typing import cast, get_args

import dspy

from engine_host import compiler
from engine_host.checks import Scorer
from engine_host.compiler import Prepared
from engine_host.errors import EngineFailure, Halt, kind_of
from engine_host.evaluate import Bench
from engine_host.journal import Journal, private
from engine_host.meter import Limits, Meter
from engine_host.models import MeteredLM, preflight
from engine_host.optimize import gepa, others
from engine_host.optimize.clock import Clock
from engine_host.optimize.search import (
    Optimizer,
    Search,
    mean_score,
    refuse_several_prompts,
    require_reliable,
)
from engine_host.wire import Reply
from mission_control_protocol import Optimize, Optimized, Scenario, StopReason

_OPTIMIZERS: dict[str, Optimizer] = {
    "GEPA": gepa.search,
    "MIPROv2": others.mipro,
    "BootstrapFewShot": others.few_shot,
    "SIMBA": others.simba,
}
_REASONS = frozenset(cast("tuple[str, ...]", get_args(StopReason)))
_TOO_MANY = 0.2


def answer(request: Optimize, reply: Reply) -> None:
    """Search, and answer with the best measured program, or say why there is none."""
    _require_enough_calls(request)
    clock = Clock(private(request.directory))
    limits = Limits(
        cancelled=reply.cancelled.is_set,
        usd=request.budget.usd,
        reserve_calls=request.reserve_calls,
        deadline=clock.deadline(request.budget.minutes),
        strict=True,
    )
    journal = Journal.at(request.directory)
    search = _search(request, reply, Meter(journal, limits), clock)
    reply.usage = search.meter.total
    clock.claim(search.fingerprint())
    try:
        search.report(force=True)
        _preflight(search)
        _baseline(search, journal)
        search.phase = "searching"
        search.end_if_perfect()
        with _context(search):
            _OPTIMIZERS[request.optimizer](search)
    except Halt as halt:
        _settle(search, halt)
    except EngineFailure:
        raise
    except Exception as error:
        # Optimizers pass on only what their reflection model could not answer.
        kind = kind_of(error)
        raise EngineFailure("reflection" if kind == "format" else kind, str(error)) from error
    finally:
        search.meter.close()
        clock.keep()
    search.phase = "finishing"
    search.report(force=True)
    reply.finish(_answer(search, clock))


def _require_enough_calls(request: Optimize) -> None:
    limit, needed = request.budget.metric_calls, len(request.validation)
    if limit is not None and limit < needed:
        raise EngineFailure(
            "budget", f"{limit} metric calls do not cover the {needed} validation scenarios once."
        )


def _search(request: Optimize, reply: Reply, meter: Meter, clock: Clock) -> Search:
    prepared = compiler.prepare(request.program)
    refuse_several_prompts(prepared.build())
    return Search(
        request=request,
        reply=reply,
        prepared=prepared,
        bench=_bench(request, reply, prepared, meter),
        meter=meter,
        reflection=MeteredLM(request.reflection_model, "reflection", meter),
        clock=clock,
    )


def _bench(request: Optimize, reply: Reply, prepared: Prepared, meter: Meter) -> Bench:
    judge = MeteredLM(request.judge_model, "judge", meter) if _judged(request) else None
    lm = MeteredLM(request.model, "task", meter)
    return Bench(prepared, lm, Scorer(prepared.source, judge), request.concurrency, reply.secrets)


def _scenarios(request: Optimize) -> list[Scenario]:
    return [*request.train, *request.validation]


def _judged(request: Optimize) -> bool:
    return any(check.kind == "judge" for item in _scenarios(request) for check in item.checks)


def _preflight(search: Search) -> None:
    request, priced = search.request, search.request.budget.usd is not None
    preflight(request.model, search.meter, name="model", must_be_priced=priced)
    preflight(
        request.reflection_model, search.meter, name="reflection model", must_be_priced=priced
    )
    if _judged(request):
        preflight(request.judge_model, search.meter, name="judge model", must_be_priced=priced)


def _baseline(search: Search, journal: Journal) -> None:
    """Measure the starting prompt. The optimizer's own first evaluation is then in the journal."""
    search.phase = "baseline"
    search.report(force=True)
    meter = Meter(journal, search.meter.limits)
    bench = _bench(search.request, search.reply, search.prepared, meter)
    outcomes = bench.measure(search.request.validation)
    require_reliable(outcomes)
    search.metric_calls = len(outcomes)
    search.add_trial(
        search.prepared.prompt,
        number=0,
        parent=None,
        accepted=True,
        validation_score=mean_score(outcomes),
    )


def _context(search: Search) -> AbstractContextManager[None]:
    return dspy.context(
        lm=search.bench.lm,
        adapter=search.prepared.adapter(),
        callbacks=[],
        num_threads=search.request.concurrency,
        max_errors=10**9,
        max_history_size=0,
    )


def _settle(search: Search, halt: Halt) -> None:
    """A budget or a perfect score ends with the best so far; anything else is a failure."""
    if halt.why not in _REASONS or not search.measured:
        raise halt.as_failure() from halt
    search.stopped_by = cast("StopReason", halt.why)


def _answer(search: Search, clock: Clock) -> Optimized:
    start, best = search.trials[0], search.best
    changed = (best.prompt, best.demonstrations) != (start.prompt, start.demonstrations)
    return Optimized(
        id=search.request.id,
        prompt=best.prompt,
        demonstrations=best.demonstrations,
        changed=changed,
        stop_reason=search.stopped_by,
        baseline_validation_score=start.validation_score,
        best_validation_score=best.validation_score,
        trials=len(search.trials),
        metric_calls=search.metric_calls,
        usage=search.meter.total(),
        seconds=round(clock.seconds(), 3),
    )
