"""What the failure of a memory server means for what is done next."""

from dataclasses import dataclass
from enum import StrEnum, auto


class Trouble(StrEnum):
    LOST = auto()  # the connection broke; whether the server acted is not known
    NOT_DONE = auto()  # the server certainly did nothing, and a new connection may help
    UNREACHABLE = auto()
    UNAUTHORISED = auto()
    NON_CONFORMING = auto()
    BUSY = auto()
    REJECTED = auto()
    FAILED = auto()  # inside the server; what it had done by then is not known


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`reason` ends a sentence that begins with the server's name."""

    trouble: Trouble
    reason: str
    retry_after: float | None = None


class TroubledError(Exception):
    """A connection or a call failed. `sent`: the question had left when it did."""

    def __init__(self, diagnosis: Diagnosis, *, sent: bool = False) -> None:
        super().__init__(diagnosis.reason)
        self.diagnosis = diagnosis
        self.sent = sent
