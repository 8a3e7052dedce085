"""How the stand-in judges a reply against a rubric: by the words they share, clause by clause."""

import re
from collections.abc import Mapping

from mission_control_sandbox.model.english import concepts_of, meaning, stem, telling_words

_RUBRIC_NAMES = (
    "rubric",
    "criteri",
    "require",
    "condition",
    "question",
    "expect",
    "ideal",
    "rule",
    "claim",
)
_REPLY_NAMES = ("reply", "answer", "response", "output", "actual", "said", "text", "candidate")
_CLAUSE = re.compile(r"[.;\n]+|,?\s+(?:and|but)\s+", re.IGNORECASE)
_NEGATION = re.compile(
    r"\b(?:not|never|no|none|without|avoids?|refrains?|refuses?|neither|nor|\w+n't)\b",
    re.IGNORECASE,
)
# Words by which a rubric speaks about the reply itself.
_FRAME_WORDS = """
reply replies response bot agent assistant says states mentions offers promises claims uses contains includes
gives explains confirms acknowledges caller clear clearly polite politely makes asks tells should must sentence
phrase word words any kind names naming
"""
_FRAME = frozenset(stem(word) for word in _FRAME_WORDS.split())
ENOUGH = 0.5


def is_asked(inputs: Mapping[str, str]) -> bool:
    """Whether these inputs are a rubric with something to hold against it."""
    return any("rubric" in name or "criteri" in name for name in map(str.lower, inputs)) and bool(
        _field(inputs, _REPLY_NAMES)
    )


def judge(inputs: Mapping[str, str]) -> tuple[bool, str]:
    """The verdict, and its reason in words."""
    rubric, reply = _field(inputs, _RUBRIC_NAMES), _field(inputs, _REPLY_NAMES)
    for clause in _clauses(rubric):
        negated = bool(_NEGATION.search(clause))
        share = _share(clause, reply)
        if not negated and share < ENOUGH:
            return False, f"The reply does not convey: {clause}."
        if negated and share > ENOUGH and not _says_it_negated(clause, reply):
            return False, f"The reply goes against: {clause}."
    return True, "The reply meets the rubric."


def overlap(inputs: Mapping[str, str]) -> float:
    """From 0 to 1: how much of what is wanted the reply holds."""
    return _share(_field(inputs, _RUBRIC_NAMES), _field(inputs, _REPLY_NAMES))


def _field(inputs: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((v for name in names for key, v in inputs.items() if name in key.lower()), "")


def _clauses(rubric: str) -> list[str]:
    """Clauses that name a subject; a negation holds for the clauses joined to it by 'or'."""
    return [clause.strip() for clause in _CLAUSE.split(rubric) if _subject(clause)]


def _subject(clause: str) -> list[str]:
    return [w for w in telling_words(_NEGATION.sub(" ", clause)) if stem(w) not in _FRAME]


def _share(clause: str, reply: str) -> float:
    wanted, heard = {stem(word) for word in _subject(clause)}, meaning(reply)
    if not wanted:
        return 1.0
    found = [root for root in wanted if root in heard.stems or concepts_of(root) & heard.concepts]
    return len(found) / len(wanted)


def _says_it_negated(clause: str, reply: str) -> bool:
    """'I cannot promise a price' does not break 'never promises a price'."""
    wanted = {stem(word) for word in _subject(clause)}
    sentences = re.split(r"(?<=[.!?,])\s+", reply)
    guilty = [s for s in sentences if wanted & meaning(s).stems]
    return bool(guilty) and all(_NEGATION.search(s) or "cannot" in s.lower() for s in guilty)
