"""One text, many spellings: the form in which what was said and what is looked for are compared."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from mission_control_protocol.amounts import as_values, telephone_number, telephone_numbers
from mission_control_protocol.markdown import addresses, without_entities, without_marks
from mission_control_protocol.typography import UNSPACED, one_typography, without_accents

_UNSPACED = re.compile(f"[{UNSPACED}]")
_KOREAN = re.compile("[\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff]")
# Where a line of Chinese or Japanese ends says nothing.
_BETWEEN_CHARACTERS = re.compile(
    "(?<=[\u2e80-\u30ff\u31f0-\u9fff\uf900-\ufaff]) (?=[\u2e80-\u30ff\u31f0-\u9fff\uf900-\ufaff])"
)


def plain(text: str) -> str:
    """The text with one kind of hyphen, quotation mark, space and digit, and no Markdown marks.

    Case, accents and line ends stay. It is what a `regex` check sees.
    """
    return without_marks(one_typography(without_entities(text))).replace("`", "'")


def folded(text: str) -> str:
    """`plain`, and case, accents of Latin and Greek letters, and white space do not matter."""
    lower = unicodedata.normalize("NFKC", plain(text).casefold())
    bare = without_accents(lower)
    return as_values(_BETWEEN_CHARACTERS.sub("", " ".join(bare.split())))


def mentions(text: str, value: str, spoken: Mapping[str, Sequence[str]] | None = None) -> bool:
    """Whether `value` is said in `text`, as words and numbers of their own.

    `spoken` maps a value to other forms of it: {"$49": ["forty nine dollars"]}. The address that a
    link leads to is said, too, apart from the words of the link.
    """
    wanted = _with_one_form(folded(value), spoken or {})
    said = [_with_one_form(folded(each), spoken or {}) for each in (text, *addresses(text))]
    if not wanted:
        return False
    if any(next(_occurrences(each, wanted), None) is not None for each in said):
        return True
    number = telephone_number(wanted)
    return number is not None and number in telephone_numbers(said[0])


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


# ---------------------------------------------------------------- patterns

_UNICODE_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))")


def _unescaped(match: re.Match[str]) -> str:
    code = int(match[2] or match[3], 16)
    return match[1] + (chr(code) if 0x80 <= code < 0x110000 else match[0][len(match[1]) :])


def _in_pattern(char: str) -> str:
    if char < "\x80":
        return "'" if char == "`" else char
    return "".join(re.escape(each) for each in one_typography(char))


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
