"""What answers for an agent now, since when, put there by whom, and what was measured of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mission_control.api.agents.schemas import Answering
from mission_control.core.words import AgentStatus, AgentType, DriftState, Verdict
from mission_control.data.agents import Agent, AgentVersion
from mission_control.data.deployments import Deployment
from mission_control.data.drift_checks import DriftCheck
from mission_control.data.unit_of_work import UnitOfWork

TEXTS = frozenset({"system", "first_message"})
THEIRS = frozenset({DriftState.CHANGED_IN_VAPI.value, DriftState.BOTH.value})


@dataclass(frozen=True)
class _Rows:
    agent: Agent
    standing: Deployment | None
    rolled_back: Deployment | None
    drift: DriftCheck | None
    version: AgentVersion | None
    measured: str

    @property
    def is_at_vapi(self) -> bool:
        return self.agent.type is AgentType.PHONE_BOT


async def answering_of(uow: UnitOfWork, agent: Agent) -> Answering:
    rows = await _read(uow, agent)
    return _unsure(rows) or _theirs(rows) or _ours(rows) or await _nothing_of_ours(uow, rows)


async def _read(uow: UnitOfWork, agent: Agent) -> _Rows:
    drift = await uow.drift_checks.find(agent.id)
    if drift is not None and agent.vapi_assistant_id not in (None, drift.assistant_id):
        drift = None  # of another assistant
    number = agent.deployed_version
    version = await uow.agents.version(agent.id, number) if number is not None else None
    return _Rows(
        agent=agent,
        standing=await uow.deployments.standing(agent.id),
        rolled_back=await uow.deployments.latest_rolled_back(agent.id),
        drift=drift,
        version=version,
        measured=await _measured(uow, version) if version is not None else "",
    )


async def _measured(uow: UnitOfWork, version: AgentVersion) -> str:
    """A version that a rollback copied was measured under the number that it had."""
    same = await uow.agents.same_content(version) or version
    proof = await uow.optimizations.latest_of_candidate(same.id)
    if proof is None or proof.verdict is None:
        return "It was not compared with another version."
    base = await uow.agents.version_by_id(proof.base_version_id)
    if proof.verdict is Verdict.BETTER and proof.improvement_pct is not None:
        return f"Shown to be better than version {base.number}: {proof.improvement_pct:+g} points."
    words = proof.verdict.value.replace("_", " ")
    return f"Compared with version {base.number}: {words}."


def _unsure(rows: _Rows) -> Answering | None:
    if rows.agent.status is not AgentStatus.ERROR or not rows.is_at_vapi:
        return None
    return Answering(
        line="What answers at Vapi is not known: the last deployment or rollback ended without an "
        "answer. Ask for it again, which finishes or confirms it.",
    )


def _theirs(rows: _Rows) -> Answering | None:
    """Somebody changed a text of ours at Vapi."""
    drift = rows.drift
    if drift is None or drift.compared_at is None or not _moved_there(drift.fields):
        return None
    ours = f"Version {rows.version.number}" if rows.version is not None else "Nothing of ours"
    does = "does not" if rows.version is not None else "does"
    return Answering(
        line=f"A text that somebody wrote at Vapi answers there, seen {_at(drift.compared_at)}. "
        f"{ours} {does}.",
        by="somebody at Vapi",
    )


def _moved_there(fields: list[dict[str, Any]]) -> bool:
    return any(each["field"] in TEXTS and each["state"] in THEIRS for each in fields)


def _ours(rows: _Rows) -> Answering | None:
    standing, version = rows.standing, rows.version
    if standing is None or version is None:
        return None
    since = standing.finished_at
    where = "answers at Vapi" if rows.is_at_vapi else "is in force here"
    how = "taken over from Vapi" if standing.taken_over else "deployed"
    by = standing.requested_by
    line = f"Version {version.number} {where} since {_at(since)}, {how}{f' by {by}' if by else ''}."
    drift = rows.drift
    if rows.is_at_vapi and drift is not None and drift.state is DriftState.UNKNOWN:
        line = (
            f"Version {version.number} was {how} {_at(since)}{f' by {by}' if by else ''}; whether "
            f"it still answers is not known, Vapi was asked in vain {_at(drift.checked_at)}."
        )
    return Answering(
        line=f"{line} {rows.measured}",
        version=version.number, since=since, by=by, measured=rows.measured,
    )  # fmt: skip


async def _nothing_of_ours(uow: UnitOfWork, rows: _Rows) -> Answering:
    agent, undone = rows.agent, rows.rolled_back
    current = f"Version {agent.current_version} is the current one here."
    if undone is not None:
        number = (await uow.agents.version_by_id(undone.version_id)).number
        by = undone.rolled_back_by
        what = f"Rolled back {_at(undone.rolled_back_at)}{f' by {by}' if by else ''}"
        there = (
            f"what was at Vapi before version {number} answers there, and nothing of ours"
            if rows.is_at_vapi and agent.vapi_assistant_id is not None
            else f"version {number} is no longer in force"
        )
        line = f"{what}: {there}. {current}"
        return Answering(line=line, since=undone.rolled_back_at, by=by)
    if rows.is_at_vapi and agent.vapi_assistant_id is not None:
        line = f"Never deployed: the text that was written at Vapi answers there. {current}"
    elif rows.is_at_vapi:
        line = f"Never deployed, and not linked to an assistant at Vapi. {current}"
    else:
        line = f"Never deployed. {current}"
    return Answering(line=line)


def _at(moment: datetime | None) -> str:
    return "at a time not recorded" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"
