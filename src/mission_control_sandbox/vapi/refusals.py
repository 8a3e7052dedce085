"""How the stand-in says no: in the form of NestJS, which Vapi is made with."""

from http import HTTPStatus

from mission_control.core.errors import MissionControlError


class VapiStandInError(MissionControlError):
    """The stand-in cannot start as asked."""

    code = "vapi_stand_in"


class RefusalError(Exception):
    """An error of the vendor's. `fields` are those of the few that have a form of their own."""

    def __init__(self, status: int, message: str | list[str], **fields: object) -> None:
        super().__init__(status)
        self.status = status
        self.body: dict[str, object] = {
            "message": message,
            "error": HTTPStatus(status).phrase,
            "statusCode": status,
        }
        if fields:
            self.body = {"message": message, **fields}


def not_there(kind: str, given: str) -> RefusalError:
    return RefusalError(404, f"Couldn't Get {kind}. `id` {given} Does Not Exist.")
