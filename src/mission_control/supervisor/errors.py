"""Why `mission-control up` would not start, or gave up."""

from mission_control.core.errors import ConflictError, MissionControlError


class AlreadyRunningError(ConflictError):
    """Another supervisor owns this data directory."""

    code = "already_running"


class PortTakenError(ConflictError):
    code = "port_taken"


class DataDirectoryError(MissionControlError):
    """The data directory cannot be used as it is."""

    code = "data_directory_unusable"


class RedisServerMissingError(MissionControlError):
    """There is no Redis, and no program here that could be one."""

    code = "redis_server_missing"


class RedisUnreachableError(MissionControlError):
    code = "redis_unreachable"


class PartFailedError(MissionControlError):
    """A part without which nothing works did not come up."""

    code = "part_failed"
