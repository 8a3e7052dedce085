"""What a playbook says, and everything that is refused before it can do harm."""

import copy
import json
from collections import Counter
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mission_control.core import playbook as playbooks
from mission_control.core import safe_yaml
from mission_control.core.foreign_playbooks import agent_slug
from mission_control.core.playbook import (
    Demonstration,
    PlaybookInvalidError,
    Scenario,
    parse_playbook,
    read_playbook,
    read_stored,
    scenarios_of,
    split_of,
    with_prompt,
)
from mission_control.core.playbook_parts import Check, canonical_yaml, content_hash


def a_playbook(**scenario: Any) -> dict[str, Any]:
    """The smallest playbook that can be used, with one scenario changed by keywords."""
    case = {
        "name": "price",
        "input": {"caller_says": "What does it cost?"},
        "expected_output": {"reply": "Forty nine dollars"},
    }
    return {
        "apiVersion": "agent/v1",
        "kind": "AgentSpec",
        "metadata": {"id": "remus", "name": "Remus", "version": "1.0.0"},
        "spec": {
            "persona": {"role": "Phone sales"},
            "tasks": [{"name": "answer", "instruction": "Answer briefly."}],
            "output_fields": [{"name": "reply"}],
            "feature_specifications": {"scenarios": [{**case, **scenario}]},
        },
    }


def refused(playbook: object) -> dict[str, str]:
    """The errors of a refusal, by field."""
    text = playbook if isinstance(playbook, str) else yaml.safe_dump(playbook)
    with pytest.raises(PlaybookInvalidError) as caught:
        parse_playbook(text)
    assert caught.value.code == "playbook_invalid"
    errors: Any = caught.value.fields["errors"]
    return {error["field"]: error["message"] for error in errors}


SCENARIO = "spec.feature_specifications.scenarios[0]"


class TestParse:
    def test_says_what_is_in_it(self) -> None:
        data = a_playbook(tags=["pricing"], split="test", anchor=True, description="Price asked")
        data["spec"]["language_model"] = {
            "provider": "openai", "model": "gpt-4o-mini", "temperature": 0, "max_tokens": 300,
        }  # fmt: skip
        parsed = parse_playbook(yaml.safe_dump(data))
        assert parsed.agent_id == "remus"
        assert parsed.name == "Remus"
        assert parsed.prompt is None
        assert parsed.data == data
        assert parsed.language_model.model_dump() == {
            "provider": "openai", "model": "gpt-4o-mini", "temperature": 0.0, "max_tokens": 300,
        }  # fmt: skip
        assert parsed.scenarios == [
            Scenario(
                id="price",
                description="Price asked",
                tags=["pricing"],
                split="test",
                anchor=True,
                input={"caller_says": "What does it cost?"},
                expected={"reply": "Forty nine dollars"},
                checks=[Check(kind="superoptix", values=[])],
            )
        ]

    def test_declared_checks(self) -> None:
        parsed = read_playbook(
            a_playbook(
                checks=[
                    {"contains": ["forty nine", 49], "field": "reply"},
                    {"excludes": "free"},
                    {"exact": "Forty nine dollars"},
                    {"regex": r"\bforty\b"},
                    {"judge": "Names the price."},
                ]
            )
        )
        assert parsed.scenarios[0].checks == [
            Check(kind="contains", values=["forty nine", "49"], field="reply"),
            Check(kind="excludes", values=["free"]),
            Check(kind="exact", values=["Forty nine dollars"]),
            Check(kind="regex", values=[r"\bforty\b"]),
            Check(kind="judge", values=["Names the price."]),
        ]

    def test_scalars_become_text(self) -> None:
        parsed = read_playbook(a_playbook(input={"year": 2026, "rate": 0.5, "new": True}))
        assert parsed.scenarios[0].input == {"year": "2026", "rate": "0.5", "new": "true"}

    def test_a_date_stays_text(self) -> None:
        text = yaml.safe_dump(a_playbook()).replace("version: 1.0.0", "version: 2026-11-23")
        assert parse_playbook(text).data["metadata"]["version"] == "2026-11-23"

    def test_aliases_within_reason_are_written_out(self) -> None:
        text = "metadata: &m {id: remus, tags: [a]}\nspec: {}\ncopy: *m\n"
        data = parse_playbook(text).data
        assert data["copy"] == {"id": "remus", "tags": ["a"]}
        assert "&" not in canonical_yaml(data)

    def test_the_data_handed_in_is_left_alone(self) -> None:
        data = a_playbook(name="Price asked!")
        before = copy.deepcopy(data)
        parse = read_playbook(data, lenient=True)
        assert parse.scenarios[0].id == "price_asked"
        assert data == before


class TestRefusedText:
    def test_five_megabytes(self) -> None:
        assert "5.0 MiB" in refused("a" * (5 << 20))["yaml"]

    def test_broken_yaml_says_where_and_not_what(self) -> None:
        message = refused("metadata:\n  id: remus\n  secret: [sk-live-123\nspec: {}")["yaml"]
        assert message.startswith("Line 4, column ")
        assert "sk-live" not in message

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("a: !!python/object/apply:os.system [id]", "a tag is not allowed"),
            ("a: !thing 1", "a tag is not allowed"),
            ("a: !!binary aGk=", "a tag is not allowed"),
            ("a: 1\nb: 2\na: 3", "Line 3, column 1: this key is there twice"),
            ("a: {b: {c: 1, c: 2}}", "this key is there twice"),
            ("? [a, b]\n: 1", "a key must be plain text"),
            ("a: &x [*x]", "refers to itself"),
            ("a: *nowhere", "refers to itself or to nothing"),
            ("a: 1\n---\nb: 2", "a second document"),
            ("[" * 500_000, "nested deeper than 64 levels"),
            ("{a: " * 100_000, "nested deeper than 64 levels"),
            ("a: " + "9" * 5000, "a number that cannot be read"),
            ("a: \x07", "characters that YAML does not allow"),
            ("a: \ud800", "not valid UTF-8"),
            ("1: a", "A key is not text"),
            ("yes: a", "A key is not text"),
        ],
    )
    def test_hostile_or_ambiguous(self, text: str, reason: str) -> None:
        assert reason in refused(text)["yaml"]

    def test_nine_lines_that_would_be_a_billion(self) -> None:
        lines = ["a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol,lol]"]
        for level in range(1, 10):
            aliases = ",".join([f"*a{level - 1}"] * 10)
            lines.append(f"a{level}: &a{level} [{aliases}]")
        assert "larger than 1 MiB" in refused("\n".join(lines))["yaml"]

    def test_one_long_text_repeated_by_aliases(self) -> None:
        text = "a: &a " + "x" * 100_000 + "\nb: [" + ",".join(["*a"] * 20) + "]"
        assert "larger than 1 MiB" in refused(text)["yaml"]

    @pytest.mark.parametrize(
        ("text", "field"), [('a: {b: "x\\0y"}', "a.b"), ("a: [1, .nan]", "a[1]")]
    )
    def test_what_a_database_cannot_hold(self, text: str, field: str) -> None:
        assert list(refused(text)) == [field]

    @pytest.mark.parametrize("text", ["", "just text", "[1, 2]", "null"])
    def test_not_a_mapping(self, text: str) -> None:
        assert list(refused(text)) == ["yaml"]


class TestRefusedContent:
    def test_every_problem_is_named_at_once(self) -> None:
        data = a_playbook(name="Price asked", input={}, split="dev", anchor="yes", tags="x")
        data["metadata"]["id"] = "Remus!"
        data["spec"]["prompt"] = "  "
        data["spec"]["language_model"] = {"temperature": 9, "max_tokens": 0}
        assert set(refused(data)) == {
            "metadata.id",
            "spec.prompt",
            "spec.language_model.temperature",
            "spec.language_model.max_tokens",
            f"{SCENARIO}.name",
            f"{SCENARIO}.input",
            f"{SCENARIO}.split",
            f"{SCENARIO}.anchor",
            f"{SCENARIO}.tags",
        }

    def test_sections_are_required(self) -> None:
        assert set(refused({"apiVersion": "agent/v1"})) == {"metadata", "spec"}

    @pytest.mark.parametrize(
        ("check", "field"),
        [
            ({"contains": []}, "contains"),
            ({"contains": [" "]}, "contains"),
            ({"exact": ["one", "two"]}, "exact"),
            ({"regex": "("}, "regex"),
            ({"regex": "a" * 501}, "regex"),
            ({"judge": {"rubric": "x"}}, "judge"),
            ({"contains": "x", "field": "tone"}, "field"),
            ({"sounds_nice": True}, ""),
            ({"contains": "x", "exact": "y"}, ""),
            ({"superoptix": ""}, ""),
            ("contains", ""),
        ],
    )
    def test_checks(self, check: object, field: str) -> None:
        where = f"{SCENARIO}.checks[0]"
        assert list(refused(a_playbook(checks=[check]))) == [f"{where}.{field}".rstrip(".")]

    def test_a_nested_input(self) -> None:
        assert list(refused(a_playbook(input={"lead": {"name": "Ann"}}))) == [
            f"{SCENARIO}.input.lead"
        ]

    def test_two_scenarios_of_one_name(self) -> None:
        data = a_playbook()
        scenarios = data["spec"]["feature_specifications"]["scenarios"]
        scenarios.append(copy.deepcopy(scenarios[0]))
        assert list(refused(data)) == ["spec.feature_specifications.scenarios[1].name"]

    def test_the_message_says_what_happened_and_what_to_do(self) -> None:
        with pytest.raises(
            PlaybookInvalidError, match=r"1 problem and nothing was saved\. Correct"
        ):
            read_playbook(a_playbook(split="dev"))


WRITTEN = [
    "yes", "no", "on", "Off", "true", "10:30", "9:30", "02134", "01234", "1.10", "1_000", "12e3",
    "+15550107788", "2026-11-27", "0x1F", ".5", "1e3", ".inf", "-5", "0o17", "190:20:30",
]  # fmt: skip


class TestWrittenText:
    @pytest.mark.parametrize("written", WRITTEN)
    def test_stays_what_was_written_where_the_value_is_text(self, written: str) -> None:
        text = yaml.safe_dump(a_playbook(spoken_forms={"WRITTEN": ["WRITTEN"]},
            input={"caller_says": "WRITTEN"}, expected_output={"reply": "WRITTEN"}, tags=["WRITTEN"],
            checks=[{"contains": "WRITTEN"}, {"excludes": ["a", "WRITTEN"]}, {"exact": "WRITTEN"}],
        )).replace("WRITTEN", written)  # fmt: skip
        scenario = parse_playbook(text).scenarios[0]
        assert scenario.input == {"caller_says": written}
        assert scenario.expected == {"reply": written}
        assert scenario.tags == [written]
        assert scenario.spoken_forms == {written: [written]}
        assert [check.values for check in scenario.checks] == [[written], ["a", written], [written]]

    @pytest.mark.parametrize("written", WRITTEN)
    def test_is_read_back_from_what_is_stored(self, written: str) -> None:
        text = yaml.safe_dump(a_playbook(checks=[{"exact": "WRITTEN"}])).replace("WRITTEN", written)
        parsed = parse_playbook(text)
        stored = read_stored(canonical_yaml(parsed.data))
        assert stored.hash == parsed.hash
        assert stored.scenarios[0].checks == [Check(kind="exact", values=[written])]

    def test_a_stored_version_keeps_its_hash_and_its_meaning(self) -> None:
        data = a_playbook(checks=[{"contains": [630, 1116, 1.1, True]}], tags=["a"])
        data["spec"]["temperature"] = 0.5
        before = read_playbook(data)
        after = read_stored(canonical_yaml(before.data))
        assert after.hash == before.hash
        assert after.scenarios[0].checks[0].values == ["630", "1116", "1.1", "true"]

    def test_numbers_and_flags_elsewhere_are_values(self) -> None:
        data = a_playbook(anchor=True)
        data["spec"]["language_model"] = {"temperature": 0.5, "max_tokens": 300}
        parsed = parse_playbook(yaml.safe_dump(data))
        assert parsed.scenarios[0].anchor is True
        assert parsed.language_model.max_tokens == 300
        assert parsed.data == data

    def test_nothing_is_still_nothing(self) -> None:
        text = yaml.safe_dump(a_playbook()).replace("Forty nine dollars", "null")
        assert refused(text) == {f"{SCENARIO}.expected_output.reply": "It must be text."}

    def test_without_spaces_a_check_must_be_declared(self) -> None:
        case = {"expected_output": {"reply": "料金は月額四十九ドルです"}}
        errors = refused(a_playbook(**case))
        assert "Declare a check" in errors[f"{SCENARIO}.checks"]
        assert parse_playbook(yaml.safe_dump(a_playbook(**case, checks=[{"contains": "四十九"}])))


class TestLenient:
    def test_an_id_is_never_an_address_of_ours(self) -> None:
        assert agent_slug("Import") == "agent_import"
        assert agent_slug("importer") == "importer"

    def test_names_become_slugs_that_stay_apart(self) -> None:
        data = a_playbook(name="Price asked!")
        data["metadata"]["id"] = "7 Sales Bots"
        scenarios = data["spec"]["feature_specifications"]["scenarios"]
        scenarios += [{**scenarios[0], "name": "price  ASKED"}, {**scenarios[0], "name": "—"}]
        parsed = read_playbook(data, lenient=True)
        assert parsed.agent_id == "agent_7_sales_bots"
        assert [each.id for each in parsed.scenarios] == [
            "price_asked", "price_asked_2", "scenario_3",
        ]  # fmt: skip

    def test_nested_inputs_become_json(self) -> None:
        data = a_playbook(input={"lead": {"name": "Änn"}, "note": None})
        assert read_playbook(data, lenient=True).scenarios[0].input == {
            "lead": '{"name": "Änn"}',
            "note": "",
        }

    def test_the_result_needs_no_leniency(self) -> None:
        parsed = read_playbook(a_playbook(name="Ä b", input={"x": [1]}), lenient=True)
        assert parse_playbook(canonical_yaml(parsed.data)) == parsed


class TestPrompt:
    def test_replaces_prompt_and_demonstrations_in_a_copy(self) -> None:
        data = a_playbook()
        shown = Demonstration(inputs={"caller_says": "Hi"}, outputs={"reply": "Hello"})
        first = with_prompt(data, 'Say "hi"\n"""', [shown])
        second = with_prompt(first, "Be brief.")
        assert playbooks.prompt_of(first) == 'Say "hi"\n"""'
        assert playbooks.demonstrations_of(first) == [shown]
        assert playbooks.prompt_of(second) == "Be brief."
        assert playbooks.demonstrations_of(second) == []
        assert playbooks.prompt_of(data) is None
        assert parse_playbook(canonical_yaml(first)).demonstrations == [shown]


TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)  # fmt: skip
CONTENTS = st.dictionaries(TEXTS, VALUES, min_size=1, max_size=5)


def in_another_order(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: in_another_order(value[key]) for key in reversed(value)}  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return [in_another_order(each) for each in value] if isinstance(value, list) else value  # pyright: ignore[reportUnknownVariableType]


class TestIdentity:
    @settings(max_examples=150, deadline=None)
    @given(CONTENTS)
    def test_canonical_text_reads_back_as_the_same_content(self, content: dict[str, Any]) -> None:
        read = safe_yaml.load(canonical_yaml(content))
        assert read == content
        assert json.dumps(read, sort_keys=True) == json.dumps(content, sort_keys=True)

    @settings(max_examples=50, deadline=None)
    @given(CONTENTS)
    def test_order_does_not_change_the_hash(self, content: dict[str, Any]) -> None:
        assert content_hash(in_another_order(content)) == content_hash(content)

    @settings(max_examples=50, deadline=None)
    @given(CONTENTS, CONTENTS)
    def test_other_content_has_another_hash(
        self, content: dict[str, Any], other: dict[str, Any]
    ) -> None:
        same = json.dumps(content, sort_keys=True) == json.dumps(other, sort_keys=True)
        assert (content_hash(content) == content_hash(other)) is same

    @given(st.text(alphabet="ab \n'\"#:-", min_size=1, max_size=30))
    @settings(max_examples=100, deadline=None)
    def test_any_change_of_the_prompt_changes_it(self, ending: str) -> None:
        data = a_playbook()
        assert content_hash(with_prompt(data, "Hi")) != content_hash(
            with_prompt(data, "Hi" + ending)
        )

    def test_it_is_the_sha256_of_the_text_and_stays_what_it_is(self) -> None:
        assert content_hash({"b": [1, "x\ny"], "a": {"d": None, "c": 0.5}}) == (
            "c850e987f674de0d0a2e82d85bccef76c01580ed102a3fad8a0dd5cb8ad29ee8"
        )

    def test_longer_texts_are_blocks_that_a_person_can_read(self) -> None:
        assert canonical_yaml({"prompt": "One.\n- two\n\nThree."}) == (
            "prompt: |-\n  One.\n  - two\n\n  Three.\n"
        )


class TestSplit:
    def scenario(self, number: int, **changes: Any) -> Scenario:
        return scenarios_of(a_playbook(name=f"case_{number}", **changes))[0]

    def test_declared_wins(self) -> None:
        for declared in ("train", "validation", "test"):
            assert split_of("remus", self.scenario(1, split=declared)) == declared

    def test_is_half_a_quarter_and_a_quarter(self) -> None:
        counts = Counter(split_of("remus", self.scenario(n)) for n in range(2000))
        assert counts["train"] == pytest.approx(1000, abs=100)
        assert counts["validation"] == pytest.approx(500, abs=80)
        assert counts["test"] == pytest.approx(500, abs=80)

    def test_depends_on_nothing_but_the_two_ids(self) -> None:
        plain, changed = self.scenario(7), self.scenario(7, input={"caller_says": "Other"})
        assert split_of("remus", plain) == split_of("remus", changed)
        agents = {split_of(f"agent_{n}", plain) for n in range(50)}
        assert agents == {"train", "validation", "test"}
