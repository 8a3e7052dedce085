"""What webhooks can refuse."""

from mission_control.core.errors import (
    MalformedError,
    NotAcceptableError,
    NotReadyError,
    UnauthenticatedError,
)


class WebhookMalformedError(MalformedError):
    """The body is not JSON."""

    code = "webhook_malformed"

    def __init__(self) -> None:
        super().__init__("The body of this webhook is not JSON; nothing was stored.")


class WebhookUnauthenticatedError(UnauthenticatedError):
    """The webhook does not prove who sent it."""

    code = "webhook_unauthenticated"

    def __init__(self, sender: str, setting: str) -> None:
        super().__init__(
            f"This does not carry what {sender} would prove itself with; nothing was stored. "
            f"Compare {setting} with what is configured at {sender}.",
            sender=sender,
        )


class WebhookNotConfiguredError(NotReadyError):
    """There is no secret to tell the vendor from anybody else."""

    code = "webhook_not_configured"

    def __init__(self, sender: str, setting: str, *, found: str = "is not set") -> None:
        super().__init__(
            f"{setting} {found}, so that {sender} cannot be told from anybody else; nothing was "
            "stored. Set it here and at the vendor; what is missed until then is read by the sync.",
            sender=sender,
        )


class WebhookNotUnderstoodError(NotAcceptableError):
    """The body is JSON, but not a message of this vendor."""

    code = "webhook_not_understood"

    def __init__(self, sender: str, expected: str) -> None:
        super().__init__(
            f"This is not a message of {sender}: {expected} is missing. Nothing was stored.",
            sender=sender,
        )


class WebhookWantsAnswerError(NotAcceptableError):
    """Vapi asks what to do next in a call, which Mission Control does not decide."""

    code = "webhook_wants_answer"

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"Mission Control does not answer `{kind}`: it only takes reports of calls. Give the "
            "assistant or the tool that sends it a server URL of its own in Vapi.",
            kind=kind,
        )
