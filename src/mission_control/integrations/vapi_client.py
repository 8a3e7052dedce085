"""Vapi: putting a prompt on an assistant without touching anything else, and talking to one."""

from dataclasses import dataclass
from typing import Literal

import structlog
from pydantic import SecretStr

from mission_control.core.json_types import JsonObject
from mission_control.integrations.errors import (
    AssistantChangedSinceError,
    IntegrationCredentialsError,
)
from mission_control.integrations.http.connections import open_http
from mission_control.integrations.vapi.assistant import AssistantSummary, OptimizedPrompts, Snapshot
from mission_control.integrations.vapi.changes import (
    Texts,
    changed_texts,
    refuse_changed,
    replaced_of,
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
from mission_control.integrations.vapi.writer import VapiWriter, Written, few, unseen

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DeployedPrompt:
    """`unchanged`: the prompt was already there. `snapshot` and `assistant` (as read) hold secrets."""

    status: Literal["deployed", "unchanged"]
    changed_fields: tuple[str, ...]
    snapshot: Snapshot
    assistant: JsonObject
    latest_version: str | None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RolledBackPrompt:
    """`unchanged`: what was there before is there already. `assistant` is as read back."""

    status: Literal["rolled_back", "unchanged"]
    changed_fields: tuple[str, ...]
    assistant: JsonObject
    latest_version: str | None
    warnings: tuple[str, ...] = ()


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


class VAPIClient(VapiWriter):
    """Assistants travel as the JSON that Vapi sent: what we do not know is never lost.

    Every method may raise the `IntegrationError`s of `integrations.errors`.
    """

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
        first, last = (AssistantSummary.of(each).latest_version for each in (start, current))
        written = Written(current, unseen(first, last))  # by an attempt that died
        if differences(current, wanted):
            _refuse_if_changed(start, current, optimized_prompts, known)
            ours = Known(optimized_prompts["system"], now.beside)
            written = await self.change(assistant_id, current, wanted, ours)
            log.info("vapi_prompt_deployed", assistant_id=assistant_id, changed=changed)
        return DeployedPrompt(
            status="deployed" if changed else "unchanged",
            changed_fields=tuple(changed),
            snapshot=Snapshot(start, optimized_prompts, live_prompt(start, known)),
            assistant=written.assistant,
            latest_version=AssistantSummary.of(written.assistant).latest_version,
            warnings=written.warnings,
        )

    async def rollback(
        self,
        assistant_id: str,
        snapshot: Snapshot,
        *,
        overwrite: Texts | None = None,
        seen_version: str | None = None,
    ) -> RolledBackPrompt:
        """Put back what the deployment replaced. What others changed since elsewhere is kept.

        `overwrite`: the texts that may be overwritten although they are not ours, and no others.
        `seen_version`: Vapi's version when the rollback was asked for.

        Raises:
            ChangedAtVapiError: Somebody changed the text itself to something else than these.
            PromptAmbiguousError: Our prompt is gone, and several could have taken its place.
            DeployUnconfirmedError: Vapi did not confirm; ask for the same rollback again.
            DeployNotVerifiedError: Vapi stored something else; it was put back if `restored`.
        """
        current = await self.get_assistant(assistant_id)
        now = AssistantSummary.of(current).latest_version
        more = "".join(f" {sentence}" for sentence in unseen(seen_version, now, told=2))
        wanted = with_previous(
            current, snapshot, overwrite=overwrite, refused=f"Nothing was rolled back.{more}"
        )
        changed = differences(current, wanted)
        written = Written(current, unseen(seen_version, now))  # by an attempt that died
        if changed:
            ours = known_of(wanted, replaced_of(snapshot))
            written = await self.change(assistant_id, current, wanted, ours)
            log.info("vapi_prompt_rolled_back", assistant_id=assistant_id, changed=changed)
        return RolledBackPrompt(
            status="rolled_back" if changed else "unchanged",
            changed_fields=tuple(changed),
            assistant=written.assistant,
            latest_version=AssistantSummary.of(written.assistant).latest_version,
            warnings=written.warnings,
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
    first, last = (AssistantSummary.of(each).latest_version for each in (before, current))
    # One version more than theirs may be ours, by an attempt that died.
    more = "".join(f" {sentence}" for sentence in unseen(first, last, told=2))
    refuse_changed(texts, f"Nothing was deployed.{more}")
    changed = differences(before, current)
    if changed:
        raise AssistantChangedSinceError(
            f"Somebody changed the assistant in Vapi after it was read ({few(changed)}). "
            f"Nothing was deployed; look at their change and deploy again.{more}",
            changed=changed,
        )
