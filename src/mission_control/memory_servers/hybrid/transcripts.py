"""Turns out of what is known of a call, and out of a transcript that is one text."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from mission_control.core.words import CallSource, ConversationSource
from mission_control.data.call_documents import tool_uses
from mission_control.data.calls import Call, CallContent
from mission_control.data.conversations import ConversationFacts, SpokenTurn

LONGEST_TURN = 20_000  # characters
MOST_TURNS = 5_000
SPEAKERS = {
    "ai": "agent", "bot": "agent", "assistant": "agent", "agent": "agent",
    "user": "caller", "customer": "caller", "caller": "caller",
}  # fmt: skip
LINE = re.compile(r"(?P<speaker>[^\W\d][\w .'-]{0,39}):\s+(?P<text>\S.*)")


def facts_of(call: Call, content: CallContent | None) -> ConversationFacts:
    """A call as a conversation. Never raises: what cannot be read in part is still a call."""
    turns = turns_of(call, content)
    started_at = call.started_at or call.created_at
    return ConversationFacts(
        source=ConversationSource.CALL,
        external_id=str(call.id),
        call_id=call.id,
        agent=call.agent_id,
        started_at=started_at,
        title=call.customer_name,
        summary=call.summary,
        turns=turns,
        content_hash=content_hash(call.summary, turns),
        seen_at=call.updated_at,
        details={
            "call_id": str(call.id),
            "system": call.source.value,
            "external_id": call.external_id,
        },
    )


def turns_of(call: Call, content: CallContent | None) -> list[SpokenTurn]:
    """As the source tells them one by one; else the lines of the transcript."""
    if content is None:
        return []
    began = call.started_at or call.created_at
    is_vapi = call.source is CallSource.VAPI
    told = (_said_at_vapi if is_vapi else _said_at_close)(content.document or {}, began)
    turns = [turn for turn in told if turn.text][:MOST_TURNS]
    return turns or lines_of(content.transcript or "")


def lines_of(transcript: str) -> list[SpokenTurn]:
    """`AI: Hello` is one turn. A line without a speaker goes on with the turn before."""
    turns: list[SpokenTurn] = []
    for line in transcript.splitlines():
        words = line.strip()
        if not words or len(turns) >= MOST_TURNS:
            continue
        match = LINE.fullmatch(words)
        if match is not None:
            name = match["speaker"].strip()
            turns.append(SpokenTurn(_clean(match["text"]), SPEAKERS.get(name.casefold(), name)))
        elif turns:
            last = turns.pop()
            turns.append(SpokenTurn(_clean(f"{last.text} {words}"), last.speaker))
        else:
            turns.append(SpokenTurn(_clean(words)))
    return turns


def content_hash(summary: str | None, turns: Sequence[SpokenTurn]) -> str:
    """Of all that is searched, and of who said it when."""
    told = [summary, [[each.speaker, each.text, each.at and str(each.at)] for each in turns]]
    return hashlib.sha256(json.dumps(told, ensure_ascii=True).encode()).hexdigest()


def _said_at_vapi(document: Mapping[str, Any], began: datetime) -> Iterator[SpokenTurn]:
    match document:
        case {"artifact": {"messages": [*messages]}} | {"messages": [*messages]}:
            pass
        case _:
            return
    for message in messages:
        match message:
            case {"role": str(role), "message": str(text)} if role in SPEAKERS and not _calls_tools(
                message
            ):
                at = _after(began, message.get("secondsFromStart"))
                yield SpokenTurn(_clean(text), SPEAKERS[role], at)
            case _:  # nobody said a prompt; what tools did is asked about as often as what was said
                for use in tool_uses(message):
                    yield SpokenTurn(_clean(use.text), "tool", _after(began, use.at_seconds))


def _calls_tools(message: Mapping[str, Any]) -> bool:
    """What stands beside the calls of tools was never spoken."""
    return bool(message.get("toolCalls") or message.get("tool_calls"))


def _said_at_close(document: Mapping[str, Any], began: datetime) -> Iterator[SpokenTurn]:
    match document.get("recording_transcript") or document.get("voicemail_transcript"):
        case {"utterances": [*utterances]}:
            pass
        case _:
            return
    for utterance in utterances:
        match utterance:
            case {"text": str(text)}:
                speaker = "caller" if utterance.get("speaker_side") == "contact" else "agent"
                yield SpokenTurn(_clean(text), speaker, _after(began, utterance.get("start")))
            case _:
                pass


def _after(began: datetime, seconds: Any) -> datetime | None:
    if not isinstance(seconds, int | float) or not 0 <= seconds < 1_000_000:
        return None
    return began + timedelta(seconds=seconds)


def _clean(text: str) -> str:
    """What both databases can store."""
    whole = text.replace("\x00", " ").encode("utf-8", "replace").decode()
    return whole.strip()[:LONGEST_TURN]
