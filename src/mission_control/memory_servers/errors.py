"""What the memory servers refuse. Whoever asked can read why, and what to do instead."""

from mission_control.core.errors import (
    ConflictError,
    NotAcceptableError,
    NotFoundError,
    NotReadyError,
)


class MemoryInputError(NotAcceptableError):
    """An argument cannot be used; nothing was stored. `field` names it."""

    code = "memory_input_invalid"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(
            f"{field}: {message} Nothing was stored.", errors=[{"field": field, "message": message}]
        )


class MemoryNotFoundError(NotFoundError):
    """There is no memory, or no conversation, with this id."""

    code = "memory_not_found"


class MemoryNotCurrentError(ConflictError):
    """Something else has taken its place, or it was retracted. `newer` is what stands now, if anything."""

    code = "memory_not_current"

    def __init__(self, message: str, *, newer: str | None) -> None:
        super().__init__(message, newer=newer)
        self.newer = newer


class MemoryCursorError(NotAcceptableError):
    """The cursor is not one that this server gave."""

    code = "memory_cursor_invalid"


class EmbeddingError(NotReadyError):
    """The embedding model answers, but not with what it was asked for."""

    code = "embedding_failed"


class EmbeddingUnavailableError(NotReadyError):
    """There is no embedding model, or it does not answer."""

    code = "embedding_unavailable"
