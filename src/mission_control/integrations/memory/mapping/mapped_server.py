"""Our operations on one memory server, said in its words and read from its answers."""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from mission_control.integrations.errors import (
    IntegrationContractError,
    IntegrationError,
    IntegrationRejectedError,
)
from mission_control.integrations.memory.config.operations import Operation, OperationName
from mission_control.integrations.memory.connection.envelopes import (
    LARGEST_PROSE,
    Prose,
    ToldFailureError,
    ToolAnswer,
    unwrap,
)
from mission_control.integrations.memory.connection.server import MemoryServer
from mission_control.integrations.memory.errors import (
    MemoryOperationMissingError,
    MemoryUnknownError,
)
from mission_control.integrations.memory.items import (
    Item,
    ServerAnswer,
    ServerProblem,
    Written,
)
from mission_control.integrations.memory.mapping.arguments import Fitted, fill, fit
from mission_control.integrations.memory.mapping.pages import (
    Found,
    NoItemsError,
    Page,
    lookup,
    page_of,
)
from mission_control.integrations.memory.mapping.records import conversation, memory

MOST_PAGES = 2_000
# How servers say that they have nothing with an id; the first is what our own say.
_NOT_FOUND = re.compile(
    r"\bmemory_not_found\b|\bnot[ _-]found\b|\bdoes not exist\b|\bunknown (?:memory|id|uuid)\b|"
    r"\bno (?:such )?(?:memory|fact|item|record|node|edge|entry)\b",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Read:
    """What was read of one server, up to `problem`. `sends`: what the server was told of the question."""

    server: str
    found: list[Found] = field(default_factory=list[Found])
    operation: Operation | None = None
    sends: frozenset[str] = frozenset()
    problem: IntegrationError | MemoryOperationMissingError | None = None
    more: bool = False
    notes: list[str] = field(default_factory=list[str])
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0

    def items(self, *, as_conversations: bool) -> list[Item]:
        assert self.operation is not None or not self.found
        made = conversation if as_conversations else memory
        return [made(self.server, each, self.operation) for each in self.found if self.operation]

    def end(self) -> None:
        """What follows is not the server's time."""
        self.seconds = time.monotonic() - self.started

    def answer(self, count: int) -> ServerAnswer:
        problem = self.problem
        return ServerAnswer(
            server=self.server,
            count=count,
            duration_ms=round(self.seconds * 1000),
            problem=ServerProblem(problem.code, problem.message) if problem is not None else None,
            more=self.more,
            notes=tuple(self.notes),
        )


class MappedServer:
    """A memory server and how to speak to it."""

    def __init__(self, server: MemoryServer) -> None:
        self.server = server
        self.configuration = server.configuration
        self.name = server.name

    def has(self, name: OperationName) -> bool:
        """Whether the configuration maps it; the server may still lack the tool."""
        return name in self.configuration.operations

    async def read(
        self,
        name: OperationName,
        values: Mapping[str, JsonValue],
        *,
        within: float | None = None,
        at_most: int | None = None,
        fresh: bool = False,
    ) -> Read:
        """Every item of an operation, page by page. What goes wrong is in the answer, never raised.

        Args:
            name: Which of the mapped operations.
            values: What the placeholders stand for.
            within: Seconds for all of it; left out: the server's `call_timeout_seconds`.
            at_most: Items; left out: the server's `max_items`.
            fresh: Try to connect even if that failed a moment ago.
        """
        read = Read(self.name)
        seconds = within or self.configuration.call_timeout_seconds
        until = asyncio.get_running_loop().time() + seconds
        try:
            await self._fill(
                read, name, values, until, at_most or self.configuration.max_items, fresh
            )
        except (IntegrationError, MemoryOperationMissingError) as exc:
            read.problem = exc
            read.more = bool(read.found)
        read.end()
        return read

    async def value(self, name: OperationName, values: Mapping[str, JsonValue]) -> JsonValue:
        """The answer of an operation as it is; prose is a text.

        Raises:
            MemoryOperationMissingError: Not mapped, or the server has no such tool.
            IntegrationError: It was asked and did not answer properly.
        """
        until = asyncio.get_running_loop().time() + self.configuration.call_timeout_seconds
        operation, fitted = await self.fitted(name, until=until)
        payload = await self._ask(operation, fitted, values, until)
        return payload.text if isinstance(payload, Prose) else payload

    async def write(self, name: OperationName, values: Mapping[str, JsonValue]) -> Written:
        """Change something. Sent once.

        Raises:
            MemoryOperationMissingError: Not mapped, or the server has no such tool.
            MemoryUnknownError: The server has nothing with the id that was given.
            IntegrationAmbiguousError: No answer came; it may or may not have been made.
            IntegrationError: It was refused; nothing was changed.
        """
        until = asyncio.get_running_loop().time() + self.configuration.call_timeout_seconds
        operation, fitted = await self.fitted(name, until=until)
        if operation.first is not None:
            first = operation.first
            self._data(
                operation,
                await self.server.write(
                    first.tool, fill(first.arguments, values), within=_left(until)
                ),
            )
        arguments = fill(fitted.arguments, values)
        answer = await self.server.write(fitted.tool, arguments, within=_left(until))
        payload = self._changed(operation, answer, of_one="id" in values)
        made = None if isinstance(payload, Prose) else payload
        if operation.confirmed_by is not None and not lookup(made, operation.confirmed_by):
            raise IntegrationRejectedError(
                f"The memory server {self.name} did not confirm the change: there is nothing at "
                f"{operation.confirmed_by} in its answer. It may have had it already: look there.",
                vendor=self.name,
            )
        if isinstance(payload, Prose):
            return Written(self.name, _id_in_prose(payload.text, operation), payload.text)
        return Written(self.name, _id_in(made, operation), made)

    async def fitted(
        self, name: OperationName, *, until: float, fresh: bool = False
    ) -> tuple[Operation, Fitted]:
        """The mapping of an operation, held against the tools that the server has now."""
        operation = self.configuration.operations.get(name)
        if operation is None:
            raise MemoryOperationMissingError(
                f"The memory server {self.name} has no {name} in its mapping. Nothing was asked; "
                "map it in memory.toml or use another server.",
                server=self.name,
                operation=name,
            )
        schemas = await self.server.schemas(within=_left(until), fresh=fresh)
        fitted = fit(name, operation, schemas)
        if isinstance(fitted, str):
            raise MemoryOperationMissingError(
                f"The memory server {self.name} cannot {name}: {fitted}. Nothing was asked; "
                "correct its mapping in memory.toml.",
                server=self.name,
                operation=name,
            )
        return operation, fitted

    async def _fill(
        self,
        read: Read,
        name: OperationName,
        values: Mapping[str, JsonValue],
        until: float,
        at_most: int,
        fresh: bool,  # noqa: FBT001
    ) -> None:
        operation, fitted = await self.fitted(name, until=until, fresh=fresh)
        read.operation, read.sends = operation, fitted.sends
        pages = _Pages(operation, fitted, at_most)
        while pages.wanted:
            asked = {**values, **pages.values}
            payload = await self._ask(operation, fitted, asked, until)
            try:
                page = page_of(payload, operation)
            except NoItemsError as exc:
                raise IntegrationContractError(
                    f"The memory server {self.name} answered, but {exc}. Nothing was changed; "
                    f"correct {name}.items in memory.toml.",
                    vendor=self.name,
                ) from exc
            read.found += pages.turn(page)
        read.more = pages.more

    async def _ask(
        self,
        operation: Operation,
        fitted: Fitted,
        values: Mapping[str, JsonValue],
        until: float,
    ) -> JsonValue | Prose:
        arguments = fill(fitted.arguments, values)
        answer = await self.server.read(fitted.tool, arguments, within=_left(until))
        return self._data(operation, answer)

    def _changed(
        self, operation: Operation, answer: ToolAnswer, *, of_one: bool
    ) -> JsonValue | Prose:
        try:
            return self._data(operation, answer)
        except IntegrationRejectedError as refused:
            reason = str(refused.fields["reason"])
            if of_one and _NOT_FOUND.search(reason):
                raise MemoryUnknownError(self.name, reason) from refused
            raise

    def _data(self, operation: Operation, answer: ToolAnswer) -> JsonValue | Prose:
        try:
            return unwrap(answer, operation.errors, operation.empty)
        except ToldFailureError as exc:
            said = self.configuration.without_secrets(str(exc)).rstrip(".")
            raise IntegrationRejectedError(
                f"The memory server {self.name} could not do it: {said}. Nothing was changed.",
                vendor=self.name,
                reason=said,
            ) from exc


class _Pages:
    """Walks through a list in one of the ways in which servers cut theirs up."""

    def __init__(self, operation: Operation, fitted: Fitted, at_most: int) -> None:
        needed = {"page": "page", "offset": "offset", "cursor": "cursor"}.get(operation.paging)
        # A tool that lost the argument would give its first page for ever.
        self._style = operation.paging if needed in fitted.sends else "none"
        self._size = min(operation.page_size, at_most)
        self._number = operation.first_page
        self._read = 0
        self._at_most = at_most
        self._cursor: str | int | None = None
        self._cursors: set[str | int] = set()
        self._turned = 0
        self._full = self._size  # items of a page that is not the last
        self._last: list[JsonValue] | None = None
        self.more = False
        self.wanted = True

    @property
    def values(self) -> dict[str, JsonValue]:
        return {
            "limit": self._at_most if self._style == "none" else self._size,
            "page": self._number,
            "offset": self._read,
            "cursor": self._cursor,
        }

    def turn(self, page: Page) -> list[Found]:
        """What is new on the page. Then: is there another, and do we want it?"""
        values = [each.value for each in page.items]
        if self._style != "none" and values == self._last:  # it gives the same page for ever
            self.wanted = False
            return []
        self._last = values
        self._turned += 1
        self._number += 1
        if self._turned == 1:
            self._full = min(self._size, len(values))  # the server may give less than we asked for
        new = page.items[: self._at_most - self._read]
        self._read += len(new)
        another = self._goes_on(page)
        enough = self._read >= self._at_most or self._turned >= MOST_PAGES
        self.more = (another and enough) or len(new) < len(page.items)
        self.wanted = another and not enough
        return new

    def _goes_on(self, page: Page) -> bool:
        if self._style == "none" or not page.items:
            return False
        if self._style != "cursor":
            return len(page.items) >= self._full
        self._cursor = page.next_cursor
        if page.next_cursor is None or page.next_cursor in self._cursors:
            return False
        self._cursors.add(page.next_cursor)
        return True


def _left(until: float) -> float:
    return max(0.001, until - asyncio.get_running_loop().time())


def _id_in(made: JsonValue, operation: Operation) -> str | None:
    for path in (*operation.fields.get("id", ()), "id", "memory_id", "uuid", "content_hash"):
        value = lookup(made, path)
        if isinstance(value, str | int) and not isinstance(value, bool):
            return str(value)
    return None


def _id_in_prose(text: str, operation: Operation) -> str | None:
    found = (
        re.search(operation.id_in_prose, text[:LARGEST_PROSE]) if operation.id_in_prose else None
    )
    return found[1] if found else None
