"""Vapi, written: what was meant is read back, and what somebody else wrote meanwhile is left alone.

Vapi has no optimistic locking, so an edit between our read and our write is replaced unseen. It is
noticed by Vapi's count of versions, where an organisation has them, and always kept by Vapi.
"""

import asyncio
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

import structlog

from mission_control.core.json_types import JsonObject
from mission_control.integrations.errors import (
    DeployNotVerifiedError,
    DeployUnconfirmedError,
    IntegrationAmbiguousError,
    IntegrationContractError,
    IntegrationError,
)
from mission_control.integrations.vapi.assistant import AssistantSummary
from mission_control.integrations.vapi.changes import changed_after, refuse_changed
from mission_control.integrations.vapi.differences import differences
from mission_control.integrations.vapi.prompt_slots import Known, live_first_message, system_texts
from mission_control.integrations.vapi.reader import VapiReader

log = structlog.get_logger(__name__)

READ_BACK_ATTEMPTS = 3
RESTORE_ATTEMPTS = 3
MOST_NAMED = 5  # fields in one sentence
VERSION = re.compile(r"v(\d{1,9})")


@dataclass(frozen=True, slots=True)
class Written:
    """The assistant as read back. `warnings`: what somebody did at the same moment, in sentences."""

    assistant: JsonObject
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Answer:
    """To a write. `unclear` is what leaves open whether it was written; then nobody says what is."""

    assistant: JsonObject | None = None
    unclear: IntegrationError | None = None


class VapiWriter(VapiReader):
    """Every method may raise the `IntegrationError`s of `integrations.errors`."""

    read_back_pause_seconds: ClassVar[float] = 0.5

    async def create_assistant(self, assistant: JsonObject) -> JsonObject:
        """Create it and answer with what Vapi made of it. Vapi has no idempotency key.

        Raises:
            IntegrationAmbiguousError: No answer; look for it by name before creating it again.
        """
        return self._object(await self._write("POST", "/assistant", assistant))

    async def update_assistant(self, assistant_id: str, patch: JsonObject) -> JsonObject:
        """Replace the given top-level fields. Vapi replaces nested objects whole, not by key."""
        return self._object(
            await self._write("PATCH", self._path("assistant", assistant_id), patch)
        )

    async def change(
        self, assistant_id: str, current: JsonObject, wanted: JsonObject, known: Known
    ) -> Written:
        """Write, read back, compare field by field; put it back when Vapi stored something else.

        What somebody wrote after us is never put back. `known` tells which text in `wanted` is ours.

        Raises:
            ChangedAtVapiError: Ours was written, and somebody changed it before it was read back.
            DeployUnconfirmedError: Vapi did not confirm; ask for the same again.
            DeployNotVerifiedError: Vapi stored something else; it was put back if `restored`.
        """
        patch = _patch(current, wanted)
        answer = await self._write_once(assistant_id, patch)
        after = await self._read_back(assistant_id, lambda now: not differences(wanted, now))
        wrong = differences(wanted, after)
        warnings = unseen(_version(current), _version(answer.assistant or after))
        if not wrong:
            return Written(after, warnings)
        if not differences(current, after):
            raise _not_taken(assistant_id, wrong, answer.unclear)
        if warnings or _is_written_since(answer.assistant, (current, wanted), after):
            done = " ".join((WRITTEN_BEFORE, *warnings))
            refuse_changed(changed_after(wanted, after, known, patch), done)
            stored = answer.assistant or after
            if not differences(_only(wanted, patch), _only(stored, patch)):
                log.info("vapi_changed_elsewhere", assistant_id=assistant_id, paths=wrong)
                return Written(after, (*warnings, _elsewhere_sentence(wrong)))
            raise _not_verified(assistant_id, wrong, restored=False)
        restored = await self._restore(
            assistant_id, after, {key: current.get(key) for key in patch}
        )
        log.error(
            "vapi_change_not_verified", assistant_id=assistant_id, wrong=wrong, restored=restored
        )
        raise _not_verified(assistant_id, wrong, restored=restored)

    async def _write_once(self, assistant_id: str, patch: JsonObject) -> _Answer:
        """Write once; an answer may leave open whether it was written."""
        try:
            return _Answer(await self.update_assistant(assistant_id, patch))
        except (IntegrationAmbiguousError, IntegrationContractError) as error:
            log.warning("vapi_change_unclear", assistant_id=assistant_id, code=error.code)
            return _Answer(unclear=error)

    async def _read_back(
        self, assistant_id: str, is_settled: Callable[[JsonObject], bool]
    ) -> JsonObject:
        """The assistant as soon as it is settled, else as it is after a while."""
        after: JsonObject = {}
        for attempt in range(READ_BACK_ATTEMPTS):
            await asyncio.sleep(self.read_back_pause_seconds * attempt)
            try:
                after = await self.get_assistant(assistant_id)
            except IntegrationError as error:
                raise DeployUnconfirmedError(
                    "The change was sent to Vapi, but the assistant could not be read back "
                    f"({error.code}). It may or may not be live; ask for the same again, "
                    "which finishes or confirms it.",
                    assistant_id=assistant_id,
                ) from error
            if is_settled(after):
                break
        return after

    async def _restore(self, assistant_id: str, spoilt: JsonObject, previous: JsonObject) -> bool:
        """Put these fields back; True when they are as they were. Repeating this does no harm.

        What says neither this nor what Vapi made of ours is somebody's, and left alone.
        """
        ours = (_texts(spoilt), _texts({**spoilt, **previous}))

        def is_back(now: JsonObject) -> bool:
            return not differences(previous, _only(now, previous))

        for attempt in range(RESTORE_ATTEMPTS):
            await asyncio.sleep(self.read_back_pause_seconds * attempt)
            try:
                if attempt and _texts(await self.get_assistant(assistant_id)) not in ours:
                    return False
                await self._write_once(assistant_id, previous)
                if is_back(await self._read_back(assistant_id, is_back)):
                    return True
            except IntegrationError as error:
                log.error("vapi_restore_failed", assistant_id=assistant_id, code=error.code)
        return False


WRITTEN_BEFORE = "Ours had been written a moment before; theirs answers now and was left alone."


def _patch(current: JsonObject, wanted: JsonObject) -> JsonObject:
    """The top-level fields that differ, whole; a field to be cleared is null."""
    return {
        key: wanted.get(key)
        for key in dict.fromkeys([*current, *wanted])
        if differences(_only(current, [key]), _only(wanted, [key]))
    }


def _only(assistant: JsonObject, keys: Iterable[str]) -> JsonObject:
    return {key: assistant.get(key) for key in keys}


def _texts(assistant: JsonObject) -> tuple[list[str], str | None]:
    return list(system_texts(assistant)), live_first_message(assistant)


def _is_written_since(
    answer: JsonObject | None, ours: Iterable[JsonObject], after: JsonObject
) -> bool:
    """Somebody wrote the assistant after us: else Vapi itself stored something else than was sent."""
    is_later = answer is not None and answer.get("updatedAt") != after.get("updatedAt")
    told = [_texts(each) for each in (*ours, *([answer] if answer is not None else []))]
    return is_later or _texts(after) not in told


def _version(assistant: JsonObject) -> str | None:
    return AssistantSummary.of(assistant).latest_version


def unseen(before: str | None, now: str | None, *, told: int = 1) -> tuple[str, ...]:
    """What may have been replaced unseen, by Vapi's names of two versions; empty where it does not say.

    `told`: how many writes in between we know of; one is our own.
    """
    numbers = [VERSION.fullmatch(each or "") for each in (before, now)]
    first, last = (int(number[1]) if number else 0 for number in numbers)
    between = last - first - told
    if not all(numbers) or between < 1:
        return ()
    return (
        "Somebody wrote the assistant between our reading it and our writing it (versions that Vapi "
        f"counts in between: {between}). What they wrote may have been replaced unseen: look at it "
        "in Vapi's version history.",
    )


def _elsewhere_sentence(paths: list[str]) -> str:
    return (
        f"Somebody changed something else of the assistant at the same moment ({few(paths)}). "
        "Their change was kept."
    )


def few(paths: list[str]) -> str:
    more = ["…"] if len(paths) > MOST_NAMED else []
    return ", ".join([*paths[:MOST_NAMED], *more])


def _not_taken(
    assistant_id: str, wrong: list[str], unclear: IntegrationError | None
) -> IntegrationError:
    if unclear is None:
        return _not_verified(assistant_id, wrong, restored=True)
    return DeployUnconfirmedError(
        "Vapi did not confirm the change, and a moment later the assistant was as before. "
        "Ask for the same again; that is safe even if the change still arrives.",
        assistant_id=assistant_id,
        cause=unclear.code,
    )


def _not_verified(assistant_id: str, wrong: list[str], *, restored: bool) -> DeployNotVerifiedError:
    outcome = (
        "The assistant is as it was before."
        if restored
        else "It could NOT be put back: restore the assistant in Vapi's version history now."
    )
    return DeployNotVerifiedError(
        f"Vapi did not store what was sent, or somebody changed it in that moment ({few(wrong)}). "
        f"{outcome}",
        assistant_id=assistant_id,
        wrong=wrong,
        restored=restored,
    )
