"""The ledger of the test split: reading it spends it, and fresh scenarios start the count again."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from mission_control.core.clock import utc_now
from mission_control.core.counting import counted
from mission_control.core.paired_statistics import level_of_reading
from mission_control.core.playbook import Playbook, split_of
from mission_control.core.same_questions import (
    SameQuestions,
    normal_question,
    same_pairs,
    same_questions,
)
from mission_control.core.words import ReadingKind
from mission_control.data.split_readings import SplitReading
from mission_control.data.unit_of_work import UnitOfWork

FRESH_SHARE = 0.5  # of the questions, never read, make the split a new one


@dataclass(frozen=True)
class SplitState:
    """Where the test split of a playbook stands. `readings` is 0 when it is fresh."""

    found: SameQuestions
    readings: int
    never_read: tuple[str, ...]  # scenarios, one for each question

    @property
    def next_reading(self) -> int:
        return self.readings + 1

    @property
    def next_level(self) -> float:
        """What p the next comparison must stay below."""
        return level_of_reading(self.next_reading)


async def split_state(uow: UnitOfWork, playbook: Playbook) -> SplitState:
    earlier = await uow.split_readings.counted(playbook.agent_id)
    found = same_questions(playbook.agent_id, playbook.reviewed)
    inputs = {each.id: each.input for each in playbook.reviewed}
    read = [question for reading in earlier for question in reading.questions]
    never_read = _never_read({name: inputs[name] for name in found.questions}, read)
    fresh = len(never_read) >= FRESH_SHARE * len(found.questions)
    readings = (earlier[0].number or 0) if earlier and not fresh else 0
    return SplitState(found=found, readings=readings, never_read=tuple(never_read))


async def count_comparison(uow: UnitOfWork, job_id: UUID, playbook: Playbook) -> SplitReading:
    """The reading that this job is: a job that is run again after a crash reads no second time."""
    reading = await uow.split_readings.of_job(job_id)
    if reading is None:
        await uow.agents.get_locked(playbook.agent_id)
        state = await split_state(uow, playbook)
        reading = _reading(job_id, ReadingKind.COMPARISON, playbook, state.never_read)
        reading.number, reading.counted_at = state.next_reading, utc_now()
        uow.split_readings.add(reading)
    return reading


async def note_evaluation(
    uow: UnitOfWork, job_id: UUID, playbook: Playbook, scenario_ids: Collection[str]
) -> None:
    """Remember what of the test split was shown. Looking alone chooses nothing, so it is free."""
    tested = [
        each.id
        for each in playbook.reviewed
        if each.id in set(scenario_ids) and split_of(playbook.agent_id, each) == "test"
    ]
    if tested and await uow.split_readings.of_job(job_id) is None:
        uow.split_readings.add(_reading(job_id, ReadingKind.EVALUATION, playbook, tested))


async def count_edit(uow: UnitOfWork, before: Playbook) -> list[str]:
    """An edit after evaluations of the test split may have been chosen by them: one reading.

    Returns what to tell whoever edits; nothing when the test split had not been looked at.
    """
    looked = await uow.split_readings.uncounted(before.agent_id)
    if not looked:
        return []
    state = await split_state(uow, before)
    edited_version = await uow.agents.next_number(before.agent_id)
    for reading in looked:
        reading.number, reading.counted_at = state.next_reading, utc_now()
        reading.edited_version = edited_version
    needed = level_of_reading(state.next_reading + 1)
    return [
        "The test split was evaluated before this edit, so the edit may follow what failed there. "
        f"It counts as reading {state.next_reading} of the test split: the next comparison needs "
        f"p < {needed:.2g}. Scenarios that were never read start the count again, once they are at "
        "least half of the test split."
    ]


async def told_of_earlier_readings(uow: UnitOfWork, imported: Playbook) -> list[str]:
    """What to tell whoever imports an agent whose test split was read before, under any id.

    Under its own id the count goes on. An evaluation that nothing followed is followed by this.
    """
    edited = await count_edit(uow, imported)
    state = await split_state(uow, imported)
    own = (
        [
            f"An agent of this id was here before, and its test split was read "
            f"{counted(state.readings, 'time')}: the count goes on, and the next comparison needs p < {state.next_level:.2g}."
        ]
        if state.readings and not edited
        else []
    )
    return [*edited, *own, *await _read_by_others(uow, imported, state)]


async def _read_by_others(uow: UnitOfWork, imported: Playbook, state: SplitState) -> list[str]:
    questions = {each.id: _texts(each.input) for each in imported.reviewed}
    mine = {questions[name] for name in state.found.questions}
    known: dict[str, set[tuple[str, ...]]] = {}
    readings: dict[str, int] = {}
    for reading in await uow.split_readings.counted_elsewhere(imported.agent_id):
        known.setdefault(reading.agent_id, set()).update(map(_texts, reading.questions))
        readings[reading.agent_id] = max(reading.number or 0, readings.get(reading.agent_id, 0))
    return [
        f"{len(mine & read)} of {len(mine)} questions of the test split are those of agent "
        f"{other}, whose test split was read {counted(readings[other], 'time')}. This agent has a count of "
        "its own: what was chosen by those readings is not held against it, so its first "
        "comparison claims more than it proves."
        for other, read in known.items()
        if mine & read
    ]


def _texts(fields: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(normal_question(text) for text in fields.values())


def _reading(
    job_id: UUID, kind: ReadingKind, playbook: Playbook, read: Collection[str]
) -> SplitReading:
    return SplitReading(
        id=uuid4(),
        agent_id=playbook.agent_id,
        job_id=job_id,
        kind=kind,
        questions=[dict(each.input) for each in playbook.reviewed if each.id in set(read)],
    )


def _never_read(
    questions: Mapping[str, Mapping[str, str]], read: Sequence[Mapping[str, str]]
) -> list[str]:
    """Neither word for word nor nearly: a question in other words is not fresh."""
    # Those that were read come first: equal questions are paired with the first of them.
    known = {f"read {number}": fields for number, fields in enumerate(_unnamed(read))}
    asked = dict(zip(questions, _unnamed(list(questions.values())), strict=True))
    pairs = same_pairs({**known, **asked})
    seen = {second for first, second, _ in pairs if first in known and second in questions}
    return [name for name in questions if name not in seen]


def _unnamed(questions: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """By the places of their fields, without a field that is the same in all.

    A field with another name, or one more that says the same everywhere, makes no question fresh.
    """
    values = [list(fields.values()) for fields in questions]
    places = max((len(each) for each in values), default=0)
    telling = [
        place
        for place in range(places)
        if len({each[place] if place < len(each) else "" for each in values}) > 1
    ]
    kept = telling or range(places)
    return [
        {f"{number}": each[place] for number, place in enumerate(kept) if place < len(each)}
        for each in values
    ]
