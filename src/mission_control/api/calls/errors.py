"""What calls can refuse."""

from mission_control.core.errors import NotAcceptableError


class CallFilterError(NotAcceptableError):
    """A list of calls was asked for that cannot have any."""

    code = "call_filter_invalid"
    field = "from"
