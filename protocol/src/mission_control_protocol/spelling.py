"""One text, many spellings: the form in which what was said and what is looked for are compared."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

_APOSTROPHES = "‘’‚‛´ʹʻʼʽˈ′‵‹›＇׳`"
_QUOTATION_MARKS = "“”„‟«»″‶〝〞＂ʺ״"
_HYPHENS = "‐‑‒–—―−﹘﹣－⁃"
_TRADE_MARKS = "™℠®"
# A raised figure is no digit of the number before it: 10² is not 102.
_RAISED = {char: f"^{unicodedata.digit(char)}" for char in "⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉"}
_MARKS = str.maketrans(
    dict.fromkeys(_APOSTROPHES, "'")
    | dict.fromkeys(_QUOTATION_MARKS, '"')
    | dict.fromkeys(_HYPHENS, "-")
    | dict.fromkeys(_TRADE_MARKS, "")
    | {"⁄": "/", "∕": "/"}
    | _RAISED
)
# Not seen and not heard: soft hyphens, joiners, direction marks, variation selectors.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
_FRACTION = re.compile("(?<=\\d)(?=[¼-¾⅐-⅞↉])")
_THIN_THOUSANDS = re.compile("(?<=\\d)[\u00a0\u2007\u2009\u202f](?=\\d{3}(?!\\d))")
_LETTERS_OF_THEIR_OWN = str.maketrans(
    {"ı": "i", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "ё": "е"}
)
_ACCENTED = ("LATIN", "GREEK")
# Vowel points of Hebrew and Arabic, and the stroke that only stretches a word, may be left out.
_OPTIONAL_POINTS = re.compile(
    "[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0640\u064b-\u065f\u0670]"
)

_EMPHASIS = (
    re.compile(
        r"(?<![\\*\d])(\*{2,3})(?=[^\s*])((?:[^\n]|\n(?!\s*\n)){1,400}?)(?<=[^\s*\\])\1(?!\*)"
    ),
    re.compile(
        r"(?<![\\*A-Za-z0-9])(\*)(?=[^\s*])((?:[^*\n]|\n(?!\s*\n)){1,400}?)(?<=[^\s*\\])\1(?![*A-Za-z0-9])"
    ),
    re.compile(
        r"(?<![\\\w])(_{1,3})(?=[^\s_])((?:[^\n]|\n(?!\s*\n)){1,400}?)(?<=[^\s_\\])\1(?!\w)"
    ),
    re.compile(r"(?<![\\~])(~~)(?=[^\s~])((?:[^\n]|\n(?!\s*\n)){1,400}?)(?<=[^\s~\\])\1(?!~)"),
)
_CODE = re.compile(r"(`+)(?!`)([^`\n]+)(?<!`)\1(?!`)")
_FENCE = re.compile(r"^[ \t]*(?:`{3,}|~{3,})[^\n`]*$\n?", re.MULTILINE)
_LINE_START = re.compile(r"^[ \t]*(?:(?:#{1,6}|>|[-*+•])[ \t]+)+(?=\S)", re.MULTILINE)
_ESCAPED = re.compile(r"\\([*_`~#])")

_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{2,3})*,\d{3}(?![\d,]|\.\d+[.,]\d)")
_SWISS_THOUSANDS = re.compile(r"(?<![\d.,'])\d{1,3}(?:'\d{3})+(?![\d'])")
_NO_CENTS = re.compile(r"(?<=\d)\.00(?!\d|[.,:]\d)")

# Scripts whose words have no space between them, and Korean, whose particles are part of the word.
_UNSPACED = re.compile(
    "["
    "\u0e00-\u0fff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aaf"
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3040-\u30ff\u3100-\u318f\u31a0-\u31bf"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua9ff\uaa60-\uaadf\uac00-\ud7ff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
    "]"
)
_KOREAN = re.compile("[\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff]")


def plain(text: str) -> str:
    """The text with one kind of hyphen, quotation mark, space and digit, and no Markdown marks.

    Case, accents and line ends stay. It is what a `regex` check sees.
    """
    return _without_markdown(_one_typography(text))


def folded(text: str) -> str:
    """`plain`, and case, accents of Latin and Greek letters, and white space do not matter."""
    lower = unicodedata.normalize("NFKC", plain(text).casefold())
    bare = _without_accents(lower).translate(_LETTERS_OF_THEIR_OWN)
    return _numbers_as_values(" ".join(bare.split()))


def mentions(text: str, value: str, spoken: Mapping[str, Sequence[str]] | None = None) -> bool:
    """Whether `value` is said in `text`, as words and numbers of their own.

    `spoken` maps a value to other forms of it: {"$49": ["forty nine dollars"]}.
    """
    said = _with_one_form(folded(text), spoken or {})
    wanted = _with_one_form(folded(value), spoken or {})
    return bool(wanted) and next(_occurrences(said, wanted), None) is not None


def same(text: str, value: str, spoken: Mapping[str, Sequence[str]] | None = None) -> bool:
    """Whether the two texts are one text."""
    forms = spoken or {}
    return _with_one_form(folded(text), forms) == _with_one_form(folded(value), forms)


def plain_pattern(pattern: str) -> str:
    """A regular expression in the typography of `plain`; what it means stays."""
    return "".join(_in_pattern(char) for char in _UNICODE_ESCAPE.sub(_unescaped, pattern))


def has_no_spaces(text: str) -> bool:
    """Whether the text is mostly in a script that does not put spaces between its words."""
    letters = [char for char in text if char.isalpha()]
    unspaced = [char for char in letters if _UNSPACED.match(char) and not _KOREAN.match(char)]
    return len(unspaced) * 2 > len(letters)


# ---------------------------------------------------------------- typography


_UNICODE_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))")


def _one_typography(text: str) -> str:
    text = "".join(char for char in text if unicodedata.category(char) != "Cf")
    text = _THIN_THOUSANDS.sub("", _FRACTION.sub(" ", _INVISIBLE.sub("", text)))
    text = unicodedata.normalize("NFKC", text.translate(_MARKS)).translate(_MARKS)
    return "".join(_ascii_digit_or_space(char) for char in text)


def _ascii_digit_or_space(char: str) -> str:
    if char < "\x80":
        return char
    match unicodedata.category(char):
        case "Nd":
            return str(unicodedata.digit(char))
        case "Zs":
            return " "
        case _:
            return char


def _without_markdown(text: str) -> str:
    text = _LINE_START.sub("", _FENCE.sub("", text))
    text = _CODE.sub(r"\2", text)
    for emphasis in _EMPHASIS:
        text = emphasis.sub(r"\2", text)
    return _ESCAPED.sub(r"\1", text)


def _without_accents(text: str) -> str:
    if text.isascii():
        return text
    kept: list[str] = []
    base = ""
    for char in unicodedata.normalize("NFD", _OPTIONAL_POINTS.sub("", text)):
        if not unicodedata.combining(char):
            base = char
        elif _carries_accents(base):
            continue
        kept.append(char)
    return unicodedata.normalize("NFC", "".join(kept))


@lru_cache(maxsize=4096)
def _carries_accents(base: str) -> bool:
    return unicodedata.name(base, "").startswith(_ACCENTED) if base else False


def _unescaped(match: re.Match[str]) -> str:
    code = int(match[2] or match[3], 16)
    return match[1] + (chr(code) if 0x80 <= code < 0x110000 else match[0][len(match[1]) :])


def _in_pattern(char: str) -> str:
    if char < "\x80":
        return char
    return "".join(re.escape(each) for each in _one_typography(char))


# ---------------------------------------------------------------- numbers


def _numbers_as_values(text: str) -> str:
    """Without separators of thousands and without `.00`."""
    text = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)
    text = _SWISS_THOUSANDS.sub(lambda match: match[0].replace("'", ""), text)
    return _NO_CENTS.sub("", text)


# ---------------------------------------------------------------- where a word begins and ends


def _with_one_form(text: str, spoken: Mapping[str, Sequence[str]]) -> str:
    """Every declared form of a value replaced by the value; the longest form first."""
    pairs = [(folded(form), folded(value)) for value, forms in spoken.items() for form in forms]
    for form, value in sorted(pairs, key=lambda pair: -len(pair[0])):
        if form:
            text = _replaced(text, form, value)
    return text


def _replaced(text: str, form: str, value: str) -> str:
    kept: list[str] = []
    end = 0
    for start in _occurrences(text, form):
        if start >= end:
            kept += [text[end:start], value]
            end = start + len(form)
    return "".join([*kept, text[end:]])


def _occurrences(text: str, value: str) -> Iterator[int]:
    start = text.find(value)
    while start >= 0:
        end = start + len(value)
        if _begins(text, start) and _ends(text, end):
            yield start
        start = text.find(value, start + 1)


def _begins(text: str, start: int) -> bool:
    before, first = text[:start][-2:], text[start]
    if not before:
        return True
    if _is_one_word(before[-1], first) or _is_range(before[-1], text[start : start + 2]):
        return False
    return not _is_inside_number(before[::-1], first) and not _is_negated(text, start)


def _ends(text: str, end: int) -> bool:
    last, after = text[end - 1], text[end : end + 2]
    if not after:
        return True
    if _is_one_word(last, after[0]) or unicodedata.category(after[0]).startswith("M"):
        return False
    # "can't" is not "can".
    is_negated = last.isalpha() and after == "'t" and not text[end + 2 : end + 3].isalpha()
    return not is_negated and not _is_inside_number(after, last)


def _is_one_word(left: str, right: str) -> bool:
    return (
        _is_part_of_word(left)
        and _is_part_of_word(right)
        and not _UNSPACED.match(left)
        and not _UNSPACED.match(right)
    )


def _is_part_of_word(char: str) -> bool:
    return char == "_" or unicodedata.category(char)[0] in "LMN"


def _is_inside_number(beyond: str, edge: str) -> bool:
    """`49` is inside `49.99`, `1,49` and `10:49`: a digit, a mark, and another digit."""
    return edge.isdigit() and len(beyond) == 2 and beyond[0] in ".,:'" and beyond[1].isdigit()


def _is_range(before: str, value: str) -> bool:
    """`-5` is not in `9-5`."""
    return value[0] == "-" and value[1:].isdigit() and _is_part_of_word(before)


def _is_negated(text: str, start: int) -> bool:
    """`5` is not in `-5`, but it is in `9-5`."""
    is_amount = text[start].isdigit() or (
        unicodedata.category(text[start]) == "Sc" and text[start + 1 : start + 2].isdigit()
    )
    sign = start - 1
    if (
        is_amount
        and text[start].isdigit()
        and sign >= 1
        and unicodedata.category(text[sign]) == "Sc"
    ):
        sign -= 1
    if not is_amount or text[sign] != "-":
        return False
    return sign == 0 or not (_is_part_of_word(text[sign - 1]) or text[sign - 1] in ")%")
