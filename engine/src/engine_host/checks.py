"""The conditions on an answer: what each one finds, and the feedback an optimizer learns from."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, cast

import regex

from engine_host.errors import EngineFailure
from engine_host.fields import field_name
from engine_host.journal import json_text
from engine_host.judging import judge
from engine_host.models import MeteredLM
from engine_host.vendor import LexicalScore
from mission_control_protocol import Check, CheckKind, CheckResult, Scenario
from mission_control_protocol.markdown import addresses
from mission_control_protocol.spelling import has_no_spaces, mentions, plain, plain_pattern, same

_LONGEST_PATTERN = 500
_LONGEST_TEXT = 200_000
_MOST_LINKS = 50
_PATTERN_SECONDS = 1.0
_SHOWN = 160

_CUT = CheckResult(
    kind="whole_reply",
    passed=False,
    score=0.0,
    reason="The reply was cut by the token limit. Reply in fewer words, or raise max_tokens.",
)
SpokenForms = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Verdict:
    """What the checks of one scenario say about one answer."""

    passed: bool
    score: float
    superoptix_score: float | None
    results: tuple[CheckResult, ...]
    feedback: str


class Scorer:
    """Applies the declared checks, and always SuperOptiX's own score beside them."""

    def __init__(self, source: ModuleType, judge: MeteredLM | None) -> None:
        self._judge = judge
        self._superoptix = LexicalScore(source)

    def score(self, scenario: Scenario, output: dict[str, str], *, is_cut: bool = False) -> Verdict:
        """Judge one answer; raises `EngineFailure` when a check cannot be decided at all.

        A reply that the token limit cut fails, whatever it says: a caller would hear it break off.
        """
        expected = {field_name(name): value for name, value in scenario.expected.items()}
        projected = {name: output.get(name, "") for name in expected} or output
        lexical = self._superoptix.of(projected, expected) if expected else None
        checks = scenario.checks or [Check(kind="superoptix")]
        results = tuple(
            self._apply(check, scenario, projected, output, lexical) for check in checks
        )
        results += (_CUT,) if is_cut else ()
        score = round(sum(result.score for result in results) / len(results), 6)
        return Verdict(
            passed=all(result.passed for result in results),
            score=score,
            superoptix_score=lexical,
            results=results,
            feedback=_feedback(score, results, list(expected.values())),
        )

    def _apply(
        self,
        check: Check,
        scenario: Scenario,
        projected: dict[str, str],
        output: dict[str, str],
        lexical: float | None,
    ) -> CheckResult:
        text = "\n".join(projected.values())
        if check.field is not None:
            name = field_name(check.field)
            if name not in output:
                raise EngineFailure(
                    "playbook", f"A check looks at {name!r}, which is not an output."
                )
            text = output[name]
        match check.kind:
            case "judge":
                return self._judged(check, scenario, text)
            case "superoptix":
                return _from_lexical(lexical, scenario)
            case kind:
                return _TEXT_CHECKS[kind](check.values, text, scenario.spoken_forms)

    def _judged(self, check: Check, scenario: Scenario, text: str) -> CheckResult:
        if self._judge is None:
            raise EngineFailure(
                "config", "A scenario asks for a judge, and there is no judge model."
            )
        opinion = judge(
            self._judge,
            rubric="\n".join(check.values),
            situation="\n".join(f"{name}: {value}" for name, value in scenario.input.items()),
            reply=text,
        )
        return _result(
            check.kind,
            score=float(opinion.passed),
            reason=f"The judge says: {opinion.reason[:_SHOWN]}",
        )


# ---------------------------------------------------------------- checks on text


def _contains(values: list[str], text: str, spoken: SpokenForms) -> CheckResult:
    missing = [value for value in values if not mentions(text, value, spoken)]
    share = 1 - len(missing) / len(values) if values else 1.0
    return _result("contains", score=share, reason=f"Missing: {_quoted(missing)}.")


def _excludes(values: list[str], text: str, spoken: SpokenForms) -> CheckResult:
    present = [value for value in values if mentions(text, value, spoken)]
    return _result(
        "excludes", score=float(not present), reason=f"Must not be said: {_quoted(present)}."
    )


def _exact(values: list[str], text: str, spoken: SpokenForms) -> CheckResult:
    found = any(same(text, value, spoken) for value in values)
    return _result("exact", score=float(found), reason=f"It must be exactly {_quoted(values[:1])}.")


def _regex(values: list[str], text: str, _: SpokenForms) -> CheckResult:
    """Looks at the reply in `plain` typography: straight quotes, one hyphen, no Markdown marks.

    Where its links lead is looked at apart from their words.
    """
    seen = plain(text)
    places = [seen[:_LONGEST_TEXT], *addresses(text)[:_MOST_LINKS]]
    unmatched = [
        pattern for pattern in values if not any(_matches(pattern, each) for each in places)
    ]
    left_out = (
        f" Only the first {_LONGEST_TEXT:,} of {len(seen):,} characters were searched."
        if len(seen) > _LONGEST_TEXT
        else ""
    )
    result = _result(
        "regex",
        score=float(not unmatched),
        reason=f"No match for the pattern {_quoted(unmatched)}.{left_out}",
    )
    return (
        result
        if not result.passed
        else result.model_copy(update={"reason": left_out.strip() or None})
    )


_TEXT_CHECKS: dict[str, Callable[[list[str], str, SpokenForms], CheckResult]] = {
    "contains": _contains,
    "excludes": _excludes,
    "exact": _exact,
    "regex": _regex,
}


def _matches(pattern: str, text: str) -> bool:
    if len(pattern) > _LONGEST_PATTERN:
        raise EngineFailure("playbook", f"A pattern is longer than {_LONGEST_PATTERN} characters.")
    try:
        # The standard library's engine cannot be interrupted on a pattern that backtracks for ever.
        found = regex.search(
            plain_pattern(pattern), text, timeout=_PATTERN_SECONDS, concurrent=True
        )
    except TimeoutError as error:
        raise EngineFailure(
            "playbook", f"The pattern {_quoted([pattern])} takes too long."
        ) from error
    except regex.error as error:
        raise EngineFailure(
            "playbook", f"The pattern {_quoted([pattern])} is not valid."
        ) from error
    return found is not None


def _from_lexical(score: float | None, scenario: Scenario) -> CheckResult:
    if has_no_spaces(" ".join(scenario.expected.values())):
        raise EngineFailure(
            "playbook",
            "SuperOptiX's own score compares words between spaces, so it cannot judge this text. "
            "Declare a check: contains, excludes, exact, regex or judge.",
        )
    if score is None:
        raise EngineFailure("playbook", "The scenario has neither an expected output nor a check.")
    return CheckResult(
        kind="superoptix",
        passed=score >= 0.60,
        score=min(1.0, max(0.0, score)),
        reason=None if score >= 0.60 else f"SuperOptiX scores it {score:.2f}; it passes from 0.60.",
    )


def _result(kind: CheckKind, *, score: float, reason: str) -> CheckResult:
    passed = score >= 1.0
    return CheckResult(kind=kind, passed=passed, score=score, reason=None if passed else reason)


def _quoted(values: list[str]) -> str:
    return ", ".join(f'"{value[:_SHOWN]}"' for value in values)


def _feedback(score: float, results: tuple[CheckResult, ...], expected: list[str]) -> str:
    """What an optimizer's reflection reads about one answer."""
    if all(result.passed for result in results) and score >= 1.0:
        return "Score 1.00. The reply is right."
    parts = [f"Score {score:.2f}."]
    parts += [result.reason for result in results if result.reason]
    if expected:
        parts.append(f'The reply should have conveyed: "{" ".join(expected)}"')
    return " ".join(parts)


# ---------------------------------------------------------------- answers as text


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def output_of(prediction: Any, names: tuple[str, ...]) -> dict[str, str]:
    """The declared outputs of a prediction, each as text; raises `format` when one is absent."""
    values = cast("dict[str, Any]", prediction.toDict())
    missing = [name for name in names if values.get(name) is None]
    if missing:
        raise EngineFailure("format", f"The model's answer has no {missing[0]!r}.")
    return {name: as_text(values[name]) for name in names}


def identity(inputs: dict[str, Any], labels: dict[str, Any]) -> str:
    return json_text([inputs, labels])
