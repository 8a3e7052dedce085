"""Two people changed one text: both changes in one, where they do not touch each other."""

import itertools
import re
from difflib import SequenceMatcher
from typing import NamedTuple

PIECE = re.compile(r"\s+|\w+|[^\w\s]")


class _Edit(NamedTuple):
    """`base[start:end]` becomes `pieces`."""

    start: int
    end: int
    pieces: tuple[str, ...]


def merged(base: str, one: str, other: str) -> str | None:
    """The text with both changes; None when both changed the same place."""
    pieces = PIECE.findall(base)
    edits = sorted({*_edits(pieces, one), *_edits(pieces, other)}, reverse=True)
    for later, earlier in itertools.pairwise(edits):
        if later.start <= earlier.end:
            return None
    for edit in edits:
        pieces[edit.start : edit.end] = edit.pieces
    return "".join(pieces)


def _edits(base: list[str], changed: str) -> list[_Edit]:
    pieces = PIECE.findall(changed)
    matcher = SequenceMatcher(None, base, pieces, autojunk=False)
    return [
        _Edit(start, end, tuple(pieces[low:high]))
        for kind, start, end, low, high in matcher.get_opcodes()
        if kind != "equal"
    ]
