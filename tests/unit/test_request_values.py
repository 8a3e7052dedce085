"""A request says exactly what it means: nothing is read as something that was not written."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from mission_control.core.request_values import (
    IN_DECIMALS,
    IN_DIGITS,
    TRUE_OR_FALSE,
    Moment,
    MomentOrDay,
    RequestBody,
    closed,
    not_null,
)

HALF_PAST_NINE = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
moment = TypeAdapter[datetime](Moment).validate_python
moment_or_day = TypeAdapter[datetime](MomentOrDay).validate_python


class Body(RequestBody):
    count: int = 0
    share: float = 0.0
    is_on: bool = False
    counts: list[int] = Field(default_factory=list[int])
    by_name: dict[str, int] = Field(default_factory=dict[str, int])


class TestBody:
    def test_a_whole_number_is_one_however_json_writes_it(self) -> None:
        written = '{"count": 3.0, "share": 2, "counts": [1.0, 2], "by_name": {"a": 4.0}}'
        body = Body.model_validate_json(written)
        assert (body.count, body.share, body.counts, body.by_name) == (3, 2.0, [1, 2], {"a": 4})
        assert type(Body.model_validate({"count": 3.0}).count) is int

    @pytest.mark.parametrize(
        "written",
        [{"count": "3"}, {"count": 3.5}, {"is_on": 0}, {"is_on": "true"}, {"unknown": 1},
         {"count": True}, {"counts": [1.5]}, {"by_name": {"a": "1"}}, {"count": 1e300}],
    )  # fmt: skip
    def test_nothing_is_read_as_another_type(self, written: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            Body.model_validate(written)

    def test_a_number_that_is_not_exact_any_more_is_no_whole_number(self) -> None:
        assert Body.model_validate({"count": float(2**53 - 1)}).count == 2**53 - 1
        with pytest.raises(ValidationError):
            Body.model_validate({"count": float(2**53)})


class TestMoment:
    @pytest.mark.parametrize(
        "written",
        ["2026-11-01T09:30:00Z", "2026-11-01t09:30:00z", "2026-11-01 09:30:00Z",
         "2026-11-01T10:30:00+01:00", "2026-11-01T09:30:00.000Z", "2026-11-01T05:00:00-04:30",
         HALF_PAST_NINE, HALF_PAST_NINE.astimezone(timezone(timedelta(hours=2)))],
    )  # fmt: skip
    def test_is_in_utc_once_read(self, written: object) -> None:
        read = moment(written)
        assert read == HALF_PAST_NINE
        assert read.tzinfo is UTC

    @pytest.mark.parametrize(
        "written",
        ["2026-11-01T09:30:00", "2026-11-01", "1793525400", 1793525401, None, "tomorrow",
         "2026-11-01T09:30Z", "2026-13-01T09:30:00Z", "٢٠٢٦-11-01T09:30:00Z",
         "0001-01-01T00:00:00+14:00", datetime(2026, 11, 1, 9, 30)],  # noqa: DTZ001
    )  # fmt: skip
    def test_is_whole_or_refused(self, written: object) -> None:
        with pytest.raises(ValidationError):
            moment(written)

    def test_a_day_is_its_beginning_in_utc(self) -> None:
        assert moment_or_day("2026-11-01") == datetime(2026, 11, 1, tzinfo=UTC)
        assert moment_or_day("2026-11-01T09:30:00Z") == HALF_PAST_NINE
        for written in ("2026-02-30", "٢٠٢٦-11-01", "2026-11-1", None):
            with pytest.raises(ValidationError):
                moment_or_day(written)


class TestInAnAddress:
    @pytest.mark.parametrize(
        ("kind", "good", "bad"),
        [
            (
                Annotated[int, IN_DIGITS],
                {"3": 3, "-3": -3, "007": 7},
                ["3.0", " 3", "1_0", "+3", "³"],
            ),
            (
                Annotated[float, IN_DECIMALS],
                {"0.25": 0.25, "-1e3": -1000.0, "7": 7.0},
                ["nan", "inf", "1_0", ".5", "5.", " 1"],
            ),
            (
                Annotated[bool, TRUE_OR_FALSE],
                {"true": True, "false": False},
                ["1", "yes", "True", "on"],
            ),
        ],
        ids=["whole number", "number", "truth"],
    )
    def test_only_what_the_document_allows(
        self, kind: Any, good: dict[str, object], bad: list[str]
    ) -> None:
        read = TypeAdapter[Any](kind).validate_python
        assert {written: read(written) for written in good} == good
        for written in bad:
            with pytest.raises(ValidationError):
                read(written)


def test_the_document_says_what_may_be_left_out_and_not_be_null() -> None:
    class Shown(BaseModel):
        name: str | None = Field(default=None, json_schema_extra=not_null)

    assert Shown.model_json_schema()["properties"]["name"] == {"title": "Name", "type": "string"}


def test_the_document_says_that_no_other_key_may_be_there() -> None:
    schema: dict[str, Any] = {"patternProperties": {"^a$": {}}}
    closed(schema)
    assert schema == {"propertyNames": {"pattern": "^a$"}, "additionalProperties": {}}
