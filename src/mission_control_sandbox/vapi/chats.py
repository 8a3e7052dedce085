"""`/chat` and `/session`: talking to an assistant in writing, answered by the sandbox model."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import uuid4

from mission_control.core.clock import utc_now
from mission_control_sandbox.model.answering import answer
from mission_control_sandbox.vapi.assistants import ORGANIZATION_ID, Assistant
from mission_control_sandbox.vapi.queries import timestamp
from mission_control_sandbox.vapi.reference import complaints
from mission_control_sandbox.vapi.refusals import RefusalError, not_there
from mission_control_sandbox.vapi.store import Assistants, later_than

Json = dict[str, Any]
Message = dict[str, Any]

LONGEST_MEMORY = 5_000
CHARACTERS_PER_TOKEN = 4
LIQUID = re.compile(r"\{\{-?\s*([\w.]+)\s*(?:\|\s*default:\s*(['\"])(.*?)\2\s*)?-?\}\}")
TALKERS = ("assistantId", "assistant", "squadId", "squad", "sessionId", "previousChatId")
DEFAULT_EXPIRATION_SECONDS = 86_400


@dataclass
class Chats:
    """Chats and sessions. They are not written to the disk: nothing of a deployment is in them."""

    assistants: Assistants
    whitelist: bool = True
    chats: dict[str, Json] = field(default_factory=dict[str, Json])
    sessions: dict[str, Json] = field(default_factory=dict[str, Json])

    def reset(self) -> None:
        self.chats.clear()
        self.sessions.clear()

    # ------------------------------------------------------------ chats

    def chat(self, chat_id: str) -> Json:
        return _found(self.chats, "Chat", chat_id)

    def forget_chat(self, chat_id: str) -> Json:
        gone = self.chat(chat_id)
        del self.chats[chat_id]
        return gone

    def talk(self, body: Mapping[str, Any]) -> Json:
        """One turn: what is said goes in, the assistant's reply is in `output`."""
        self._check(body)
        said = _messages(body["input"])
        earlier, context = self._context(body)
        assistant = self._talker({**context, **body})
        variables = _variables({**context, **body})
        heard = [*earlier, *said]
        reply = answer([*_instructions(assistant, variables), *heard])
        output = [{"role": "assistant", "content": reply}]
        chat = self._chat(body, context, heard, output)
        self.chats[chat["id"]] = chat
        _forget_oldest(self.chats)
        self._continue_session(chat)
        return chat

    def _check(self, body: Mapping[str, Any]) -> None:
        problems = complaints(body, "CreateChatDTO") if self.whitelist else []
        if problems:
            raise RefusalError(400, problems)
        if not isinstance(body.get("input"), str | list) or not body["input"]:
            raise RefusalError(400, ["input should not be empty"])
        if body.get("sessionId") and body.get("previousChatId"):
            raise RefusalError(400, "Cannot provide both `sessionId` and `previousChatId`.")
        if not any(body.get(name) for name in TALKERS):
            raise RefusalError(400, "Need Either `assistantId`, `assistant`, `squadId` Or `squad`.")
        overrides = cast("Json", body.get("assistantOverrides") or {})
        if set(overrides) - {"variableValues"}:
            raise RefusalError(
                400, "Only `assistantOverrides.variableValues` is supported in chats."
            )

    def _context(self, body: Mapping[str, Any]) -> tuple[list[Message], Json]:
        """What was said before, and who said it."""
        if body.get("sessionId"):
            session = self.session(body["sessionId"])
            if session["status"] != "active":
                raise RefusalError(400, f"Session {session['id']} Is Not Active.")
            return list(session["messages"]), session
        if body.get("previousChatId"):
            previous = self.chat(body["previousChatId"])
            return [*previous["messages"], *previous["output"]], previous
        return [], {}

    def _talker(self, given: Mapping[str, Any]) -> Assistant:
        """An inline assistant wins; what is read-only in one must have been taken out."""
        if given.get("assistant"):
            return given["assistant"]
        assistant_id = given.get("assistantId")
        if not assistant_id or assistant_id not in self.assistants.by_id:
            raise RefusalError(
                400, f"Couldn't Get Assistant. `assistantId` {assistant_id} Does Not Exist."
            )
        return self.assistants.get(assistant_id)

    def _chat(
        self,
        body: Mapping[str, Any],
        context: Mapping[str, Any],
        heard: Sequence[Message],
        output: Sequence[Message],
    ) -> Json:
        now = timestamp(utc_now())
        prompt, completion = _tokens(heard), _tokens(output)
        model_cost = round((prompt * 15 + completion * 60) / 1e8, 6)
        inherited = {key: context[key] for key in ("assistantId", "assistant") if key in context}
        given = {key: value for key, value in body.items() if key != "stream"}
        model: Json = {"type": "model", "model": {"provider": "openai", "model": "gpt-4o-mini"}}
        model |= {"promptTokens": prompt, "completionTokens": completion, "cost": model_cost}
        return {
            **inherited,
            **given,
            "id": str(uuid4()),
            "orgId": ORGANIZATION_ID,
            "createdAt": now,
            "updatedAt": now,
            "messages": list(heard),
            "output": list(output),
            "costs": [model, {"type": "chat", "cost": 0.005}],
            "cost": round(model_cost + 0.005, 6),
        }

    # ------------------------------------------------------------ sessions

    def session(self, session_id: str) -> Json:
        session = _found(self.sessions, "Session", session_id)
        if session["status"] == "active" and _expires(session) <= utc_now():
            session["status"] = "completed"
        return session

    def open_session(self, body: Mapping[str, Any]) -> Json:
        if problems := complaints(body, "CreateSessionDTO"):
            raise RefusalError(400, problems)
        if body.get("assistantId"):
            self._talker(body)
        now = timestamp(utc_now())
        session: Json = {
            "status": "active",
            "expirationSeconds": DEFAULT_EXPIRATION_SECONDS,
            "messages": [],
            **body,
            "id": str(uuid4()),
            "orgId": ORGANIZATION_ID,
            "createdAt": now,
            "updatedAt": now,
            "cost": 0,
            "costs": [],
        }
        self.sessions[session["id"]] = session
        _forget_oldest(self.sessions)
        return session

    def change_session(self, session_id: str, body: Mapping[str, Any]) -> Json:
        session = self.session(session_id)
        if problems := complaints(body, "UpdateSessionDTO"):
            raise RefusalError(400, problems)
        session |= {**body, "updatedAt": timestamp(later_than(session["updatedAt"]))}
        return session

    def close_session(self, session_id: str) -> Json:
        gone = self.session(session_id)
        del self.sessions[session_id]
        return gone

    def _continue_session(self, chat: Json) -> None:
        if chat.get("sessionId"):
            session = self.sessions[chat["sessionId"]]
            session["messages"] = [*chat["messages"], *chat["output"]]
            session["cost"] = round(session["cost"] + chat["cost"], 6)
            session["updatedAt"] = timestamp(later_than(session["updatedAt"]))


def events(chat: Mapping[str, Any]) -> Iterator[str]:
    """The answer as server-sent events, one per word."""
    for number, message in enumerate(chat["output"]):
        for word in re.findall(r"\S+\s*", message["content"]):
            path = f"chat.output[{number}].content"
            yield f"data: {json.dumps({'id': chat['id'], 'path': path, 'delta': word})}\n\n"


def liquid(text: str, variables: Mapping[str, object]) -> str:
    """`{{ name }}` and `{{ name | default: "x" }}`. Anything else stays as it is."""

    def value(found: re.Match[str]) -> str:
        here: object = variables
        for part in found[1].split("."):
            here = cast("Json", here).get(part) if isinstance(here, dict) else None
        return str(here) if here is not None else found[3] or ""

    return LIQUID.sub(value, text)


def _instructions(assistant: Assistant, variables: Mapping[str, object]) -> list[Message]:
    model = cast("Json", assistant.get("model") or {})
    messages = cast("list[Message]", model.get("messages") or [])
    written = [one.get("content") for one in messages if one.get("role") == "system"]
    texts = written or [model.get("systemPrompt")]
    return [{"role": "system", "content": liquid(text, variables)} for text in texts if text]


def _variables(given: Mapping[str, Any]) -> Mapping[str, object]:
    overrides = cast("Json", given.get("assistantOverrides") or {})
    return cast("Json", overrides.get("variableValues") or {})


def _messages(said: str | list[Any]) -> list[Message]:
    if isinstance(said, str):
        return [{"role": "user", "content": said}]
    if not all(isinstance(one, dict) and "role" in one for one in said):
        raise RefusalError(400, ["input must be a string or an array of messages"])
    return [dict(one) for one in said]


def _found(there: Mapping[str, Json], kind: str, given: str) -> Json:
    if given not in there:
        raise not_there(kind, given)
    return there[given]


def _forget_oldest(there: dict[str, Json]) -> None:
    for forgotten in list(there)[: len(there) - LONGEST_MEMORY]:
        del there[forgotten]


def _expires(session: Mapping[str, Any]) -> datetime:
    written = datetime.fromisoformat(session["updatedAt"])
    return written + timedelta(seconds=session["expirationSeconds"])


def _tokens(messages: Sequence[Message]) -> int:
    return sum(-(-len(str(one.get("content") or "")) // CHARACTERS_PER_TOKEN) for one in messages)
