"""One spelling for every text that is compared or searched, whatever way it was written in.

`normalized` takes away what a reader does not see as a difference: case, full-width forms,
ligatures, invisible characters, kinds of hyphens, apostrophes and spaces. `folded` takes accents
away as well. `words_of` cuts folded text into what an index holds; text of scripts that put no
spaces between words becomes overlapping pairs of characters, so that any part of it is found.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

LONGEST_WORD = 64  # characters; a longer one is found by its beginning

HYPHENS = "\u058a\u05be\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u2e3a\u2e3b\u30a0\ufe58\ufe63\uff0d"
APOSTROPHES = "\u0060\u00b4\u02b9\u02bb\u02bc\u02bd\u02c8\u02ca\u02cb\u055a\u2018\u2019\u201a\u201b\u2032\u2035\uff07"
QUOTES = '\u00ab\u00bb\u02ba\u201c\u201d\u201e\u201f\u2033\u2036"\uff02'
LOOKS_ALIKE = str.maketrans(
    dict.fromkeys(HYPHENS, "-") | dict.fromkeys(APOSTROPHES, "'") | dict.fromkeys(QUOTES, '"')
)
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)
# Accents of Latin and Greek letters, which readers leave out. Elsewhere such marks make another
# letter: Cyrillic \u0439 is no \u0438, and vowel signs of Thai or Hindi are letters.
ACCENTS = re.compile(
    "(?<=[a-z\u00df-\u02af\u0370-\u03ff\u1d00-\u1dbf])[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
)
# Vowel points of Hebrew and Arabic, and the stroke that only stretches a word.
POINTS = re.compile(
    "[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670]"
)
# Letters with a stroke, which Unicode does not take apart.
STROKES = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ё": "е", "ŧ": "t", "þ": "th", "æ": "ae", "œ": "oe"}
)  # fmt: skip
# Scripts without spaces between words, and Korean, whose particles grow onto them: Thai, Lao,
# Tibetan, Burmese, Khmer, Japanese, Chinese, Yi, Hangul.
UNSPACED = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029"
    "\u3040-\u30ff\u3100-\u318f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua48f\ua960-\ua97f"
    "\uac00-\ud7ff\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
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
    apart = unicodedata.normalize("NFKD", POINTS.sub("", plain))
    together = unicodedata.normalize("NFKC", ACCENTS.sub("", apart)).translate(STROKES)
    return DIGITS.sub(lambda digit: str(unicodedata.digit(digit[0])), together.casefold())


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
