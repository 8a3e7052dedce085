"""The errors every layer may raise. None of them knows about HTTP."""

import json
from typing import Any, ClassVar, cast

MOST_CHANGED = 50  # names of fields in one error


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

    def described(self) -> dict[str, Any]:
        """The error as rows, events and answers carry it: plain JSON."""
        described: dict[str, Any] = {"code": self.code, "detail": self.message}
        if isinstance(changed := self.fields.get("changed"), list):
            described["changed"] = cast("list[object]", changed)[:MOST_CHANGED]
        return json.loads(json.dumps(described))


class NotFoundError(MissionControlError):
    code = "not_found"


class ConflictError(MissionControlError):
    """The request is fine, the state of the thing is not."""

    code = "conflict"


class MalformedError(MissionControlError):
    """It cannot be read at all."""

    code = "malformed"


class UnsupportedMediaError(MissionControlError):
    """The body is of a kind that is not taken here."""

    code = "unsupported_media_type"


class UnauthenticatedError(MissionControlError):
    """Whoever asks has not proven who it is."""

    code = "unauthenticated"


class NotAcceptableError(MissionControlError):
    """Well formed, but not something we can do. `errors` names the fields: `{field, message}`.

    Left out, it is the class's own `field` and the first sentence of its docstring.
    """

    code = "not_acceptable"
    field: ClassVar[str] = "body"

    def __init__(
        self, message: str, *, errors: list[dict[str, str]] | None = None, **fields: object
    ) -> None:
        named = errors or [{"field": self.field, "message": summary(type(self))}]
        super().__init__(message, **fields, errors=named)


class NotReadyError(MissionControlError):
    """A part of ours is not there (yet). Trying again later may help."""

    code = "not_ready"


def summary(error: type[MissionControlError]) -> str:
    """The first line of its docstring: what it is, without the circumstances."""
    return (error.__doc__ or error.code).strip().splitlines()[0]
