"""What reading and changing leads can refuse."""

from collections.abc import Sequence

from mission_control.core.errors import NotAcceptableError, NotReadyError


class LeadStatusUnknownError(NotAcceptableError):
    """Close has no lead status with this id or label."""

    code = "lead_status_unknown"
    field = "status"

    def __init__(self, known: Sequence[str]) -> None:
        super().__init__(
            "Close has no lead status with this id or label; nothing was changed. `known` lists "
            "those there are.",
            errors=[{"field": "status", "message": "There is no such status."}],
            known=list(known),
        )


class LeadFilterUnknownError(NotAcceptableError):
    """Leads cannot be filtered by this."""

    code = "lead_filter_unknown"

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            "Leads cannot be filtered by this. Use `search`, `status`, or `custom.` and the id or "
            "name of a custom field.",
            errors=[{"field": name, "message": "There is no such filter."} for name in names],
        )


class LeadMirrorBehindError(NotReadyError):
    """Close took the change, and it could not be stored here."""

    code = "lead_mirror_behind"

    def __init__(self, lead_id: str) -> None:
        super().__init__(
            "Close has taken the change, but the database here does not answer. Do not repeat it: "
            "the next sync brings it here.",
            lead_id=lead_id,
        )
