"""Runs scenarios × repetitions and reports each one: passed, failed, or not measurable."""

import contextvars
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace

import dspy

from engine_host import compiler
from engine_host.checks import Scorer, Verdict
from engine_host.compiler import Prepared
from engine_host.errors import EngineFailure, Halt, as_truncated, cleaned
from engine_host.execute import execute
from engine_host.fields import field_name
from engine_host.journal import Journal
from engine_host.meter import USED, Bucket, Limits, Meter
from engine_host.models import MeteredLM, preflight
from engine_host.wire import Reply
from mission_control_protocol import (
    Demonstration,
    ErrorKind,
    Evaluate,
    Evaluated,
    Scenario,
    ScenarioFinished,
    Usage,
)

_HOPELESS = 6  # errors without one success


@dataclass(frozen=True)
class Outcome:
    """One scenario, once. Without a verdict it could not be measured."""

    scenario: Scenario
    repetition: int
    output: dict[str, str]
    verdict: Verdict | None
    latency_ms: float
    usage: Usage
    error_kind: ErrorKind | None = None
    error_detail: str | None = None
    truncated: bool = False
    thinking: str | None = None

    def message(self, request_id: str) -> ScenarioFinished:
        verdict = self.verdict
        return ScenarioFinished(
            id=request_id,
            scenario_id=self.scenario.id,
            repetition=self.repetition,
            status="error" if verdict is None else "passed" if verdict.passed else "failed",
            score=verdict.score if verdict else None,
            superoptix_score=verdict.superoptix_score if verdict else None,
            checks=list(verdict.results) if verdict else [],
            output=self.output,
            latency_ms=self.latency_ms,
            usage=self.usage,
            error_kind=self.error_kind,
            error_detail=self.error_detail,
            truncated=self.truncated,
            thinking=self.thinking,
        )


@dataclass(frozen=True)
class Bench:
    """Everything one measurement needs; measuring changes nothing in it."""

    prepared: Prepared
    lm: MeteredLM
    scorer: Scorer
    concurrency: int
    secrets: tuple[str, ...]

    def with_prompt(self, prompt: str, demonstrations: list[Demonstration]) -> "Bench":
        """The same bench for another prompt."""
        prepared = replace(self.prepared, prompt=prompt, demonstrations=tuple(demonstrations))
        return replace(self, prepared=prepared)

    def measure(
        self,
        scenarios: Iterable[Scenario],
        repetitions: int = 1,
        report: Callable[[Outcome], None] = lambda _: None,
    ) -> list[Outcome]:
        """Run all of them; stops early when the first six all failed. A cancel raises `Halt`."""
        program = self.prepared.build()
        work = [
            (scenario, number) for number in range(1, repetitions + 1) for scenario in scenarios
        ]
        hopeless = threading.Event()

        def one(scenario: Scenario, repetition: int) -> Outcome | None:
            return None if hopeless.is_set() else self._once(program, scenario, repetition)

        workers = min(self.concurrency, len(work))
        with ThreadPoolExecutor(workers, thread_name_prefix="scenario") as pool:
            futures = [pool.submit(contextvars.Context().run, one, *item) for item in work]
            finished: list[Outcome] = []
            try:
                for future in as_completed(futures):
                    outcome = future.result()
                    if outcome is not None:
                        finished.append(outcome)
                        report(outcome)
                    if len(finished) >= _HOPELESS and not any(item.verdict for item in finished):
                        hopeless.set()
            except Halt:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        # In the order of the work: sums of scores must not depend on who was first.
        return [outcome for future in futures if (outcome := future.result()) is not None]

    def _once(self, program: dspy.Module, scenario: Scenario, repetition: int) -> Outcome:
        bucket = Bucket()
        USED.set(bucket)
        started = time.perf_counter()
        output: dict[str, str] = {}
        verdict, kind, detail = None, None, None
        try:
            output = execute(self.prepared, program, self.lm, scenario.input)
            latency = time.perf_counter() - started
            self._require_expected(scenario, output)
            verdict = self.scorer.score(scenario, output, is_cut=bucket.is_cut)
        except EngineFailure as failure:
            latency = time.perf_counter() - started
            failure = as_truncated(failure) if bucket.is_cut and not output else failure
            kind, detail = failure.kind, cleaned(failure.detail, self.secrets)
        except Halt as halt:
            if halt.why != "budget_usd":
                raise
            latency = time.perf_counter() - started
            kind, detail = "budget", "The money for this job was spent before this scenario."
        return Outcome(
            scenario,
            repetition,
            output,
            verdict,
            round((latency - bucket.waited_seconds) * 1000, 1),
            bucket.usage,
            kind,
            detail,
            bucket.is_cut or kind == "truncated",
            "\n".join(bucket.thinking) or None,
        )

    def _require_expected(self, scenario: Scenario, output: dict[str, str]) -> None:
        unknown = [name for name in scenario.expected if field_name(name) not in output]
        if unknown:
            raise EngineFailure(
                "playbook", f"The scenario expects {unknown[0]!r}, which is not an output."
            )


def require_some(outcomes: list[Outcome]) -> None:
    """Raise with the dominant kind when nothing could be measured."""
    if any(outcome.verdict for outcome in outcomes):
        return
    kinds: list[ErrorKind] = [outcome.error_kind for outcome in outcomes if outcome.error_kind]
    kind = max(kinds, key=kinds.count)
    detail = next(item.error_detail for item in outcomes if item.error_kind == kind)
    raise EngineFailure(kind, f"No scenario could be measured ({len(outcomes)} tried): {detail}")


def answer(request: Evaluate, reply: Reply) -> None:
    meter = Meter(Journal.at(request.journal), Limits(reply.cancelled.is_set, usd=request.cap_usd))
    reply.usage = meter.total
    started = time.monotonic()
    prepared = compiler.prepare(request.program)
    lm = MeteredLM(request.model, "task", meter)
    judged = any(check.kind == "judge" for item in request.scenarios for check in item.checks)
    judge = MeteredLM(request.judge_model, "judge", meter) if judged else None
    if request.preflight:
        priced = request.cap_usd is not None
        preflight(request.model, meter, name="model", must_be_priced=priced)
        if judged:
            preflight(request.judge_model, meter, name="judge model", must_be_priced=priced)
    bench = Bench(prepared, lm, Scorer(prepared.source, judge), request.concurrency, reply.secrets)
    outcomes = bench.measure(
        request.scenarios,
        request.repetitions,
        lambda outcome: reply.send(outcome.message(request.id)),
    )
    require_some(outcomes)
    seconds = round(time.monotonic() - started, 3)
    reply.finish(Evaluated(id=request.id, usage=meter.total(), seconds=seconds))
