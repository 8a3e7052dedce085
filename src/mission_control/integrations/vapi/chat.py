"""Talking to an assistant in text: what is sent to Vapi's chat, and what we rely on in its answer."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from mission_control.core.json_types import JsonObject
from mission_control.integrations.vapi.assistant import without_read_only


@dataclass(frozen=True, slots=True)
class ChatReply:
    """`raw` is all that Vapi said. `text` is empty where it only used tools."""

    id: str
    text: str
    cost_usd: Decimal | None
    raw: JsonObject

    @classmethod
    def of(cls, raw: JsonObject) -> Self:
        cost = raw.get("cost")
        is_number = isinstance(cost, int | float) and not isinstance(cost, bool)
        return cls(
            id=str(raw["id"]),
            text="\n".join(_spoken(raw)),
            cost_usd=Decimal(str(cost)) if is_number else None,
            raw=raw,
        )


def chat_request(
    text: str,
    *,
    assistant_id: str | None,
    assistant: JsonObject | None,
    previous_chat_id: str | None,
) -> JsonObject:
    """Body of `POST /chat`. Raises ValueError unless exactly one assistant is given."""
    if (assistant_id is None) == (assistant is None):
        raise ValueError("Give either the id of an assistant or a whole one.")
    whom: JsonObject = (
        {"assistantId": assistant_id}
        if assistant is None
        else {"assistant": without_read_only(assistant)}
    )
    before: JsonObject = {} if previous_chat_id is None else {"previousChatId": previous_chat_id}
    return {"input": text, **whom, **before}


def _spoken(raw: JsonObject) -> list[str]:
    output = raw.get("output")
    messages = [one for one in output if isinstance(one, dict)] if isinstance(output, list) else []
    said = [one.get("content") for one in messages if one.get("role") in ("assistant", "bot")]
    return [text for text in said if isinstance(text, str)]
