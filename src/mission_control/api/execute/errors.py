"""What the execute feature can refuse."""

from mission_control.core.errors import NotAcceptableError


class InputMismatchError(NotAcceptableError):
    """The input does not fit the agent's input fields."""

    code = "input_mismatch"
    field = "input"

    def __init__(self, *, missing: list[str], unknown: list[str]) -> None:
        super().__init__(
            "The input does not fit the agent's input fields; nothing was run.",
            errors=[
                *({"field": f"input.{name}", "message": "is missing"} for name in missing),
                *({"field": "input", "message": "has fields the agent does not"} for _ in unknown),
            ],
        )
