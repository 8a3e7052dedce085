"""BootstrapFewShot, MIPROv2 and SIMBA: they keep no state, so after a crash they repeat their steps.

Their calls are then answered by the journal. Every candidate is measured on validation, and the
best measured one is the result whenever a budget ends the search.
"""

import random
from typing import Any, cast

import dspy
from dspy.teleprompt.simba_utils import append_a_rule
from dspy.utils.callback import BaseCallback

from engine_host.errors import EngineFailure
from engine_host.optimize.proposals import VettedInstructions, Vetting, vetted_rule
from engine_host.optimize.search import Search
from mission_control_protocol import Level

_DEMOS_SHOWN = 3  # to the reflection, as MIPROv2 itself does
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
    vetting = Vetting(search.meter, search.request.longest_prompt)
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
        optimizer.strategies = [
            vetted_rule(vetting) if each is append_a_rule else each for each in optimizer.strategies
        ]
        seed = search.request.seed * 1000 + number
        program = optimizer.compile(search.program_of(start), trainset=train, seed=seed)
        _measure(search, program, parent=start.number)
        vetting.tell(search.reply)


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
    vetting = Vetting(search.meter, search.request.longest_prompt)
    optimizer = VettedMIPROv2(
        vetting,
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
    vetting.tell(search.reply)


class VettedMIPROv2(dspy.MIPROv2):  # pyright: ignore[reportUntypedBaseClass]
    """MIPROv2 with instructions that are whole prompts."""

    def __init__(self, vetting: Vetting, **settings: Any) -> None:
        super().__init__(**settings)
        self._vetting = vetting

    def _propose_instructions(
        self,
        program: Any,
        trainset: list[Any],
        demo_candidates: list[Any] | None,
        view_data_batch_size: int,
        program_aware_proposer: bool,  # noqa: FBT001
        data_aware_proposer: bool,  # noqa: FBT001
        tip_aware_proposer: bool,  # noqa: FBT001
        fewshot_aware_proposer: bool,  # noqa: FBT001
        num_instruct_candidates: int,
    ) -> dict[int, list[str]]:
        proposer = VettedInstructions(
            self._vetting,
            program=program,
            trainset=trainset,
            prompt_model=self.prompt_model,
            view_data_batch_size=view_data_batch_size,
            program_aware=program_aware_proposer,
            use_dataset_summary=data_aware_proposer,
            use_task_demos=fewshot_aware_proposer,
            num_demos_in_context=_DEMOS_SHOWN,
            use_tip=tip_aware_proposer,
            set_tip_randomly=tip_aware_proposer,
            use_instruct_history=False,
            set_history_randomly=False,
            rng=self.rng,
            init_temperature=self.init_temperature,
        )
        found: dict[int, list[str]] = cast("Any", proposer).propose_instructions_for_program(
            trainset=trainset,
            program=program,
            demo_candidates=demo_candidates,
            N=num_instruct_candidates,
            trial_logs={},
        )
        found[0][0] = program.predictors()[0].signature.instructions
        return found


class Watch(BaseCallback):
    """Makes a trial of every program that an optimizer evaluates on all validation scenarios."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._programs: dict[str, Any] = {}
        self._first = True

    def on_evaluate_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        del instance
        self._programs[call_id] = inputs.get("program")
        self._search.begin_measuring()

    def on_evaluate_end(
        self, call_id: str, outputs: Any, exception: BaseException | None = None
    ) -> None:
        program = self._programs.pop(call_id, None)
        if program is None or outputs is None or exception is not None:
            return
        if len(outputs.results) != len(self._search.request.validation):
            return
        score = self._search.measured_on_validation()
        if self._first:  # the starting program, which is trial 0 already
            self._first = False
            return
        self._search.add_trial(program, validation_score=score)
        self._search.end_if_perfect()
