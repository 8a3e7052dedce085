"""Takes out of a text the marks that a voice never speaks: of Markdown, of HTML, of SSML."""

import re
from html import unescape

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
    # As models write it, closed after a space or never: "do **not **call".
    re.compile(r"(?<![\\*\d])(\*\*)(?=[^\s*])([^*\n]{1,400}?)\1(?!\*)"),
    re.compile(r"(?<![\\*\w])(\*\*)(?=[^\W\d_])([^*]*)\Z"),
)
_CODE = re.compile(r"(`+)(?!`)([^`\n]+)(?<!`)\1(?!`)")
_FENCE = re.compile(r"^[ \t]*(?:`{3,}|~{3,})[^\n`]*$\n?", re.MULTILINE)
_LINE_START = re.compile(r"^[ \t]*(?:(?:#{1,6}|>|[-*+•])[ \t]+)+(?=\S)", re.MULTILINE)
_UNDERLINE = re.compile(r"^[ \t]*(?:={3,}|-{3,}|\*{3,}|_{3,})[ \t]*$\n?", re.MULTILINE)
_LINE_BREAK = re.compile(r"(?:\\|(?<! ) {2,})$", re.MULTILINE)
_ESCAPED = re.compile(r"\\([*_`~#])")
_LINK = re.compile(
    r"!?\[([^\[\]\n]{1,300})\]\(\s*<?((?:[^()\s<>]|\([^()\s<>]{0,200}\)){1,2000})>?(?:\s+[\"'][^\"'\n]*[\"'])?\s*\)"
)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,12});")
_TAG = re.compile(
    r"</?(?:b|i|em|strong|u|s|mark|code|span|speak|emphasis|prosody|say-as|sub|phoneme|spell)"
    r"(?:\s[^<>\n]{0,200})?>",
    re.IGNORECASE,
)
_BREAK = re.compile(r"<(?:br|break|/?p)(?:\s[^<>\n]{0,200})?/?>", re.IGNORECASE)


def without_marks(text: str) -> str:
    """The words alone; of a link its words, and not where it leads (`addresses`)."""
    text = _BREAK.sub(" ", _TAG.sub("", _LINK.sub(r"\1", text)))
    text = _LINE_START.sub("", _UNDERLINE.sub("", _FENCE.sub("", text)))
    text = _LINE_BREAK.sub("", _CODE.sub(r"\2", text))
    for emphasis in _EMPHASIS:
        text = emphasis.sub(r"\2", text)
    return _ESCAPED.sub(r"\1", text)


def addresses(text: str) -> list[str]:
    """Where the links of a text lead."""
    return [match[2] for match in _LINK.finditer(text)]


def without_entities(text: str) -> str:
    """`&nbsp;` as the space that it is."""
    return _ENTITY.sub(lambda match: unescape(match[0]), text) if "&" in text else text
