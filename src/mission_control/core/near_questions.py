"""Finds questions that are nearly the same words, among a thousand long ones as among ten short ones."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SHINGLE = 4  # characters: also right for writing without spaces
NEARLY = 0.8  # of the shingles of the shorter text are in the longer one, too
AS_LONG = 0.6  # as long as the longer one, at least: "and what else" is another question
SPELLED_ALIKE = 0.75  # two words
_COLUMNS = 4096  # shingles at once, which bounds the memory
_NUMBER = re.compile(r"-?\d+(?:[.:]\d+)*")

Fields = tuple[tuple[str, str], ...]
Overlap = NDArray[np.float32]


def near_pairs(questions: Mapping[str, Fields]) -> Iterator[tuple[str, str, float]]:
    """Pairs of names with their similarity. `questions`: normal texts by field, fields in order."""
    comparable: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = defaultdict(list)
    for name, fields in questions.items():
        comparable[tuple(field for field, _ in fields), _numbers(fields)].append(name)
    for (fields, _), names in comparable.items():
        texts = [[questions[name][at][1] for name in names] for at in range(len(fields))]
        for first, second, similarity in _near(texts):
            yield names[first], names[second], round(similarity, 3)


def _numbers(fields: Fields) -> tuple[str, ...]:
    """Another number is another question."""
    return tuple(each for _, text in fields for each in _NUMBER.findall(text))


def _near(fields: Sequence[Sequence[str]]) -> Iterator[tuple[int, int, float]]:
    """By the field that differs most."""
    if not fields or len(fields[0]) < 2:
        return
    similarity = np.minimum.reduce([_similarities(texts) for texts in fields])
    words = [_telling_words(texts) for texts in fields]
    for first, second in np.argwhere(np.triu(similarity, 1) >= NEARLY).tolist():
        if not any(says_another_word(each[first], each[second]) for each in words):
            yield first, second, float(similarity[first, second])


def _similarities(texts: Sequence[str]) -> Overlap:
    """The share of the shorter text's shingles that are in the longer one; 0 for unlike lengths."""
    if len(set(texts)) == 1:
        return np.ones((len(texts), len(texts)), dtype=np.float32)
    shingled = [_shingles(text) for text in texts]
    sizes = np.array([len(each) for each in shingled], dtype=np.float32)
    shorter, longer = np.minimum.outer(sizes, sizes), np.maximum.outer(sizes, sizes)
    shares: Overlap = (_shared(shingled) / shorter).astype(np.float32)
    shares[shorter < AS_LONG * longer] = 0.0
    return shares


def _shared(shingled: Sequence[frozenset[str]]) -> Overlap:
    """How many shingles two texts share, for every two."""
    known = Counter(each for shingles in shingled for each in shingles)
    several = (each for each, times in known.items() if times > 1)
    column = {each: number for number, each in enumerate(several)}
    found = [
        np.array(sorted(column[each] for each in shingles if each in column), dtype=np.int64)
        for shingles in shingled
    ]
    shared = np.zeros((len(shingled), len(shingled)), dtype=np.float32)
    for start in range(0, len(column), _COLUMNS):
        has = np.zeros((len(shingled), _COLUMNS), dtype=np.float32)
        for row, columns in enumerate(found):
            low, high = np.searchsorted(columns, (start, start + _COLUMNS))
            has[row, columns[low:high] - start] = 1.0
        shared += has @ has.T
    return shared


def _shingles(text: str) -> frozenset[str]:
    return frozenset(text[at : at + SHINGLE] for at in range(max(1, len(text) - SHINGLE + 1)))


def _telling_words(texts: Sequence[str]) -> list[frozenset[str]]:
    """The words of each text, without those that all have: a long preamble tells nothing apart."""
    words = [frozenset(text.split()) for text in texts]
    common = frozenset[str].intersection(*words)
    return [each - common for each in words]


def says_another_word(one: frozenset[str], other: frozenset[str]) -> bool:
    """More words, or words spelled otherwise, ask the same; "price" in the place of "time" does not."""
    mine, theirs = one - other, other - one
    return _has_unlike(mine, theirs) and _has_unlike(theirs, mine)


def _has_unlike(words: frozenset[str], others: frozenset[str]) -> bool:
    return any(not any(_are_alike(word, each) for each in others) for word in words)


def _are_alike(word: str, other: str) -> bool:
    # Letters that the other word has not are no part of what they share: most words end here.
    mine, theirs = _letters(word), _letters(other)
    most = min(len(word) - len(mine - theirs), len(other) - len(theirs - mine))
    if 2 * most < SPELLED_ALIKE * (len(word) + len(other)):
        return False
    return SequenceMatcher(None, word, other).ratio() >= SPELLED_ALIKE


@lru_cache(maxsize=20_000)
def _letters(word: str) -> frozenset[str]:
    return frozenset(word)
