"""Reads calls from Vapi: all of them once, then what has changed; and goes on after a crash."""

from collections.abc import Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any

from pydantic import JsonValue

from mission_control.api.mirrors.report import SyncReport
from mission_control.api.mirrors.tally import ChangeTally
from mission_control.api.mirrors.vapi.agents import agents_by_assistant, by_assistant, by_name
from mission_control.api.mirrors.vapi.recording import announce, facts_of
from mission_control.api.resources import Resources
from mission_control.core.clock import utc_now
from mission_control.core.json_types import JsonObject
from mission_control.core.words import CallSource
from mission_control.data.calls import Call
from mission_control.integrations.errors import IntegrationError, IntegrationNotFoundError
from mission_control.integrations.vapi.call import VapiCall
from mission_control.integrations.vapi.rubrics import rubric_of

SYNC_NAME = "vapi.calls"
RUBRICS = "vapi.rubrics"  # assistants whose rubric nobody can tell
# What changed shortly before the newest change we saw is asked for again.
OVERLAP = timedelta(minutes=2)
CLOCKS_DIFFER_BY = timedelta(minutes=10)  # at the most, Vapi's and ours
OPEN_CALLS_ASKED_AT_ONCE = 50
MAY_NOT_BE_THERE_YET = timedelta(hours=1)  # a webhook may be ahead of what Vapi lists


async def sync_vapi_calls(
    resources: Resources, report: SyncReport, changed: ChangeTally | None = None
) -> dict[str, int]:
    """Mirror every call at Vapi; once that is done, what has changed since.

    Each page is stored together with the position behind it: a sync that was killed goes on at the
    page where it stopped. Returns how many calls were new or had changed.

    Raises:
        IntegrationError: Vapi could not be read; kept as the state's error too.
    """
    try:
        return await _CallSync(resources, report, changed or ChangeTally("vapi")).run()
    except IntegrationError as error:
        async with resources.unit_of_work() as uow:
            (await uow.sync_states.of(SYNC_NAME)).error = error.described()
        raise


class _CallSync:
    def __init__(self, resources: Resources, report: SyncReport, changed: ChangeTally) -> None:
        self._resources = resources
        self._report = report
        self._read: set[str] = set()
        self._changed = changed

    async def run(self) -> dict[str, int]:
        async with self._resources.unit_of_work() as uow:
            state = await uow.sync_states.of(SYNC_NAME)
            complete_until, position = state.complete_until, dict(state.position)
        if complete_until is None:
            complete_until = await self._read_everything(position)
        else:
            complete_until = await self._read_changes(complete_until)
            await self._read_open_calls()
        await self._link_by_name()
        await self._learn_rubrics()
        async with self._resources.unit_of_work() as uow:
            state = await uow.sync_states.of(SYNC_NAME)
            state.complete_until, state.position, state.error = complete_until, {}, None
            return await self._changed.counts(uow, "calls")

    async def _read_everything(self, position: dict[str, Any]) -> datetime:
        """From the newest call back to the first, or on from where an earlier sync stopped."""
        began = utc_now()
        since = _instant(position.get("changed_until"))
        pages = self._resources.vapi.iter_calls(created_before=_instant(position.get("before")))
        async with aclosing(pages):
            async for page in pages:
                calls = [VapiCall.of(raw) for raw in page]
                # What changes from here on is found by the next sync: changes have Vapi's own times.
                since = since or _newest_change(calls)
                position = {
                    "before": _text(_end_of(calls)),
                    "changed_until": _text(since),
                    "done": position.get("done", 0) + len(page),
                }
                await self._store(page, position=position)
                await self._report(phase="calls", done=position["done"], total=None)
        return since or began - CLOCKS_DIFFER_BY  # nobody has called yet

    async def _read_changes(self, since: datetime) -> datetime:
        """Everything that changed since. Returns the moment up to which that is complete."""
        until: datetime | None = None
        pages = self._resources.vapi.iter_calls(updated_after=since - OVERLAP)
        async with aclosing(pages):
            async for page in pages:
                # By the first page alone: calls may change that were read before.
                until = until or _newest_change([VapiCall.of(raw) for raw in page])
                await self._store(page, announced=True)
                await self._report(phase="calls", done=len(self._read), total=None)
        return max(since, until or since)

    async def _read_open_calls(self) -> None:
        """Ask for each call that has not ended as far as we know, and that did not come up."""
        async with self._resources.unit_of_work(readonly=True) as uow:
            is_open = await uow.calls.open(CallSource.VAPI, limit=OPEN_CALLS_ASKED_AT_ONCE)
        for call in is_open:
            if call.external_id not in self._read and (found := await self._asked_for(call)):
                await self._store([found], announced=True)

    async def _asked_for(self, call: Call) -> JsonObject | None:
        try:
            return await self._resources.vapi.get_call(call.external_id)
        except IntegrationNotFoundError:
            if call.created_at > utc_now() - MAY_NOT_BE_THERE_YET:
                return None
            # Nobody can tell any more how it ended; asking for ever would not help.
            gone = {"status": "not-found", "updatedAt": utc_now().isoformat()}
            return {"id": call.external_id, **gone}

    async def _store(
        self,
        page: Sequence[JsonObject],
        *,
        position: dict[str, Any] | None = None,
        announced: bool = False,
    ) -> None:
        async with self._resources.unit_of_work(readonly=True) as uow:
            agents = await agents_by_assistant(uow)
        # Made of JSON before the transaction: while that is open, nobody else may write on SQLite.
        told = [facts for raw in page if (facts := facts_of(raw, agents)) is not None]
        async with self._resources.unit_of_work() as uow:
            changed = await uow.calls.record(told)
            await self._changed.add(uow, calls=len(changed))
            if announced:  # the first reading would announce every call there ever was
                announce(uow, changed)
            if position is not None:
                (await uow.sync_states.of(SYNC_NAME)).position = position
        self._read |= {facts.external_id for facts in told}

    async def _link_by_name(self) -> None:
        """An agent that was never deployed from here has the calls of the assistant of its name."""
        async with self._resources.unit_of_work(readonly=True) as uow:
            unlinked = await uow.calls.unlinked_assistants()
            bots = await uow.agents.phone_bots()
        agents = by_assistant(bots)
        waiting = [agent for agent in bots if agent.vapi_assistant_id is None]
        if unlinked and waiting:
            agents = by_name(waiting, await self._resources.vapi.list_assistants()) | agents
        links = {one: agent for one, agent in agents.items() if one in unlinked}
        if links:
            async with self._resources.unit_of_work() as uow:
                await uow.calls.link_agents(links)

    async def _learn_rubrics(self) -> None:
        """Calls in a list come without their assistant: it has to be asked by what it judges.

        One that Vapi has no more is asked about once; its calls' answers stay as they were said.
        """
        async with self._resources.unit_of_work(readonly=True) as uow:
            waiting = await uow.calls.assistants_without_rubric()
            state = await uow.sync_states.seen(RUBRICS)
            gone = set(state.position.get("gone", [])) if state is not None else set[str]()
        if not waiting - gone:
            return
        there = {
            str(one["id"]): rubric_of(one) for one in await self._resources.vapi.get_assistants()
        }
        known = {one: there[one] for one in waiting & there.keys()}
        async with self._resources.unit_of_work() as uow:
            await uow.calls.judge_by({one: rubric for one, rubric in known.items() if rubric})
            unknown = {
                one for one, rubric in known.items() if rubric is None
            } | waiting - there.keys()
            (await uow.sync_states.of(RUBRICS)).position = {"gone": sorted(unknown)}


def _newest_change(calls: Sequence[VapiCall]) -> datetime | None:
    times = [call.updated_at or call.created_at for call in calls]
    return max((at for at in times if at is not None), default=None)


def _end_of(calls: Sequence[VapiCall]) -> datetime | None:
    """Where the next page begins; None when they are not newest first, and so nobody can tell."""
    times = [call.created_at for call in calls if call.created_at is not None]
    is_in_order = len(times) == len(calls) and times == sorted(times, reverse=True)
    return times[-1] if is_in_order and times else None


def _text(at: datetime | None) -> JsonValue:
    return None if at is None else at.isoformat()


def _instant(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
