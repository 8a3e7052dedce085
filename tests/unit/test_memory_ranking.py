"""One answer out of many servers' lists."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mission_control.integrations.memory.config.operations import Operation
from mission_control.integrations.memory.items import Item, Memory
from mission_control.integrations.memory.mapping.pages import Found
from mission_control.integrations.memory.mapping.records import memory
from mission_control.integrations.memory.ranking import by_shared_words, ranked

PLAIN = Operation.model_validate({"tool": "t"})
WORDS = st.lists(
    st.sampled_from(["dog", "cat", "morning", "clinic", "call", "guest"]), min_size=1, max_size=4
)


def held(server: str, *contents: str) -> list[Item]:
    return [memory(server, Found(content), PLAIN) for content in contents]


def order(query: str, answers: dict[str, list[Item]], **weights: float) -> list[str]:
    return [hit.item.text for hit in ranked(query, answers, weights=weights, limit=20)]


def test_what_two_servers_found_comes_first_and_names_both() -> None:
    answers = {"a": held("a", "one dog", "a cat"), "b": held("b", "two dogs", "A  cat.")}
    hits = ranked("animals", answers, weights={}, limit=20)
    assert hits[0].item.text in {"a cat", "A  cat."}
    assert [(found.server, found.rank) for found in hits[0].found] == [("a", 2), ("b", 2)]
    assert len(hits) == 3


def test_a_server_that_always_answers_does_not_crowd_out_one_that_knows() -> None:
    answers = {
        "always": held("always", "opening hours", "price list", "parking"),
        "knows": held("knows", "Mrs Hopper likes mornings"),
    }
    assert order("when does Mrs Hopper like to come?", answers)[0] == "Mrs Hopper likes mornings"


def test_a_heavier_server_wins_where_nothing_else_decides() -> None:
    answers = {"a": held("a", "first"), "b": held("b", "second")}
    assert order("x", answers, b=2.0) == ["second", "first"]
    assert order("x", answers, a=2.0) == ["first", "second"]


def test_the_same_text_twice_at_one_server_counts_once() -> None:
    hits = ranked("x", {"a": held("a", "dog", "Dog!", "cat")}, weights={}, limit=20)
    assert [(hit.item.text, hit.found[0].rank) for hit in hits] == [("dog", 1), ("cat", 2)]


def test_the_better_understood_copy_is_shown() -> None:
    [rough] = held("a", "dog")
    assert isinstance(rough, Memory)
    answers: dict[str, list[Item]] = {"a": [replace(rough, parsed=False)], "b": held("b", "dog")}
    [hit] = ranked("dog", answers, weights={}, limit=20)
    assert hit.item.parsed
    assert len(hit.found) == 2


def test_texts_without_letters_are_not_all_the_same() -> None:
    assert len(order("x", {"a": held("a", "!!!", "???", "🐕", "日本")})) == 4


def test_searching_a_list_gives_what_shares_words_best_first() -> None:
    items = held("a", "a dog", "the clinic", "the dog of the clinic", "CLÍNIC hours")
    found = [item.text for item in by_shared_words("clinic dog", items)]
    assert found == ["the dog of the clinic", "the clinic", "CLÍNIC hours", "a dog"]


@given(st.dictionaries(st.sampled_from("abc"), st.lists(WORDS, max_size=5)), WORDS)
def test_every_item_is_in_the_answer_once_whatever_the_order_of_the_servers(
    lists: dict[str, list[list[str]]], query: list[str]
) -> None:
    answers = {name: held(name, *map(" ".join, texts)) for name, texts in lists.items()}
    backwards = dict(reversed(answers.items()))
    said = order(" ".join(query), answers)
    assert sorted(said) == sorted({item.text for items in answers.values() for item in items})
    scores = [hit.score for hit in ranked(" ".join(query), answers, weights={}, limit=20)]
    assert scores == sorted(scores, reverse=True)
    assert sorted(order(" ".join(query), backwards)) == sorted(said)
