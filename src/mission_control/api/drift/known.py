"""What we last wrote or read of an agent's assistant: the side that others' changes are told by."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self, cast

from mission_control.core.clock import utc_now
from mission_control.core.encryption import Vault
from mission_control.core.json_types import JsonObject
from mission_control.core.words import KnownBy
from mission_control.data.deployments import Deployment
from mission_control.data.known_assistants import KnownAssistant
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.vapi.assistant import AssistantSummary, OptimizedPrompts, Snapshot
from mission_control.integrations.vapi.changes import Texts
from mission_control.integrations.vapi.prompt_slots import (
    Known,
    known_of,
    live_first_message,
    with_prompts,
)


@dataclass(frozen=True, slots=True)
class KnownState:
    """An assistant as we know it. `ours.first_message` is None where the greeting is not ours."""

    assistant: JsonObject
    ours: Texts

    @property
    def known(self) -> Known:
        return known_of(self.assistant, self.ours.system)

    @property
    def texts(self) -> Texts:
        """What callers heard then."""
        return Texts(self.ours.system, live_first_message(self.assistant))

    @classmethod
    def after(cls, assistant: JsonObject, prompts: OptimizedPrompts) -> Self:
        return cls(assistant, Texts(prompts["system"], prompts.get("first_message")))

    def sealed(self, vault: Vault) -> bytes:
        ours = {"system": self.ours.system, "first_message": self.ours.first_message}
        return vault.encrypt_json({"assistant": self.assistant, "ours": ours})

    @classmethod
    def unsealed(cls, vault: Vault, sealed: bytes) -> Self:
        stored: Any = vault.decrypt_json(sealed)
        return cls(cast("JsonObject", stored["assistant"]), Texts(**stored["ours"]))


@dataclass(frozen=True)
class KnownRow:
    """The same, as it is stored: opened only where it is needed."""

    row: KnownAssistant | None
    standing: Deployment | None

    @property
    def at(self) -> datetime | None:
        return self.row.at if self.row is not None else None

    def opened(self, vault: Vault) -> KnownState | None:
        if self.row is not None:
            return KnownState.unsealed(vault, self.row.sealed)
        if self.standing is None or self.standing.snapshot is None:
            return None
        # Deployed before this was noted: what was put there is what is known.
        stored: Any = vault.decrypt_json(self.standing.snapshot)
        snapshot = Snapshot.from_json(stored)
        there = with_prompts(snapshot.assistant, snapshot.deployed, Known(snapshot.replaced))
        return KnownState.after(there, snapshot.deployed)


async def known_row(uow: UnitOfWork, agent_id: str) -> KnownRow:
    return KnownRow(
        await uow.known_assistants.find(agent_id), await uow.deployments.standing(agent_id)
    )


async def remember(
    uow: UnitOfWork,
    vault: Vault,
    agent_id: str,
    state: KnownState,
    known_by: KnownBy,
) -> None:
    row = await uow.known_assistants.find(agent_id)
    assistant_id = AssistantSummary.of(state.assistant).id
    if row is None:
        row = KnownAssistant(agent_id=agent_id, assistant_id=assistant_id)
        uow.known_assistants.add(row)
    row.assistant_id, row.known_by = assistant_id, known_by
    row.sealed, row.at = state.sealed(vault), utc_now()
    await uow.flush()


def put_back(there: JsonObject, before: KnownState) -> KnownState:
    """What is known once a deployment was taken back: as it is now, with the texts known before."""
    system = before.ours.system
    if system is None:
        return replace(before, assistant=there)
    greeting = before.ours.first_message
    prompts: OptimizedPrompts = {"system": system, "first_message": greeting}
    return KnownState(with_prompts(there, prompts, Known(system)), before.ours)
