"""Characters that readers take for one another: every comparison and every search knows the same."""

import re
import unicodedata

APOSTROPHES = "‘’‚‛´`ʹʻʼʽˈˊˋ՚′‵‹›＇׳"
QUOTATION_MARKS = '"“”„‟«»″‶〝〞＂ʺ״'
HYPHENS = "‐‑‒–—―−﹘﹣－⁃֊־⸺⸻゠"
# The Arabic marks of a decimal, of thousands, of a percentage and of a sentence.
_SAME_ELSEWHERE = {"٫": ".", "٬": ",", "٪": "%", "،": ",", "؛": ";", "؟": "?", "。": ".", "⋯": "...", "⁄": "/", "∕": "/"}  # fmt: skip
_TRADE_MARKS = "™℠®"
# A raised figure is no digit of the number before it: 10² is not 102.
_RAISED = {char: f"^{unicodedata.digit(char)}" for char in "⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉"}
LOOKS_ALIKE = str.maketrans(
    dict.fromkeys(HYPHENS, "-")
    | dict.fromkeys(APOSTROPHES, "'")
    | dict.fromkeys(QUOTATION_MARKS, '"')
)
_ONE_MARK = {
    **LOOKS_ALIKE,
    **str.maketrans({"`": "`", **dict.fromkeys(_TRADE_MARKS, ""), **_SAME_ELSEWHERE, **_RAISED}),
}
# Not seen and not heard: soft hyphens, joiners, direction marks, variation selectors, the ring of a
# keycap, fillers.
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u20dd-\u20e0\u20e2-\u20e4\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)
# Vowel points of Hebrew and Arabic, hamza, and the stroke that only stretches a word, may be left out.
POINTS = re.compile(
    "[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670]"
)
# Letters with a stroke, which Unicode does not take apart, and Russian ё, which is written е.
STROKES = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ё": "е", "ŧ": "t", "þ": "th", "æ": "ae", "œ": "oe"}
)  # fmt: skip
# Accents of Latin and Greek letters, which readers leave out. Elsewhere such marks make another
# letter: й is no и, and vowel signs of Thai or Hindi are letters.
_ACCENTS = re.compile(
    "(?<=[A-Za-z\u00df-\u02af\u0370-\u03ff\u1d00-\u1dbf])"
    "[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
)
_STRESS = re.compile("(?<=[аеиоуыэюяіє])\u0301")  # in textbooks: Москва́
_FRACTION = re.compile("(?<=\\d)(?=[¼-¾⅐-⅞↉])")
# Thai and Lao "am", which is typed in either order with its tone.
_TONE_LAST = re.compile("(?:\u0e4d([\u0e48-\u0e4b])(?=\u0e32)|\u0ecd([\u0ec8-\u0ecb])(?=\u0eb2))")
_THIN_THOUSANDS = re.compile("(?<=\\d)[\u00a0\u2007\u2009\u202f](?=\\d{3}(?!\\d))")

# Scripts whose words have no space between them, and Korean, whose particles are part of the word:
# Thai, Lao, Tibetan, Burmese, Khmer, Tai, Japanese, Chinese, Yi, Javanese, Cham, Hangul.
UNSPACED = (
    "\u0e00-\u0fff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aaf"
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3040-\u30ff\u3100-\u318f\u31a0-\u31bf"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua9ff\uaa60-\uaadf\uac00-\ud7ff"
    "\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)


def one_typography(text: str) -> str:
    """One kind of hyphen, quotation mark, space and digit; case, accents and line ends stay.

    So does the grave accent, which marks code.
    """
    if text.isascii():
        return text
    text = "".join(char for char in text if unicodedata.category(char) != "Cf")
    text = _THIN_THOUSANDS.sub("", _FRACTION.sub(" ", INVISIBLE.sub("", text)))
    text = unicodedata.normalize("NFKC", _one_mark(text))
    text = _TONE_LAST.sub(lambda am: am[0][1] + am[0][0], text)
    return "".join(_ascii_digit_or_space(char) for char in _one_mark(text))


def _one_mark(text: str) -> str:
    return text.translate(_ONE_MARK)


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


def without_accents(text: str) -> str:
    """Without what readers leave out: accents of Latin and Greek, vowel points, marks of stress."""
    if text.isascii():
        return text
    apart = POINTS.sub("", unicodedata.normalize("NFD", text))
    bare = _STRESS.sub("", _ACCENTS.sub("", apart))
    return unicodedata.normalize("NFC", bare).translate(STROKES)
