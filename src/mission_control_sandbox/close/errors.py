"""How Close refuses: four shapes of a body, depending on the resource and on its age."""

from typing import Any

from mission_control.core.errors import MissionControlError


class StandInError(MissionControlError):
    """The stand-in cannot start as asked."""

    code = "close_stand_in"


class RefusalError(Exception):
    """An answer in Close's words.

    Attributes:
        status: 400 to 499.
        body: The JSON of the answer.
    """

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def invalid_field(field: str, message: object) -> RefusalError:
    """400 as the lists and the writes give it."""
    return RefusalError(400, {"errors": [], "field-errors": {field: message}})


def invalid_search(field: str, message: object) -> RefusalError:
    """400 as the search gives it: field errors alone."""
    return RefusalError(400, {"field-errors": {field: message}})


def not_found(kind: str) -> RefusalError:
    return RefusalError(404, {"error": f"Empty query: {kind} matching query does not exist."})
