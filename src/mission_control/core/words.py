"""The words that every layer shares: what kinds and states there are of each thing we keep."""

from enum import StrEnum
from typing import Literal

OptimizerName = Literal["GEPA", "MIPROv2", "BootstrapFewShot", "SIMBA"]
Level = Literal["light", "medium", "heavy"]


class AgentType(StrEnum):
    PHONE_BOT = "phone_bot"
    WEBHOOK = "webhook"
    STANDALONE = "standalone"


class AgentStatus(StrEnum):
    LIVE = "live"
    DEV = "dev"
    OPTIMIZING = "optimizing"
    ERROR = "error"


class VersionOrigin(StrEnum):
    IMPORT = "import"
    EDIT = "edit"
    OPTIMIZATION = "optimization"
    ROLLBACK = "rollback"


class JobKind(StrEnum):
    EVALUATE = "evaluate"
    OPTIMIZE = "optimize"
    DEPLOY = "deploy"
    ROLLBACK = "rollback"


class JobStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class EvaluationPurpose(StrEnum):
    CHECK = "check"  # somebody asked
    BASELINE = "baseline"  # somebody asked, and later ones are held against it
    RERUN = "rerun"  # only what failed or errored in another one: never compared
    COMPARISON_BASELINE = "comparison_baseline"  # the test split, before an optimization
    COMPARISON_CANDIDATE = "comparison_candidate"  # the test split, after it
    # The anchors of the other splits, in both: they may not break, but they prove nothing.
    ANCHORS_BASELINE = "anchors_baseline"
    ANCHORS_CANDIDATE = "anchors_candidate"


class RunStatus(StrEnum):
    """How far an evaluation or an optimization is."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ScenarioStatus(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"


class Verdict(StrEnum):
    BETTER = "better"
    WORSE = "worse"
    NO_DIFFERENCE_SHOWN = "no_difference_shown"
    NOT_ENOUGH_DATA = "not_enough_data"


class DeploymentTarget(StrEnum):
    VAPI = "vapi"
    LOCAL = "local"


class DeploymentStatus(StrEnum):
    PENDING = "pending"  # the row is there before anything leaves the process
    VERIFIED = "verified"  # read back from the target, field by field
    FAILED = "failed"  # the target is as it was
    ROLLED_BACK = "rolled_back"


class ExecutionStatus(StrEnum):
    COMPLETED = "completed"
    FAILED = "failed"
