"""The words that every layer shares: what kinds and states there are of each thing we keep."""

from enum import StrEnum
from typing import Literal

# As the engine's protocol has them, which would cost the command line an import of pydantic.
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
    SYNC = "sync"


class Queue(StrEnum):
    """What work waits in. Each has workers of its own, so that none waits behind another kind."""

    ENGINE = "engine"  # evaluations and optimizations: minutes
    DEPLOYMENTS = "deployments"  # and rollbacks: seconds, and somebody waits for them
    BACKGROUND = "background"  # what nobody waits for: syncs, polls, indexing, checks for drift


class JobStatus(StrEnum):
    """How far a job is, and the evaluation or optimization that it does."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        return self not in OPEN_STATUSES


OPEN_STATUSES = (JobStatus.QUEUED, JobStatus.RUNNING)


class EvaluationPurpose(StrEnum):
    CHECK = "check"  # somebody asked
    BASELINE = "baseline"  # somebody asked, and later ones are held against it
    RERUN = "rerun"  # only what failed or errored in another one: never compared
    COMPARISON_BASELINE = "comparison_baseline"  # the test split, before an optimization
    COMPARISON_CANDIDATE = "comparison_candidate"  # the test split, after it
    # The anchors of the other splits, in both: they may not break, but they prove nothing.
    ANCHORS_BASELINE = "anchors_baseline"
    ANCHORS_CANDIDATE = "anchors_candidate"


class ReadingKind(StrEnum):
    """What has read the test split."""

    COMPARISON = "comparison"
    EVALUATION = "evaluation"  # by hand


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


class CallSource(StrEnum):
    """Who keeps the record of a call."""

    VAPI = "vapi"
    CLOSE = "close"


class CallEnding(StrEnum):
    """Why a call ended, in buckets: the vendors have hundreds of reasons and add more."""

    CUSTOMER = "customer"  # hung up, or said goodbye
    ASSISTANT = "assistant"  # the agent, or a person at our end, ended it
    TRANSFERRED = "transferred"
    VOICEMAIL = "voicemail"
    NOT_REACHED = "not_reached"  # busy, no answer, rejected
    SILENCE = "silence"
    TIME_LIMIT = "time_limit"
    ERROR = "error"  # something broke: model, voice, transport
    OTHER = "other"  # a reason that we do not know


class SuccessRubric(StrEnum):
    """By what a call was judged."""

    PASS_FAIL = "pass_fail"  # noqa: S105
    NUMERIC = "numeric"  # 1 to 10
    PERCENTAGE = "percentage"
    DESCRIPTIVE = "descriptive"  # excellent, good, fair, poor
    LIKERT = "likert"  # strongly agree … strongly disagree
    CHECKLIST = "checklist"
    MATRIX = "matrix"
    AUTOMATIC = "automatic"


class LeadMatch(StrEnum):
    """How a call was found to belong to a lead, surest first."""

    CLOSE = "close"  # Close keeps it with this lead
    METADATA = "metadata"  # the call carries the id of the lead
    PHONE = "phone"  # the number is one of the lead's: several leads may share it


class AnsweringState(StrEnum):
    """What answers for an agent now."""

    OURS = "ours"  # the version that was deployed
    THEIRS = "theirs"  # a text that somebody wrote at Vapi since
    ROLLED_BACK = "rolled_back"  # what was there before ours
    NEVER_DEPLOYED = "never_deployed"
    GONE = "gone"  # Vapi no longer has the assistant
    UNKNOWN = "unknown"  # the last deployment or rollback ended without an answer


class KnownBy(StrEnum):
    """How we came to know what stands on an assistant."""

    DEPLOYED = "deployed"  # we put it there
    ROLLED_BACK = "rolled_back"  # we put it back there
    IMPORTED = "imported"  # we read it, and made the agent of it
    READ = "read"  # we read it when the first deployment was asked for


class DriftState(StrEnum):
    """How an agent here and its assistant at Vapi have moved since it was last written or read."""

    CLEAN = "clean"
    CHANGED_IN_VAPI = "changed_in_vapi"
    CHANGED_HERE = "changed_here"
    BOTH = "both"
    NEVER_DEPLOYED = "never_deployed"  # they differ, and nothing of ours was ever there
    UNKNOWN = "unknown"  # Vapi could not be asked


class SyncSystem(StrEnum):
    """What is read from outside into a mirror here."""

    VAPI = "vapi"
    CLOSE = "close"
    MEMORY = "memory"


class SyncStatus(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class RefetchKind(StrEnum):
    """What a webhook of Close names that is to be read again."""

    LEAD = "lead"
    CALL = "call"
    DELETED_LEAD = "deleted_lead"  # its calls: a merge moves them elsewhere


class MemoryKind(StrEnum):
    """What something remembered is about."""

    FACT = "fact"
    PREFERENCE = "preference"
    CONTEXT = "context"


class ConversationSource(StrEnum):
    """How a conversation came into the index."""

    CALL = "call"
    IMPORT = "import"
