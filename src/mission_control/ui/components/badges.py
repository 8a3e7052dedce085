"""States as a coloured word: never a colour alone."""

import re
from typing import Literal

from mission_control.api.agents.schemas import Answering
from mission_control.api.calls.schemas import CallRead
from mission_control.core.call_success import RUBRIC_WORDS, score_words
from mission_control.core.setting_values import SANDBOX_MODEL
from mission_control.core.words import (
    AgentStatus,
    AgentType,
    CallEnding,
    CallSource,
    DeploymentStatus,
    DeploymentTarget,
    DriftState,
    EvaluationPurpose,
    JobStatus,
    LeadMatch,
    ScenarioStatus,
    SyncStatus,
    Verdict,
)

Color = Literal["green", "red", "orange", "blue", "gray"]

SANDBOX = ":orange-badge[SANDBOX]"

VERDICTS: dict[Verdict, tuple[str, Color]] = {
    Verdict.BETTER: ("Better", "green"),
    Verdict.WORSE: ("Worse", "red"),
    Verdict.NO_DIFFERENCE_SHOWN: ("No difference shown", "gray"),
    Verdict.NOT_ENOUGH_DATA: ("Not enough data", "orange"),
}
TYPES: dict[AgentType, str] = {
    AgentType.PHONE_BOT: "Phone bot",
    AgentType.WEBHOOK: "Webhook",
    AgentType.STANDALONE: "Standalone",
}
TARGETS: dict[DeploymentTarget, str] = {
    DeploymentTarget.VAPI: "Vapi assistant",
    DeploymentTarget.LOCAL: "this installation",
}
PURPOSES: dict[EvaluationPurpose, str] = {
    EvaluationPurpose.CHECK: "Check",
    EvaluationPurpose.BASELINE: "Baseline",
    EvaluationPurpose.RERUN: "Rerun",
    EvaluationPurpose.COMPARISON_BASELINE: "Comparison: baseline",
    EvaluationPurpose.COMPARISON_CANDIDATE: "Comparison: candidate",
    EvaluationPurpose.ANCHORS_BASELINE: "Anchors: baseline",
    EvaluationPurpose.ANCHORS_CANDIDATE: "Anchors: candidate",
}
AGENTS: dict[str, Color] = {
    AgentStatus.LIVE: "green",
    AgentStatus.DEV: "gray",
    AgentStatus.OPTIMIZING: "blue",
    AgentStatus.ERROR: "red",
}
RUNS: dict[str, Color] = {
    "queued": "gray",
    "running": "blue",
    "completed": "green",
    "failed": "red",
    "cancelled": "gray",
}
DEPLOYMENTS: dict[DeploymentStatus, tuple[str, Color]] = {
    DeploymentStatus.PENDING: ("pending", "blue"),
    DeploymentStatus.VERIFIED: ("verified", "green"),
    DeploymentStatus.FAILED: ("failed", "red"),
    DeploymentStatus.ROLLED_BACK: ("rolled back", "gray"),
}
DRIFT: dict[DriftState, tuple[str, Color]] = {
    DriftState.CLEAN: ("in step", "green"),
    DriftState.CHANGED_IN_VAPI: ("changed in Vapi", "orange"),
    DriftState.CHANGED_HERE: ("changed here", "blue"),
    DriftState.BOTH: ("changed on both sides", "red"),
    DriftState.NEVER_DEPLOYED: ("never deployed", "gray"),
    DriftState.UNKNOWN: ("not known", "orange"),
}
SYNCS: dict[SyncStatus, tuple[str, Color]] = {
    SyncStatus.WAITING: ("not read yet", "gray"),
    SyncStatus.RUNNING: ("reading", "blue"),
    SyncStatus.COMPLETED: ("read", "green"),
    SyncStatus.FAILED: ("failed", "red"),
}
SOURCES: dict[CallSource, str] = {CallSource.VAPI: "Vapi", CallSource.CLOSE: "Close"}
ENDINGS: dict[CallEnding, tuple[str, Color]] = {
    CallEnding.CUSTOMER: ("customer ended", "green"),
    CallEnding.ASSISTANT: ("agent ended", "green"),
    CallEnding.TRANSFERRED: ("transferred", "blue"),
    CallEnding.VOICEMAIL: ("voicemail", "gray"),
    CallEnding.NOT_REACHED: ("not reached", "gray"),
    CallEnding.SILENCE: ("silence", "orange"),
    CallEnding.TIME_LIMIT: ("time limit", "orange"),
    CallEnding.ERROR: ("error", "red"),
    CallEnding.OTHER: ("other", "gray"),
}
MATCHES: dict[LeadMatch, tuple[str, Color]] = {
    LeadMatch.CLOSE: ("by Close", "green"),
    LeadMatch.METADATA: ("by id", "green"),
    LeadMatch.PHONE: ("by number", "orange"),
}
_MARKDOWN = re.compile(r"[\\`*_\[\]<>$~]|:(?=[A-Za-z])|^[#+-]", re.MULTILINE)
SCENARIOS: dict[ScenarioStatus, tuple[str, Color]] = {
    ScenarioStatus.PASSED: ("passed", "green"),
    ScenarioStatus.FAILED: ("failed", "red"),
    ScenarioStatus.ERROR: ("error", "orange"),
}


def agent(status: AgentStatus) -> str:
    return _badge(status.value, AGENTS[status])


def run(status: JobStatus) -> str:
    return _badge(status.value, RUNS[status.value])


def scenario(status: ScenarioStatus) -> str:
    return _badge(*SCENARIOS[status])


def deployment(status: DeploymentStatus) -> str:
    return _badge(*DEPLOYMENTS[status])


def deployment_word(status: DeploymentStatus) -> str:
    return DEPLOYMENTS[status][0]


def ending(found: CallEnding) -> str:
    return _badge(*ENDINGS[found])


def success_word(success: bool | None) -> str:  # noqa: FBT001  # a value to be shown
    """Of a rubric that says pass or fail; what stands on a scale is a score, in its own column."""
    return {True: "yes", False: "no", None: "—"}[success]


def score_word(call: CallRead) -> str:
    return score_words(call.success_score, call.success_rubric) or "—"


def judged_words(call: CallRead) -> str:
    """What was answered, and to what rubric."""
    if call.success_evaluation is None:
        return "Its success was not judged."
    rubric = call.success_rubric
    by = RUBRIC_WORDS[rubric] if rubric is not None else "a rubric that is not known"
    return f"Judged by {by}: {plain(call.success_evaluation)}"


def match(found: LeadMatch) -> str:
    return _badge(*MATCHES[found])


def drift(state: DriftState) -> str:
    return _badge(*DRIFT[state])


def drift_word(state: DriftState) -> str:
    return DRIFT[state][0]


def answering_word(found: Answering) -> str:
    return found.state.replace("_", " ") if found.version is None else f"version {found.version}"


def sync(status: SyncStatus) -> str:
    return _badge(*SYNCS[status])


def verdict(found: Verdict) -> str:
    return _badge(*VERDICTS[found])


def verdict_word(found: Verdict | None) -> str:
    return VERDICTS[found][0] if found is not None else "—"


# What somebody asked for, as opposed to one half of an optimization's comparison.
ASKED_FOR = frozenset(
    {EvaluationPurpose.CHECK, EvaluationPurpose.BASELINE, EvaluationPurpose.RERUN}
)


def model(name: str) -> str:
    """A model's name; the stand-in's says what it is wherever its results are shown."""
    return f"{plain(name)} {SANDBOX}" if name == SANDBOX_MODEL else plain(name)


def plain(text: str) -> str:
    """Text of others as it is: Markdown must not read anything into it."""
    return _MARKDOWN.sub(r"\\\g<0>", text)


def code(text: str) -> str:
    """The same where it stands among words, told apart from them."""
    return f"`{text.replace('`', chr(39))}`"


def _badge(word: str, color: Color) -> str:
    return f":{color}-badge[{word}]"
