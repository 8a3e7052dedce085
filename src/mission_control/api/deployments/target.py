"""What stands on a target, and what of it is ours: the rest is overwritten only on request."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mission_control.api.deployments.errors import AssistantGoneError, OverriddenInSquadError
from mission_control.api.drift.known import KnownState, known_row
from mission_control.api.resources import Resources
from mission_control.core.encryption import Vault
from mission_control.core.json_types import JsonObject
from mission_control.core.words import DeploymentStatus
from mission_control.data.deployments import Deployment
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.errors import IntegrationNotFoundError, PromptRepeatedError
from mission_control.integrations.vapi.assistant import AssistantSummary, OptimizedPrompts, Snapshot
from mission_control.integrations.vapi.changes import (
    TextChange,
    Texts,
    changed_since,
    changed_texts,
    known_after,
    refuse_changed,
    replaced_of,
)
from mission_control.integrations.vapi.prompt_slots import (
    NOTHING_KNOWN,
    Known,
    live_first_message,
    live_prompt,
    system_texts,
    times_there,
    with_prompts,
)
from mission_control.integrations.vapi.squads import squads_that_override


@dataclass(frozen=True, slots=True)
class Ours:
    """The assistant as we know it, and as an unconfirmed write of ours may have left it."""

    state: KnownState | None
    maybe: tuple[KnownState, ...] = ()

    def known(self, there: JsonObject) -> Known:
        """By what its prompt is found there: the text of ours that is there, else the known one."""
        states = [each for each in (self.state, *self.maybe) if each is not None]
        texts = set(system_texts(there))
        found = next((each for each in states if each.ours.system in texts), None)
        state = found or next(iter(states), None)
        return state.known if state is not None else NOTHING_KNOWN

    def changes(self, wanted: OptimizedPrompts, there: JsonObject) -> list[TextChange]:
        """What putting `wanted` there would overwrite of somebody else's."""
        # A first deployment that failed has read the assistant: that is known, though not by a row.
        known = self.state or next(reversed(self.maybe), None)
        if known is None:
            return []  # nothing of ours was ever there: what is read now is what is known
        live = Texts.of(there, self.known(there))
        return changed_texts(wanted, known.texts, live, *(each.texts for each in self.maybe))


@dataclass(frozen=True, slots=True)
class Look:
    """A target as it was when something was asked of it. `overwritten`: null where nothing is.

    `first`: what is known from now on, where nothing was.
    """

    assistant_id: str
    seen: dict[str, Any]
    overwritten: list[dict[str, Any]] | None
    first: KnownState | None = None


async def ours_on_target(
    uow: UnitOfWork, vault: Vault, agent_id: str, *, besides: Deployment | None = None
) -> Ours:
    """`besides`: the deployment that is going on, which knows of itself."""
    row = await known_row(uow, agent_id)
    maybe: list[KnownState] = []
    begun = await uow.deployments.latest_begun(agent_id, besides=besides.id if besides else None)
    if begun is not None and begun.status is DeploymentStatus.FAILED and begun.snapshot is not None:
        snapshot = snapshot_of(vault, begun.snapshot)
        maybe.append(KnownState.after(snapshot.assistant, snapshot.deployed))
        maybe += _before(begun, snapshot)
    standing = row.standing
    if standing is not None and standing.rollback_job_id is not None and standing.snapshot:
        maybe += _before(standing, snapshot_of(vault, standing.snapshot))
    return Ours(row.opened(vault), tuple(maybe))


def _before(deployment: Deployment, snapshot: Snapshot) -> list[KnownState]:
    """What the deployment found there, unless that was somebody else's: it is theirs still."""
    if deployment.overwritten:
        return []
    ours = Texts(replaced_of(snapshot), live_first_message(snapshot.assistant))
    return [KnownState(snapshot.assistant, ours)]


def snapshot_of(vault: Vault, sealed: bytes) -> Snapshot:
    return Snapshot.from_json(vault.decrypt_json(sealed))


async def look_before_deploying(
    resources: Resources,
    *,
    assistant_id: str | None,
    name: str,
    wanted: OptimizedPrompts,
    ours: Ours,
    overwrite: bool,
    force: bool,
) -> Look:
    """Ask Vapi what is there now.

    Raises:
        ChangedAtVapiError: Somebody changed a text of ours there, and `overwrite` is not given.
        OverriddenInSquadError: A squad has texts of its own there, and `force` is not given.
        PromptNotWritableError: Its prompt is kept where we cannot write it.
        PromptRepeatedError: It stands, or would stand, in several messages.
    """
    vapi = resources.vapi
    if assistant_id is None:
        assistant_id = (await vapi.find_assistant(name)).id
    there = await _read(resources, assistant_id, is_ours=ours.state is not None)
    squads = [] if force else squads_that_override(await vapi.get_squads(), assistant_id)
    if squads:
        raise OverriddenInSquadError(squads)
    changes = ours.changes(wanted, there)
    if not overwrite:
        refuse_changed(changes, "Nothing was deployed.")
    _refuse_what_cannot_be_put(there, ours, wanted)
    live = Texts.of(there, ours.known(there))
    first = KnownState(there, Texts(live.system, None)) if ours.state is None else None
    return Look(assistant_id, live.to_json(), [asdict(each) for each in changes] or None, first)


def _refuse_what_cannot_be_put(there: JsonObject, ours: Ours, wanted: OptimizedPrompts) -> None:
    after = with_prompts(there, wanted, ours.known(there))
    replaced = live_prompt(there, ours.known(there))
    if replaced == wanted["system"]:
        return
    for text, assistant in ((replaced, there), (wanted["system"], after)):
        if text and times_there(assistant, text) > 1:
            raise PromptRepeatedError(times_there(assistant, text))


async def look_before_rolling_back(
    resources: Resources, assistant_id: str, snapshot: Snapshot, *, overwrite: bool, force: bool
) -> Look | None:
    """None: Vapi no longer has the assistant, and the deployment is to be given up.

    Raises:
        ChangedAtVapiError: Somebody changed a text of ours there, and `overwrite` is not given.
        AssistantGoneError: Vapi no longer has the assistant, and `force` is not given.
    """
    try:
        there = await _read(resources, assistant_id, is_ours=True)
    except AssistantGoneError:
        if not force:
            raise
        return None
    changes = changed_since(there, snapshot)
    if not overwrite:
        refuse_changed(changes, "Nothing was rolled back.")
    texts = Texts.of(there, known_after(snapshot)).to_json()
    seen = {**texts, "latest_version": AssistantSummary.of(there).latest_version}
    return Look(assistant_id, seen, [asdict(each) for each in changes] or None)


async def _read(resources: Resources, assistant_id: str, *, is_ours: bool) -> JsonObject:
    try:
        return await resources.vapi.get_assistant(assistant_id)
    except IntegrationNotFoundError as error:
        if not is_ours:
            raise
        raise AssistantGoneError(assistant_id) from error


def refuse_unseen(
    there: JsonObject, ours: Ours, seen: Mapping[str, Any] | None, wanted: OptimizedPrompts
) -> None:
    """A worker may replace what was there when the work was asked for, and nothing else."""
    if seen is None:  # asked for before an upgrade
        refuse_changed(ours.changes(wanted, there), "Nothing was deployed.")
        return
    live = Texts.of(there, ours.known(there))
    known = Texts(seen.get("system"), seen.get("first_message"))
    refuse_changed(changed_texts(wanted, known, live), "Nothing was deployed.")
