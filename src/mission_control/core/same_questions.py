"""Finds scenarios that ask the same question: word for word, or nearly."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from mission_control.core.near_questions import near_pairs
from mission_control.core.playbook import Scenario, Split, split_of
from mission_control_protocol.spelling import folded

_OF_NUMBERS = ".:-"
# Elsewhere than in a number they say nothing: 10:30, 49.99, -5.
_MARKS = re.compile(r"(?<!\d)[.:]|[.:](?!\d)|-(?!\d)|(?<=\w)-")
MOST_SHOWN = 10  # of the pairs, in one sentence


class SamePair(BaseModel):
    """Two scenarios that ask the same question. `similarity` is 1 for the same words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: str
    first_split: Split
    second: str
    second_split: Split
    similarity: float

    @property
    def leaks(self) -> bool:
        """Whether a test scenario asks what the search is shown in train or validation."""
        return (self.first_split == "test") != (self.second_split == "test")


@dataclass(frozen=True)
class SameQuestions:
    """`leaked`: test scenarios that the search sees. `copies`: groups of other test scenarios."""

    pairs: tuple[SamePair, ...]
    leaked: tuple[str, ...]
    copies: tuple[tuple[str, ...], ...]
    questions: tuple[str, ...]  # of the test split, each by one scenario, without the leaked ones


def same_questions(agent_id: str, scenarios: Sequence[Scenario]) -> SameQuestions:
    """What of the scenarios is the same question, within the splits and across them."""
    split: dict[str, Split] = {each.id: split_of(agent_id, each) for each in scenarios}
    found = list(same_pairs({each.id: each.input for each in scenarios}))
    leaked: list[str] = []
    copies: list[tuple[str, ...]] = []
    questions: list[str] = []
    for group in groups(list(split), found):
        tested = [name for name in group if split[name] == "test"]
        if len(tested) < len(group):
            leaked += tested
        elif tested:
            questions.append(tested[0])
            copies += [tuple(tested)] if len(tested) > 1 else []
    return SameQuestions(
        pairs=tuple(
            SamePair(
                first=first,
                first_split=split[first],
                second=second,
                second_split=split[second],
                similarity=similarity,
            )
            for first, second, similarity in found
        ),
        leaked=tuple(sorted(leaked)),
        copies=tuple(copies),
        questions=tuple(questions),
    )


def warnings(found: SameQuestions) -> list[str]:
    """What somebody who imports or edits scenarios should know, with the pairs."""
    leaks = [pair for pair in found.pairs if pair.leaks]
    tested = [pair for pair in found.pairs if pair.first_split == pair.second_split == "test"]
    learned = [pair for pair in found.pairs if pair not in leaks and pair not in tested]
    return [
        f"{text} {_shown(pairs)}"
        for pairs, text in (
            (
                leaks,
                "The search is shown questions of the test split, so these test scenarios do not "
                f"count for a verdict: {', '.join(found.leaked[:MOST_SHOWN])}. Ask something else "
                "in them.",
            ),
            (tested, "Test scenarios that ask the same question count once in a verdict."),
            (learned, "Scenarios of train and validation ask the same question."),
        )
        if pairs
    ]


def _shown(pairs: Sequence[SamePair]) -> str:
    shown = [
        f"{each.first} ({each.first_split}) and {each.second} ({each.second_split})"
        + ("" if each.similarity == 1 else ", nearly the same words")
        for each in pairs[:MOST_SHOWN]
    ]
    more = len(pairs) - len(shown)
    return "; ".join([*shown, *([f"and {more} pairs more"] if more else [])]) + "."


def normal_question(text: str) -> str:
    """Without what makes no other question: spelling as in checks, and punctuation."""
    said = folded(text)
    for _ in range(4):  # without its punctuation, a mark may stand where Markdown has one
        said = folded(_words_and_numbers(said)) or said
    return said


def _words_and_numbers(said: str) -> str:
    kept = "".join(each if _says_something(each) else " " for each in _MARKS.sub(" ", said))
    return " ".join(kept.split())


def _says_something(character: str) -> bool:
    return character in _OF_NUMBERS or unicodedata.category(character)[0] not in "PZC"


def same_pairs(inputs: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str, float]]:
    """Pairs of names whose inputs ask the same: equal ones beside the first of them, then near ones."""
    equal: dict[tuple[tuple[str, str], ...], list[str]] = defaultdict(list)
    for name, fields in inputs.items():
        equal[_normal(fields)].append(name)
    for first, *others in equal.values():
        yield from ((first, other, 1.0) for other in others)
    yield from near_pairs({names[0]: fields for fields, names in equal.items()})


def groups(names: Sequence[str], pairs: Sequence[tuple[str, str, float]]) -> list[list[str]]:
    """Names that are connected by pairs, in the order of their first."""
    parent = {name: name for name in names}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for first, second, _ in pairs:
        parent[root(second)] = root(first)
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(root(name), []).append(name)
    return list(found.values())


def _normal(fields: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, normal_question(fields[name])) for name in sorted(fields))
