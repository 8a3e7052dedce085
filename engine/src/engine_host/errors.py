"""The ways a request can end without its answer, and what may be said about them."""

import re
from typing import cast, get_args

from mission_control_protocol import ErrorKind

KINDS = frozenset(cast("tuple[str, ...]", get_args(ErrorKind)))
_BY_CLASS_NAME: tuple[tuple[str, ErrorKind], ...] = (
    ("LMNotConfigured", "config"),
    ("LMConfiguration", "config"),
    ("LMAuth", "auth"),
    ("Permission", "auth"),
    ("LMBilling", "billing"),
    ("RateLimit", "rate_limit"),
    ("Timeout", "timeout"),
    ("LMTransport", "transport"),
    ("LMServer", "server"),
    ("LMProvider", "server"),
    ("LMInvalidRequest", "request"),
    ("LMUnsupported", "request"),
    ("ContextWindow", "request"),
    ("AdapterParse", "format"),
    ("StreamAssembly", "format"),
)
_URL = re.compile(r"(https?://)(?:[^\s/@]+@)?([^\s/?#'\"]+)[^\s'\"]*")
_KEY = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|key)[-_][\w-]{6,}|\bBearer\s+\S+|(?i:\b(?:api[-_ ]?key|token|secret|password)\b\s*[=:]\s*\S+)"
)
_PATH = re.compile(r"(?<![\w:/.])(?:/[\w.@+-]+){2,}/?|[A-Za-z]:\\\S+")
_STACK = re.compile(r"\s*Traceback \(most recent call last\).*", re.DOTALL)
_LONGEST = 400


class EngineFailure(Exception):  # noqa: N818 - the word of the protocol
    """The request cannot be answered; `kind` tells the console what to advise."""

    def __init__(self, kind: ErrorKind, detail: str) -> None:
        super().__init__(detail)
        self.kind: ErrorKind = kind
        self.detail = detail


class Halt(BaseException):
    """Ends the work of a request from inside any library.

    Not an `Exception`: every optimizer catches those and books them as a score of zero, which
    would go on spending and would poison the saved state of the search.
    """

    def __init__(self, why: str, detail: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.detail = detail

    def as_failure(self) -> EngineFailure:
        """What this means for a request that has nothing to show."""
        if self.why in KINDS:
            return EngineFailure(cast("ErrorKind", self.why), self.detail)
        if self.why.startswith("budget"):
            return EngineFailure(
                "budget", "The budget was spent before anything could be measured."
            )
        return EngineFailure("internal", f"The work ended early: {self.why}.")


def as_truncated(failure: EngineFailure) -> EngineFailure:
    """Why an answer that was cut could not be read."""
    if failure.kind != "format":
        return failure
    return EngineFailure(
        "truncated",
        "The answer was cut by the token limit, and what is there cannot be read. "
        "Raise max_tokens, or ask for shorter replies.",
    )


def kind_of(error: BaseException) -> ErrorKind:
    """Classify what DSPy or a vendor's client raised, by the chain of causes."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, EngineFailure):
            return link.kind
        name = type(link).__name__
        if name == "LMTransportError" and "timed out" in str(link).lower():
            return "timeout"
        for part, kind in _BY_CLASS_NAME:
            if part in name:
                return kind
        link = link.__cause__ or link.__context__
    return "config" if "No LM is loaded" in str(error) else "internal"


def cleaned(text: object, secrets: tuple[str, ...] = ()) -> str:
    """A text fit to be shown: no secret, no path, no stack, no query string, at most 400 characters."""
    result = _STACK.sub("", str(text))
    for secret in secrets:
        if secret:
            result = result.replace(secret, "[secret]")
    result = _URL.sub(r"\1\2", result)
    result = _KEY.sub("[secret]", result)
    result = " ".join(_PATH.sub("[path]", result).split())
    return result if len(result) <= _LONGEST else result[: _LONGEST - 1] + "…"
