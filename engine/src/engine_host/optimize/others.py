"""BootstrapFewShot, MIPROv2 and SIMBA: they keep no state, so after a crash they repeat their steps.

Their calls are then answered by the journal. Every candidate is measured on validation, and the
best measured one is the result whenever a budget ends the search.
"""

import random
from typing import Any

import dspy
from dspy.utils.callback import BaseCallback

from engine_host.errors import EngineFailure
from engine_host.optimize.search import Search
from mission_control_protocol import Level

_NEVER = 10**9  # failed calls are counted by the meter, for every optimizer alike
_FEW_SHOT_SETS: dict[Level, int] = {"light": 3, "medium": 8, "heavy": 16}
_MIPRO_CANDIDATES: dict[Level, int] = {"light": 6, "medium": 12, "heavy": 18}
_SIMBA_ROUNDS: dict[Level, int] = {"light": 3, "medium": 6, "heavy": 12}


def few_shot(search: Search) -> None:
    """Collect good answers as examples for the prompt, from several orders of the train scenarios."""
    train = search.examples(search.request.train)
    for number in range(_FEW_SHOT_SETS[search.level]):
        rng = random.Random(f"{search.request.seed}/{number}")  # noqa: S311
        order = train if number == 0 else rng.sample(train, len(train))
        optimizer = dspy.BootstrapFewShot(
            metric=search.metric,
            max_bootstrapped_demos=4 if number == 0 else rng.randint(1, 4),
            max_labeled_demos=8 if number == 0 else rng.randint(4, 8),
            max_errors=_NEVER,
        )
        program = optimizer.compile(search.prepared.build(), trainset=order)
        _measure(search, program, parent=0)


def simba(search: Search) -> None:
    """Several short SIMBA searches, each from the best program so far."""
    train = search.examples(search.request.train)
    for number in range(_SIMBA_ROUNDS[search.level]):
        start = search.best
        optimizer = dspy.SIMBA(
            metric=search.metric,
            bsize=min(8, len(train)),
            num_candidates=4,
            max_steps=2,
            max_demos=4,
            prompt_model=search.reflection,
            num_threads=search.request.concurrency,
        )
        seed = search.request.seed * 1000 + number
        program = optimizer.compile(search.program_of(start), trainset=train, seed=seed)
        _measure(search, program, parent=start.number)


def _measure(search: Search, program: dspy.Module, parent: int) -> None:
    score = search.validate(*search.content(program))
    search.add_trial(program, parent=parent, validation_score=score)
    search.end_if_perfect()


def mipro(search: Search) -> None:
    """Propose prompts and sets of examples, then search over their combinations."""
    from engine_host.doctor import has_optuna  # noqa: PLC0415

    if not has_optuna():
        # MIPROv2 itself finds out only after it has paid for the proposals.
        raise EngineFailure(
            "config", "MIPROv2 needs the package optuna, which this engine does not have."
        )
    search.metric_calls = 0  # it measures the starting prompt itself
    candidates = _MIPRO_CANDIDATES[search.level]
    optimizer = dspy.MIPROv2(
        metric=search.metric,
        prompt_model=search.reflection,
        task_model=search.bench.lm,
        auto=None,
        num_candidates=candidates,
        max_bootstrapped_demos=3,
        max_labeled_demos=3,
        num_threads=search.request.concurrency,
        max_errors=_NEVER,
        seed=search.request.seed or 9,
    )
    optimizer.num_instruct_candidates = candidates // 2  # as its own presets do
    with dspy.context(callbacks=[Watch(search)]):
        optimizer.compile(
            search.prepared.build(),
            trainset=search.examples(search.request.train),
            valset=search.examples(search.request.validation),
            num_trials=max(10, candidates * 3 // 2),
            minibatch=False,
        )


class Watch(BaseCallback):
    """Makes a trial of every program that an optimizer evaluates on all validation scenarios."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._programs: dict[str, Any] = {}
        self._first = True

    def on_evaluate_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        del instance
        self._programs[call_id] = inputs.get("program")

    def on_evaluate_end(
        self, call_id: str, outputs: Any, exception: BaseException | None = None
    ) -> None:
        program = self._programs.pop(call_id, None)
        if program is None or outputs is None or exception is not None:
            return
        scores = [float(score) for *_, score in outputs.results]
        if len(scores) != len(self._search.request.validation):
            return
        if self._first:  # the starting program, which is trial 0 already
            self._first = False
            return
        self._search.add_trial(program, validation_score=sum(scores) / len(scores))
        self._search.end_if_perfect()
