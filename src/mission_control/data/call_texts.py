"""The search over calls: in all that was said and done in them, and the customer's name and number."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from mission_control.data.call_documents import tools_text
from mission_control.data.calls import Call, CallContent, CallFilter
from mission_control.data.text_search import (
    SearchedText,
    TextIndex,
    TextQuery,
    fact,
    searched_words,
    text_query,
)

TEXTS = ("summary", "transcript", "customer_name")
# A search that is narrowed to one of these looks at no call of another.
NARROWS = ("agent_id", "source", "ending", "success")


class CallText(SearchedText):
    """What a call is found by. Written whenever one of its texts or marks changes."""

    __tablename__ = "call_texts"

    call_id: Mapped[UUID] = mapped_column(ForeignKey("calls.id", ondelete="CASCADE"), unique=True)


CALL_INDEX = TextIndex(CallText, CallText.call_id, "call_search")


def call_text(call_id: UUID, call: Mapping[str, Any]) -> dict[str, Any]:
    """The row for a call, given its columns and contents by name; `part_agents` may be left out."""
    part_agents = call.get("part_agents") or ()
    agents = [fact("agent_id", agent_id) for agent_id in part_agents]
    facts = [*_facts({name: call[name] for name in NARROWS}), *agents]
    words = searched_words(
        [*(call[name] for name in TEXTS), tools_text(call["document"] or {})],
        created_at=call["created_at"],
        numbers=[call["customer_number"]],
        facts=list(dict.fromkeys(facts)),
    )
    return {"call_id": call_id, "created_at": call["created_at"], "words": words}


def reads_otherwise(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    names = (*TEXTS, *NARROWS, "created_at", "customer_number", "part_agents")
    documents = [tools_text(each["document"] or {}) for each in (one, other)]
    return documents[0] != documents[1] or any(one[name] != other[name] for name in names)


def said_in(call: Call, content: CallContent | None) -> list[str | None]:
    """The texts themselves, as they are searched."""
    if content is None:
        return [call.summary, call.customer_name]
    told = tools_text(content.document or {})
    return [call.summary, content.transcript, call.customer_name, told]


def asked_for(wanted: CallFilter) -> TextQuery:
    assert wanted.text is not None
    narrowed = _facts({name: getattr(wanted, name) for name in NARROWS})
    return text_query(wanted.text, facts=[[each] for each in narrowed])


def is_narrowed_by_more(wanted: CallFilter) -> bool:
    """By something that the index does not know, so that most of what it finds may be of no use."""
    rest = wanted.narrowed(text=None, created_from=None, created_to=None, with_parts=True)
    return rest != CallFilter(**{name: getattr(wanted, name) for name in NARROWS})


def _facts(known: Mapping[str, Any]) -> list[str]:
    return [fact(name, value) for name, value in known.items() if value is not None]
