"""The calls at Vapi: those of the world, those placed since, and what was changed of either."""

import heapq
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import blake2b
from itertools import islice
from typing import Any

from starlette.datastructures import QueryParams

from mission_control.core.clock import utc_now
from mission_control_sandbox.vapi.call_json import Json, Placed, finished
from mission_control_sandbox.vapi.organization import ASSISTANT_IDS, PHONE_NUMBER_IDS
from mission_control_sandbox.vapi.placing import Placement, at_moment
from mission_control_sandbox.vapi.queries import Query, read_query
from mission_control_sandbox.vapi.reference import complaints
from mission_control_sandbox.vapi.refusals import RefusalError, not_there
from mission_control_sandbox.world import conversations
from mission_control_sandbox.world.conversations import Conversation
from mission_control_sandbox.world.people import Person, person

FILTERS = frozenset({"id", "assistantId", "phoneNumberId"})
LONGEST_MEMORY = 20_000  # placed calls; the oldest are forgotten, as a plan's retention does
NEWEST_VERSIONS = {"remus": (7, 26), "genesis": (3, 60)}  # and for how many days each was live


@dataclass(frozen=True)
class Totals:
    """Of the calls that are over. Money is in ten-thousandths of a dollar."""

    count: int
    cost_units: int
    by_assistant: Mapping[str, int]


@dataclass
class Calls:
    """Everything but `placed`, `names` and `deleted` is computed when it is asked for."""

    today: date
    people: int
    save: Callable[[], None]
    placed: dict[str, Placement] = field(default_factory=dict[str, Placement])
    prompts: dict[str, str] = field(default_factory=dict[str, str])
    names: dict[str, str] = field(default_factory=dict[str, str])
    deleted: set[str] = field(default_factory=set[str])

    def reset(self) -> None:
        self.placed.clear()
        self.prompts.clear()
        self.names.clear()
        self.deleted.clear()

    # ------------------------------------------------------------ reading

    def page(self, params: QueryParams) -> list[Json]:
        return list(self.matching(read_query(params, also=FILTERS)))

    def matching(self, query: Query, *, now: datetime | None = None) -> Iterator[Json]:
        """Newest first, at most `query.limit`."""
        if "id" in query.others:
            found = self._by_id(query.others["id"], now or utc_now())
            calls = iter([found] if found else [])
        else:
            calls = heapq.merge(
                self._new(now or utc_now()),
                self._old(query),
                key=lambda call: call["createdAt"],
                reverse=True,
            )
        return islice((one for one in calls if _asked_for(one, query)), query.limit)

    def get(self, call_id: str) -> Json:
        found = self._by_id(call_id, utc_now())
        if found is None:
            raise not_there("Call", call_id)
        return found

    def content(self, call_id: str) -> Placed:
        """The call behind the JSON."""
        self.get(call_id)
        if call_id in self.placed:
            return self.of_placement(self.placed[call_id])
        index = conversations.index_of(call_id, self.people)
        assert index is not None
        return self._of_world(index)

    def of_placement(self, placement: Placement) -> Placed:
        return placement.placed(self.today, self.prompts.get(placement.prompt or ""))

    def as_placed(self, placement: Placement) -> Json:
        """The call at the moment in which it was placed."""
        return self._now(placement, datetime.fromisoformat(placement.created_at))

    def totals(self, query: Query) -> Totals:
        """Over all calls that match, whatever the limit. Takes seconds for a full world."""
        count, cost, by_assistant = 0, 0, dict[str, int]()
        everything = Query(10_000_000, query.times, query.others)
        for call in self.matching(everything):
            if call["status"] == "ended":
                count += 1
                cost += round(call["cost"] * 10_000)
                name = str(call.get("assistantId", ""))
                by_assistant[name] = by_assistant.get(name, 0) + 1
        return Totals(count, cost, by_assistant)

    # ------------------------------------------------------------ writing

    def keep_prompt(self, text: str | None) -> str | None:
        """The name of a text, which thousands of calls have in common."""
        if text is None:
            return None
        name = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        self.prompts[name] = text
        return name

    def add(self, placements: Sequence[Placement]) -> None:
        self.placed.update((one.id, one) for one in placements)
        for forgotten in list(self.placed)[: len(self.placed) - LONGEST_MEMORY]:
            del self.placed[forgotten]
        self.save()

    def rename(self, call_id: str, body: Mapping[str, Any]) -> Json:
        call = self.get(call_id)
        if problems := complaints(body, "UpdateCallDTO"):
            raise RefusalError(400, problems)
        if isinstance(body.get("name"), str):
            self.names[call_id] = body["name"]
            self.save()
        return {**call, **({"name": self.names[call_id]} if call_id in self.names else {})}

    def delete(self, call_id: str, body: Mapping[str, Any]) -> Json:
        """`ids` in the body win over the id in the path, as the reference says."""
        if problems := complaints(body, "DeleteCallDTO"):
            raise RefusalError(400, problems)
        gone = [self.get(one) for one in body.get("ids") or [call_id]]
        self.deleted.update(one["id"] for one in gone)
        self.save()
        return gone[0]

    # ------------------------------------------------------------ from the world

    def _by_id(self, call_id: str, now: datetime) -> Json | None:
        if call_id in self.deleted:
            return None
        if call_id in self.placed:
            return self._named(self._now(self.placed[call_id], now))
        index = conversations.index_of(call_id, self.people)
        return None if index is None else self._named(finished(self._of_world(index)))

    def _new(self, now: datetime) -> Iterator[Json]:
        for one in reversed(list(self.placed.values())):
            if one.id not in self.deleted:
                yield self._named(self._now(one, now))

    def _now(self, placement: Placement, now: datetime) -> Json:
        return at_moment(placement, self.of_placement(placement), now)

    def _old(self, query: Query) -> Iterator[Json]:
        for index in self._indices(query):
            call = finished(self._of_world(index))
            if call["id"] not in self.deleted:
                yield self._named(call)

    def _indices(self, query: Query) -> Iterator[int]:
        """Newest first, with little that the query does not ask for."""
        there = conversations.vapi_indices(self.people)
        wanted = _agents(query)
        latest = [at for at in (query.latest("createdAt"), query.latest("updatedAt")) if at]
        newest = bisect_right(there, min(latest), key=self._created) if latest else len(there)
        oldest = self._oldest(query)
        for index in reversed(range(newest)):
            if oldest and self._created(index) < oldest:
                return
            if conversations.agent_of(index, self.people) in wanted:
                yield index

    def _oldest(self, query: Query) -> datetime | None:
        """No call before this can match."""
        updated, created = query.earliest("updatedAt"), query.earliest("createdAt")
        bounds = [at for at in (created, updated and updated - conversations.LONGEST_CALL) if at]
        return max(bounds, default=None)

    def _created(self, index: int) -> datetime:
        return conversations.created_at(index, today=self.today, people=self.people)

    def _of_world(self, index: int) -> Placed:
        told = conversations.conversation(index, today=self.today, people=self.people)
        whom = person(told.person_index, today=self.today)
        provider = "twilio" if told.agent == "remus" else "vapi"
        return Placed(told.vapi_id, told, whom, provider, given(told, whom, self.today))

    def _named(self, call: Json) -> Json:
        name = self.names.get(call["id"])
        return call if name is None else {**call, "name": name}


def given(told: Conversation, whom: Person, today: date, version: str | None = "") -> Json:
    """The fields that a call was placed with. About half of the outbound ones name the lead."""
    fields: Json = {
        "assistantId": ASSISTANT_IDS[told.agent],
        "assistantVersion": _version(told, today) if version == "" else version,
        "phoneNumberId": PHONE_NUMBER_IDS[told.agent],
        "customer": {"number": whom.phone},
    }
    if told.direction == "outbound" and told.index // 3 % 2 == 0:
        fields["customer"]["name"] = whom.name[:40]
        fields["assistantOverrides"] = {
            "variableValues": {"name": whom.name, "company": whom.company},
            "metadata": {"close_lead_id": whom.lead_id, "close_contact_id": whom.contact_id},
        }
    return fields


def _version(told: Conversation, today: date) -> str | None:
    """Which version of its assistant was live on that day."""
    if told.agent not in NEWEST_VERSIONS:
        return None
    newest, days = NEWEST_VERSIONS[told.agent]
    return f"v{max(1, newest - (today - told.created_at.date()) // timedelta(days=days))}"


def _agents(query: Query) -> frozenset[str]:
    names = set(ASSISTANT_IDS)
    for key, ids in (("assistantId", ASSISTANT_IDS), ("phoneNumberId", PHONE_NUMBER_IDS)):
        if key in query.others:
            names &= {agent for agent, given_id in ids.items() if given_id == query.others[key]}
    return frozenset(names)


def _asked_for(call: Json, query: Query) -> bool:
    return query.passes(call) and all(
        call.get(name) == value for name, value in query.others.items()
    )
