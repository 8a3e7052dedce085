"""One spelling for every text that is compared or searched, whatever way it was written in.

`normalized` takes away what a reader does not see as a difference: case, full-width forms,
ligatures, invisible characters, kinds of hyphens, apostrophes and spaces. `folded` takes accents
away as well. `words_of` cuts folded text into what an index holds; text of scripts that put no
spaces between words becomes overlapping pairs of characters, so that any part of it is found.
Which characters are taken for one another is what checks know, too (`typography`).
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

from mission_control_protocol.typography import INVISIBLE, LOOKS_ALIKE, UNSPACED, without_accents

LONGEST_WORD = 64  # characters; a longer one is found by its beginning

DIGITS = re.compile(r"(?![0-9])\d")
PIECES = re.compile(
    f"(?P<run>[{UNSPACED}]+)|(?P<word>[^\\W_{UNSPACED}](?:[^\\W_{UNSPACED}]|[\u0900-\u0dff])*)"
)
LONG_RUN = re.compile(f"[{UNSPACED}]{{3,}}")


def normalized(text: str) -> str:
    """The text as a reader takes it. Idempotent."""
    if text.isascii():
        return text.casefold().replace("`", "'")
    plain = _alike(text)
    # Twice: folding takes letters apart, and what is put together may have another case again.
    for _ in range(2):
        plain = unicodedata.normalize("NFKC", plain).casefold()
    return _alike(unicodedata.normalize("NFKC", plain))


def folded(text: str) -> str:
    """The same without accents. Idempotent."""
    plain = normalized(text)
    if plain.isascii():
        return plain
    bare = without_accents(plain).casefold()
    return DIGITS.sub(lambda digit: str(unicodedata.digit(digit[0])), bare)


def words_of(text: str) -> list[str]:
    """What an index keeps of a text: words, and of text without spaces characters and pairs.

    Each once, in the order of their first appearance.
    """
    return unique(word for part in unique(text.split()) for word in _words_within(part))


def all_words(text: str) -> list[str]:
    """The same, each as often as it is there: for an index that ranks by how often."""
    return [word for part in text.split() for word in _words_within(part)]


def sought(text: str) -> list[str]:
    """What an index must have of a text so that the words of this one are in it. Each once."""
    found: list[str] = []
    for piece in PIECES.finditer(folded(text)):
        run = piece["run"]
        if run is None:
            found.append(piece["word"][:LONGEST_WORD])
        else:
            found += pairs(run) if len(run) > 1 else [run]
    return unique(found)


def long_runs(text: str) -> list[str]:
    """Parts of a question that must be looked for in the text: pairs do not tell their order."""
    return unique(LONG_RUN.findall(folded(text)))


def pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)]


def unique(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))


def _words_within(part: str) -> Sequence[str]:
    # People say the same words again and again.
    return _remembered(part) if len(part) <= LONGEST_WORD else _cut(part)


def _cut(part: str) -> Sequence[str]:
    words: list[str] = []
    for piece in PIECES.finditer(folded(part)):
        run = piece["run"]
        words += [piece["word"][:LONGEST_WORD]] if run is None else [*run, *pairs(run)]
    return words


_remembered = lru_cache(maxsize=50_000)(_cut)


def _alike(text: str) -> str:
    return INVISIBLE.sub("", text.translate(LOOKS_ALIKE))
