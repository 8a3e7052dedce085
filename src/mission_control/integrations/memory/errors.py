"""What can go wrong between us and a memory server, beyond what any vendor can do."""

from mission_control.core.errors import NotAcceptableError, NotFoundError
from mission_control.integrations.errors import IntegrationMisconfiguredError


class MemoryConfigurationError(IntegrationMisconfiguredError):
    """memory.toml cannot be used as it is. `problems` says line by line what to correct."""

    code = "memory_configuration_invalid"

    def __init__(self, message: str, *, problems: list[str]) -> None:
        super().__init__(message, problems=problems)
        self.problems = problems


class MemoryOperationMissingError(NotAcceptableError):
    """No configured memory server can do this, or the named one cannot."""

    code = "memory_operation_missing"
    field = "server"


class UnknownMemoryServerError(NotAcceptableError):
    """There is no memory server of this name in memory.toml."""

    code = "memory_server_unknown"
    field = "server"


class MemoryUnknownError(NotFoundError):
    """The memory server has nothing with this id."""

    code = "memory_unknown"

    def __init__(self, server: str, reason: str) -> None:
        super().__init__(
            f"The memory server {server} has no memory with this id: {reason}. Nothing was "
            "changed; ids come with every memory that is listed or found.",
            server=server,
            reason=reason,
        )


class UnknownTierError(NotAcceptableError):
    """The tier is none of all, fact, preference, context, 1, 2 and 3."""

    code = "memory_tier_unknown"
    field = "tier"


class MemoryQueryError(NotAcceptableError):
    """The question to the memory is empty or too long."""

    code = "memory_query_invalid"
    field = "query"
