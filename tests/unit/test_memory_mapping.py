"""Arguments out of templates, and memories out of every wrapping that servers use."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from mission_control.integrations.memory.config.operations import Operation
from mission_control.integrations.memory.connection.envelopes import (
    Prose,
    ToldFailureError,
    ToolAnswer,
    unwrap,
)
from mission_control.integrations.memory.mapping.arguments import Fitted, fill, fit
from mission_control.integrations.memory.mapping.moments import moment
from mission_control.integrations.memory.mapping.pages import Found, NoItemsError, page_of
from mission_control.integrations.memory.mapping.records import conversation, memory

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def operation(**given: object) -> Operation:
    return Operation.model_validate({"tool": "t", **given})


def texts(*said: str) -> ToolAnswer:
    return ToolAnswer(None, said)


# ------------------------------------------------------------------ arguments


def test_a_lone_placeholder_keeps_its_type_and_others_become_text() -> None:
    filled = fill(
        {"n": "{limit}", "q": "about {query}!", "deep": [{"x": "{query}"}], "plain": 3},
        {"limit": 5, "query": "dogs"},
    )
    assert filled == {"n": 5, "q": "about dogs!", "deep": [{"x": "dogs"}], "plain": 3}


def test_what_was_not_given_is_left_out_with_what_holds_it() -> None:
    template: dict[str, JsonValue] = {
        "a": "{agent}", "b": "for {agent}", "c": ["{agent}"], "d": ["{agent}", "x"], "e": [],
    }  # fmt: skip
    assert fill(template, {"agent": None}) == {"d": ["x"], "e": []}


def test_a_query_is_data_and_never_a_template() -> None:
    assert fill({"q": "{query}"}, {"query": "{limit} {0.__class__}"}) == {
        "q": "{limit} {0.__class__}"
    }
    assert fill({"q": "say {query}"}, {"query": "{limit}"}) == {"q": "say {limit}"}


def test_arguments_that_a_tool_does_not_know_are_left_out() -> None:
    asked = operation(tool=["new", "old"], arguments={"query": "{query}", "limit": "{limit}"})
    schema: dict[str, JsonValue] = {"properties": {"query": {}}, "required": ["query"]}
    assert fit("search", asked, {"old": schema}) == Fitted(
        "old", {"query": "{query}"}, frozenset({"query"})
    )


@pytest.mark.parametrize(
    ("schemas", "why"),
    [
        ({"other": {}}, "it has no tool new or old"),
        ({"old": {"properties": {"text": {}}}}, "its tool old takes no argument for the query"),
        ({"new": {"required": ["user"]}}, "its tool new also requires user"),
    ],
)
def test_a_mapping_that_cannot_work_says_why(
    schemas: dict[str, dict[str, JsonValue]], why: str
) -> None:
    asked = operation(tool=["new", "old"], arguments={"query": "{query}"})
    assert fit("search", asked, schemas) == why


# ------------------------------------------------------------------ envelopes

ITEMS: list[JsonValue] = [{"id": "1", "content": "one"}, {"id": "2", "content": "two"}]


@pytest.mark.parametrize(
    "answer",
    [
        ToolAnswer({"items": ITEMS}, ()),
        ToolAnswer({"result": {"items": ITEMS}}, ("ignored",)),
        ToolAnswer({"result": ITEMS}, ()),
        ToolAnswer({"result": json.dumps({"results": ITEMS})}, ()),
        ToolAnswer({"result": json.dumps(json.dumps(ITEMS))}, ()),
        texts(json.dumps({"memories": ITEMS})),
        texts(json.dumps(ITEMS)),
        texts(*map(json.dumps, ITEMS)),
    ],
    ids=["object", "result", "result-list", "result-text", "twice", "json", "list", "blocks"],
)
def test_every_wrapping_gives_the_same_items(answer: ToolAnswer) -> None:
    asked = operation()
    found = page_of(unwrap(answer, (), ()), asked).items
    assert [memory("s", each, asked).content for each in found] == ["one", "two"]


def test_prose_is_one_item_that_is_marked() -> None:
    asked = operation()
    [found] = page_of(unwrap(texts("She likes mornings.", "And dogs."), (), ()), asked).items
    item = memory("s", found, asked)
    assert (item.content, item.parsed) == ("She likes mornings.\nAnd dogs.", False)


def test_prose_can_be_taken_apart_by_a_pattern() -> None:
    asked = operation(prose_items=r"(?m)^\d+\. (?P<content>.+)\n\s+Hash: (?P<id>\w+)")
    said = "Found 2 memories\n1. one\n   Hash: aa\n2. two\n   Hash: bb\n"
    found = page_of(unwrap(texts(said), (), ()), asked).items
    assert [(m.id, m.content, m.parsed) for m in (memory("s", f, asked) for f in found)] == [
        ("aa", "one", True),
        ("bb", "two", True),
    ]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (ToolAnswer(None, ("no such user",), is_error=True), "no such user"),
        (ToolAnswer(None, (), is_error=True), "it gave no reason"),
        (ToolAnswer({"error": "graph is down"}, ()), "graph is down"),
        (ToolAnswer({"error": {"code": 3, "message": "quota"}}, ()), "quota"),
        (texts('{"success": false, "message": "locked"}'), "locked"),
        (texts("# Search Failed\n\nno index"), "# Search Failed no index"),
        (texts("Error: database is locked"), "Error: database is locked"),
        (texts("Unknown tool: x"), "Unknown tool: x"),
        (texts("Sorry, closed today"), "Sorry, closed today"),
    ],
)
def test_a_failure_told_in_any_way_is_a_failure(answer: ToolAnswer, says: str) -> None:
    with pytest.raises(ToldFailureError) as told:
        unwrap(answer, ("^Sorry",), ())
    assert str(told.value) == says


@pytest.mark.parametrize(
    "answer",
    [
        texts("Errors are what Mrs Hopper hates most"),
        ToolAnswer({"error": None, "items": ITEMS}, ()),
        ToolAnswer({"error": "one row was skipped", "items": ITEMS}, ()),
    ],
)
def test_what_only_speaks_of_errors_is_none(answer: ToolAnswer) -> None:
    assert unwrap(answer, (), ())


@pytest.mark.parametrize("said", ["", "  ", "No memories found for this"])
def test_nothing_said_in_words_is_an_empty_list(said: str) -> None:
    assert unwrap(texts(said), (), ("^No memories",)) == []


def test_data_that_does_not_hold_what_the_mapping_says_is_refused() -> None:
    with pytest.raises(NoItemsError, match="nothing at rows in its answer, an object with total"):
        page_of({"total": 3}, operation(items="rows"))


@given(JSON)
def test_no_answer_breaks_the_reading(value: JsonValue) -> None:
    asked = operation(items=["a[].b[]", "items", ""])
    try:
        payload = unwrap(texts(json.dumps(value)), (), ())
        found = page_of(payload, asked).items
    except (ToldFailureError, NoItemsError):
        return
    for each in found:
        item = memory("s", each, asked)
        assert item.id
        json.dumps(item.raw).encode()
        item.content.encode()
        assert "\x00" not in item.content
        conversation("s", each, asked)


def test_deep_nesting_is_prose() -> None:
    assert isinstance(unwrap(texts("[" * 100_000), (), ()), Prose)


# ------------------------------------------------------------------ items


def test_items_inside_items_know_what_they_lie_in() -> None:
    asked = operation(items="entities[].observations[]", fields={"subject": "^name"})
    payload: JsonValue = {
        "entities": [
            {"name": "Hopper", "observations": ["mornings", "dog"]},
            {"name": "Empty", "observations": []},
            {"name": "Lovelace", "observations": ["numbers"]},
        ]
    }
    found = [memory("s", each, asked) for each in page_of(payload, asked).items]
    assert [(m.subject, m.content) for m in found] == [
        ("Hopper", "mornings"),
        ("Hopper", "dog"),
        ("Lovelace", "numbers"),
    ]
    assert len({m.id for m in found}) == 3
    assert found == [memory("s", each, asked) for each in page_of(payload, asked).items]


def test_a_memory_is_read_by_the_usual_names() -> None:
    raw: JsonValue = {
        "uuid": 7, "type": "Preferences", "tier": "2", "agent_name": "remus", "text": "mornings",
        "valid_at": "2026-01-02", "invalid_at": None, "created_at": 1_795_405_511,
        "relevance_score": 0.5, "source": {"call": "c1"}, "unknown": [1],
    }  # fmt: skip
    read = memory("s", Found(raw), operation())
    assert (read.id, read.kind, read.tier, read.agent) == ("7", "preference", 2, "remus")
    assert (read.content, read.score, read.source) == ("mornings", 0.5, {"call": "c1"})
    assert read.valid_from == datetime(2026, 1, 2, tzinfo=UTC)
    assert read.recorded_at == datetime(2026, 11, 23, 4, 5, 11, tzinfo=UTC) - (
        datetime(2026, 11, 23, 4, 5, 11, tzinfo=UTC) - datetime.fromtimestamp(1_795_405_511, UTC)
    )
    assert (read.valid_to, read.raw, read.parsed) == (None, raw, True)


def test_a_kind_of_theirs_can_be_named_as_one_of_ours() -> None:
    asked = operation(fields={"kind": "tags"}, kinds={"habit": "preference"})
    assert memory("s", Found({"content": "x", "tags": ["a", "Habit"]}), asked).kind == "preference"
    assert memory("s", Found({"content": "x", "tags": ["a"]}), asked).kind is None


def test_an_item_without_a_text_is_kept_and_marked() -> None:
    read = memory("s", Found({"weight": 3}), operation())
    assert (read.content, read.parsed) == ('{"weight": 3}', False)


def test_what_no_database_takes_is_replaced() -> None:
    read = memory("s", Found({"id": "1", "content": "a\x00b\ud83dc"}), operation())
    assert read.content == "a\ufffdb\ufffdc"
    assert read.raw == {"id": "1", "content": "a\ufffdb\ufffdc"}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (1_795_405_511, datetime.fromtimestamp(1_795_405_511, UTC)),
        (1_795_405_511_000, datetime.fromtimestamp(1_795_405_511, UTC)),
        ("1795405511.5", datetime.fromtimestamp(1_795_405_511.5, UTC)),
        ("2026-11-23T13:00:00+01:00", NOW),
        ("2026-11-23T12:00:00Z", NOW),
        ("2026-11-23 12:00:00", NOW),
        ("2026-11-23", NOW.replace(hour=0)),
        ("3 days ago", NOW.replace(day=20)),
        ("about an hour ago", NOW.replace(hour=11)),
        ("yesterday", NOW.replace(day=22)),
        ("just now", NOW),
        ("999999 years ago", None),
        ("soon", None),
        (True, None),
        (float("nan"), None),
        (1e30, None),
        ({}, None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_moments_in_many_forms(said: JsonValue, meant: datetime | None) -> None:
    assert moment(said, now=NOW) == meant
