"""What can go wrong with somebody else's system, in words the rest of us can act on."""

from mission_control.core.errors import MissionControlError


class IntegrationError(MissionControlError):
    """A dependency refused or failed. Nothing of ours was changed by it."""

    code = "integration_failed"
    retryable = False


class IntegrationUnavailableError(IntegrationError):
    code = "integration_unavailable"
    retryable = True


class IntegrationRateLimitedError(IntegrationError):
    code = "integration_rate_limited"
    retryable = True

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


class SuperOptiXError(IntegrationError):
    """The engine could not do it. `kind` is one of `engine_bridge.protocol.ErrorKind`."""

    code = "superoptix_failed"

    def __init__(self, message: str, *, kind: str, **fields: object) -> None:
        super().__init__(message, kind=kind, **fields)
        self.kind = kind
