"""What the console asks of the engine. Every request has an `id`, and one last answer."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from mission_control_protocol.parts import Level, Message, Model, OptimizerName, Program, Scenario


class Doctor(Message):
    """Which SuperOptiX is this, and what can it do? Answer: `doctored`."""

    type: Literal["doctor"] = "doctor"
    id: str


class Compile(Message):
    """Validate and compile a playbook with SuperOptiX's own compiler. Answer: `compiled`."""

    type: Literal["compile"] = "compile"
    id: str
    program: Program


class Marketplace(Message):
    """The playbooks that ship with SuperOptiX; with `name`, that one's text. Answer: `marketplace_listed`."""

    type: Literal["marketplace"] = "marketplace"
    id: str
    name: str | None = None


class Evaluate(Message):
    """Run scenarios × repetitions. Streams `scenario_finished`; answer: `evaluated`."""

    type: Literal["evaluate"] = "evaluate"
    id: str
    program: Program
    scenarios: list[Scenario] = Field(min_length=1)
    model: Model
    judge_model: Model
    repetitions: int = Field(default=1, ge=1, le=20)
    concurrency: int = Field(default=16, ge=1, le=128)
    preflight: bool = True
    journal: str | None = (
        None  # directory: finished model calls are kept there and never paid again
    )
    cap_usd: float | None = Field(default=None, gt=0)  # over everything the journal has seen


class Run(Message):
    """One execution. Answer: `ran`."""

    type: Literal["run"] = "run"
    id: str
    program: Program
    inputs: dict[str, str]
    model: Model


class Budget(Message):
    """Either a level or explicit limits; limits may be combined with a level."""

    level: Level | None = None
    metric_calls: int | None = Field(default=None, ge=1)
    usd: float | None = Field(default=None, gt=0)
    minutes: float | None = Field(default=None, gt=0)


class Optimize(Message):
    """Search for a better prompt. Streams `log`, `trial_finished`, `progressed`; answer: `optimized`."""

    type: Literal["optimize"] = "optimize"
    id: str
    program: Program
    train: list[Scenario] = Field(min_length=2)
    validation: list[Scenario] = Field(min_length=1)
    optimizer: OptimizerName
    budget: Budget
    model: Model
    reflection_model: Model
    judge_model: Model
    seed: int = 0
    concurrency: int = Field(default=16, ge=1, le=128)
    directory: str  # journal and optimizer state: the same directory resumes the same search
    # Task-model calls to hold back from `budget.usd` for the comparison that follows the search.
    reserve_calls: int = Field(default=0, ge=0)
    longest_prompt: int = Field(default=20_000, ge=1)  # characters; a longer one is never proposed


class Cancel(Message):
    """End request `target`. It answers with `failed` of kind `cancelled`."""

    type: Literal["cancel"] = "cancel"
    id: str
    target: str


ToEngine = Annotated[
    Doctor | Compile | Marketplace | Evaluate | Run | Optimize | Cancel,
    Field(discriminator="type"),
]

TO_ENGINE: TypeAdapter[ToEngine] = TypeAdapter(ToEngine)
