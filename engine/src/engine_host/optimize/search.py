"""One search: its scenarios as examples, its metric, its trials, and what may end it."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import dspy
from dspy.teleprompt.gepa.gepa_utils import ScoreWithFeedback

from engine_host.checks import Verdict, as_text, identity, output_of
from engine_host.compiler import Prepared
from engine_host.errors import EngineFailure, Halt
from engine_host.evaluate import Bench, Outcome, require_some
from engine_host.fields import field_name
from engine_host.meter import Meter
from engine_host.models import LAST_IS_CUT, MeteredLM
from engine_host.optimize.clock import Clock
from engine_host.wire import Reply
from mission_control_protocol import (
    Demonstration,
    Level,
    Optimize,
    Progressed,
    Scenario,
    StopReason,
    TrialFinished,
)

Phase = Literal["preparing", "baseline", "searching", "finishing"]
_SECONDS_BETWEEN_REPORTS = 0.25
PERFECT = 1.0 - 1e-9
_SCENARIO = "_scenario"
_TOO_MANY = 0.2


@dataclass
class Search:
    """State that an optimizer needs and fills. `trials` is by number; 0 is the starting prompt."""

    request: Optimize
    reply: Reply
    prepared: Prepared
    bench: Bench
    meter: Meter
    reflection: MeteredLM
    clock: Clock
    trials: dict[int, TrialFinished] = field(default_factory=dict[int, TrialFinished])
    metric_calls: int = 0
    planned_calls: int | None = None
    phase: Phase = "preparing"
    stopped_by: StopReason = "finished"
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _reported: float = 0.0
    _verdicts: dict[str, Verdict] = field(default_factory=dict[str, Verdict])
    _scored: list[float] = field(default_factory=list[float])
    _cut_before: int = 0
    _failed_before: int = 0

    # ------------------------------------------------------------------ the budget

    @property
    def level(self) -> Level:
        """How much the optimizer plans; explicit limits may end it before."""
        budget = self.request.budget
        if budget.level is not None:
            return budget.level
        open_ended = budget.metric_calls is None and (budget.usd or budget.minutes)
        return "heavy" if open_ended else "light"

    def count_metric_call(self) -> None:
        """Book one scored answer; raises `Halt` when no further one is in the budget."""
        limit = self.request.budget.metric_calls
        with self._lock:
            if limit is not None and self.metric_calls >= limit:
                raise Halt("budget_metric_calls")
            self.metric_calls += 1
        self.report()

    # ------------------------------------------------------------------ scenarios and scores

    def examples(self, scenarios: Iterable[Scenario]) -> list[dspy.Example]:
        """Only real fields: optimizers print every attribute of an example into their prompts."""
        outputs = {item.name for item in self.prepared.outputs}
        return [self._example(scenario, outputs) for scenario in scenarios]

    def _example(self, scenario: Scenario, outputs: set[str]) -> dspy.Example:
        inputs = self.prepared.arguments(scenario.input)
        expected = {field_name(name): value for name, value in scenario.expected.items()}
        labels = {name: value for name, value in expected.items() if name in outputs}
        example = ScenarioExample({**inputs, **labels}).with_inputs(*inputs)
        vars(example)[_SCENARIO] = scenario  # set as an attribute, it would become a field
        return example

    def judge(self, example: dspy.Example, prediction: Any, *, again: bool = False) -> Verdict:
        """Score one answer by the checks of its own scenario, as an evaluation would.

        `again` asks for the verdict that was given on it before.
        """
        scenario = scenario_of(example)
        output = output_of(prediction, tuple(item.name for item in self.prepared.outputs))
        answer = identity(output, {"scenario": scenario.id})
        known = self._verdicts.get(answer)
        if again and known is not None:
            return known
        self.count_metric_call()
        verdict = self.bench.scorer.score(scenario, output, is_cut=LAST_IS_CUT.get())
        self._verdicts[answer] = verdict
        self._scored.append(verdict.score)
        return verdict

    def metric(self, example: dspy.Example, prediction: Any, trace: Any = None) -> float | bool:
        """The score; while examples are being collected, whether the answer is good enough."""
        verdict = self.judge(example, prediction)
        return verdict.score if trace is None else verdict.passed

    def metric_with_feedback(
        self, gold: Any, pred: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None
    ) -> ScoreWithFeedback:
        """The score and the words a reflection learns from."""
        del trace, pred_trace
        verdict = self.judge(gold, pred, again=pred_name is not None)
        return ScoreWithFeedback(score=verdict.score, feedback=verdict.feedback)

    def begin_measuring(self) -> None:
        """What an optimizer scores from now on is one measurement."""
        self._scored = []

    def measured_on_validation(self) -> float:
        """The mean over what was scored since then; what could not be measured is no zero.

        Raises `Halt` when too much of it could not be measured.
        """
        scored, asked = self._scored, len(self.request.validation)
        unmeasured = asked - len(scored)
        if unmeasured > _TOO_MANY * asked:
            raise Halt("unreliable", _unreliable(unmeasured, asked, self.meter.last_failure))
        return sum(scored) / len(scored)

    def validate(self, prompt: str, demonstrations: list[Demonstration]) -> float:
        """Mean score of one program on the validation scenarios."""
        outcomes = self.bench.with_prompt(prompt, demonstrations).measure(
            self.request.validation, report=lambda _: self.count_metric_call()
        )
        require_reliable(outcomes)
        return mean_score(outcomes)

    # ------------------------------------------------------------------ trials

    def add_trial(
        self,
        program: dspy.Module | str,
        *,
        number: int | None = None,
        parent: int | None = 0,
        accepted: bool | None = None,
        validation_score: float | None = None,
        sample_score: float | None = None,
        metric_calls: int | None = None,
    ) -> TrialFinished:
        """Record one candidate and tell the console; a known number is replaced."""
        prompt, demonstrations = self.content(program)
        best = self.best_score
        improved = validation_score is not None and (best is None or validation_score > best)
        trial = TrialFinished(
            id=self.request.id,
            number=len(self.trials) if number is None else number,
            parent=parent,
            accepted=improved if accepted is None else accepted,
            validation_score=validation_score,
            sample_score=sample_score,
            prompt=prompt,
            demonstrations=demonstrations,
            metric_calls=self.metric_calls if metric_calls is None else metric_calls,
            usage=self.meter.total(),
            truncated=self.meter.cut_replies - self._cut_before,
            unmeasured=self.meter.failed_task_calls - self._failed_before,
        )
        self._cut_before = self.meter.cut_replies
        self._failed_before = self.meter.failed_task_calls
        self.trials[trial.number] = trial
        self.reply.send(trial)
        self.report(force=True)
        self.clock.keep()
        return trial

    def content(self, program: dspy.Module | str) -> tuple[str, list[Demonstration]]:
        """Prompt and demonstrations of a program, or of a bare prompt with the ones given."""
        if isinstance(program, str):
            return program, list(self.prepared.demonstrations)
        predictor: Any = program.predictors()[0]
        inputs = {item.name for item in self.prepared.inputs}
        return predictor.signature.instructions, [
            _demonstration(demo, inputs) for demo in predictor.demos
        ]

    @property
    def measured(self) -> list[TrialFinished]:
        """Trials with a validation score, in order of their number."""
        trials = [self.trials[number] for number in sorted(self.trials)]
        return [trial for trial in trials if trial.validation_score is not None]

    @property
    def best(self) -> TrialFinished:
        """The best measured trial; of equals the first, so the starting prompt wins a draw."""
        longest = self.request.longest_prompt
        allowed = [each for each in self.measured if not each.number or len(each.prompt) <= longest]
        return max(allowed, key=lambda trial: trial.validation_score or 0.0)

    @property
    def best_score(self) -> float | None:
        return self.best.validation_score if self.measured else None

    def program_of(self, trial: TrialFinished) -> dspy.Module:
        return self.bench.with_prompt(trial.prompt, trial.demonstrations).prepared.build()

    def end_if_perfect(self) -> None:
        """Raise `Halt` when nothing is left to improve."""
        if self.best_score is not None and self.best_score >= PERFECT:
            raise Halt("perfect")

    # ------------------------------------------------------------------ the console

    def report(self, *, force: bool = False) -> None:
        """Tell the console where the search stands, a few times a second at most."""
        now = time.monotonic()
        with self._lock:
            if not force and now - self._reported < _SECONDS_BETWEEN_REPORTS:
                return
            self._reported = now
        self.reply.send(
            Progressed(
                id=self.request.id,
                phase=self.phase,
                trials=len(self.trials),
                metric_calls=self.metric_calls,
                metric_calls_budget=self.request.budget.metric_calls or self.planned_calls,
                best_validation_score=self.best_score,
                usage=self.meter.total(),
            )
        )

    def fingerprint(self) -> str:
        """What a directory of this search must belong to: the same question, whatever the budget."""
        request = self.request
        asked = [
            request.optimizer,
            request.seed,
            [
                (m.name, m.temperature, m.max_tokens)
                for m in (request.model, request.reflection_model, request.judge_model)
            ],
            [scenario.model_dump() for scenario in (*request.train, *request.validation)],
            len(request.train),
            [self.prepared.prompt, [demo.model_dump() for demo in self.prepared.demonstrations]],
            [
                self.prepared.module,
                [str(item) for item in (*self.prepared.inputs, *self.prepared.outputs)],
            ],
        ]
        return hashlib.sha256(identity({}, {"asked": asked}).encode()).hexdigest()


class ScenarioExample(dspy.Example):
    """An example that keeps its scenario, also in its copies.

    Scenarios may ask the same and expect the same, and yet be checked differently. So an example
    cannot be told by its fields.
    """

    def __init__(self, base: Any = None, **fields: Any) -> None:
        super().__init__(base, **fields)
        if isinstance(base, ScenarioExample):
            vars(self)[_SCENARIO] = vars(base).get(_SCENARIO)


def scenario_of(example: dspy.Example) -> Scenario:
    scenario = vars(example).get(_SCENARIO)
    if scenario is None:
        raise EngineFailure("internal", "The optimizer asked to score an example of its own.")
    return scenario


Optimizer = Callable[[Search], None]


def _demonstration(demo: Any, inputs: set[str]) -> Demonstration:
    values = {
        name: as_text(value)
        for name, value in cast("dict[str, Any]", dict(demo)).items()
        if name != "augmented"
    }
    return Demonstration(
        inputs={name: value for name, value in values.items() if name in inputs},
        outputs={name: value for name, value in values.items() if name not in inputs},
    )


def mean_score(outcomes: list[Outcome]) -> float:
    """The mean over what could be measured: a call that failed says nothing about the prompt."""
    scores = [outcome.verdict.score for outcome in outcomes if outcome.verdict]
    return sum(scores) / len(scores)


def require_reliable(outcomes: list[Outcome]) -> None:
    """Raise when too little could be measured for a score to mean anything, whatever the number."""
    require_some(outcomes)
    failed = [outcome for outcome in outcomes if outcome.verdict is None]
    if any(outcome.error_kind == "budget" for outcome in failed):
        raise Halt("budget_usd")
    if len(failed) > _TOO_MANY * len(outcomes):
        why = _unreliable(len(failed), len(outcomes), failed[0].error_detail or "")
        raise EngineFailure("unreliable", why)


def _unreliable(unmeasured: int, asked: int, why: str) -> str:
    return (
        f"{unmeasured} of {asked} validation scenarios could not be measured, so scores would be "
        f"noise: {why}"
    )


def refuse_several_prompts(program: dspy.Module) -> None:
    if len(program.predictors()) != 1:
        raise EngineFailure("config", "Only programs with one prompt can be optimized.")
