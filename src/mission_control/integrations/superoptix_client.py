"""The one part of the product that knows SuperOptiX: compile, evaluate, optimize and run agents."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from mission_control.core import playbook as playbooks
from mission_control.core.settings import Settings
from mission_control.integrations.errors import SuperOptiXError
from mission_control.integrations.superoptix.answers import AnswerT, Kept, answers_of, expected
from mission_control.integrations.superoptix.failures import UNCHANGED, failure
from mission_control.integrations.superoptix.location import EngineLocation
from mission_control.integrations.superoptix.process import EngineProcess
from mission_control_protocol import (
    Budget,
    Check,
    Compile,
    Compiled,
    Demonstration,
    Doctor,
    Doctored,
    Evaluate,
    Evaluated,
    Log,
    Marketplace,
    MarketplaceListed,
    Model,
    Optimize,
    Optimized,
    OptimizerName,
    Program,
    Progressed,
    Ran,
    Run,
    Scenario,
    ScenarioFinished,
    ToEngine,
    TrialFinished,
)

# Only an engine that hangs takes this long, on the slowest machine and while it still starts.
ANSWER_SECONDS = 120.0

# Called with the pid of an engine that was started, and what it is for: `work` or `optimize`.
EngineStarted = Callable[[int, str], None]


class AgentEngineStatus(BaseModel):
    """What the engine makes of an agent. `problem` says why it does not compile."""

    model_config = ConfigDict(frozen=True)

    agent_id: str
    compiles: bool
    problem: str | None
    prompt_characters: int | None
    inputs: list[str]
    outputs: list[str]
    module: str | None
    warnings: list[str]
    versions: dict[str, str | None]


class SuperOptiXClient:
    """One warm engine for short work, and an engine of its own for every search.

    The warm engine is started by the first call and again after it died. It belongs to the
    process and event loop that use it: after a fork, or in another loop, a new one is started.
    Every method raises SuperOptiXError, whose `kind` is one of `protocol.ErrorKind`.
    """

    def __init__(
        self, location: EngineLocation, *, on_engine_started: EngineStarted | None = None
    ) -> None:
        self._location = location
        self._on_engine_started = on_engine_started
        self._warm: EngineProcess | None = None

    @property
    def engine_pid(self) -> int | None:
        """Of the warm engine, once it has been started."""
        return self._warm.pid if self._warm else None

    async def warm_up(self) -> None:
        """Start the engine, so that the first call finds it ready."""
        await self._warm_engine().start()

    async def aclose(self) -> None:
        engine, self._warm = self._warm, None
        if engine is None:
            return
        if engine.is_ours():
            await engine.close()
        else:
            engine.abandon()

    # ---------------------------------------------------------------- short work

    async def doctor(self) -> Doctored:
        """Which SuperOptiX this is, and what it can do."""
        return await self._ask(Doctor(id=_new_id()), Doctored)

    async def compile_agent(self, program: Program) -> Compiled:
        """Validate and compile. Kind `playbook` when SuperOptiX does not accept it."""
        return await self._ask(Compile(id=_new_id(), program=program), Compiled)

    async def marketplace(self, name: str | None = None) -> MarketplaceListed:
        """The playbooks that ship with SuperOptiX; with `name`, that one's YAML too."""
        return await self._ask(Marketplace(id=_new_id(), name=name), MarketplaceListed)

    async def run_agent(self, program: Program, inputs: Mapping[str, str], *, model: Model) -> Ran:
        """One execution on one input."""
        message = Run(id=_new_id(), program=program, inputs=dict(inputs), model=model)
        # A program may call its model more than once, and each call may be repeated.
        patience = 2 * model.timeout_seconds * (model.retries + 1)
        return await self._ask(message, Ran, model_seconds=patience)

    async def get_agent_status(self, program: Program) -> AgentEngineStatus:
        """Whether the agent compiles, and into what, in which versions."""
        versions = (await self.doctor()).versions
        try:
            compiled = await self.compile_agent(program)
        except SuperOptiXError as exc:
            if exc.kind != "playbook":
                raise
            return _does_not_compile(program, exc.message, versions)
        return AgentEngineStatus(
            agent_id=program.agent_id,
            compiles=True,
            problem=None,
            prompt_characters=len(compiled.prompt),
            inputs=compiled.inputs,
            outputs=compiled.outputs,
            module=compiled.module,
            warnings=compiled.warnings,
            versions=versions,
        )

    # ---------------------------------------------------------------- streams

    async def evaluate_agent(
        self,
        program: Program,
        scenarios: Sequence[Scenario],
        *,
        model: Model,
        judge_model: Model,
        repetitions: int = 1,
        concurrency: int = 16,
        preflight: bool = True,
        journal: Path | None = None,
        cap_usd: float | None = None,
        load_optimized: bool = True,
    ) -> AsyncGenerator[ScenarioFinished | Evaluated]:
        """Every scenario x repetition as it finishes, then the total.

        Args:
            program: What to evaluate.
            scenarios: At least one.
            model: Answers the scenarios.
            judge_model: Decides the `judge` checks.
            repetitions: How often each scenario is run.
            concurrency: Scenarios at once.
            preflight: One call first, so that a model that cannot work fails once, not n times.
            journal: A folder where finished model calls are kept, so that none is paid twice.
            cap_usd: Over everything the journal has seen.
            load_optimized: False evaluates the playbook's own composed prompt, without the
                version's prompt and demonstrations.

        Leaving the iteration cancels the evaluation; use `contextlib.aclosing` to leave in time.
        """
        message = Evaluate(
            id=_new_id(),
            program=program if load_optimized else _as_composed(program),
            scenarios=list(scenarios),
            model=model,
            judge_model=judge_model,
            repetitions=repetitions,
            concurrency=concurrency,
            preflight=preflight,
            journal=_made(journal),
            cap_usd=cap_usd,
        )
        kept = Kept("Nothing was scored.", "The scenarios that had finished are kept.")
        async with aclosing(answers_of(self._warm_engine(), message, kept)) as answers:
            async for answer in answers:
                if isinstance(answer, ScenarioFinished):
                    kept.something = True
                    yield answer
                else:
                    yield expected(answer, Evaluated)

    async def optimize_agent(
        self,
        program: Program,
        *,
        train: Sequence[Scenario],
        validation: Sequence[Scenario],
        optimizer: OptimizerName = "GEPA",
        budget: Budget,
        model: Model,
        reflection_model: Model,
        judge_model: Model,
        seed: int = 0,
        directory: Path,
        reserve_calls: int = 0,
        longest_prompt: int = 20_000,
        concurrency: int = 16,
    ) -> AsyncGenerator[Log | Progressed | TrialFinished | Optimized]:
        """The search as it goes on, then its best program.

        It has an engine of its own that ends with the iteration, at the latest two seconds after
        the consuming task was cancelled; use `contextlib.aclosing`. `directory` keeps the search:
        the same directory goes on where it was.
        """
        message = Optimize(
            id=_new_id(),
            program=program,
            train=list(train),
            validation=list(validation),
            optimizer=optimizer,
            budget=budget,
            model=model,
            reflection_model=reflection_model,
            judge_model=judge_model,
            seed=seed,
            concurrency=concurrency,
            directory=_made(directory) or "",
            reserve_calls=reserve_calls,
            longest_prompt=longest_prompt,
        )
        kept = Kept("No trial was made.", "The trials that had finished are kept.")
        engine = self._new_engine("optimize")
        try:
            async with aclosing(answers_of(engine, message, kept)) as answers:
                async for answer in answers:
                    kept.something = kept.something or isinstance(answer, TrialFinished)
                    if isinstance(answer, Log | Progressed | TrialFinished):
                        yield answer
                    else:
                        yield expected(answer, Optimized)
        finally:
            await engine.close()

    # ---------------------------------------------------------------- engines

    async def _ask(
        self, message: ToEngine, answer: type[AnswerT], *, model_seconds: float = 0
    ) -> AnswerT:
        engine, kept = self._warm_engine(), Kept(UNCHANGED, UNCHANGED)
        seconds = ANSWER_SECONDS + model_seconds
        try:
            async with (
                asyncio.timeout(seconds),
                aclosing(answers_of(engine, message, kept)) as answers,
            ):
                return expected(await anext(answers), answer)
        except TimeoutError:
            await engine.close()
            raise failure("crashed", f"it did not answer within {seconds:.0f} seconds") from None

    def _warm_engine(self) -> EngineProcess:
        if self._warm is not None and not self._warm.is_ours():
            self._warm.abandon()
            self._warm = None
        if self._warm is None or not self._warm.is_usable():
            self._warm = self._new_engine("work")
        return self._warm

    def _new_engine(self, purpose: str) -> EngineProcess:
        def started(pid: int) -> None:
            if self._on_engine_started is not None:
                self._on_engine_started(pid, purpose)

        return EngineProcess(self._location, purpose=purpose, on_started=started)


def open_superoptix(settings: Settings) -> SuperOptiXClient:
    """The client of the configured engine. Starts nothing yet, so it cannot fail."""
    return SuperOptiXClient(EngineLocation(settings.superoptix_path))


# -------------------------------------------------------------------- playbooks to the engine


_NOT_EXECUTED = {
    "prompt", "first_message", "demonstrations", "feature_specifications", "scenarios"
}  # fmt: skip


def program_of(playbook: playbooks.Playbook) -> Program:
    """What the engine executes for a version: the prompt travels as data, beside the playbook."""
    spec = {key: value for key, value in playbook.data["spec"].items() if key not in _NOT_EXECUTED}
    return Program(
        agent_id=playbook.agent_id,
        playbook={**playbook.data, "spec": spec},
        prompt=playbook.prompt,
        demonstrations=[
            Demonstration(inputs=each.inputs, outputs=each.outputs)
            for each in playbook.demonstrations
        ],
    )


def to_engine(scenario: playbooks.Scenario) -> Scenario:
    return Scenario(
        id=scenario.id,
        input=scenario.input,
        expected=scenario.expected,
        checks=[
            Check(kind=each.kind, values=each.values, field=each.field) for each in scenario.checks
        ],
        spoken_forms=scenario.spoken_forms,
    )


def _does_not_compile(
    program: Program, problem: str, versions: dict[str, str | None]
) -> AgentEngineStatus:
    return AgentEngineStatus(
        agent_id=program.agent_id,
        compiles=False,
        problem=problem,
        prompt_characters=None,
        inputs=[],
        outputs=[],
        module=None,
        warnings=[],
        versions=versions,
    )


def _as_composed(program: Program) -> Program:
    return program.model_copy(update={"prompt": None, "demonstrations": []})


def _made(directory: Path | None) -> str | None:
    """The engine runs in a folder of its own, so it is told whole paths."""
    if directory is None:
        return None
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return str(directory.absolute())


def _new_id() -> str:
    return uuid4().hex
