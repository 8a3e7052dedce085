"""Vapi, read only: assistants, calls and phone numbers as the JSON that Vapi sent."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self, cast

from pydantic import JsonValue

from mission_control.core.json_types import JsonObject
from mission_control.integrations.errors import (
    AssistantNameAmbiguousError,
    IntegrationContractError,
    IntegrationNotFoundError,
)
from mission_control.integrations.http.client import HttpIntegration
from mission_control.integrations.vapi.assistant import AssistantSummary
from mission_control.integrations.vapi.pages import Bounds, instant, paginate

PAGE_SIZE = 100
THING_ID = re.compile(r"[\w-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """The parts we rely on; what else Vapi keeps with a number may be secret. None: not said."""

    id: str
    number: str | None  # E.164
    name: str | None
    provider: str | None
    assistant_id: str | None

    @classmethod
    def of(cls, raw: JsonObject) -> Self:
        texts = {key: value for key, value in raw.items() if isinstance(value, str)}
        return cls(
            id=texts["id"],
            number=texts.get("number"),
            name=texts.get("name"),
            provider=texts.get("provider"),
            assistant_id=texts.get("assistantId"),
        )


class VapiReader(HttpIntegration):
    """Every method may raise the `IntegrationError`s of `integrations.errors`."""

    vendor = "Vapi"
    # Below Vapi's limit: a call with its transcript has some 5 kB, and a page is stored at once.
    calls_page_size: ClassVar[int] = 250

    async def check(self) -> None:
        """Return if Vapi answers and takes our key. Asked once."""
        if not isinstance(await self._read_once("/assistant", params={"limit": 1}), list):
            raise self._strange("a list")

    # ---------------------------------------------------------------- assistants

    async def list_assistants(self) -> list[AssistantSummary]:
        """All of them, newest first."""
        return [AssistantSummary.of(assistant) for assistant in await self.get_assistants()]

    async def get_assistants(self) -> list[JsonObject]:
        """All of them, newest first, verbatim. Their tools may hold secrets."""
        return await self._all("/assistant")

    async def get_assistant(self, assistant_id: str) -> JsonObject:
        """The whole assistant, verbatim. Its tools may hold secrets."""
        return self._object(await self._read(self._path("assistant", assistant_id)))

    async def find_assistant(self, name: str) -> AssistantSummary:
        """The one with exactly this name.

        Raises:
            IntegrationNotFoundError: None has it.
            AssistantNameAmbiguousError: Several have it; `assistant_ids` says which.
        """
        return named(name, await self.list_assistants())

    # ---------------------------------------------------------------- calls

    async def get_call_logs(
        self,
        assistant_id: str | None = None,
        *,
        limit: int = 100,
        created_before: datetime | None = None,
        created_after: datetime | None = None,
        updated_after: datetime | None = None,
    ) -> list[JsonObject]:
        """The newest calls, verbatim, at most `limit`: of one assistant, or of all.

        The bounds are inclusive and aware. All that is said in a call may be missing.
        """
        found: list[JsonObject] = []
        pages = self.iter_calls(
            assistant_id,
            page_size=min(limit, self.calls_page_size),
            created_before=created_before,
            created_after=created_after,
            updated_after=updated_after,
        )
        async with aclosing(pages):
            async for page in pages:
                found += page
                if len(found) >= limit:
                    break
        return found[:limit]

    async def iter_calls(
        self,
        assistant_id: str | None = None,
        *,
        page_size: int | None = None,
        created_before: datetime | None = None,
        created_after: datetime | None = None,
        updated_after: datetime | None = None,
    ) -> AsyncGenerator[list[JsonObject]]:
        """Every call once, verbatim, one request's worth at a time, newest first.

        One that is made meanwhile may be missing; read again from where this began.
        """
        filters = {} if assistant_id is None else {"assistantId": assistant_id}
        given = {
            "createdAtLe": created_before,
            "createdAtGe": created_after,
            "updatedAtGe": updated_after,
        }
        bounds = {name: instant(at) for name, at in given.items() if at is not None}
        pages = paginate(
            lambda limit, bounds: self._list("/call", limit, {**filters, **bounds}),
            page_size=page_size or self.calls_page_size,
            bounds=bounds,
        )
        async with aclosing(pages):
            async for page in pages:
                yield page

    async def get_call(self, call_id: str) -> JsonObject:
        """The whole call, verbatim. All that is said in it may be missing."""
        return self._object(await self._read(self._path("call", call_id)))

    # ---------------------------------------------------------------- squads, phone numbers

    async def get_squads(self) -> list[JsonObject]:
        """All of them, newest first, verbatim. What they put over their members may hold secrets."""
        return await self._all("/squad")

    async def list_phone_numbers(self) -> list[PhoneNumber]:
        """All of them, newest first."""
        return [PhoneNumber.of(raw) for raw in await self._all("/phone-number")]

    # ---------------------------------------------------------------- parts

    async def _all(self, path: str) -> list[JsonObject]:
        pages = paginate(
            lambda limit, bounds: self._list(path, limit, bounds), page_size=PAGE_SIZE, bounds={}
        )
        async with aclosing(pages):
            return [item async for page in pages for item in page]

    async def _list(self, path: str, limit: int, filters: Bounds) -> list[JsonObject]:
        answer = await self._read(path, params={"limit": limit, **filters})
        if not isinstance(answer, list):
            raise self._strange("a list")
        return [self._object(one) for one in answer]

    def _object(self, answer: JsonValue) -> JsonObject:
        if not isinstance(answer, dict) or not isinstance(answer.get("id"), str):
            raise self._strange("what was asked for")
        return cast("JsonObject", answer)

    def _strange(self, expected: str) -> IntegrationContractError:
        return IntegrationContractError(
            f"Vapi answered with something that is not {expected}. Check VAPI_BASE_URL.",
            vendor=self.vendor,
        )

    def _path(self, kind: str, thing_id: str) -> str:
        if not THING_ID.fullmatch(thing_id):
            raise IntegrationNotFoundError(
                "This cannot be the id of anything at Vapi.", vendor=self.vendor
            )
        return f"/{kind}/{thing_id}"


def named(name: str, assistants: list[AssistantSummary]) -> AssistantSummary:
    """The one with exactly this name. Raises as `VapiReader.find_assistant` does."""
    found = [one for one in assistants if one.name == name]
    if not found:
        raise IntegrationNotFoundError(
            "No Vapi assistant has this name. Create it in Vapi, or use its id.",
            vendor=VapiReader.vendor,
            name=name,
        )
    if len(found) > 1:
        raise AssistantNameAmbiguousError(
            "Several Vapi assistants have this name. Use the id of the one you mean.",
            name=name,
            assistant_ids=[one.id for one in found],
        )
    return found[0]
