"""What Close, or the way leads are kept in Close, can refuse."""

from collections.abc import Sequence

from mission_control.core.errors import NotAcceptableError
from mission_control.integrations.errors import IntegrationAmbiguousError, IntegrationError


class LeadFieldUnknownError(NotAcceptableError):
    """Close has no custom field with this id or name."""

    code = "lead_field_unknown"
    field = "custom"

    def __init__(self, field: str, known: Sequence[str]) -> None:
        super().__init__(
            "Close has no such custom field for leads. Nothing was changed; `known` lists those "
            "there are.",
            errors=[{"field": f"custom.{field}", "message": "There is no such field."}],
            known=list(known),
        )


class LeadFieldAmbiguousError(NotAcceptableError):
    """Several custom fields have this name."""

    code = "lead_field_ambiguous"
    field = "custom"

    def __init__(self, field: str, ids: Sequence[str]) -> None:
        super().__init__(
            "Several custom fields have this name. Nothing was changed; use the id of the one you "
            "mean.",
            errors=[{"field": f"custom.{field}", "message": "Several fields have this name."}],
            field_ids=list(ids),
        )


class LeadFieldHoldsSeveralError(NotAcceptableError):
    """A plain value would throw away all others that the field holds."""

    code = "lead_field_holds_several"
    field = "custom"

    def __init__(self, field: str) -> None:
        super().__init__(
            "This field holds several values, and a plain value would replace them all. Nothing "
            'was changed. Say {"add": value}, {"remove": value} or {"replace": [values]}.',
            errors=[{"field": f"custom.{field}", "message": "The field holds several values."}],
        )


class LeadFieldHoldsOneError(NotAcceptableError):
    """The field holds one plain value."""

    code = "lead_field_holds_one"
    field = "custom"

    def __init__(self, field: str) -> None:
        super().__init__(
            "This field holds one plain value. Nothing was changed; give the value itself, or null.",
            errors=[{"field": f"custom.{field}", "message": "The field holds one plain value."}],
        )


class LeadChoiceUnknownError(NotAcceptableError):
    """The field takes only the values that are defined in Close."""

    code = "lead_choice_unknown"
    field = "custom"

    def __init__(self, field: str, choices: Sequence[str]) -> None:
        super().__init__(
            "This field takes only the values that are defined for it in Close. Nothing was "
            "changed; `choices` lists them.",
            errors=[{"field": f"custom.{field}", "message": "Not one of the choices."}],
            choices=list(choices),
        )


class LeadUpdateUnconfirmedError(IntegrationAmbiguousError):
    """Close did not confirm the change, and it was not there a moment later."""

    code = "lead_update_unconfirmed"

    def __init__(self, lead_id: str) -> None:
        super().__init__(
            "Close did not confirm the change, and a moment later the lead did not show it. It may "
            "still arrive; what is kept here was not changed. Look at the lead in Close before "
            "you repeat it.",
            vendor="Close",
            lead_id=lead_id,
        )


class TooManyLeadsInADayError(IntegrationError):
    """More leads were created in a day than Close lets anybody find, so that some are missing."""

    code = "close_day_too_full"

    def __init__(self, days: Sequence[str]) -> None:
        super().__init__(
            f"More leads were created around {', '.join(days)} than Close lets anybody find "
            "(10,000). What was read is kept and stays up to date, and leads are missing: take them "
            "from an export of that time in Close.",
            vendor="Close",
            days=list(days),
        )
        self.days = tuple(days)
