"""GEPA: rewrites the prompt from feedback, keeps a front of candidates, resumes from its saved state."""

import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import dspy
from gepa.core.state import GEPAState
from gepa.proposer.base import CandidateProposal
from gepa.strategies.candidate_selector import ParetoCandidateSelector
from pydantic import BaseModel

from engine_host.errors import Halt
from engine_host.optimize.proposals import VettedProposals
from engine_host.optimize.search import PERFECT, Search
from mission_control_protocol import StopReason, TrialFinished

_SAMPLE = 3
_REFLECTIONS_IN_A_ROW = 3


def search(state: Search) -> None:
    """Run until the plan is used, validation is perfect, or a budget ends it."""
    state.metric_calls = 0  # GEPA counts the starting prompt itself
    record = Record(state)
    stopper = Stopper(state, record)
    # GEPA leaves its stop file behind, and it would end a resume at once.
    (state.clock.directory / "gepa.stop").unlink(missing_ok=True)
    optimizer = _optimizer(state, record, stopper)
    stopper.optimizer = optimizer
    optimizer.compile(
        state.prepared.build(),
        trainset=state.examples(state.request.train),
        valset=state.examples(state.request.validation),
    )
    if stopper.reason is not None:
        raise Halt(stopper.reason)
    if _explicit_limit(state) is not None:
        raise Halt("budget_metric_calls")


def _explicit_limit(state: Search) -> int | None:
    """Metric calls as the whole plan; with a level they only cut it short."""
    return None if state.request.budget.level else state.request.budget.metric_calls


def _optimizer(state: Search, record: "Record", stopper: "Stopper") -> Any:
    seed, limit = state.request.seed, _explicit_limit(state)
    settings: dict[str, Any] = {
        "reflection_minibatch_size": None,  # our own sampler decides
        "candidate_selection_strategy": SeededParents(seed),
        "auto": state.level if limit is None else None,
        "max_metric_calls": limit,
    }
    return dspy.GEPA(
        metric=state.metric_with_feedback,
        reflection_lm=state.reflection,
        instruction_proposer=VettedProposals(state.meter, state.request.longest_prompt),
        num_threads=state.request.concurrency,
        log_dir=str(state.clock.directory),
        use_merge=False,
        add_format_failure_as_feedback=True,
        warn_on_score_mismatch=False,
        seed=seed,
        gepa_kwargs={
            "batch_sampler": SeededBatches(seed, min(_SAMPLE, len(state.request.train))),
            "acceptance_criterion": GainWhereBothWereMeasured(),
            "callbacks": [record],
            "stop_callbacks": [stopper],
            # Its cache numbers train and validation scenarios alike, from 0, and so takes scores
            # on train for scores on validation.
            "cache_evaluation": False,
            "use_cloudpickle": True,
        },
        **settings,
    )


# ---------------------------------------------------------------- choices that depend on the iteration alone
# GEPA's own samplers draw from one random sequence that a resume would start anew. These choose by
# (seed, iteration), so a resumed search asks the same questions and the journal answers them.


class SeededParents:
    """Picks the candidate to improve from the Pareto front."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def select_candidate_idx(self, state: GEPAState[Any, Any]) -> int:
        rng = random.Random(f"{self._seed}/parent/{state.i}")  # noqa: S311
        return ParetoCandidateSelector(rng).select_candidate_idx(state)


class SeededBatches:
    """Picks the training scenarios of one iteration; every epoch sees all of them once."""

    def __init__(self, seed: int, size: int) -> None:
        self._seed, self._size = seed, size

    def next_minibatch_ids(self, loader: Any, state: GEPAState[Any, Any]) -> list[Any]:
        ids = list(loader.all_ids())
        batches = -(-len(ids) // self._size)
        epoch, batch = divmod(state.i, batches)
        random.Random(f"{self._seed}/batches/{epoch}").shuffle(ids)  # noqa: S311
        ids += ids[: batches * self._size - len(ids)]
        return ids[batch * self._size : (batch + 1) * self._size]


class GainWhereBothWereMeasured:
    """Takes a candidate that gains on the training scenarios which parent and candidate answered.

    GEPA books 0 for a call that failed. So an outage while the parent was measured would take any
    candidate, and one while the candidate was measured would refuse a better one.
    """

    def should_accept(self, proposal: CandidateProposal[Any], state: GEPAState[Any, Any]) -> bool:
        del state
        before, after = proposal.eval_before, proposal.eval_after
        if before is None or after is None:
            return False
        measured = [
            (had, gained)
            for had, gained, old, new in zip(
                before.scores, after.scores, before.outputs, after.outputs, strict=True
            )
            if _is_answer(old) and _is_answer(new)
        ]
        return sum(gained for _, gained in measured) > sum(had for had, _ in measured)


def _is_answer(output: Any) -> bool:
    """False for what DSPy puts in the place of an answer: nothing, or one without any field."""
    return isinstance(output, dspy.Prediction) and bool(output.keys())


# ---------------------------------------------------------------- what GEPA did


class Proposal(BaseModel):
    """One finished iteration with a proposal, as it is kept for a resume."""

    iteration: int
    candidate: int | None
    trial: TrialFinished


class Record:
    """GEPA's callbacks: turns its iterations into numbered trials.

    GEPA swallows exceptions of callbacks, so nothing is enforced here.
    """

    def __init__(self, state: Search) -> None:
        self._search = state
        self._file = state.clock.directory / "trials.jsonl"
        self._known = self._load(self._file)
        self._numbers = {known.iteration: known.trial.number for known in self._known}
        self._trial_of = {
            known.candidate: known.trial.number for known in self._known if known.candidate
        }
        self._trial_of[0] = 0
        self._now: defaultdict[str, Any] = defaultdict(lambda: None)
        self.reflections_failed = 0
        self.halted: Halt | None = None
        self.iteration_cost = 0.0
        for known in self._known:
            trial = known.trial.model_copy(update={"id": state.request.id})
            state.trials[trial.number] = trial
            state.reply.send(trial)

    @staticmethod
    def _load(file: Path) -> list[Proposal]:
        if not file.exists():
            return []
        lines = file.read_text(encoding="utf-8").splitlines()
        found = {known.iteration: known for known in map(_proposal, lines) if known is not None}
        return [found[iteration] for iteration in sorted(found)]

    def on_iteration_start(self, event: dict[str, Any]) -> None:
        self._now = defaultdict(lambda: None)
        self._now["spent"] = self._search.meter.spent()
        self._search.metric_calls = event["state"].total_num_evals

    def on_candidate_selected(self, event: dict[str, Any]) -> None:
        self._now["parent"] = self._trial_of.get(event["candidate_idx"], 0)

    def on_proposal_start(self, event: dict[str, Any]) -> None:
        del event
        self._now["reflecting"] = True

    def on_proposal_end(self, event: dict[str, Any]) -> None:
        self._now["reflecting"] = False
        self.reflections_failed = 0
        self._now["prompt"] = next(iter(event["new_instructions"].values()))

    def on_evaluation_start(self, event: dict[str, Any]) -> None:
        del event
        self._search.begin_measuring()

    def on_evaluation_end(self, event: dict[str, Any]) -> None:
        self._search.begin_measuring()  # all of validation may follow without a start
        if event["candidate_idx"] is None:
            answered = zip(event["scores"], event["outputs"], strict=True)
            scores = [score for score, output in answered if _is_answer(output)]
            self._now["sample"] = sum(scores) / len(scores) if scores else None

    def on_valset_evaluated(self, event: dict[str, Any]) -> None:
        if event["iteration"] > 0:
            self._now["candidate"] = event["candidate_idx"]
            try:
                self._now["validation"] = self._search.measured_on_validation()
            except Halt as halt:  # which ends the search where nothing is lost
                self.halted = halt

    def on_candidate_rejected(self, event: dict[str, Any]) -> None:
        del event
        self._now["rejected"] = True

    def on_budget_updated(self, event: dict[str, Any]) -> None:
        self._search.metric_calls = event["metric_calls_used"]
        self._search.report()

    def on_iteration_end(self, event: dict[str, Any]) -> None:
        now = self._now
        self.iteration_cost = max(self.iteration_cost, self._search.meter.spent() - now["spent"])
        if now["reflecting"]:  # begun, never ended: GEPA only logs that
            self.reflections_failed += 1
            why = self._search.meter.last_failure or "its answer could not be read."
            self._search.reply.log(f"No new prompt came of a reflection: {why}", warning=True)
        finished = now["validation"] is not None or now["rejected"]
        if now["prompt"] is not None and finished:
            self._finish(event["iteration"], event["state"].total_num_evals)

    def _finish(self, iteration: int, metric_calls: int) -> None:
        now = self._now
        number = self._numbers.get(iteration, max(self._search.trials, default=0) + 1)
        trial = self._search.add_trial(
            now["prompt"],
            number=number,
            parent=now["parent"],
            accepted=now["validation"] is not None,
            validation_score=now["validation"],
            sample_score=now["sample"],
            metric_calls=metric_calls,
        )
        self._numbers[iteration] = number
        if now["candidate"] is not None:
            self._trial_of[now["candidate"]] = number
        kept = Proposal(iteration=iteration, candidate=now["candidate"], trial=trial)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(kept.model_dump_json() + "\n")


def _proposal(line: str) -> Proposal | None:
    try:
        return Proposal.model_validate_json(line)
    except ValueError:
        return None  # torn by a kill


class Stopper:
    """Asked by GEPA between iterations, where stopping loses nothing that was paid for."""

    def __init__(self, state: Search, record: Record) -> None:
        self._search, self._record = state, record
        self.optimizer: Any = None
        self.reason: StopReason | None = None

    def __call__(self, gepa_state: GEPAState[Any, Any]) -> bool:
        self._search.meter.check()
        self._search.metric_calls = gepa_state.total_num_evals
        if self._record.halted is not None:
            raise self._record.halted
        if self._record.reflections_failed >= _REFLECTIONS_IN_A_ROW:
            why = self._search.meter.last_failure or "its answers could not be read"
            raise Halt("reflection", f"The reflection model failed three times in a row: {why}")
        self.reason = self._why(gepa_state)
        return self.reason is not None

    def _why(self, gepa_state: GEPAState[Any, Any]) -> StopReason | None:
        search = self._search
        if max(gepa_state.program_full_scores_val_set) >= PERFECT:
            return "perfect"
        limit = search.request.budget.metric_calls
        iteration = 2 * _SAMPLE + len(search.request.validation)
        if limit is not None and gepa_state.total_num_evals + iteration > limit:
            return "budget_metric_calls"
        spent = search.meter.spent() + self._record.iteration_cost
        if search.meter.limits.usd is not None and spent > search.meter.available():
            return "budget_usd"
        search.planned_calls = self.optimizer.max_metric_calls
        return None
