"""Numbers are values, however they are written: thousands, decimals, fractions, money, times."""

import re
from collections.abc import Callable

_MONEY = "$¢-¥֏؋৲৳฿₠-₿"
# In most of the world a point stands before thousands; after "$" it may stand before tenths of a cent.
_POINTED = r"[1-9]\d{0,2}\.\d{3}(?!\d|[.,]\d)"
_WITHOUT_MARKS = str.maketrans("", "", " .,'")

_Rewriting = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]


def _joined(match: re.Match[str]) -> str:
    return match[0].translate(_WITHOUT_MARKS)


def _as_decimal(match: re.Match[str]) -> str:
    whole, above, below = int(match[1] or 0), int(match[2]), int(match[3])
    return f"{whole + above / below:.3f}".rstrip("0") if above < below else match[0]


_REWRITINGS: tuple[_Rewriting, ...] = (
    (re.compile(r"(?<![\w.,)%])\.(?=\d)"), "0."),
    # A list: 1,2,3.
    (
        re.compile(r"(?<![\d.,])\d{1,2}(?:,\d{1,2}){2,}(?![\d.,])"),
        lambda match: match[0].replace(",", ", "),
    ),
    # 1 500, but neither "555 010 7788" nor "+1 555 010".
    (
        re.compile(
            r"(?<![\w.,:/+#-])(?<!\d[ -])(?<!\d\) )[1-9]\d{0,2}(?: \d{3})+"
            r"(?! ?\d|[:/-]\d|\.\d{3}|[^\W\d_])"
        ),
        _joined,
    ),
    # $ 49 and 49 $ are $49.
    (re.compile(rf"(?<=[{_MONEY}]) (?=\d)"), ""),
    (
        re.compile(
            rf"(?<![\w.,'{_MONEY}])(\d(?:[\d.,']{{0,30}}\d)?(?:[.,]-)?) ?([{_MONEY}])(?!\d)"
        ),
        r"\2\1",
    ),
    # 1.500,50 and 1.500.000, and with a sign or a word of money 1.500.
    (re.compile(r"(?<![\d.,])[1-9]\d{0,2}(?:\.\d{3})+(?=,\d{1,2}(?!\d|[.,]\d))"), _joined),
    (re.compile(r"(?<![\d.,])[1-9]\d{0,2}(?:\.\d{3}){2,}(?!\d|[.,]\d)"), _joined),
    (re.compile(rf"(?<=[£-¥₠-₿]){_POINTED}"), _joined),
    (re.compile(rf"(?<=r\$){_POINTED}|(?<=\b(?:eur|chf) ){_POINTED}"), _joined),
    (re.compile(rf"(?<![\d.,]){_POINTED}(?= (?:eur|euros?|chf|kr|reais)\b)"), _joined),
    (re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{2,3})*,\d{3}(?!\d|,\d|\.\d+[.,]\d)"), _joined),
    (re.compile(r"(?<![\d.,'])\d{1,3}(?:'\d{3})+(?![\d'])"), _joined),
    (re.compile(r"(?<![\d.,])(\d+),(\d{2})(?!\d|[.,]\d)"), r"\1.\2"),
    (re.compile(r"(?<=\d)\.00(?!\d|[.,:]\d)"), ""),
    (re.compile(r"(?<![\w/.,:-])(?:(\d{1,3})[ -])?([1-8])/([2-9])(?![\w/]|[.,:]\d)"), _as_decimal),
    (re.compile(r"(?<=\d) (?=[%°])"), ""),
    (re.compile(r"(?<=\d) ?([ap])(?:\. ?m\.|\. ?m\b|m\b)"), r" \1m"),
)

_DIGITS = re.compile(r"\d+")
_TELEPHONE = re.compile(r"(?<![\w.,])\+?\(?\d[\d ()./-]{5,24}\d(?!\w)")
_FEWEST_DIGITS = 7


def as_values(text: str) -> str:
    """The text, folded already, with one way to write each number."""
    if not _DIGITS.search(text):
        return text
    for pattern, replacement in _REWRITINGS:
        text = pattern.sub(replacement, text)
    return text


def telephone_number(text: str) -> str | None:
    """The digits of a text that is a telephone number and nothing else, without the 1 of America."""
    written = _TELEPHONE.fullmatch(text)
    digits = "".join(_DIGITS.findall(text))
    if not written or len(digits) < _FEWEST_DIGITS or digits == text:
        return None
    return digits[1:] if len(digits) == 11 and digits.startswith("1") else digits


def telephone_numbers(text: str) -> set[str]:
    """Those in a text; of a long row of digits without a mark it is not known what it is."""
    found = (match[0] for match in _TELEPHONE.finditer(text))
    return {
        number
        for each in found
        for number in (telephone_number(each) or telephone_number(f"+{each}"),)
        if number
    }
