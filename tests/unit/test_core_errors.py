"""An error is told in the same words everywhere; times are in UTC."""

from datetime import UTC

from mission_control.core.clock import utc_now
from mission_control.core.errors import (
    MOST_CHANGED,
    ConflictError,
    MissionControlError,
    NotAcceptableError,
    summary,
)


class TooLongError(NotAcceptableError):
    """It is too long.

    Of some things there is only so much.
    """

    code = "too_long"
    field = "note"


class BareError(MissionControlError):
    code = "bare"


BareError.__doc__ = None


def test_what_is_not_acceptable_names_its_field_and_its_rule() -> None:
    error = TooLongError("The note is too long. Nothing was saved.", most=3)
    assert str(error) == error.message == "The note is too long. Nothing was saved."
    assert error.fields == {"most": 3, "errors": [{"field": "note", "message": "It is too long."}]}


def test_unless_the_fields_are_named_one_by_one() -> None:
    errors = [{"field": "a", "message": "It is missing."}]
    assert TooLongError("No.", errors=errors).fields == {"errors": errors}


def test_rows_events_and_answers_carry_code_detail_and_what_was_changed() -> None:
    assert ConflictError("It is taken.", by="bob").described() == {
        "code": "conflict",
        "detail": "It is taken.",
    }
    changed = [f"f{number}" for number in range(MOST_CHANGED + 1)]
    described = ConflictError("It is taken.", changed=changed).described()
    assert described["changed"] == changed[:MOST_CHANGED]
    assert "changed" not in ConflictError("It is taken.", changed="all").described()


def test_a_summary_is_one_line_or_the_code() -> None:
    assert summary(TooLongError) == "It is too long."
    assert summary(BareError) == "bare"


def test_now_is_told_in_utc() -> None:
    assert utc_now().tzinfo is UTC
