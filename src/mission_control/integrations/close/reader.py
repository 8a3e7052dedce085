"""Close, read only: leads, contacts, calls and events as the JSON that Close sent."""

import re
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import httpx2
from pydantic import JsonValue

from mission_control.integrations.close import queries
from mission_control.integrations.close.fields import CustomField
from mission_control.integrations.close.objects import (
    CallTranscript,
    JsonObject,
    moment,
    objects,
    storable,
)
from mission_control.integrations.close.search import SearchPages
from mission_control.integrations.errors import (
    IntegrationContractError,
    IntegrationNotFoundError,
    IntegrationRejectedError,
)
from mission_control.integrations.http.client import LONGEST_RETRY_AFTER_SECONDS, HttpIntegration
from mission_control.integrations.http.pacing import Pace

API = "/api/v1"
LEADS_PER_PAGE = 200
ROWS_PER_PAGE = 100
EVENTS_PER_PAGE = 50
LONGEST_LEAD_SKIP = 35_000
LONGEST_QUERY_STRING = 1_800  # Close's own limit is about 2,000
TRANSCRIPTS = ("recording_transcript", "voicemail_transcript")
THING_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
KINDS_OF_TWO_WORDS = ("activity", "custom_field_schema", "data", "status")
NOT_STORABLE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")

Filters = Mapping[str, str | int | Sequence[str]]


@dataclass(frozen=True, slots=True)
class Rows:
    """One page. `total` is None where Close does not count."""

    items: list[JsonObject]
    has_more: bool
    total: int | None


class CloseReader(HttpIntegration):
    """Every method may raise the `IntegrationError`s of `integrations.errors`."""

    vendor = "Close"
    read_attempts: ClassVar[int] = 5

    def __init__(self, http: httpx2.AsyncClient) -> None:
        super().__init__(http)
        self._paces: dict[str, Pace] = {}

    async def check(self) -> None:
        """Return if Close answers and takes our key. Asked once."""
        self._object(await self._read_once(f"{API}/me/"))

    # ---------------------------------------------------------------- leads

    async def get_leads(
        self,
        filters: Filters | None = None,
        *,
        limit: int = LEADS_PER_PAGE,
        skip: int = 0,
        fields: Sequence[str] = (),
    ) -> Rows:
        """A page of leads. Close skips at most 35,000, and gives no promise about the order."""
        return await self._rows("lead", filters, limit=limit, skip=skip, fields=fields)

    async def get_lead(self, lead_id: str) -> JsonObject:
        """The whole lead, verbatim.

        Raises:
            IntegrationNotFoundError: There is none, or no more.
        """
        return self._lead(await self._read(self._path("lead", lead_id)), lead_id)

    async def leads_with_ids(self, lead_ids: Sequence[str]) -> list[JsonObject]:
        """Those of these leads that there are."""
        return [
            lead
            for some in batches(lead_ids)
            for lead in (await self.get_leads({"id__in": some}, limit=ROWS_PER_PAGE)).items
        ]

    async def count_leads(self) -> int | None:
        """How many there are, if Close says so."""
        return (await self._rows("lead", None, limit=0, skip=0, fields=("id",))).total

    async def search_leads(
        self, query: str | JsonObject, *, fields: Sequence[str] = ()
    ) -> AsyncGenerator[list[JsonObject]]:
        """Page by page, oldest first, each lead once; `query` is text or one of Close's trees.

        Leads have `id`, `date_created` and the `fields` asked for. Take your time between pages: a
        cursor that has run out is replaced by a search from the last day seen.

        Raises:
            TooManyLeadsInADayError: A day has more than a search can tell.
        """
        given = queries.words(query) if isinstance(query, str) else query
        pages = SearchPages(queries.all_of(queries.leads(), given), fields)
        while not pages.is_over:
            try:
                answer = self._envelope(await self._ask(f"{API}/data/search/", pages.body()))
            except IntegrationRejectedError:
                if pages.cursor is None or not pages.start_again():
                    raise
                continue
            cursor = answer.get("cursor")
            new = pages.take(
                objects(answer.get("data")), cursor if isinstance(cursor, str) else None
            )
            if new:
                yield new

    async def count_found(self, query: JsonObject) -> int:
        """How many leads a search would find, without finding them."""
        asked: JsonObject = {
            "query": queries.all_of(queries.leads(), query),
            "include_counts": True,
            "results_limit": 0,
        }
        match await self._ask(f"{API}/data/search/", asked):
            case {"count": {"total": int() as total}}:
                return total
            case _:
                raise self._strange("a count")

    async def custom_fields(self) -> list[CustomField]:
        """What leads can hold besides Close's own fields, in the order people see them."""
        answer = self._envelope(await self._read(f"{API}/custom_field_schema/lead/"), "fields")
        return [
            CustomField.of(each, position)
            for position, each in enumerate(objects(answer["fields"]))
            if isinstance(each.get("id"), str)
        ]

    async def lead_statuses(self) -> dict[str, str]:
        """Label by id."""
        answer = self._envelope(await self._read(f"{API}/status/lead/"))
        return {
            str(each["id"]): str(each.get("label") or each["id"])
            for each in objects(answer["data"])
            if isinstance(each.get("id"), str)
        }

    async def get_contacts(
        self, filters: Filters | None = None, *, limit: int = ROWS_PER_PAGE, skip: int = 0
    ) -> Rows:
        """A page of contacts; `{"lead_id": …}` asks for one lead's."""
        return await self._rows("contact", filters, limit=limit, skip=skip)

    # ---------------------------------------------------------------- calls

    async def get_calls(
        self,
        filters: Filters | None = None,
        *,
        limit: int = ROWS_PER_PAGE,
        skip: int = 0,
        fields: Sequence[str] = (),
    ) -> Rows:
        """A page of calls, without transcripts unless `fields` name them.

        Filters are Close's: `lead_id`, `user_id`, `date_created__gte`, `date_created__lt`, `id__in`.
        """
        return await self._rows("activity/call", filters, limit=limit, skip=skip, fields=fields)

    async def calls_with_ids(self, call_ids: Sequence[str]) -> list[JsonObject]:
        """Those of these calls that there are."""
        return [
            call
            for some in batches(call_ids)
            for call in (await self.get_calls({"id__in": some})).items
        ]

    async def get_call_transcript(self, call_id: str) -> CallTranscript | None:
        """What was said, or None: not recorded, too short, or not transcribed yet.

        Raises:
            IntegrationNotFoundError: There is no such call, or no more.
        """
        path = self._path("activity/call", call_id)
        call = self._object(
            await self._read(path, params={"_fields": _listed(["id", *TRANSCRIPTS])})
        )
        found = (CallTranscript.of(call.get(name)) for name in TRANSCRIPTS)
        return next((each for each in found if each is not None), None)

    async def transcripts_of(self, call_ids: Sequence[str]) -> dict[str, JsonObject]:
        """The transcript fields of these calls, verbatim, by the id of the call."""
        found: dict[str, JsonObject] = {}
        for some in batches(call_ids):
            page = await self.get_calls({"id__in": some}, fields=["id", *TRANSCRIPTS])
            for call in page.items:
                found[str(call["id"])] = {name: call.get(name) for name in TRANSCRIPTS}
        return found

    # ---------------------------------------------------------------- events

    async def get_events(
        self, since: datetime, *, object_type: str | None = None, action: str | None = None
    ) -> AsyncGenerator[list[JsonObject]]:
        """Pages of the event log, newest first, back to `since`; Close keeps 30 days of it.

        Close takes an object type only together with an action.
        """
        chosen = {"object_type": object_type, "action": action}
        params: dict[str, str | int] = {key: value for key, value in chosen.items() if value}
        params["_limit"] = EVENTS_PER_PAGE
        bounds: dict[str, str] = {"date_updated__gte": since.isoformat()}
        while True:
            answer = self._envelope(await self._read(f"{API}/event/", params={**params, **bounds}))
            events = objects(answer["data"])
            fresh = [
                each for each in events if (moment(each.get("date_updated")) or since) >= since
            ]
            if fresh:
                yield fresh
            cursor = answer.get("cursor_next")
            if not isinstance(cursor, str) or not cursor or not events or len(fresh) < len(events):
                return
            bounds = {"_cursor": cursor}

    # ---------------------------------------------------------------- asking

    async def _rows(
        self,
        resource: str,
        filters: Filters | None,
        *,
        limit: int,
        skip: int,
        fields: Sequence[str] = (),
    ) -> Rows:
        params: dict[str, str | int] = {
            key: value if isinstance(value, str | int) else _listed(value)
            for key, value in (filters or {}).items()
        }
        params |= {"_limit": limit, "_skip": skip}
        if fields:
            params["_fields"] = _listed(fields)
        answer = self._envelope(await self._list(f"{API}/{resource}/", params))
        items, total = objects(answer["data"]), answer.get("total_results")
        if any(not isinstance(one.get("id"), str) for one in items):
            raise self._strange("things with ids")
        return Rows(
            items=items,
            has_more=answer.get("has_more") is True,
            total=total if isinstance(total, int) else None,
        )

    async def _list(self, path: str, params: Mapping[str, str | int]) -> JsonValue:
        """GET; as Close's long form of it, a POST, when the parameters do not fit into a URL."""
        if (
            sum(len(key) + len(str(value)) + 2 for key, value in params.items())
            < LONGEST_QUERY_STRING
        ):
            return await self._read(path, params=params)
        given: JsonObject = {"_params": dict(params)}
        return await self._ask(path, given, headers={"x-http-method-override": "GET"})

    def _pace_of(self, method: str, path: str) -> Pace:
        """Close counts by groups of endpoints that it does not name: ours are by kind of thing."""
        kind, *rest = path.removeprefix(API).strip("/").split("/")
        group = "/".join([method, kind, *rest[: kind in KINDS_OF_TWO_WORDS]])
        return self._paces.setdefault(group, Pace(LONGEST_RETRY_AFTER_SECONDS))

    def _decode(self, response: httpx2.Response) -> JsonValue:
        answer = super()._decode(response)
        return storable(answer) if NOT_STORABLE.search(response.content) else answer

    def _envelope(self, answer: JsonValue, of: str = "data") -> JsonObject:
        if not isinstance(answer, dict) or not isinstance(answer.get(of), list):
            raise self._strange("a list")
        return answer

    def _object(self, answer: JsonValue) -> JsonObject:
        if not isinstance(answer, dict) or not isinstance(answer.get("id"), str):
            raise self._strange("what was asked for")
        return answer

    def _lead(self, answer: JsonValue, lead_id: str) -> JsonObject:
        lead = self._object(answer)
        if lead["id"] != lead_id:
            raise self._strange("the lead that was asked for")
        return lead

    def _strange(self, expected: str) -> IntegrationContractError:
        return IntegrationContractError(
            f"Close answered with something that is not {expected}. Check CLOSE_BASE_URL.",
            vendor=self.vendor,
        )

    def _path(self, resource: str, thing_id: str) -> str:
        if not THING_ID.fullmatch(thing_id):
            raise IntegrationNotFoundError("This cannot be an id of Close's.", vendor=self.vendor)
        return f"{API}/{resource}/{thing_id}/"


def batches(ids: Sequence[str], size: int = ROWS_PER_PAGE) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def _listed(values: Iterable[str]) -> str:
    """Close takes lists as one text; `id__in[]=` it silently ignores."""
    return ",".join(values)
