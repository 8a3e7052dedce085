"""For 500 assistants as they could be: nothing of them is lost, theirs is kept, ours goes away again."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from mission_control.integrations.errors import ChangedAtVapiError, PromptNotWritableError
from mission_control.integrations.vapi.assistant import OptimizedPrompts
from mission_control.integrations.vapi.changes import Texts, known_after
from mission_control.integrations.vapi.differences import differences
from mission_control.integrations.vapi.prompt_slots import (
    live_prompt,
    other_system_messages,
    times_there,
    with_prompt,
)
from mission_control.integrations.vapi_client import VAPIClient
from mission_control_sandbox.vapi_server import create_app

PROVIDERS = [
    "anthropic", "anthropic-bedrock", "anyscale", "cerebras", "custom-llm", "deepinfra", "deep-seek",
    "google", "groq", "inflection-ai", "minimax", "openai", "openrouter", "perplexity-ai",
    "together-ai", "xai", "vapi", "quantum-ai", "",
]  # fmt: skip

texts = st.text(
    st.characters(min_codepoint=9, max_codepoint=0x1F6FF, exclude_characters="\x0b\x0c"),
    max_size=12,
) | st.sampled_from(["{{ customer.name }}", "{% if x %}\r\n{% endif %}", "cut \ud83d", "", "same"])
names = st.sampled_from(["color", "beta", "plan", "nested", "ünknown", "x.y", "\ud83d"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
messages = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["system", "system", "user", "assistant", "tool", "oracle"]),
        "content": texts | st.none(),
    },
    optional={"name": texts, "color": anything},
)
tools = st.fixed_dictionaries(
    {"type": st.sampled_from(["function", "endCall", "teleport"])},
    optional={
        "function": st.dictionaries(names, anything, max_size=2),
        "server": st.fixed_dictionaries({"secret": texts}, optional={"headers": anything}),
    },
)
models = st.builds(
    lambda known, unknown: {**unknown, **known},
    st.fixed_dictionaries(
        {"provider": st.sampled_from(PROVIDERS)},
        optional={
            "model": texts,
            "messages": st.lists(messages, max_size=4) | st.none(),
            "systemPrompt": texts | st.none(),
            "tools": st.lists(tools | st.none(), max_size=3) | st.none(),
            "toolIds": st.lists(texts, max_size=3),
            "toolRefs": st.lists(st.dictionaries(names, anything, max_size=2), max_size=2),
            "knowledgeBase": st.dictionaries(names, anything, max_size=2),
            "url": texts,
        },
    ),
    st.dictionaries(names, anything, max_size=3),
)
assistants = st.builds(
    lambda known, unknown: {
        **unknown,
        **known,
        "id": str(uuid4()),
        "orgId": "o",
        "createdAt": "2026-05-04T14:02:11.318Z",
        "updatedAt": "2026-05-04T14:02:11.318Z",
    },
    st.fixed_dictionaries(
        {"model": models},
        optional={
            "name": texts,
            "firstMessage": texts | st.none(),
            "voice": anything,
            "transcriber": anything,
            "serverMessages": st.lists(texts, max_size=2) | st.none(),
            "metadata": st.dictionaries(names, anything, max_size=2),
        },
    ),
    st.dictionaries(names, anything, max_size=3),
)
filled = texts.filter(str.strip)
prompts = st.fixed_dictionaries({"system": filled}, optional={"first_message": filled | st.none()})


def _append_message(assistant: dict[str, Any]) -> None:
    model = assistant["model"]
    model["messages"] = [*(model.get("messages") or []), {"role": "user", "content": "theirs"}]


def _lead_with_message(assistant: dict[str, Any]) -> None:
    model = assistant["model"]
    model["messages"] = [{"role": "assistant", "content": "theirs"}, *(model.get("messages") or [])]


def _change_model(assistant: dict[str, Any]) -> None:
    assistant["model"]["temperature"] = 1.5
    assistant["model"].pop("toolIds", None)


def _change_tools(assistant: dict[str, Any]) -> None:
    assistant["model"]["tools"] = [{"type": "function", "server": {"secret": "theirs"}}]


def _rename(assistant: dict[str, Any]) -> None:
    assistant["name"] = "theirs"
    assistant["voice"] = None
    assistant["theirs"] = {"new": [1]}


ELSEWHERE = [_append_message, _lead_with_message, _change_model, _change_tools, _rename]


@dataclass(frozen=True)
class Edit:
    """What somebody else does in Vapi's dashboard. None: not touched."""

    elsewhere: list[Callable[[dict[str, Any]], None]]
    system: str | None
    first_message: str | None

    def of(self, assistant: dict[str, Any], *, without: tuple[str, ...] = ()) -> dict[str, Any]:
        """The assistant after it, but for the fields in `without`."""
        edited = copy.deepcopy(assistant)
        if self.system is not None and "system" not in without:
            edited = with_prompt(edited, self.system)
        if self.first_message is not None and "first_message" not in without:
            edited["firstMessage"] = self.first_message
        for change in self.elsewhere:
            change(edited)
        return edited


edits = st.builds(
    Edit,
    elsewhere=st.lists(st.sampled_from(ELSEWHERE), max_size=3),
    system=st.none() | filled,
    first_message=st.none() | filled,
)


def in_process(assistant: dict[str, Any]) -> VAPIClient:
    """A client on a stand-in of its own, which takes what no reference knows yet."""
    app = create_app(assistants=[copy.deepcopy(assistant)], whitelist=False)
    return VAPIClient(
        httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app),
            base_url="http://vapi.test",
            headers={"Authorization": "Bearer key"},
        )
    )


def changed_by_us(assistant: dict[str, Any], wanted: OptimizedPrompts) -> tuple[str, ...]:
    first_message = wanted.get("first_message")
    ours = ["system"] if wanted["system"] != live_prompt(assistant) else []
    if first_message is not None and first_message != assistant.get("firstMessage"):
        ours.append("first_message")
    return tuple(ours)


def in_conflict(
    assistant: dict[str, Any], wanted: OptimizedPrompts, edit: Edit, ours: tuple[str, ...]
) -> list[str]:
    """The fields that we changed, and they to something else again."""
    agree = {
        "system": (None, wanted["system"], live_prompt(assistant)),
        "first_message": (None, wanted.get("first_message"), assistant.get("firstMessage")),
    }
    return [field for field in ours if getattr(edit, field) not in agree[field]]


@settings(max_examples=500, deadline=None, derandomize=True)
@given(assistant=assistants, wanted=prompts, edit=edits)
async def test_deploy_edit_rollback(
    assistant: dict[str, Any], wanted: OptimizedPrompts, edit: Edit
) -> None:
    # A text that stands in several messages cannot be told apart: deploying it is refused before.
    others = other_system_messages(assistant)
    assume(times_there(assistant, live_prompt(assistant) or "") <= 1)
    assume(wanted["system"] not in others and edit.system not in others)
    vapi, key = in_process(assistant), assistant["id"]
    deployed = await vapi.deploy_optimized(key, wanted)
    live = await vapi.get_assistant(key)
    assert live_prompt(live) == wanted["system"]
    if wanted.get("first_message") is not None:
        assert live["firstMessage"] == wanted["first_message"]
    assert set(differences(assistant, live)) == set(deployed.changed_fields)
    assert deployed.snapshot.assistant == assistant

    edited = edit.of(live)
    await vapi.update_assistant(key, edited)
    edited = await vapi.get_assistant(key)
    ours = changed_by_us(assistant, wanted)
    conflict = in_conflict(assistant, wanted, edit, ours)
    if conflict:
        event("conflict")
        with pytest.raises(ChangedAtVapiError) as caught:
            await vapi.rollback(key, deployed.snapshot)
        assert caught.value.fields["changed"] == conflict
        assert await vapi.get_assistant(key) == edited
    allowed = Texts.of(edited, known_after(deployed.snapshot)) if conflict else None
    await vapi.rollback(key, deployed.snapshot, overwrite=allowed)

    # As if only they had been there: with their edit, but for what was ours to take back.
    expected = edit.of(assistant, without=ours)
    assert differences(expected, await vapi.get_assistant(key)) == []
    assert (await vapi.rollback(key, deployed.snapshot)).status == "unchanged"


@pytest.mark.parametrize("model", [None, [], "squad"])
async def test_without_a_model_nothing_is_changed(model: object) -> None:
    assistant = {
        "id": str(uuid4()),
        "orgId": "o",
        "createdAt": "2026-05-04T14:02:11.318Z",
        "updatedAt": "2026-05-04T14:02:11.318Z",
        "model": model,
    }
    vapi = in_process(assistant)
    with pytest.raises(PromptNotWritableError):
        await vapi.deploy_optimized(str(assistant["id"]), {"system": "Ours."})
    assert await vapi.get_assistant(str(assistant["id"])) == assistant
