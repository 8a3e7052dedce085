"""Every phone call that happened in the world of the stand-ins, each a pure function of its index.

Calls 0 to 60 % - 1 were made by the phone bots at Vapi, the rest by people in Close. Within either
range the index grows with the time of the call, so that a list is paged by arithmetic.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Literal
from uuid import UUID

from mission_control_sandbox.world import dialogue
from mission_control_sandbox.world.dialogue import Script
from mission_control_sandbox.world.people import PEOPLE, Person, person
from mission_control_sandbox.world.seeded_random import SeededRandom
from mission_control_sandbox.world.situations import Speaker

Agent = Literal["remus", "genesis", "scout", "human"]
Direction = Literal["inbound", "outbound"]

CALLS = 60_000  # of 29,000 people
DAYS = 180
LONGEST_CALL = timedelta(minutes=30)  # from being created to its last change

_LOGGED_EVERY = 3
_DENSER_LATELY = 2 / 3
_DAY_STARTS = time(13, tzinfo=UTC)  # eight in the morning, Central summer time
_SECONDS_A_DAY = 36_000
_STRIDES = (104_729, 7_919)  # primes: the calls of one person lie far apart
_WORDS_A_SECOND = 2.7
# An odd number has an inverse modulo 2**48, so an index hides in an id and is found again.
_HIDES, _NODE = 0x5DEECE66D1B5, 1 << 48


@dataclass(frozen=True, slots=True)
class Turn:
    """`bot` is our side, also where a person speaks for us. Times are seconds into the call."""

    speaker: Speaker
    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Conversation:
    """One call.

    Attributes:
        started_at: When somebody answered; None if nobody did.
        ended_at: None if nobody answered.
        ended_reason: In Vapi's vocabulary, also for Close's own calls.
        success: What the analysis says; None where nothing was analysed.
        outcome: `booked_review`, `transferred`, `callback`, `not_interested`, `do_not_call`,
            `wrong_number`, `voicemail`, `hung_up`, `failed`, `no_answer` or `busy`.
        failure: What our side did wrong (`invented_price`, `went_on_after_stop`, ...), if anything.
        vapi_id: Only means something for the calls at Vapi.
        logged_in_close: A call of Vapi's that Close has too, with the same phone and times.
    """

    index: int
    person_index: int
    agent: Agent
    direction: Direction
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    ended_reason: str
    success: bool | None
    outcome: str
    failure: str | None
    summary: str
    turns: tuple[Turn, ...]
    vapi_id: str
    logged_in_close: bool

    @property
    def seconds(self) -> int:
        """How long they talked."""
        if self.started_at is None or self.ended_at is None:
            return 0
        return round((self.ended_at - self.started_at).total_seconds())


# ---------------------------------------------------------------- which calls there are


def calls(people: int) -> int:
    return round(people * CALLS / PEOPLE)


def vapi_indices(people: int) -> range:
    """The calls at Vapi, oldest first."""
    return range(calls(people) * 3 // 5)


def close_indices(people: int) -> range:
    """The calls that people made in Close, oldest first."""
    return range(len(vapi_indices(people)), calls(people))


def logged_indices(people: int) -> range:
    """The calls at Vapi that are also logged in Close, oldest first."""
    return range(0, len(vapi_indices(people)), _LOGGED_EVERY)


def indices_of_person(person_index: int, people: int) -> Iterator[int]:
    """The calls with one person, Vapi's first."""
    first = person_index * pow(_stride(people), -1, people) % people
    yield from range(first, calls(people), people)


def person_index(index: int, people: int) -> int:
    return index * _stride(people) % people


def agent_of(index: int, people: int) -> Agent:
    """Of twenty calls at Vapi thirteen are REMUS's, six GENESIS's and one SCOUT's."""
    if index not in vapi_indices(people):
        return "human"
    place = index % 20
    return "scout" if place == 19 else "genesis" if place >= 13 else "remus"


def _stride(people: int) -> int:
    return next(stride for stride in _STRIDES if people == 1 or people % stride)


# ---------------------------------------------------------------- names


def vapi_id(index: int) -> str:
    head = blake2b(b"call %d" % index, digest_size=10).digest()
    node = ((index + 1) * _HIDES % _NODE).to_bytes(6)
    return str(UUID(bytes=head + node, version=4))


def index_of(given_vapi_id: str, people: int) -> int | None:
    """The call that Vapi knows by this id."""
    try:
        node = UUID(given_vapi_id).node
    except ValueError:
        return None
    index = node * pow(_HIDES, -1, _NODE) % _NODE - 1
    known = index in vapi_indices(people) and vapi_id(index) == given_vapi_id
    return index if known else None


# ---------------------------------------------------------------- times


def created_at(index: int, *, today: date, people: int) -> datetime:
    """On a weekday before `today`, in working hours. Grows with the index within either range."""
    there = vapi_indices(people)
    if index not in there:
        there = close_indices(people)
    rank = index - there.start
    jitter = blake2b(b"when %d" % index, digest_size=2).digest()
    if rank // 8 % 25 == 0:  # eight calls that a campaign placed at the same moment
        rank, jitter = rank - rank % 8, b"\0\0"
    share = (rank + int.from_bytes(jitter) / 65_536) / len(there)
    monday, days = _working_days(today)
    day, second = divmod(share**_DENSER_LATELY * days * _SECONDS_A_DAY, _SECONDS_A_DAY)
    weeks, weekday = divmod(int(day), 5)
    start = datetime.combine(monday + timedelta(days=7 * weeks + weekday), _DAY_STARTS)
    return start + timedelta(milliseconds=int(second * 1000))


@lru_cache
def _working_days(today: date) -> tuple[date, int]:
    """The Monday on which it began, and the number of weekdays from then to `today`."""
    first = today - timedelta(days=DAYS)
    monday = first - timedelta(days=first.weekday())
    weeks, rest = divmod((today - monday).days, 7)
    return monday, weeks * 5 + min(rest, 5)


# ---------------------------------------------------------------- one call


def conversation(index: int, *, today: date, people: int) -> Conversation:
    """The call with this index, in a world of so many people seen from this day."""
    return told(
        index,
        agent=agent_of(index, people),
        whom=person(person_index(index, people), today=today),
        created=created_at(index, today=today, people=people),
    )


def told(index: int, *, agent: Agent, whom: Person, created: datetime) -> Conversation:
    """The call that this agent and this person have, with the story that the index stands for."""
    random = SeededRandom(f"conversation {index}")
    script = dialogue.script(agent, whom, random)
    started = (
        created + timedelta(milliseconds=1200 + random.below(9000)) if script.answered else None
    )
    turns = tuple(_timed(script, random)) if started else ()
    return Conversation(
        index=index,
        person_index=whom.index,
        agent=agent,
        direction=script.direction,
        created_at=created,
        started_at=started,
        ended_at=started and started + timedelta(milliseconds=_length(turns, script, random)),
        ended_reason=script.ended_reason,
        success=script.success,
        outcome=script.outcome,
        failure=script.failure,
        summary=script.summary,
        turns=turns,
        vapi_id=vapi_id(index),
        logged_in_close=agent != "human" and index % _LOGGED_EVERY == 0,
    )


def _timed(script: Script, random: SeededRandom) -> Iterator[Turn]:
    at = 0.4
    for speaker, text in script.lines:
        end = at + 0.5 + (text.count(" ") + 1) / _WORDS_A_SECOND
        yield Turn(speaker, text, round(at, 2), round(end, 2))
        at = end + 0.3 + random.below(16) / 10


def _length(turns: tuple[Turn, ...], script: Script, random: SeededRandom) -> int:
    spoken = int(turns[-1].end * 1000) if turns else 0
    return spoken + script.silence_ms + 200 + random.below(1800)
