"""What changed in a prompt, line by line and word by word."""

import difflib
import html
import re
from collections.abc import Iterable, Iterator
from itertools import zip_longest

import streamlit as st

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
_SIMILAR = 0.4  # lines less alike than that are shown as removed and added, not as edited

STYLE = """
<style>
.mc-diff { font: 12.5px/1.5 monospace; border: 1px solid rgba(128,138,150,.35); border-radius: 6px;
  padding: 6px 0; }
.mc-diff div { padding: 0 10px 0 26px; text-indent: -16px; white-space: pre-wrap;
  overflow-wrap: anywhere; min-height: 1.5em; }
.mc-diff .added { background: rgba(46,160,97,.13); }
.mc-diff .removed { background: rgba(208,70,58,.12); }
.mc-diff .added b { background: rgba(46,160,97,.32); font-weight: inherit; border-radius: 2px; }
.mc-diff .removed b { background: rgba(208,70,58,.30); font-weight: inherit; border-radius: 2px; }
.mc-diff .place { opacity: .55; padding-top: 4px; }
</style>
"""


def prompt_diff(diff: str | None, *, unchanged: str = "The prompt did not change.") -> None:
    """Draw a unified diff."""
    if not diff:
        st.caption(unchanged)
        return
    st.html(STYLE + f'<div class="mc-diff">{"".join(diff_rows(diff))}</div>')


def diff_rows(diff: str) -> Iterator[str]:
    """The lines of a unified diff, each as an element of HTML."""
    removed: list[str] = []
    added: list[str] = []
    for line in _body(diff):
        if line.startswith("-"):
            if added:
                yield from _changed(removed, added)
                removed, added = [], []
            removed.append(line[1:])
        elif line.startswith("+"):
            added.append(line[1:])
        else:
            yield from _changed(removed, added)
            removed, added = [], []
            yield _place(line) if line.startswith("@@") else _row("", "  ", html.escape(line[1:]))
    yield from _changed(removed, added)


def _body(diff: str) -> list[str]:
    """The lines behind the two that name the files."""
    lines = diff.splitlines()
    return lines[2:] if lines and lines[0].startswith("---") else lines


def _changed(removed: list[str], added: list[str]) -> Iterator[str]:
    pairs = [_marked(before, after) for before, after in zip_longest(removed, added)]
    for before, _ in pairs:
        if before is not None:
            yield _row("removed", "− ", before)
    for _, after in pairs:
        if after is not None:
            yield _row("added", "+ ", after)


def _marked(before: str | None, after: str | None) -> tuple[str | None, str | None]:
    """Both lines as HTML; what differs in a pair that is much alike is marked."""
    if before is None or after is None:
        return _escaped(before), _escaped(after)
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    if matcher.ratio() < _SIMILAR:
        return _escaped(before), _escaped(after)
    left: list[str] = []
    right: list[str] = []
    for tag, a, b, c, d in matcher.get_opcodes():
        left.append(_mark(old[a:b], changed=tag != "equal"))
        right.append(_mark(new[c:d], changed=tag != "equal"))
    return "".join(left), "".join(right)


def _mark(words: Iterable[str], *, changed: bool) -> str:
    text = html.escape("".join(words))
    return f"<b>{text}</b>" if changed and text else text


def _escaped(line: str | None) -> str | None:
    return None if line is None else html.escape(line)


def _place(line: str) -> str:
    """`@@ -3,4 +3,6 @@` says which line it is; a person wants no more of it."""
    found = re.match(r"@@ -\d+(?:,\d+)? \+(\d+)", line)
    return _row("place", "", f"from line {found.group(1)}" if found else "…")


def _row(kind: str, sign: str, text: str) -> str:
    return f'<div class="{kind}">{sign}{text}</div>'
