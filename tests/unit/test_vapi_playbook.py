"""A playbook out of an assistant: the prompt exact, no secret, no personal data, drafts as drafts."""

import json
from typing import Any

import pytest

from mission_control.core import playbook as playbooks
from mission_control.core.playbook import PlaybookInvalidError
from mission_control.core.playbook_parts import AGENT_ID, canonical_yaml
from mission_control.integrations.vapi.drafts import MOST_DRAFTS, drafts
from mission_control.integrations.vapi.left_there import left_there
from mission_control.integrations.vapi.playbook import (
    NothingToImportError,
    another_model_answers,
    keeps_calls_private,
    playbook_of_assistant,
)

SECRET = "tool-secret-that-stays-at-vapi"  # noqa: S105
PROMPT = (
    "You are {{ name | default: 'Remus' }}.\n\tSay “hello” 你好 🚚.\r\n \n  - a: b # c\n"
    "{% if x %}\x85\u2028\x01{% endif %}  \n\n"
)


def an_assistant(**changes: Any) -> dict[str, Any]:
    return {
        "id": "5f2d1c7e-8a34-4b69-b0d7-61e0a9c3f201",
        "orgId": "o",
        "name": "REMUS",
        "createdAt": "2026-05-04T14:02:11.318Z",
        "firstMessage": "Hi, {{name}}.\r\n",
        "model": {
            "provider": "anthropic",
            "model": "claude-sonnet-4",
            "temperature": 0.4,
            "maxTokens": 300,
            "messages": [{"role": "system", "content": PROMPT}],
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "book_review", "description": "Books a review."},
                    "server": {"url": f"https://x.example/?key={SECRET}", "secret": SECRET},
                },
                {"type": "endCall"},
                None,
            ],
        },
        "server": {"headers": {"authorization": SECRET}},
        **changes,
    }


def a_call(*turns: tuple[str, str], **changes: Any) -> dict[str, Any]:
    messages = [
        {"role": role, "message": text, "secondsFromStart": index}
        for index, (role, text) in enumerate(turns)
    ]
    return {
        "id": "c1",
        "createdAt": "2026-06-02T10:00:00.000Z",
        "status": "ended",
        "artifact": {"messages": messages},
        **changes,
    }


def imported(assistant: dict[str, Any], *calls: dict[str, Any]) -> playbooks.Playbook:
    read = playbooks.read_playbook(playbook_of_assistant(assistant, calls))
    return playbooks.parse_playbook(canonical_yaml(read.data))


def with_model(**model: Any) -> dict[str, Any]:
    return an_assistant(model={"provider": "openai", "model": "gpt-4o", **model})


class TestWhatComesAlong:
    def test_prompt_first_message_and_model(self) -> None:
        playbook = imported(an_assistant())
        assert playbook.prompt == PROMPT
        assert playbook.first_message == "Hi, {{name}}.\r\n"
        assert (playbook.agent_id, playbook.name) == ("remus", "REMUS")
        model = playbook.language_model
        assert (model.provider, model.model) == ("anthropic", "claude-sonnet-4")
        assert (model.temperature, model.max_tokens) == (0.4, 300)

    def test_a_provider_that_superspec_does_not_know(self) -> None:
        prompt = [{"role": "system", "content": "p"}]
        assistant = an_assistant(model={"provider": "quantum-ai", "messages": prompt})
        assert imported(assistant).data["spec"]["language_model"] == {
            "location": "cloud",
            "provider": "gateway",
            "model": "default",
            "vapi_provider": "quantum-ai",
        }

    def test_tools_by_name_without_their_secrets(self) -> None:
        playbook = imported(an_assistant())
        assert playbook.data["spec"]["tool_calling"] == {
            "enabled": True,
            "available_tools": ["book_review", "endCall"],
            "descriptions": {"book_review": "Books a review."},
        }
        assert SECRET not in json.dumps(playbook.data)

    def test_the_prompt_that_is_live(self) -> None:
        both = with_model(messages=[{"role": "system", "content": ""}], systemPrompt="Old slot.")
        assert imported(both).prompt == "Old slot."

    def test_other_system_messages_stay_and_that_is_said(self) -> None:
        messages = [{"role": "system", "content": text} for text in ("First.", "Second.", "")]
        assistant = with_model(messages=messages, toolIds=["a", "b"], provider="custom-llm")
        assert imported(assistant).prompt == "First."
        told = {each.what: each.items for each in left_there(assistant)}
        assert told["other messages of its model"] == ["system: 1"]
        assert told["tools by reference"] == ["toolIds: 2"]
        assert "custom-llm" in another_model_answers(assistant)[0]
        assert another_model_answers(an_assistant()) == []

    @pytest.mark.parametrize("name", [None, "", 7, "东京", "9 lives", "x" * 300, "a\ud83d\x00b"])
    def test_any_name_becomes_an_id(self, name: object) -> None:
        playbook = imported(an_assistant(name=name))
        assert AGENT_ID.fullmatch(playbook.agent_id)
        assert 0 < len(playbook.name) <= 120

    @pytest.mark.parametrize("model", [{"temperature": 7}, {"temperature": "x", "maxTokens": True}])
    def test_values_out_of_range_are_left_out(self, model: dict[str, Any]) -> None:
        assistant = with_model(messages=[{"role": "system", "content": "p"}], **model)
        assert imported(assistant).language_model.temperature is None


NO_PROMPT: list[tuple[Any, str]] = [
    (None, "no model"),
    ({"provider": "custom-llm", "url": "https://x.example"}, "custom-llm"),
    ({"provider": "openai", "messages": None}, "no system prompt"),
    ({"provider": "openai", "messages": [{"role": "system", "content": " "}]}, "no system"),
    (
        {"provider": "openai", "messages": [{"role": "system", "content": [{}]}]},
        "in parts",
    ),
]


class TestWhatIsRefused:
    @pytest.mark.parametrize(("model", "why"), NO_PROMPT)
    def test_no_prompt(self, model: object, why: str) -> None:
        with pytest.raises(NothingToImportError, match=why):
            playbook_of_assistant(an_assistant(model=model))

    @pytest.mark.parametrize("prompt", ["cut \ud83d", "nul \x00", "x" * (1 << 20)])
    def test_a_prompt_that_cannot_be_kept_exactly(self, prompt: str) -> None:
        assistant = with_model(messages=[{"role": "system", "content": prompt}])
        with pytest.raises(PlaybookInvalidError):
            imported(assistant)

    @pytest.mark.parametrize("plan", [{"hipaaEnabled": True}, {"pciEnabled": True}])
    def test_private_calls_are_known(self, plan: dict[str, bool]) -> None:
        assert keeps_calls_private(an_assistant(compliancePlan=plan))
        assert not keeps_calls_private(an_assistant(compliancePlan=dict.fromkeys(plan, False)))
        assert not keeps_calls_private(an_assistant())


class TestDrafts:
    def test_a_turn_and_its_reply(self) -> None:
        call = a_call(
            ("system", PROMPT),
            ("bot", "Hi, this is Remus."),
            ("user", "What does it cost?"),
            ("user", "Roughly."),
            ("tool_calls", ""),
            ("bot", "That depends."),
            ("assistant", "A licensed agent will say."),
        )
        [draft] = drafts([call])
        assert draft["name"] == "call_20260602_01"
        assert draft["input"] == {"caller_says": "What does it cost? Roughly."}
        assert draft["expected_output"] == {"reply": "That depends. A licensed agent will say."}
        assert (draft["draft"], draft["tags"]) == (True, ["draft", "call"])
        assert "review" in draft["description"]

    def test_personal_data_is_taken_out(self) -> None:
        call = a_call(
            ("user", "It's José O'Neil-Díaz, jose.o+x@mail.example, +1 (555) 010-77 88, ok Díaz?"),
            ("bot", "Thanks, JOSÉ. I have 555.010.7788 and Acme Trucking LLC. 12 trucks in 2026."),
            customer={"name": "José O'Neil-Díaz", "number": "+15550107788"},
            assistantOverrides={"variableValues": {"companyName": "Acme Trucking LLC", "x": "12"}},
        )
        [draft] = drafts([call])
        assert draft["input"]["caller_says"] == "It's [name], [e-mail], [number], ok [name]?"
        assert draft["expected_output"]["reply"] == (
            "Thanks, [name]. I have [number] and [name]. 12 trucks in 2026."
        )

    def test_what_tells_nothing_is_left_out(self) -> None:
        calls: list[Any] = [
            a_call(("user", "Yes."), ("bot", "Good.")),
            a_call(("bot", "Hello?"), ("user", "Who are you please")),
            a_call(("user", "word " * 2_000), ("bot", "Sorry?")),
            {"id": "c2", "createdAt": "2026-06-02T10:00:00.000Z"},
            {"id": "c3", "artifact": None, "analysis": None, "customer": None},
        ]
        assert list(drafts(calls)) == []

    def test_the_same_question_once_and_not_too_many(self) -> None:
        again = a_call(("user", "What does it cost?"), ("bot", "It depends."))
        assert len(list(drafts([again, again]))) == 1
        many = [
            a_call(*[turn for k in range(9) for turn in
                     (("user", f"question {n} number {k}"), ("bot", "Answer."))])
            for n in range(40)
        ]  # fmt: skip
        found = list(drafts(many))
        assert len(found) == MOST_DRAFTS == len({draft["name"] for draft in found})

    def test_they_are_scenarios_that_do_not_count(self) -> None:
        call = a_call(("user", "What does it cost?"), ("bot", "It depends."))
        playbook = imported(an_assistant(), call)
        assert [each.draft for each in playbook.scenarios] == [True]
        assert playbook.reviewed == []
