"""Vapi: putting a prompt on an assistant without touching anything else, and talking to one."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

import structlog
from pydantic import SecretStr

from mission_control.core.json_types import JsonObject
from mission_control.integrations.errors import (
    AssistantChangedSinceError,
    DeployNotVerifiedError,
    DeployUnconfirmedError,
    IntegrationAmbiguousError,
    IntegrationContractError,
    IntegrationCredentialsError,
    IntegrationError,
)
from mission_control.integrations.http.connections import open_http
from mission_control.integrations.vapi.assistant import AssistantSummary, OptimizedPrompts, Snapshot
from mission_control.integrations.vapi.changes import (
    Texts,
    changed_texts,
    refuse_changed,
    with_previous,
)
from mission_control.integrations.vapi.chat import ChatReply, chat_request
from mission_control.integrations.vapi.differences import differences
from mission_control.integrations.vapi.prompt_slots import (
    NOTHING_KNOWN,
    Known,
    known_of,
    live_prompt,
    system_texts,
    with_prompts,
)
from mission_control.integrations.vapi.reader import VapiReader

log = structlog.get_logger(__name__)

READ_BACK_ATTEMPTS = 3
RESTORE_ATTEMPTS = 3
MOST_NAMED = 5  # fields in one sentence


@dataclass(frozen=True, slots=True)
class DeployedPrompt:
    """`unchanged`: the prompt was already there. `snapshot` and `assistant` (as read) hold secrets."""

    status: Literal["deployed", "unchanged"]
    changed_fields: tuple[str, ...]
    snapshot: Snapshot
    assistant: JsonObject
    latest_version: str | None


@dataclass(frozen=True, slots=True)
class RolledBackPrompt:
    """`unchanged`: what was there before is there already. `assistant` is as read back."""

    status: Literal["rolled_back", "unchanged"]
    changed_fields: tuple[str, ...]
    assistant: JsonObject
    latest_version: str | None


def open_vapi(base_url: str, key: SecretStr) -> "VAPIClient":
    """A client with its own connections; close it with `aclose()` or `async with`.

    Raises:
        IntegrationCredentialsError: The key cannot be sent in a header.
        IntegrationMisconfiguredError: The base URL is not a URL.
    """
    token = key.get_secret_value().strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise IntegrationCredentialsError(
            "The Vapi API key is empty or has characters no key has. Set VAPI_API_KEY again.",
            vendor=VAPIClient.vendor,
        )
    return VAPIClient(
        open_http(
            base_url,
            vendor=VAPIClient.vendor,
            setting="VAPI_BASE_URL",
            headers={"Authorization": f"Bearer {token}"},
        )
    )


class VAPIClient(VapiReader):
    """Assistants travel as the JSON that Vapi sent: what we do not know is never lost.

    Every method may raise the `IntegrationError`s of `integrations.errors`.
    """

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

    async def deploy_optimized(
        self,
        assistant_id: str,
        optimized_prompts: OptimizedPrompts,
        *,
        before: JsonObject | None = None,
        known: Known = NOTHING_KNOWN,
    ) -> DeployedPrompt:
        """Put these prompts on the assistant, and prove that nothing else changed.

        Safe to run again after a crash: pass as `before` the assistant that was stored first, with
        what is `known` of it. Vapi has no optimistic locking, so an edit made between our read and
        our write (about 100 ms) cannot be seen.

        Raises:
            ChangedAtVapiError: A text is neither as in `before` nor what is to be put there.
            AssistantChangedSinceError: Something else is not as in `before`.
            PromptAmbiguousError: The prompt that is known is gone, and several could be it.
            PromptNotWritableError: Its prompt is kept where we cannot write it.
            DeployUnconfirmedError: Vapi did not confirm; run the same deployment again.
            DeployNotVerifiedError: Vapi stored something else; it was put back if `restored`.
        """
        current = await self.get_assistant(assistant_id)
        start = current if before is None else before
        meant = with_prompts(start, optimized_prompts, known)
        changed = differences(start, meant)
        now = _known_now(start, current, optimized_prompts, known)
        wanted = with_prompts(current, optimized_prompts, now)
        after = current
        if differences(current, wanted):
            _refuse_if_changed(start, current, optimized_prompts, known)
            after = await self._change(assistant_id, current, wanted)
            log.info("vapi_prompt_deployed", assistant_id=assistant_id, changed=changed)
        return DeployedPrompt(
            status="deployed" if changed else "unchanged",
            changed_fields=tuple(changed),
            snapshot=Snapshot(start, optimized_prompts, live_prompt(start, known)),
            assistant=after,
            latest_version=AssistantSummary.of(after).latest_version,
        )

    async def rollback(
        self, assistant_id: str, snapshot: Snapshot, *, overwrite: Texts | None = None
    ) -> RolledBackPrompt:
        """Put back what the deployment replaced. What others changed since elsewhere is kept.

        `overwrite`: the texts that may be overwritten although they are not ours, and no others.

        Raises:
            ChangedAtVapiError: Somebody changed the text itself to something else than these.
            PromptAmbiguousError: Our prompt is gone, and several could have taken its place.
            DeployUnconfirmedError: Vapi did not confirm; ask for the same rollback again.
            DeployNotVerifiedError: Vapi stored something else; it was put back if `restored`.
        """
        current = await self.get_assistant(assistant_id)
        wanted = with_previous(current, snapshot, overwrite=overwrite)
        changed = differences(current, wanted)
        after = current
        if changed:
            after = await self._change(assistant_id, current, wanted)
            log.info("vapi_prompt_rolled_back", assistant_id=assistant_id, changed=changed)
        return RolledBackPrompt(
            status="rolled_back" if changed else "unchanged",
            changed_fields=tuple(changed),
            assistant=after,
            latest_version=AssistantSummary.of(after).latest_version,
        )

    async def chat(
        self,
        text: str,
        *,
        assistant_id: str | None = None,
        assistant: JsonObject | None = None,
        previous_chat_id: str | None = None,
    ) -> ChatReply:
        """Say something to an assistant and get its answer, in text. It costs, and is not repeated.

        `assistant` is a whole configuration that is stored nowhere: a candidate can be tried without
        touching what callers hear. Tools of either really run.

        Raises:
            ValueError: Not exactly one of `assistant_id` and `assistant` was given.
        """
        body = chat_request(
            text,
            assistant_id=assistant_id,
            assistant=assistant,
            previous_chat_id=previous_chat_id,
        )
        return ChatReply.of(self._object(await self._write("POST", "/chat", body)))

    # ---------------------------------------------------------------- changing, and proving it

    async def _change(
        self, assistant_id: str, current: JsonObject, wanted: JsonObject
    ) -> JsonObject:
        """Write, read back, compare field by field; put it back when it is not what was meant."""
        patch = _patch(current, wanted)
        unclear = await self._write_once(assistant_id, patch)
        after = await self._read_back(assistant_id, lambda now: not differences(wanted, now))
        wrong = differences(wanted, after)
        if not wrong:
            return after
        if not differences(current, after):
            raise _not_taken(assistant_id, wrong, unclear)
        restored = await self._restore(assistant_id, {key: current.get(key) for key in patch})
        log.error(
            "vapi_change_not_verified", assistant_id=assistant_id, wrong=wrong, restored=restored
        )
        raise _not_verified(assistant_id, wrong, restored=restored)

    async def _write_once(self, assistant_id: str, patch: JsonObject) -> IntegrationError | None:
        """Write once. The error returned is one that leaves open whether it was written."""
        try:
            await self.update_assistant(assistant_id, patch)
        except (IntegrationAmbiguousError, IntegrationContractError) as error:
            log.warning("vapi_change_unclear", assistant_id=assistant_id, code=error.code)
            return error
        return None

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

    async def _restore(self, assistant_id: str, previous: JsonObject) -> bool:
        """Put these fields back; True when they are as they were. Repeating this does no harm."""

        def is_back(now: JsonObject) -> bool:
            return not differences(previous, _only(now, previous))

        for attempt in range(RESTORE_ATTEMPTS):
            await asyncio.sleep(self.read_back_pause_seconds * attempt)
            try:
                await self._write_once(assistant_id, previous)
                if is_back(await self._read_back(assistant_id, is_back)):
                    return True
            except IntegrationError as error:
                log.error("vapi_restore_failed", assistant_id=assistant_id, code=error.code)
        return False


def _patch(current: JsonObject, wanted: JsonObject) -> JsonObject:
    """The top-level fields that differ, whole; a field to be cleared is null."""
    return {
        key: wanted.get(key)
        for key in dict.fromkeys([*current, *wanted])
        if differences(_only(current, [key]), _only(wanted, [key]))
    }


def _only(assistant: JsonObject, keys: Iterable[str]) -> JsonObject:
    return {key: assistant.get(key) for key in keys}


def _known_now(
    start: JsonObject, current: JsonObject, prompts: OptimizedPrompts, known: Known
) -> Known:
    """A deployment that is taken up again may have put its prompt there already."""
    prompt = prompts["system"]
    before, now = (list(system_texts(each)).count(prompt) for each in (start, current))
    is_put = now > before or (now == before and live_prompt(start, known) == prompt)
    return Known(prompt, known_of(start, live_prompt(start, known)).beside) if is_put else known


def _refuse_if_changed(
    before: JsonObject, current: JsonObject, prompts: OptimizedPrompts, known: Known
) -> None:
    texts = changed_texts(prompts, Texts.of(before, known), Texts.of(current, known))
    refuse_changed(texts, "Nothing was deployed.")
    changed = differences(before, current)
    if changed:
        raise AssistantChangedSinceError(
            f"Somebody changed the assistant in Vapi after it was read ({_few(changed)}). "
            "Nothing was deployed; look at their change and deploy again.",
            changed=changed,
        )


def _few(paths: list[str]) -> str:
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
        f"Vapi did not store what was sent ({_few(wrong)}). {outcome}",
        assistant_id=assistant_id,
        wrong=wrong,
        restored=restored,
    )
