"""What the engine answers. A request is over with its `…ed` answer or with `failed`."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from mission_control_protocol.parts import (
    CheckResult,
    Demonstration,
    ErrorKind,
    Message,
    OptimizerName,
    StopReason,
    Usage,
)


class Ready(Message):
    """The first line of every engine process, before anything heavy is imported.

    It stays readable to every version, so that a console knows which one it has before it: what a
    later version adds is ignored, and an engine that names no version is older than versions are.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    type: Literal["ready"] = "ready"
    id: str = ""
    pid: int
    protocol: int = 0


class OptimizerAbility(Message):
    name: OptimizerName
    available: bool
    resumes: bool  # continues from its last trial after a crash
    stops: bool  # can be stopped between trials with the best so far
    note: str


class Doctored(Message):
    type: Literal["doctored"] = "doctored"
    id: str
    python: str
    versions: dict[str, str | None]
    optimizers: list[OptimizerAbility]
    problems: list[str]


class Compiled(Message):
    type: Literal["compiled"] = "compiled"
    id: str
    prompt: str  # the prompt in force: the program's own, or the one composed from the playbook
    inputs: list[str]
    outputs: list[str]
    module: str
    warnings: list[str]


class MarketplaceListed(Message):
    type: Literal["marketplace_listed"] = "marketplace_listed"
    id: str
    names: list[str]
    playbook: str | None = None  # YAML text


class ScenarioFinished(Message):
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
    truncated: bool = False  # the token limit cut the reply
    thinking: str | None = None  # what the model said to itself; judged and shown nowhere as reply


class Evaluated(Message):
    type: Literal["evaluated"] = "evaluated"
    id: str
    usage: Usage
    seconds: float


class Ran(Message):
    type: Literal["ran"] = "ran"
    id: str
    output: dict[str, str]
    latency_ms: float
    usage: Usage
    truncated: bool = False
    thinking: str | None = None


class Log(Message):
    type: Literal["log"] = "log"
    id: str
    level: Literal["info", "warning"]
    text: str


class Progressed(Message):
    type: Literal["progressed"] = "progressed"
    id: str
    phase: Literal["preparing", "baseline", "searching", "finishing"]
    trials: int
    metric_calls: int
    metric_calls_budget: int | None
    best_validation_score: float | None
    usage: Usage


class TrialFinished(Message):
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
    truncated: int = 0  # replies that the token limit cut since the trial before
    unmeasured: int = 0  # model calls that failed for good since the trial before


class Optimized(Message):
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


class Failed(Message):
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

FROM_ENGINE: TypeAdapter[FromEngine] = TypeAdapter(FromEngine)
