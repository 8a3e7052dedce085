"""Server messages on their way into the database: a burst shares its transactions."""

import asyncio
from collections.abc import Sequence

from mission_control.api.mirrors.vapi.recording import record_messages
from mission_control.api.resources import Resources
from mission_control.core.json_types import JsonObject
from mission_control.data.unit_of_work import DatabaseUnavailableError

MOST_AT_ONCE = 100

Waiting = tuple[JsonObject, "asyncio.Future[bool]"]


class MessageBatch:
    """Stores what it is given, together with what else has come meanwhile.

    One that comes alone is stored at once. Those that come while others are being stored share the
    next transaction, so that a burst is answered as quickly as a single one.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._waiting: list[Waiting] = []
        self._storing: asyncio.Future[None] | None = None

    async def store(self, message: JsonObject) -> bool:
        """Return once it is stored. False: it says nothing that is kept."""
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((message, stored))
        if self._storing is None or self._storing.done():
            self._storing = asyncio.ensure_future(self._store())
        return await stored

    async def _store(self) -> None:
        while self._waiting:
            together = self._waiting[:MOST_AT_ONCE]
            del self._waiting[:MOST_AT_ONCE]
            await self._store_together(together)

    async def _store_together(self, messages: Sequence[Waiting]) -> None:
        try:
            async with self._resources.unit_of_work() as uow:
                taken = await record_messages(uow, [message for message, _ in messages])
        except DatabaseUnavailableError as error:
            _refuse(messages, error)
        except Exception as error:  # noqa: BLE001  # its sender is told
            if len(messages) == 1:
                _refuse(messages, error)
            else:
                for each in messages:  # one that cannot be stored takes no other with it
                    await self._store_together([each])
        else:
            for (_, stored), is_kept in zip(messages, taken, strict=True):
                if not stored.done():  # its sender may have left
                    stored.set_result(is_kept)


def _refuse(messages: Sequence[Waiting], error: Exception) -> None:
    for _, stored in messages:
        if not stored.done():
            stored.set_exception(error)
