"""The telephone exchange: places calls, lets new ones arrive, and tells about them as they go."""

import asyncio
import re
from collections import Counter
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from uuid import uuid4

import structlog

from mission_control.core.clock import utc_now
from mission_control_sandbox.vapi.call_json import Json, Placed
from mission_control_sandbox.vapi.calls import Calls, given
from mission_control_sandbox.vapi.organization import ASSISTANT_IDS, PHONE_NUMBER_IDS
from mission_control_sandbox.vapi.placing import Placement, at_moment, moments
from mission_control_sandbox.vapi.queries import Query, timestamp
from mission_control_sandbox.vapi.records import Records
from mission_control_sandbox.vapi.reference import complaints
from mission_control_sandbox.vapi.refusals import RefusalError
from mission_control_sandbox.vapi.store import Assistants
from mission_control_sandbox.vapi.webhooks import (
    Message,
    Replay,
    Webhooks,
    arranged,
    base_of,
    selected,
    whole_story,
)
from mission_control_sandbox.world import conversations
from mission_control_sandbox.world.conversations import Agent
from mission_control_sandbox.world.people import person
from mission_control_sandbox.world.seeded_random import SeededRandom

log = structlog.get_logger(__name__)

CONCURRENCY = 10
FIRST_NEW_STORY = 10_000_000
E164 = re.compile(r"\+[1-9]\d{6,14}")
NOT_E164 = (
    "customer.number must be a valid phone number in the E.164 format. "
    "Hot tip, you may be missing the country code (Eg. US: +1)."
)
AS_GIVEN = (
    "assistantId",
    "assistant",
    "assistantOverrides",
    "squadId",
    "squad",
    "phoneNumberId",
    "phoneNumber",
    "customerId",
    "name",
    "schedulePlan",
)


@dataclass
class Exchange:
    """`pace` is how many times faster than life new calls go."""

    calls: Calls
    assistants: Assistants
    phone_numbers: Records
    squads: Records
    webhooks: Webhooks
    pace: float = 1.0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    _live: asyncio.Task[None] | None = None

    # ------------------------------------------------------------ POST /call

    def place(self, body: Mapping[str, Any]) -> Json:
        """One call, or a batch when `customers` are given."""
        self._check(body)
        customers = _customers(body)
        placements = [self._placement(body, customer) for customer in customers]
        remaining = self._remaining() - len(placements)
        self.calls.add(placements)
        for placement in placements:
            self._in_background(self._narrate(placement))
        limits = {
            "concurrencyBlocked": remaining < 0,
            "concurrencyLimit": CONCURRENCY,
            "remainingConcurrentCalls": max(0, remaining),
        }
        made = [self.calls.as_placed(one) for one in placements]
        if "customers" in body:
            return {"results": made, "errors": [], "subscriptionLimits": limits}
        return {**made[0], "subscriptionLimits": limits}

    def _check(self, body: Mapping[str, Any]) -> None:
        problems = complaints(body, "CreateCallDTO") if self.assistants.whitelist else []
        if problems:
            raise RefusalError(400, problems)
        self._check_assistant(body)
        phone_number_id = body.get("phoneNumberId")
        if not phone_number_id and not body.get("phoneNumber"):
            raise RefusalError(
                400, "Couldn't Get Phone Number. Need Either `phoneNumberId` Or `phoneNumber`."
            )
        if phone_number_id and phone_number_id not in self.phone_numbers.by_id:
            raise RefusalError(
                400,
                f"Couldn't Get Phone Number. `phoneNumberId` {phone_number_id} Does Not Exist.",
            )
        for customer in _customers(body):
            checked = customer.get("numberE164CheckEnabled", True)
            if checked and not E164.fullmatch(str(customer.get("number", ""))):
                raise RefusalError(400, [NOT_E164])

    def _check_assistant(self, body: Mapping[str, Any]) -> None:
        assistant_id = body.get("assistantId")
        if assistant_id and assistant_id not in self.assistants.by_id:
            raise RefusalError(
                400, f"Couldn't Get Assistant. `assistantId` {assistant_id} Does Not Exist."
            )
        if not any(body.get(name) for name in ("assistantId", "assistant", "squadId", "squad")):
            raise RefusalError(400, "Need Either `assistantId`, `assistant`, `squadId` Or `squad`.")
        squad_id = body.get("squadId")
        if squad_id and squad_id not in self.squads.by_id:
            raise RefusalError(400, f"Couldn't Get Squad. `squadId` {squad_id} Does Not Exist.")
        if body.get("assistantVersion") and not assistant_id:
            raise RefusalError(400, "`assistantVersion` Needs `assistantId`.")

    def _placement(self, body: Mapping[str, Any], customer: Mapping[str, Any]) -> Placement:
        now, serial = utc_now(), len(self.calls.placed)
        assistant = self._assistant(body)
        due = _earliest(body, now)
        story = FIRST_NEW_STORY + SeededRandom(f"placed {self.calls.today} {serial}").below(10**9)
        fields = {name: body[name] for name in AS_GIVEN if name in body}
        version = body.get("assistantVersion") or assistant.get("latestVersion")
        fields |= {"customer": dict(customer), "assistantVersion": version}
        return Placement(
            id=str(uuid4()),
            story=story,
            agent=_agent_of(assistant),
            created_at=timestamp(now),
            due_at=timestamp(due),
            pace=self.pace,
            person_index=story % self.calls.people,
            phone_call_provider=self._provider(body.get("phoneNumberId")),
            given=fields,
            customer=customer,
            prompt=self.calls.keep_prompt(_prompt(assistant)),
            members=[_activation(each) for each in self._members(body)],
        )

    def _assistant(self, body: Mapping[str, Any]) -> Json:
        """Of a squad the one that answers the call."""
        if body.get("assistant"):
            return body["assistant"]
        if body.get("assistantId"):
            return self.assistants.by_id[body["assistantId"]]
        members = self._members(body)
        return members[0] if members else {}

    def _members(self, body: Mapping[str, Any]) -> list[Json]:
        """The assistants of the squad that was asked for."""
        squad: Json = body.get("squad") or self.squads.by_id.get(body.get("squadId") or "", {})
        told: list[Json] = [
            member.get("assistant") or self.assistants.by_id.get(member.get("assistantId", ""), {})
            for member in cast("list[Json]", squad.get("members") or [])
        ]
        return [each for each in told if each]

    def _provider(self, phone_number_id: str | None) -> str:
        known = self.phone_numbers.by_id.get(phone_number_id or "", {})
        return str(known.get("provider", "twilio"))

    def _remaining(self) -> int:
        now = utc_now()
        recent = list(self.calls.placed.values())[-CONCURRENCY * 5 :]
        going_on = [one for one in recent if now < self._ends(one)]
        return CONCURRENCY - len(going_on)

    def _ends(self, placement: Placement) -> datetime:
        return moments(placement, self.calls.of_placement(placement)).ended

    # ------------------------------------------------------------ calls that arrive by themselves

    def live(self, every_seconds: float | None) -> None:
        """From now on a new call this often; None: no more."""
        if self._live is not None:
            self._live.cancel()
            self._live = None
        if every_seconds:
            self._live = self._in_background(self._keep_arriving(every_seconds))

    async def _keep_arriving(self, every_seconds: float) -> None:
        while True:
            self.arrive()
            await asyncio.sleep(every_seconds)

    def arrive(self) -> Placement:
        """A call of one of the world's people, in or out."""
        placement = self._arriving()
        self.calls.add([placement])
        self._in_background(self._narrate(placement))
        return placement

    def _arriving(self) -> Placement:
        calls, now = self.calls, timestamp(utc_now())
        random = SeededRandom(f"live {calls.today} {len(calls.placed)} {now}")
        source = random.below(len(conversations.vapi_indices(calls.people)))
        agent = conversations.agent_of(source, calls.people)
        whom_index = conversations.person_index(source, calls.people)
        story = FIRST_NEW_STORY + random.below(10**9)
        whom = person(whom_index, today=calls.today)
        told = conversations.told(story, agent=agent, whom=whom, created=utc_now())
        assistant = self.assistants.by_id.get(ASSISTANT_IDS[agent], {})
        return Placement(
            id=str(uuid4()),
            story=story,
            agent=agent,
            created_at=now,
            due_at=now,
            pace=self.pace,
            person_index=whom_index,
            phone_call_provider=self._provider(PHONE_NUMBER_IDS[agent]),
            given=given(told, whom, calls.today, assistant.get("latestVersion")),
            prompt=self.calls.keep_prompt(_prompt(assistant)),
            direction=told.direction,
        )

    # ------------------------------------------------------------ telling

    async def _narrate(self, placement: Placement) -> None:
        placed = self.calls.of_placement(placement)
        over = at_moment(placement, placed, datetime.max.replace(tzinfo=utc_now().tzinfo))
        for message in self._wanted(list(self._story(over, placed))):
            due = message.body["timestamp"] / 1000 - utc_now().timestamp()
            await asyncio.sleep(max(0, due))
            await self.webhooks.deliver([message])

    def _wanted(self, messages: Sequence[Message]) -> list[Message]:
        if self.webhooks.destination.every_type:
            return list(messages)
        return [one for one in messages if selected(one, one.body.get("assistant"))]

    def _story(self, call: Json, placed: Placed) -> Iterator[Message]:
        assistant = call.get("assistant") or self.assistants.by_id.get(call.get("assistantId", ""))
        number = self.phone_numbers.by_id.get(call.get("phoneNumberId", ""))
        base = base_of(call, cast("Json | None", assistant), number)
        return whole_story(call, base, placed.conversation.turns)

    async def replay(self, asked: Replay) -> Json:
        """Sends again what was told about calls that are over."""
        if asked.ids is None:
            found = list(self.calls.matching(Query(asked.count, (), {})))
        else:
            found = [self.calls.get(one) for one in asked.ids]
        over = [call for call in found if call["status"] == "ended"]
        messages = [
            message
            for call in reversed(over)
            for message in self._story(call, self.calls.content(call["id"]))
            if message.type in asked.types
        ]
        sent, lost = arranged(messages, asked)
        statuses = await self.webhooks.deliver(sent)
        reports = sorted({one.call_id for one in lost if one.type == "end-of-call-report"})
        return {
            "calls": len(over),
            "messages": len(messages),
            "sent": len(sent),
            "duplicates": len(sent) + len(lost) - len(messages),
            "lost": len(lost),
            "calls_without_report": reports,
            "by_type": dict(Counter(one.type for one in sent)),
            "statuses": dict(statuses),
        }

    # ------------------------------------------------------------ tasks

    def stop(self) -> None:
        """No call arrives any more, and nothing is told about those that did."""
        self._live = None
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        self.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.webhooks.close()

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("call.untold", reason=type(error).__name__)


def _customers(body: Mapping[str, Any]) -> list[Json]:
    if body.get("customers"):
        return cast("list[Json]", body["customers"])
    if body.get("customer"):
        return [cast("Json", body["customer"])]
    raise RefusalError(400, "Couldn't Get Customer. Need Either `customer` Or `customers`.")


def _activation(assistant: Mapping[str, Any]) -> Json:
    """As a call names the assistants that came into it."""
    told = {
        "assistantId": assistant.get("id"),
        "assistantName": assistant.get("name") or "assistant",
        "assistantVersion": assistant.get("latestVersion"),
    }
    return {name: value for name, value in told.items() if value is not None}


def _earliest(body: Mapping[str, Any], now: datetime) -> datetime:
    plan = cast("Json", body.get("schedulePlan") or {})
    try:
        at = datetime.fromisoformat(plan["earliestAt"]) if plan else now
    except (TypeError, ValueError):
        raise RefusalError(400, ["schedulePlan.earliestAt must be a Date instance"]) from None
    return max(at if at.tzinfo else at.replace(tzinfo=now.tzinfo), now)


def _agent_of(assistant: Mapping[str, Any]) -> Agent:
    """Whose manner of speaking an assistant has."""
    for agent, given_id in ASSISTANT_IDS.items():
        if assistant.get("id") == given_id or str(assistant.get("name", "")).lower() == agent:
            return agent
    return "remus"


def _prompt(assistant: Mapping[str, Any]) -> str | None:
    model = cast("Json", assistant.get("model") or {})
    messages = cast("list[Json]", model.get("messages") or [])
    return next((one.get("content") for one in messages if one.get("role") == "system"), None)
