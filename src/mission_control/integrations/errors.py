"""What can go wrong with somebody else's system, in words the rest of us can act on."""

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


class AssistantChangedSinceError(ConflictError):
    """Somebody changed the assistant in Vapi after it was read."""

    code = "assistant_changed_in_vapi"


class PromptChangedSinceError(ConflictError):
    """Somebody changed the prompt in Vapi after our deployment."""

    code = "prompt_changed_in_vapi"


class DeployUnconfirmedError(IntegrationAmbiguousError):
    """Vapi did not confirm a change of a prompt. The same deployment may be asked for again."""

    code = "deploy_unconfirmed"


class DeployNotVerifiedError(IntegrationError):
    """What Vapi stored is not what was sent. `restored` says whether it was put back."""

    code = "deploy_not_verified"
