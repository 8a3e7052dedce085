"""What answers for an agent now, since when, put there by whom: one truth for every page and command."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mission_control.api.agents.schemas import Answering
from mission_control.core.words import (
    AgentStatus,
    AgentType,
    AnsweringState,
    DriftState,
    Verdict,
)
from mission_control.data.agents import Agent, AgentVersion
from mission_control.data.deployments import Mark
from mission_control.data.drift_checks import DriftCheck
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.errors import IntegrationNotFoundError

TEXTS = frozenset({"system", "first_message"})
THEIRS = frozenset({DriftState.CHANGED_IN_VAPI.value, DriftState.BOTH.value})


@dataclass(frozen=True)
class _Rows:
    agent: Agent
    standing: Mark | None
    rolled_back: Mark | None
    drift: DriftCheck | None

    @property
    def is_at_vapi(self) -> bool:
        return self.agent.type is AgentType.PHONE_BOT

    @property
    def version(self) -> int | None:
        return self.agent.deployed_version

    @property
    def current(self) -> str:
        return f"Version {self.agent.current_version} is the current one here."

    @property
    def in_vain(self) -> str:
        """That Vapi was asked and did not answer, as the end of a sentence; empty where it did."""
        if not self.is_at_vapi or self.drift is None or self.drift.state is not DriftState.UNKNOWN:
            return ""
        return f"; whether that is still so is not known, Vapi was asked in vain {_at(self.drift.checked_at)}"


async def answering_of(uow: UnitOfWork, agent: Agent) -> Answering:
    """Also with what was measured of it."""
    found = (await answering_of_all(uow, [agent]))[agent.id]
    if found.version is None:
        return found
    measured = await _measured(uow, await uow.agents.version(agent.id, found.version))
    return found.model_copy(update={"measured": measured})


async def answering_of_all(uow: UnitOfWork, agents: Sequence[Agent]) -> dict[str, Answering]:
    ids = [agent.id for agent in agents]
    standing = await uow.deployments.standing_of(ids)
    rolled_back = await uow.deployments.rolled_back_of(ids)
    drift = await uow.drift_checks.of_agents(ids)
    return {
        agent.id: _line(
            _Rows(
                agent,
                standing.get(agent.id),
                rolled_back.get(agent.id),
                _of_its_assistant(agent, drift.get(agent.id)),
            )
        )
        for agent in agents
    }


def _of_its_assistant(agent: Agent, drift: DriftCheck | None) -> DriftCheck | None:
    if drift is None or agent.vapi_assistant_id not in (None, drift.assistant_id):
        return None
    return drift


def _line(rows: _Rows) -> Answering:
    return _unsure(rows) or _gone(rows) or _theirs(rows) or _ours(rows) or _nothing_of_ours(rows)


def _unsure(rows: _Rows) -> Answering | None:
    if rows.agent.status is not AgentStatus.ERROR or not rows.is_at_vapi:
        return None
    return Answering(
        state=AnsweringState.UNKNOWN,
        line="What answers at Vapi is not known: the last deployment or rollback ended without an "
        "answer. Ask for it again, which finishes or confirms it.",
    )


def _gone(rows: _Rows) -> Answering | None:
    """Vapi no longer has the assistant."""
    error = rows.drift.error if rows.drift is not None else None
    is_linked = rows.is_at_vapi and rows.agent.vapi_assistant_id is not None
    if not is_linked or error is None or error.get("code") != IntegrationNotFoundError.code:
        return None
    assert rows.drift is not None
    before = "" if rows.version is None else f" that version {rows.version} was deployed to"
    return Answering(
        state=AnsweringState.GONE,
        line=f"Vapi no longer has the assistant{before}, asked {_at(rows.drift.checked_at)}: nothing "
        f"answers there. {rows.current}",
    )


def _theirs(rows: _Rows) -> Answering | None:
    """Somebody changed a text of ours at Vapi."""
    drift = rows.drift
    if drift is None or drift.compared_at is None or not _moved_there(drift):
        return None
    ours = (
        f"Version {rows.version} does not" if rows.version is not None else "Nothing of ours does"
    )
    return Answering(
        state=AnsweringState.THEIRS,
        line="A text that somebody wrote at Vapi answers there, seen "
        f"{_at(drift.compared_at)}{rows.in_vain}. {ours}.",
        by="somebody at Vapi",
    )


def _moved_there(drift: DriftCheck) -> bool:
    if drift.texts_moved is not None:
        return drift.texts_moved
    return any(each["field"] in TEXTS and each["state"] in THEIRS for each in drift.fields)


def _ours(rows: _Rows) -> Answering | None:
    standing, undone = rows.standing, rows.rolled_back
    if standing is None or rows.version is None:
        return None
    where = "answers at Vapi" if rows.is_at_vapi else "is in force here"
    how, mark = "taken over from Vapi" if standing.taken_over else "deployed", standing
    if undone is not None and _is_later(undone, standing):
        how, mark = f"put back by a rollback of version {undone.version}", undone
    by = f" by {mark.by}" if mark.by else ""
    return Answering(
        state=AnsweringState.OURS,
        line=f"Version {rows.version} {where} since {_at(mark.at)}, {how}{by}{rows.in_vain}.",
        version=rows.version, since=mark.at, by=mark.by,
    )  # fmt: skip


def _is_later(one: Mark, other: Mark) -> bool:
    return one.at is not None and other.at is not None and one.at > other.at


def _nothing_of_ours(rows: _Rows) -> Answering:
    agent, undone = rows.agent, rows.rolled_back
    is_linked = rows.is_at_vapi and agent.vapi_assistant_id is not None
    if undone is not None:
        by = f" by {undone.by}" if undone.by else ""
        there = (
            f"what was at Vapi before version {undone.version} answers there, and nothing of ours"
            if is_linked
            else f"version {undone.version} is no longer in force"
        )
        return Answering(
            state=AnsweringState.ROLLED_BACK,
            line=f"Rolled back {_at(undone.at)}{by}: {there}{rows.in_vain}. {rows.current}",
            since=undone.at, by=undone.by,
        )  # fmt: skip
    where = ""
    if is_linked:
        where = f": the text that was written at Vapi answers there{rows.in_vain}"
    elif rows.is_at_vapi:
        where = ", and not linked to an assistant at Vapi"
    return Answering(
        state=AnsweringState.NEVER_DEPLOYED, line=f"Never deployed{where}. {rows.current}"
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


def _at(moment: datetime | None) -> str:
    return "at a time not recorded" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"
