"""Drafts of scenarios from what was said in calls, with nothing personal in them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby, pairwise
from typing import Any

from mission_control.core.json_types import JsonObject
from mission_control.core.personal_data import names_said, redacted
from mission_control.core.personal_data.scenarios import FROM_A_CALL
from mission_control.core.words import CallEnding
from mission_control.integrations.vapi.announcements import is_announcement
from mission_control.integrations.vapi.call import VapiCall
from mission_control.integrations.vapi.known_names import names_in
from mission_control.integrations.vapi.turns import Turn

HEARD, SAID = "caller_says", "reply"
MOST_DRAFTS, MOST_PER_CALL = 24, 3
FEWEST_WORDS = 3  # "Yes." and "Hello?" tell nothing of an agent
LONGEST_EXCHANGE = 2_000  # characters; who talks longer was not answered by one reply
WITHOUT_SPACES = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")
CHARACTERS_PER_WORD = 2


def drafts(
    calls: Iterable[JsonObject],
    known_names: Mapping[str, Sequence[str]] | None = None,
    *,
    assistant_id: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Scenarios from what was said: to be reviewed, since a reply that was given may be wrong.

    Nothing personal is in them. `known_names`: by the call's id, names from elsewhere. `assistant_id`:
    of a squad's call only its replies; what another assistant answered is no example for it.
    """
    heard: set[str] = set()
    numbers: dict[str, int] = {}
    for raw in calls:
        call = VapiCall.of(raw)
        if call.ending is CallEnding.VOICEMAIL:
            continue  # a machine of the carrier's is no caller
        known = names_in(raw)
        people = [*known.people, *(known_names or {}).get(call.id or "", ())]
        people += names_said(turn.text for turn in call.turns if turn.speaker != "tool")
        exchanges = [
            (redacted(one, people, known.companies), redacted(two, people, known.companies))
            for one, two in _exchanges(call, assistant_id)
        ]
        new = [each for each in exchanges if each[0].casefold() not in heard][:MOST_PER_CALL]
        for caller_says, reply in new:
            if len(heard) == MOST_DRAFTS:
                return
            heard.add(caller_says.casefold())
            day = _day(call.started_at or call.created_at)
            numbers[day] = numbers.get(day, 0) + 1
            yield _draft(f"call_{day}_{numbers[day]:02}", caller_says, reply)


def _draft(name: str, caller_says: str, reply: str) -> dict[str, Any]:
    return {
        "name": name,
        "description": (
            "From a call, not reviewed: is this the reply that the agent should give? Correct it, "
            "add checks, and take `draft` away."
        ),
        "tags": ["draft", FROM_A_CALL],
        "draft": True,
        "input": {HEARD: caller_says},
        "expected_output": {SAID: reply},
    }


def _exchanges(call: VapiCall, assistant_id: str | None) -> Iterator[tuple[str, str]]:
    """What the caller said, and what the agent answered; either may have come in pieces."""
    said = [turn for turn in call.turns if turn.speaker != "tool"]
    pieces = [[*turns] for _, turns in groupby(said, key=_speaker)]
    for asked, answered in pairwise(pieces):
        speaker, text, reply = asked[0].speaker, _text_of(asked), _text_of(answered)
        speaking = {turn.assistant_id for turn in answered} - {None}
        if assistant_id is not None and speaking - {assistant_id}:
            continue
        tells_something = _words_in(text) >= FEWEST_WORDS and reply.strip()
        is_short = len(text) + len(reply) <= LONGEST_EXCHANGE
        is_person = speaker == "caller" and not is_announcement(text)
        if is_person and tells_something and is_short:
            yield text, reply


def _text_of(turns: Sequence[Turn]) -> str:
    return " ".join(turn.text.strip() for turn in turns)


def _words_in(text: str) -> int:
    """Scripts that put no spaces between words have two characters to a word, more or less."""
    return len(text.split()) + len(WITHOUT_SPACES.findall(text)) // CHARACTERS_PER_WORD


def _speaker(turn: Turn) -> str:
    return turn.speaker


def _day(at: datetime | None) -> str:
    return "undated" if at is None else f"{at:%Y%m%d}"
