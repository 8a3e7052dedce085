"""The people of the sandbox: the same in every process, believable, and with the traps real ones have."""

import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, time

import pytest

from mission_control_sandbox.world.people import (
    PEOPLE,
    STATUSES,
    contact_id_of,
    has_other_contact,
    index_of,
    lead_id_of,
    person,
    person_of_contact,
    person_of_lead,
    times,
)

TODAY = date(2026, 11, 23)
MIDNIGHT = datetime.combine(TODAY, time(), tzinfo=UTC)


def test_the_same_in_another_process_whatever_its_hash_seed() -> None:
    program = (
        "from datetime import date; from mission_control_sandbox.world.people import person;"
        "print([person(i, today=date(2026, 11, 23)) for i in (0, 7, 28_999)])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "4242"},
    )
    assert run.stdout.strip() == str([person(i, today=TODAY) for i in (0, 7, 28_999)])


def test_ids_look_like_those_of_close_and_lead_back() -> None:
    for index in (0, 1, 61, 12_345, PEOPLE - 1):
        lead_id, contact_id = lead_id_of(index), contact_id_of(index)
        assert re.fullmatch(r"lead_[0-9A-Za-z]{43}", lead_id)
        assert re.fullmatch(r"cont_[0-9A-Za-z]{43}", contact_id)
        assert person_of_lead(lead_id) == person_of_contact(contact_id) == index


@pytest.mark.parametrize("text", ["", "lead_", "lead_" + "x" * 43, "lead_" + "!" * 43, "nonsense"])
def test_an_id_of_nobody(text: str) -> None:
    assert person_of_lead(text) is None


def test_an_id_belongs_to_its_kind() -> None:
    assert index_of("cont", lead_id_of(5)) is None


def test_a_second_contact_leads_back_too() -> None:
    index = next(index for index in range(100) if has_other_contact(index))
    other = person(index, today=TODAY).other_contact
    assert other is not None
    assert person_of_contact(other.contact_id) == index


def test_nobody_has_a_negative_number() -> None:
    with pytest.raises(IndexError):
        person(-1, today=TODAY)


def test_the_cheap_times_are_those_of_the_person() -> None:
    for index in range(50):
        whole = person(index, today=TODAY)
        assert times(index, today=TODAY) == (whole.created_at, whole.updated_at)


def test_one_in_a_hundred_shares_a_number() -> None:
    people = [person(index, today=TODAY) for index in range(3000)]
    counts = Counter(one.phone for one in people)
    sharing = sum(count for count in counts.values() if count > 1)
    assert 20 <= sharing <= 120
    others = [one.other_contact.phone for one in people if one.other_contact]
    assert len(set(others)) == len(others)
    assert not set(others) & set(counts)
    assert all(re.fullmatch(r"\+1[2-9]\d{2}555\d{4}", phone) for phone in [*counts, *others])


def test_more_came_on_one_day_than_a_search_can_page_through() -> None:
    """10,000 is where Close's search ends; slicing by day is not enough."""
    days = Counter(times(index, today=TODAY)[0].date() for index in range(PEOPLE))
    biggest, *_ = (count for _, count in days.most_common(3))
    assert biggest > 10_000
    assert sum(count for _, count in days.most_common(3)) > PEOPLE / 2


def test_nothing_happened_after_the_day_it_is_seen_from() -> None:
    for index in range(2000):
        created, updated = times(index, today=TODAY)
        assert created <= updated < MIDNIGHT


def test_every_status_and_size_of_fleet_occurs() -> None:
    people = [person(index, today=TODAY) for index in range(1000)]
    assert {one.status for one in people} == set(STATUSES)
    assert {one.trucks for one in people} >= {1, 2, 3, 4, 5}
    owners = sum(one.trucks == 1 for one in people)
    assert 350 < owners < 550
    assert all(-31 < (one.renewal - TODAY).days < 366 for one in people)


def test_another_day_moves_the_dates_and_nothing_else() -> None:
    before, after = person(3, today=TODAY), person(3, today=date(2026, 11, 24))
    assert (before.name, before.phone, before.status) == (after.name, after.phone, after.status)
    assert (after.renewal - before.renewal).days == 1
