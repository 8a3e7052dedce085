"""What the judgement of a call means: the answers of each rubric on one scale, from worst to best.

An answer means nothing without its rubric: `9` of ten is good, and 9 of a hundred is not. What a
rubric cannot have answered is no judgement; the answer itself is kept.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from mission_control.core.words import SuccessRubric

PASSED = frozenset({"true", "pass", "passed", "yes", "success", "successful"})
FAILED = frozenset({"false", "fail", "failed", "no", "failure", "unsuccessful"})
# From the worst to the best, evenly spaced.
STEPS = {
    SuccessRubric.DESCRIPTIVE: ("poor", "fair", "good", "excellent"),
    SuccessRubric.LIKERT: (
        "strongly disagree", "disagree", "neutral", "agree", "strongly agree",
    ),
}  # fmt: skip
RUBRIC_WORDS = {
    SuccessRubric.PASS_FAIL: "pass or fail",
    SuccessRubric.NUMERIC: "1 to 10",
    SuccessRubric.PERCENTAGE: "percentage",
    SuccessRubric.DESCRIPTIVE: "poor to excellent",
    SuccessRubric.LIKERT: "disagree to agree",
    SuccessRubric.CHECKLIST: "checklist",
    SuccessRubric.MATRIX: "matrix",
    SuccessRubric.AUTOMATIC: "automatic rubric",
}
LOWEST, HIGHEST = 1, 10  # of the numeric scale
# A score of these is the same thing whoever asked; of a checklist it depends on the list.
COMPARABLE = (
    SuccessRubric.NUMERIC, SuccessRubric.PERCENTAGE, SuccessRubric.DESCRIPTIVE, SuccessRubric.LIKERT,
)  # fmt: skip
NUMBER = re.compile(r"(?P<number>\d{1,3}(?:\.\d+)?)\s*(?:/\s*10|out of 10|of 10)?")
PERCENT = re.compile(r"(?P<number>\d{1,3}(?:\.\d+)?)\s*(?P<sign>%|percent)?")
MET = frozenset({*PASSED, "met", "done", "yes", "x", "✓", "✔", "✅", "☑", "complete", "completed"})
UNMET = frozenset({*FAILED, "not met", "unmet", "missed", "✗", "✘", "❌", "☐", "", "incomplete"})
LISTED = re.compile(
    r"[-*\s]*(?:\[(?P<box>[^\]]?)\]|(?P<mark>[✓✔✅☑✗✘❌☐]))\s*\S.*|.*\S\s*[:–-]\s*(?P<word>[\w ]+?)\.?"
)
CUT_AT = 200  # characters of an answer that are kept: what is longer cannot be counted


@dataclass(frozen=True, slots=True)
class Judgement:
    """`success` only where the rubric says pass or fail. `score`: 0 is its worst answer, 1 its best."""

    success: bool | None = None
    score: float | None = None


UNKNOWN = Judgement()


def judged(rubric: SuccessRubric | None, answer: str | None) -> Judgement:
    """Never raises. Without a rubric only `true` and `false` mean something: no other one says so."""
    said = (answer or "").strip().strip(".!\"'").casefold()
    if rubric is SuccessRubric.PASS_FAIL or (rubric is None and said in {"true", "false"}):
        return _passed(said)
    return Judgement(score=_score(rubric, said, answer or ""))


def _score(rubric: SuccessRubric | None, said: str, answer: str) -> float | None:
    match rubric:
        case SuccessRubric.NUMERIC:
            return _number(said)
        case SuccessRubric.PERCENTAGE:
            return _percentage(said)
        case SuccessRubric.DESCRIPTIVE | SuccessRubric.LIKERT:
            return _step(STEPS[rubric], said)
        case SuccessRubric.CHECKLIST:
            return _share_met(answer)
        case _:
            return None  # several answers at once, to questions that the assistant made up


def rubric_in_force(rubric: SuccessRubric | None, answer: str | None) -> SuccessRubric | None:
    """The rubric an answer was given to: named, or the only one that answers so."""
    if rubric is None and judged(None, answer).success is not None:
        return SuccessRubric.PASS_FAIL
    return rubric


def score_words(score: float | None, rubric: SuccessRubric | None) -> str | None:
    """`89 of 100, 1 to 10`: where an answer stands, and on what scale; None without one."""
    if score is None or rubric is None or rubric is SuccessRubric.PASS_FAIL:
        return None
    return f"{score * 100:.0f} of 100, {RUBRIC_WORDS[rubric]}"


def _passed(said: str) -> Judgement:
    if said in PASSED:
        return Judgement(success=True, score=1.0)
    return Judgement(success=False, score=0.0) if said in FAILED else UNKNOWN


def _number(said: str) -> float | None:
    found = NUMBER.fullmatch(said)
    number = float(found["number"]) if found else 0.0
    in_scale = LOWEST <= number <= HIGHEST
    return round((number - LOWEST) / (HIGHEST - LOWEST), 6) if in_scale else None


def _percentage(said: str) -> float | None:
    found = PERCENT.fullmatch(said)
    if found is None:
        return None
    number = float(found["number"])
    # `0.85` without a sign may be 85 % as well: nobody can tell.
    is_clear = found["sign"] or number.is_integer() or number > 1
    return round(number / 100, 6) if is_clear and number <= 100 else None


def _step(steps: tuple[str, ...], said: str) -> float | None:
    return round(steps.index(said) / (len(steps) - 1), 6) if said in steps else None


def _share_met(answer: str) -> float | None:
    """Of the criteria, if all of them say whether they were met."""
    if len(answer) >= CUT_AT:
        return None
    statuses = _statuses(answer)
    known = [each in MET for each in statuses if each in MET or each in UNMET]
    return round(sum(known) / len(known), 6) if known and len(known) == len(statuses) else None


def _statuses(answer: str) -> list[str]:
    try:
        told: Any = json.loads(answer)
    except (ValueError, RecursionError):
        lines = [line for line in re.split(r"[\n;]", answer) if line.strip()]
        return [_status_of_line(line) for line in lines]
    match told:
        case dict():
            return [_status_of(each) for each in told.values()]  # pyright: ignore[reportUnknownVariableType]
        case list():
            return [_status_of(each) for each in told]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return ["no list"]


def _status_of(told: Any) -> str:
    match told:
        case bool():
            return str(told).casefold()
        case str():
            return told.strip().casefold()
        case {"status": status} | {"met": status} | {"passed": status} | {"result": status}:
            return _status_of(status) if not isinstance(status, dict) else "no status"
        case _:
            return "no status"


def _status_of_line(line: str) -> str:
    found = LISTED.fullmatch(line.strip())
    if found is None:
        return "no status"
    return (found["box"] or found["mark"] or found["word"] or "").strip().casefold()
