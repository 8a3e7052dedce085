"""What can go wrong between a client and the product's own API."""

from collections.abc import Mapping
from typing import Any

from mission_control.api.jobs.schemas import JobRead


class ApiError(Exception):
    """Base of all that can go wrong between a client and the API. The message is for a person."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ApiProblemError(ApiError):
    """The API answered with a problem document (RFC 9457).

    `code` is stable, `detail` is for a person, `fields` are the document's named extras
    (`errors: [{field, message}]`, `job_id`, …).
    """

    def __init__(
        self, status: int, code: str, detail: str, fields: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.fields: dict[str, Any] = dict(fields or {})

    @property
    def errors(self) -> list[tuple[str, str]]:
        """Field and message of everything that was not acceptable; empty for other refusals."""
        return [
            (str(each["field"]), str(each["message"])) for each in self.fields.get("errors", [])
        ]


class ApiUnreachableError(ApiError):
    """Nothing that is our API answers at the base URL."""


class JobNotOverError(ApiError):
    """The time to wait for a job ran out. It goes on; `job` is how it was seen last."""

    def __init__(self, job: JobRead, seconds: float) -> None:
        super().__init__(
            f"Job {job.id} is still {job.status} after {seconds:g} s. It goes on; look again later."
        )
        self.job = job


def unreachable(base_url: str) -> ApiUnreachableError:
    return ApiUnreachableError(f"The API does not answer at {base_url}: start it with `make run`.")
