"""The messages between the console and the engine process: a closed list, validated on both sides.

`engine/src/engine_host/messages.py` declares the same shapes for its side; a contract test holds
the two JSON Schemas against each other. One JSON object per line, UTF-8. Every message carries the
`id` of the request that it belongs to; a request is over with its `…ed` answer or with `failed`.
Money is USD as a float here (the console turns it into decimals), times are milliseconds.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, field_serializer

from mission_control.core.words import Level, OptimizerName

ErrorKind = Literal[
    "transport",  # the model could not be reached
    "timeout",
    "server",  # the model's server failed (5xx)
    "auth",
    "rate_limit",
    "billing",
    "format",  # the model answers, but not in a form that can be read
    "config",  # model, optimizer or budget settings that cannot work
    "request",  # the model's server refused the request
    "playbook",  # the playbook cannot be compiled, or asks for what is not allowed
    "reflection",  # the reflection model failed three times in a row
    "unreliable",  # so many model calls failed that scores would be noise
    "budget",  # the money or the time ran out before anything could be measured
    "cancelled",
    "crashed",  # the engine process died
    "internal",
]
CheckKind = Literal["contains", "excludes", "exact", "regex", "judge", "superoptix"]
Split = Literal["train", "validation", "test"]
StopReason = Literal[
    "finished",  # the optimizer used its whole plan
    "perfect",  # every validation scenario passes with full score
    "budget_metric_calls",
    "budget_usd",
    "budget_minutes",
]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Price(_Message):
    """USD per million tokens."""

    input_per_million: float = Field(ge=0)
    output_per_million: float = Field(ge=0)


class Model(_Message):
    """A language model as LiteLLM names it (`openai/gpt-4o-mini`). `price=None` is 'unpriced'."""

    name: str = Field(pattern=r"^[\w./:@+-]{1,120}$")
    base_url: str | None = None
    api_key: SecretStr = SecretStr("")
    temperature: float = Field(default=0.0, ge=0, le=2)
    max_tokens: int = Field(default=400, ge=1)
    timeout_seconds: float = Field(default=60, gt=0, lt=120)
    retries: int = Field(default=2, ge=0, le=10)
    price: Price | None = None

    @field_serializer("api_key", when_used="json")
    def _reveal(self, key: SecretStr) -> str:
        return key.get_secret_value()


class Check(_Message):
    """One condition on an answer. `contains` needs all values, `excludes` none of them."""

    kind: CheckKind
    values: list[str] = Field(default_factory=list)
    field: str | None = None  # None: every expected field together, joined by newlines


class Scenario(_Message):
    id: str = Field(min_length=1, max_length=120)
    input: dict[str, str]
    expected: dict[str, str]
    checks: list[Check]


class Demonstration(_Message):
    inputs: dict[str, str]
    outputs: dict[str, str]


class Program(_Message):
    """What is executed: the playbook's fields and module, and the prompt as data.

    `prompt=None`: the prompt that SuperOptiX would make of the playbook's persona and first task.
    """

    agent_id: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")
    playbook: dict[str, Any]
    prompt: str | None = None
    demonstrations: list[Demonstration] = Field(default_factory=list)


class Usage(_Message):
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None  # None: at least one call was unpriced


class CheckResult(_Message):
    kind: CheckKind
    passed: bool
    score: float = Field(ge=0, le=1)
    reason: str | None = None  # why it failed, in words an operator understands


# ------------------------------------------------------------------ to the engine


class Doctor(_Message):
    """Which SuperOptiX is this, and what can it do? Answer: `doctored`."""

    type: Literal["doctor"] = "doctor"
    id: str


class Compile(_Message):
    """Validate and compile a playbook with SuperOptiX's own compiler. Answer: `compiled`."""

    type: Literal["compile"] = "compile"
    id: str
    program: Program


class Marketplace(_Message):
    """The playbooks that ship with SuperOptiX; with `name`, that one's text. Answer: `marketplace_listed`."""

    type: Literal["marketplace"] = "marketplace"
    id: str
    name: str | None = None


class Evaluate(_Message):
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


class Run(_Message):
    """One execution. Answer: `ran`."""

    type: Literal["run"] = "run"
    id: str
    program: Program
    inputs: dict[str, str]
    model: Model


class Budget(_Message):
    """Either a level or explicit limits; limits may be combined with a level."""

    level: Level | None = None
    metric_calls: int | None = Field(default=None, ge=1)
    usd: float | None = Field(default=None, gt=0)
    minutes: float | None = Field(default=None, gt=0)


class Optimize(_Message):
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


class Cancel(_Message):
    """End request `target`. It answers with `failed` of kind `cancelled`."""

    type: Literal["cancel"] = "cancel"
    id: str
    target: str


ToEngine = Annotated[
    Doctor | Compile | Marketplace | Evaluate | Run | Optimize | Cancel,
    Field(discriminator="type"),
]

# ------------------------------------------------------------------ from the engine


class Ready(_Message):
    """The first line of every engine process, before anything heavy is imported."""

    type: Literal["ready"] = "ready"
    id: str = ""
    pid: int


class OptimizerAbility(_Message):
    name: OptimizerName
    available: bool
    resumes: bool  # continues from its last trial after a crash
    stops: bool  # can be stopped between trials with the best so far
    note: str


class Doctored(_Message):
    type: Literal["doctored"] = "doctored"
    id: str
    python: str
    versions: dict[str, str | None]
    optimizers: list[OptimizerAbility]
    problems: list[str]


class Compiled(_Message):
    type: Literal["compiled"] = "compiled"
    id: str
    prompt: str  # the prompt in force: the program's own, or the one composed from the playbook
    inputs: list[str]
    outputs: list[str]
    module: str
    warnings: list[str]


class MarketplaceListed(_Message):
    type: Literal["marketplace_listed"] = "marketplace_listed"
    id: str
    names: list[str]
    playbook: str | None = None  # YAML text


class ScenarioFinished(_Message):
    """One scenario, once. `status=error`: it could not be measured; it has no score."""

    type: Literal["scenario_finished"] = "scenario_finished"
    id: str
    scenario_id: str
    repetition: int
    status: Literal["passed", "failed", "error"]
    score: float | None  # mean of the checks' scores; None for an error
    superoptix_score: float | None  # SuperOptiX's own lexical score on the projected fields
    checks: list[CheckResult]
    output: dict[str, str]
    latency_ms: float
    usage: Usage
    error_kind: ErrorKind | None = None
    error_detail: str | None = None


class Evaluated(_Message):
    type: Literal["evaluated"] = "evaluated"
    id: str
    usage: Usage
    seconds: float


class Ran(_Message):
    type: Literal["ran"] = "ran"
    id: str
    output: dict[str, str]
    latency_ms: float
    usage: Usage


class Log(_Message):
    type: Literal["log"] = "log"
    id: str
    level: Literal["info", "warning"]
    text: str


class Progressed(_Message):
    type: Literal["progressed"] = "progressed"
    id: str
    phase: Literal["preparing", "baseline", "searching", "finishing"]
    trials: int
    metric_calls: int
    metric_calls_budget: int | None
    best_validation_score: float | None
    usage: Usage


class TrialFinished(_Message):
    """One candidate of the search. Numbers are stable over a resume: 0 is the starting prompt."""

    type: Literal["trial_finished"] = "trial_finished"
    id: str
    number: int
    parent: int | None
    accepted: bool
    validation_score: float | None  # mean score on validation; None if it was rejected before
    sample_score: float | None  # mean score on the training sample it was tried on
    prompt: str
    demonstrations: list[Demonstration]
    metric_calls: int
    usage: Usage


class Optimized(_Message):
    type: Literal["optimized"] = "optimized"
    id: str
    prompt: str
    demonstrations: list[Demonstration]
    changed: bool
    stop_reason: StopReason
    baseline_validation_score: float | None
    best_validation_score: float | None
    trials: int
    metric_calls: int
    usage: Usage
    seconds: float


class Failed(_Message):
    """The request is over without its answer. `detail` is cleaned: no secret, no path, no stack."""

    type: Literal["failed"] = "failed"
    id: str
    kind: ErrorKind
    detail: str
    usage: Usage = Usage()


FromEngine = Annotated[
    Ready
    | Doctored
    | Compiled
    | MarketplaceListed
    | ScenarioFinished
    | Evaluated
    | Ran
    | Log
    | Progressed
    | TrialFinished
    | Optimized
    | Failed,
    Field(discriminator="type"),
]

TO_ENGINE: TypeAdapter[ToEngine] = TypeAdapter(ToEngine)
FROM_ENGINE: TypeAdapter[FromEngine] = TypeAdapter(FromEngine)
