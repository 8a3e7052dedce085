"""What can go wrong with somebody else's system, in words the rest of us can act on."""

from collections.abc import Mapping, Sequence
from typing import Any

from mission_control.core.errors import ConflictError, MissionControlError


class IntegrationError(MissionControlError):
    """A dependency refused or failed. Nothing of ours was changed by it."""

    code = "integration_failed"


class IntegrationUnavailableError(IntegrationError):
    code = "integration_unavailable"


class IntegrationAmbiguousError(IntegrationUnavailableError):
    """A write was sent and no answer came: it may or may not have happened. Look before repeating."""

    code = "integration_ambiguous"


class IntegrationMisconfiguredError(IntegrationError):
    """Our own settings cannot work; nothing was sent."""

    code = "integration_misconfigured"


class IntegrationRateLimitedError(IntegrationError):
    code = "integration_rate_limited"

    def __init__(self, message: str, *, retry_after: float, **fields: object) -> None:
        super().__init__(message, retry_after=retry_after, **fields)
        self.retry_after = retry_after


class IntegrationCredentialsError(IntegrationError):
    code = "integration_credentials"


class IntegrationNotFoundError(IntegrationError):
    code = "integration_not_found"


class IntegrationRejectedError(IntegrationError):
    """They understood us and said no; asking again will not help."""

    code = "integration_rejected"


class IntegrationContractError(IntegrationError):
    """They answered in a shape we do not know."""

    code = "integration_contract"


class IntegrationAnswerTooLargeError(IntegrationContractError):
    """They answered with more than any answer of theirs should hold; it was not read to the end."""

    code = "integration_answer_too_large"


class SuperOptiXError(IntegrationError):
    """The engine could not do it. `kind` is one of `superoptix.protocol.ErrorKind`."""

    code = "superoptix_failed"

    def __init__(self, message: str, *, kind: str, **fields: object) -> None:
        super().__init__(message, kind=kind, **fields)
        self.kind = kind

    def described(self) -> dict[str, Any]:
        """Also of which kind it is."""
        return {**super().described(), "kind": self.kind}


class AssistantNameAmbiguousError(ConflictError):
    """Several Vapi assistants carry the name that should tell them apart."""

    code = "vapi_assistant_name_ambiguous"


class PromptNotWritableError(ConflictError):
    """The assistant keeps its prompt where we do not know how to write it."""

    code = "vapi_prompt_not_writable"


class PromptRepeatedError(ConflictError):
    """Our prompt stands in several system messages, or would: nobody could tell which one is ours."""

    code = "vapi_prompt_repeated"

    def __init__(self, messages: int) -> None:
        super().__init__(
            f"The same prompt stands in {messages} system messages at Vapi, or would after this, so "
            "nobody could tell which of them is to be replaced or put back. Nothing was deployed; "
            "leave one of them in Vapi.",
            messages=messages,
        )


class AssistantChangedSinceError(ConflictError):
    """Somebody changed the assistant in Vapi after it was read."""

    code = "assistant_changed_in_vapi"


class PromptAmbiguousError(ConflictError):
    """Our prompt is gone from the assistant, and several system messages could have replaced it."""

    code = "vapi_prompt_ambiguous"

    def __init__(self, messages: int) -> None:
        super().__init__(
            f"The prompt that we know of is no longer at Vapi, and {messages} system messages there "
            "could have taken its place. Nothing was changed; leave one of them in Vapi, or put "
            "the prompt that was there back.",
            messages=messages,
        )


class ChangedAtVapiError(ConflictError):
    """Somebody changed a text at Vapi since we last wrote or read it.

    `changes` are `{field, known, live}`: what we know to have been there, and what is there now.
    """

    code = "changed_at_vapi"

    def __init__(self, done: str, changes: Sequence[Mapping[str, str | None]]) -> None:
        names = {"system": "the prompt", "first_message": "the first message"}
        fields = [str(change["field"]) for change in changes]
        what = " and ".join(names[field] for field in fields)
        super().__init__(
            f"Somebody changed {what} at Vapi since this was last written or read here. {done} "
            "Take their text over as a version, or do the same again with `overwrite`, which is "
            "recorded.",
            changed=fields,
            changes=[dict(change) for change in changes],
        )


class DeployUnconfirmedError(IntegrationAmbiguousError):
    """Vapi did not confirm a change of a prompt. The same deployment may be asked for again."""

    code = "deploy_unconfirmed"


class DeployNotVerifiedError(IntegrationError):
    """What Vapi stored is not what was sent. `restored` says whether it was put back."""

    code = "deploy_not_verified"
