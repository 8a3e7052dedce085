"""Finds scenarios that ask the same question: word for word, or nearly."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from math import ceil

from pydantic import BaseModel, ConfigDict

from mission_control.core.playbook import Scenario, Split, split_of

SHINGLE = 4  # characters: also right for writing without spaces
NEARLY = 0.8  # of the shingles of the shorter text are in the longer one, too
AS_LONG = 0.6  # as long as the longer one, at least: "and what else" is another question
SPELLED_ALIKE = 0.75  # two words
MOST_SHOWN = 10  # of the pairs, in one sentence
_FEWEST_SHARED = NEARLY * AS_LONG

Shingles = frozenset[tuple[str, str]]


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
    """Without what makes no other question: case, accents, punctuation, spacing, invisible marks."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    kept = "".join(
        "" if unicodedata.category(each) in {"Mn", "Cf"} else each if _says_something(each) else " "
        for each in plain
    )
    return " ".join(kept.split()) or " ".join(text.split())


def _says_something(character: str) -> bool:
    return unicodedata.category(character)[0] not in "PZC" and not character.isspace()


def same_pairs(inputs: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str, float]]:
    """Pairs of names whose inputs ask the same: equal ones beside the first of them, then near ones."""
    equal: dict[tuple[tuple[str, str], ...], list[str]] = defaultdict(list)
    for name, fields in inputs.items():
        equal[_normal(fields)].append(name)
    for first, *others in equal.values():
        yield from ((first, other, 1.0) for other in others)
    distinct = {names[0]: _Question.of(fields) for fields, names in equal.items()}
    for first, second in _candidates(distinct):
        similarity = distinct[first].similarity(distinct[second])
        if similarity >= NEARLY:
            yield first, second, round(similarity, 3)


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


@dataclass(frozen=True)
class _Question:
    """An input as the text of each of its fields, and the numbers in it, in order."""

    fields: tuple[tuple[str, str], ...]
    numbers: tuple[str, ...]

    @classmethod
    def of(cls, fields: tuple[tuple[str, str], ...]) -> "_Question":
        return cls(fields, tuple(each for _, text in fields for each in re.findall(r"\d+", text)))

    @property
    def shingles(self) -> Shingles:
        return frozenset((name, each) for name, text in self.fields for each in _shingles(text))

    def similarity(self, other: "_Question") -> float:
        """Of the field that differs most; 0 where a number or the fields differ."""
        if self.numbers != other.numbers or len(self.fields) != len(other.fields):
            return 0.0
        return min(
            _similarity(mine, theirs) if name == other_name else 0.0
            for (name, mine), (other_name, theirs) in zip(self.fields, other.fields, strict=True)
        )


def _similarity(first: str, second: str) -> float:
    """The share of the shorter text that is in the longer one; 0 for another word in its place."""
    return 0.0 if _says_another_word(first, second) else _overlap(first, second)


def _overlap(first: str, second: str) -> float:
    one, other = _shingles(first), _shingles(second)
    shorter, longer = sorted((len(one), len(other)))
    return len(one & other) / shorter if shorter >= AS_LONG * longer else 0.0


def _says_another_word(first: str, second: str) -> bool:
    """More words, or words spelled otherwise, ask the same; "price" in the place of "time" does not."""
    one, other = set(first.split()), set(second.split())
    mine, theirs = one - other, other - one
    return bool(_unlike(mine, theirs) and _unlike(theirs, mine))


def _unlike(words: set[str], others: set[str]) -> set[str]:
    return {
        word
        for word in words
        if not any(SequenceMatcher(None, word, each).ratio() >= SPELLED_ALIKE for each in others)
    }


def _shingles(text: str) -> frozenset[str]:
    return frozenset(text[at : at + SHINGLE] for at in range(max(1, len(text) - SHINGLE + 1)))


def _candidates(questions: Mapping[str, _Question]) -> Iterator[tuple[str, str]]:
    """Pairs that can be near: they share one of their rarest shingles.

    Texts that are near share at least a given part of all shingles of either. So one of them is
    among the rarest ones that are left when less than that part is taken away.
    """
    shingles = {name: question.shingles for name, question in questions.items()}
    common = Counter(each for all_of_one in shingles.values() for each in all_of_one)
    seen_with: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, all_of_one in shingles.items():
        rarest = sorted(all_of_one, key=lambda each: (common[each], each))
        near: dict[str, None] = {}
        for each in rarest[: len(rarest) - ceil(_FEWEST_SHARED * len(rarest)) + 1]:
            near.update(dict.fromkeys(seen_with[each]))
            seen_with[each].append(name)
        yield from ((earlier, name) for earlier in near)
