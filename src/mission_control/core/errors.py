"""The errors every layer may raise. None of them knows about HTTP."""

from typing import ClassVar


class MissionControlError(Exception):
    """Base of every error we raise on purpose.

    `code` is stable and machine readable. The message is for a person: what happened, what was
    kept, what to do next. `fields` are named values that may be shown; never a secret or the input.
    """

    code: ClassVar[str] = "internal"

    def __init__(self, message: str, **fields: object) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields


class NotFoundError(MissionControlError):
    code = "not_found"


class ConflictError(MissionControlError):
    """The request is fine, the state of the thing is not."""

    code = "conflict"


class MalformedError(MissionControlError):
    """It cannot be read at all."""

    code = "malformed"


class UnauthenticatedError(MissionControlError):
    """Whoever asks has not proven who it is."""

    code = "unauthenticated"


class NotAcceptableError(MissionControlError):
    """Well formed, but not something we can do. `errors` names the fields: `{field, message}`."""

    code = "not_acceptable"

    def __init__(
        self, message: str, *, errors: list[dict[str, str]] | None = None, **fields: object
    ) -> None:
        super().__init__(message, **fields, **({"errors": errors} if errors else {}))


class NotReadyError(MissionControlError):
    """A part of ours is not there (yet). Trying again later may help."""

    code = "not_ready"
