"""What the caller is told when a memory server fails: the same errors as for every other vendor."""

from mission_control.integrations.errors import (
    IntegrationAmbiguousError,
    IntegrationContractError,
    IntegrationCredentialsError,
    IntegrationError,
    IntegrationRateLimitedError,
    IntegrationRejectedError,
    IntegrationUnavailableError,
)
from mission_control.integrations.memory.connection.trouble import Trouble, TroubledError

RATE_LIMIT_PAUSE_SECONDS = 2.0
_MAY_HAVE_BEEN_MADE = frozenset(
    {Trouble.LOST, Trouble.UNREACHABLE, Trouble.NON_CONFORMING, Trouble.FAILED}
)


def refusal(name: str, trouble: TroubledError, *, changes: bool) -> IntegrationError:
    found = trouble.diagnosis
    fields: dict[str, object] = {"vendor": name, "reason": found.reason}
    says = f"The memory server {name} {found.reason}."
    if changes and trouble.sent and found.trouble in _MAY_HAVE_BEEN_MADE:
        return _ambiguous(says, fields)
    match found.trouble:
        case Trouble.UNAUTHORISED:
            return IntegrationCredentialsError(
                f"{says} Nothing was changed; correct its headers or env in memory.toml.",
                **fields,
            )
        case Trouble.BUSY:
            return IntegrationRateLimitedError(
                f"{says} Nothing was changed; try again later.",
                retry_after=found.retry_after or RATE_LIMIT_PAUSE_SECONDS,
                **fields,
            )
        case Trouble.REJECTED | Trouble.FAILED:
            return IntegrationRejectedError(f"{says} Nothing was changed.", **fields)
        case Trouble.NON_CONFORMING:
            return IntegrationContractError(f"{says} Nothing was changed.", **fields)
        case _:
            return IntegrationUnavailableError(
                f"{says} Nothing was changed; try again later.", **fields
            )


def too_slow(name: str, seconds: float, *, connecting: bool, sent: bool) -> IntegrationError:
    what = "is still being connected" if connecting else "did not answer"
    says = f"The memory server {name} {what} after {seconds:.3g} s."
    fields: dict[str, object] = {"vendor": name, "reason": "timeout"}
    if sent:
        return _ambiguous(says, fields)
    return IntegrationUnavailableError(f"{says} Nothing was changed; try again later.", **fields)


def _ambiguous(says: str, fields: dict[str, object]) -> IntegrationAmbiguousError:
    return IntegrationAmbiguousError(
        f"{says} The change was sent and may or may not have been made: look before repeating it.",
        **fields,
    )
