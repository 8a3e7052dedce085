"""Scenarios are run, scored by their checks, and kept apart from what could not be measured."""

import threading
import time
from pathlib import Path

import pytest

from mission_control_protocol import (
    Cancel,
    Check,
    Evaluate,
    Evaluated,
    Failed,
    Ran,
    Run,
)
from tests.engine.harness import (
    TASK_PRICE,
    Engine,
    ScriptedModel,
    contains,
    engine,
    evaluate,
    expect,
    journal,
    model,
    program,
    reply,
    scenario,
)
from tests.services import HANG_SECONDS

EXPECTED = "The starter plan is forty nine dollars a month and you can cancel at any time"
PARAPHRASE = "It’s forty  nine dollars a month for the starter plan; cancel whenever you like."
CONTRADICTION = "The starter plan is ninety nine dollars a month and you can not cancel at any time"
COST = (100 * TASK_PRICE.input_per_million + 10 * TASK_PRICE.output_per_million) / 1e6


def one(says: str, *checks: Check, expected: str = EXPECTED):
    return scenario("price", says, expected, *checks)


def verdict(host: Engine, answer: str, *checks: Check, expected: str = EXPECTED):
    """The single result for a model that gives this answer."""
    with ScriptedModel(lambda _text, _name: reply(answer)) as scripted:
        finished, _ = evaluate(host, scripted.url, [one("How much?", *checks, expected=expected)])
    return finished[0]


# ------------------------------------------------------------------ checks


def test_a_contradiction_fails_where_the_paraphrase_passes(host: Engine) -> None:
    checks = (
        contains("forty nine dollars", "cancel"),
        Check(kind="excludes", values=["not cancel"]),
    )
    right, wrong = verdict(host, PARAPHRASE, *checks), verdict(host, CONTRADICTION, *checks)
    assert right.status == "passed"
    assert wrong.status == "failed"
    assert wrong.superoptix_score is not None
    assert wrong.superoptix_score > 0.6  # SuperOptiX's own score would let the contradiction pass
    assert wrong.checks[0].score == 0.5  # "cancel" is there, the price is not
    assert wrong.checks[0].reason == 'Missing: "forty nine dollars".'
    assert wrong.checks[1].reason == 'Must not be said: "not cancel".'


@pytest.mark.parametrize(
    ("kind", "value", "answer", "passed"),
    [
        ("contains", "Cancel", "You can CANCEL.", True),
        ("contains", "cancel", "There is a cancellation fee.", False),
        ("contains", 'say "hi"', "I say “hi” to you", True),
        ("contains", "a b", "a\n  b", True),
        ("contains", "c++ (basic)", "We teach C++ (basic) here", True),
        ("excludes", "free", "It is free.", False),
        ("excludes", "free", "You have freedom.", True),
        ("exact", "Hello there", " hello   THERE ", True),
        ("exact", "Hello there", "Hello there!", False),
        ("regex", r"\b\d{3}-\d{4}\b", "Call 555-0199 now", True),
        ("regex", r"^call", "Please call", False),
        ("regex", "I'm sorry", "I’m sorry", True),
        ("regex", r"^do not call\.$", "**do not call**.", True),
        ("regex", "^(a+)+$", "a" * 50 + "b", False),
        ("excludes", "返金", "必ず返金を保証します。", False),
        ("excludes", "환불", "환불을 보장합니다", False),
        ("excludes", "follow-up", "We will send a follow\u2011up message.", False),
        ("contains", "$49", "It costs $49.99 a month.", False),
        ("contains", "do not call list", "You are on the **do not call** list now.", True),
        ("exact", "Straße", "STRASSE", True),
        ("superoptix", "", EXPECTED, True),
        ("superoptix", "", "Something else entirely", False),
    ],
)
def test_every_kind_of_check(
    host: Engine, kind: str, value: str, answer: str, passed: bool
) -> None:
    check = Check.model_validate({"kind": kind, "values": [value] if value else []})
    result = verdict(host, answer, check)
    assert result.status == ("passed" if passed else "failed"), result
    assert result.checks[0].passed is passed
    assert (result.checks[0].reason is None) is passed


def test_a_pattern_that_saw_only_a_part_says_so(host: Engine) -> None:
    result = verdict(host, "word " * 50_000 + "end", Check(kind="regex", values=["end$"]))
    assert result.status == "failed"
    assert result.checks[0].reason is not None
    assert "Only the first 200,000 of 250,003 characters were searched." in result.checks[0].reason


def test_a_declared_spoken_form_is_the_value(host: Engine) -> None:
    case = one("How much?", contains("$49")).model_copy(
        update={"spoken_forms": {"$49": ["forty nine dollars"]}}
    )
    with ScriptedModel(lambda text, name: reply("It is forty nine dollars.")) as scripted:
        finished, _ = evaluate(host, scripted.url, [case])
    assert finished[0].status == "passed"


def test_superoptix_does_not_judge_text_without_spaces(host: Engine) -> None:
    result = verdict(host, "我们的价格是每月四十九美元。", expected="我们的价格是每月四十九美元")
    assert (result.status, result.error_kind) == ("error", "playbook")
    assert result.error_detail is not None
    assert "Declare a check" in result.error_detail


def test_without_checks_superoptix_decides(host: Engine) -> None:
    result = verdict(host, EXPECTED)
    assert [check.kind for check in result.checks] == ["superoptix"]
    assert result.status == "passed"
    assert result.score == result.superoptix_score


@pytest.mark.parametrize(
    ("check", "kind"),
    [
        (Check(kind="regex", values=["(" * 3]), "playbook"),
        (Check(kind="regex", values=["x" * 501]), "playbook"),
        (Check(kind="regex", values=["^(a|aa|a a)+$"]), "playbook"),
        (Check(kind="contains", values=["x"], field="nothing"), "playbook"),
    ],
)
def test_a_check_that_cannot_be_decided_is_an_error_and_no_score(
    host: Engine, check: Check, kind: str
) -> None:
    result = verdict(host, "aaaa aaaa " * 40 + "!", check)
    assert result.status == "error"
    assert result.score is None
    assert result.error_kind == kind


def judged(text: str, name: str) -> str:
    if name != "judge":
        return reply("You may cancel.")
    said = "perhaps" if "unclear" in text else "True" if "cancelling" in text else "False"
    return f"[[ ## reason ## ]]\nBecause.\n\n[[ ## verdict ## ]]\n{said}\n\n[[ ## completed ## ]]"


@pytest.mark.parametrize(
    ("rubric", "status"),
    [("It speaks of cancelling", "passed"), ("It names a price", "failed"), ("unclear", "error")],
)
def test_a_judge_decides_by_a_rubric_or_not_at_all(host: Engine, rubric: str, status: str) -> None:
    with ScriptedModel(judged) as scripted:
        case = one("Hm?", Check(kind="judge", values=[rubric]))
        finished, answer = evaluate(host, scripted.url, [case])
    assert finished[0].status == status
    assert finished[0].usage.calls >= 2  # the judge's call is part of the scenario's bill
    if status == "error":
        assert finished[0].error_kind == "format"
        assert expect(Failed, answer).kind == "format"
    else:
        assert finished[0].checks[0].score == float(status == "passed")


def test_the_judge_is_not_told_what_is_the_operators_to_know(host: Engine) -> None:
    with ScriptedModel(judged) as scripted:
        case = one("Hm?", Check(kind="judge", values=["It speaks of cancelling"]))
        evaluate(host, scripted.url, [case])
        asked = [text for text in scripted.calls if "rubric" in text]
    assert len(asked) == 1
    assert EXPECTED not in asked[0]


# ------------------------------------------------------------------ what cannot be measured


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (401, "auth"),
        (429, "rate_limit"),
        (503, "server"),
        (400, "request"),
        ("[[ ## gibberish ## ]]", "format"),
    ],
)
def test_failures_have_their_kind(host: Engine, said: str | int, kind: str) -> None:
    with ScriptedModel(lambda _text, _name: said) as broken:
        finished, answer = evaluate(host, broken.url, [one("Hm?", contains("x"))])
    assert [(item.status, item.score, item.error_kind) for item in finished] == [
        ("error", None, kind)
    ]
    assert expect(Failed, answer).kind == kind


def test_a_model_that_is_not_there_and_one_that_is_too_slow(host: Engine) -> None:
    _, answer = evaluate(host, "http://127.0.0.1:9/v1", [one("Hm?")])
    assert expect(Failed, answer).kind == "transport"
    with ScriptedModel(lambda _text, _name: reply("late"), seconds=2) as slow:
        impatient = model(slow.url, timeout_seconds=0.3)
        _, answer = evaluate(host, slow.url, [one("Hm?")], model=impatient)
    assert expect(Failed, answer).kind == "timeout"


def test_passed_failed_and_error_are_kept_apart(host: Engine) -> None:
    def script(text: str, name: str) -> str | int:
        return 503 if "broken" in text else reply("yes" if "good" in text else "no")

    cases = [
        scenario(f"{word}_{n}", word, "yes", contains("yes"))
        for word in ("good", "bad", "broken")
        for n in range(3)
    ]
    with ScriptedModel(script) as scripted:
        finished, answer = evaluate(host, scripted.url, cases, repetitions=2)
    by_status = {
        status: [i for i in finished if i.status == status]
        for status in ("passed", "failed", "error")
    }
    assert {status: len(items) for status, items in by_status.items()} == {
        "passed": 6,
        "failed": 6,
        "error": 6,
    }
    assert {(item.scenario_id, item.repetition) for item in finished} == {
        (case.id, number) for case in cases for number in (1, 2)
    }
    total = expect(Evaluated, answer).usage
    assert total.calls == 12
    assert total.input_tokens == 1200
    assert total.cost_usd == pytest.approx(12 * COST)
    assert by_status["passed"][0].usage.cost_usd == pytest.approx(COST)
    assert all(item.latency_ms > 0 for item in finished)


def test_a_dead_model_costs_a_handful_of_calls_not_hundreds(host: Engine) -> None:
    cases = [one(f"Hm {n}?") for n in range(200)]
    with ScriptedModel(lambda _text, _name: 503) as dead:
        finished, answer = evaluate(host, dead.url, cases, concurrency=4)
    assert expect(Failed, answer).kind == "server"
    assert 6 <= len(finished) <= 12
    assert len(dead.calls) <= 12


def test_the_preflight_tells_of_a_bad_model_after_one_call(host: Engine) -> None:
    with ScriptedModel(lambda _text, _name: 401) as refusing:
        finished, answer = evaluate(host, refusing.url, [one("Hm?")], preflight=True)
        assert len(refusing.calls) == 1
    assert finished == []
    assert "openai/sandbox-1 cannot be used" in expect(Failed, answer).detail


def test_inputs_that_do_not_fit_the_playbook_are_that_scenarios_error(host: Engine) -> None:
    good = one("Hm?", contains("yes"))
    with ScriptedModel(lambda _text, _name: reply("yes")) as scripted:
        cases = [
            good,
            good.model_copy(update={"id": "missing", "input": {}}),
            good.model_copy(update={"id": "unknown", "input": {"caller_says": "x", "mood": "y"}}),
            good.model_copy(update={"id": "expects", "expected": {"mood": "y"}}),
        ]
        finished, answer = evaluate(host, scripted.url, cases)
    status = {item.scenario_id: (item.status, item.error_kind) for item in finished}
    assert status.pop("price") == ("passed", None)
    assert set(status.values()) == {("error", "playbook")}
    expect(Evaluated, answer)


def test_concurrency_is_what_was_asked_for(host: Engine) -> None:
    cases = [one(f"Hm {n}?", contains("x")) for n in range(24)]
    with ScriptedModel(lambda _text, _name: reply("x"), seconds=0.1) as scripted:
        evaluate(host, scripted.url, cases, concurrency=5)
        assert scripted.most_at_once == 5


def test_an_unpriced_model_has_no_cost_and_cannot_be_capped(host: Engine) -> None:
    with ScriptedModel(lambda _text, _name: reply("x")) as scripted:
        unpriced = model(scripted.url, price=None)
        _, answer = evaluate(host, scripted.url, [one("Hm?", contains("x"))], model=unpriced)
        assert expect(Evaluated, answer).usage.cost_usd is None
        _, answer = evaluate(
            host, scripted.url, [one("Hm?")], model=unpriced, cap_usd=1.0, preflight=True
        )
    assert expect(Failed, answer).kind == "config"


# ------------------------------------------------------------------ cancel, journal, cap


def test_cancel_answers_at_once_and_stops_the_calls(host: Engine) -> None:
    may_answer = threading.Event()

    def late(*_: str) -> str:
        may_answer.wait(HANG_SECONDS)
        return reply("x")

    with ScriptedModel(late) as slow:
        content = {
            "program": program(),
            "scenarios": [one(f"Hm {n}?") for n in range(100)],
            "model": model(slow.url),
            "judge_model": model(slow.url),
            "preflight": False,
            "concurrency": 4,
        }
        request = host.send(Evaluate, **content)
        while not slow.calls:
            time.sleep(0.01)
        host.send(Cancel, target=request)
        answer = list(host.messages(request))[-1]
        assert expect(Failed, answer).kind == "cancelled"
        assert slow.answered == 0  # it has not waited for those that were under way
        may_answer.set()
        time.sleep(0.5)
        assert len(slow.calls) <= 4


def test_a_call_that_was_paid_is_never_paid_again_not_even_after_kill_9(
    host: Engine, tmp_path: Path, own: Path
) -> None:
    cases = [one(f"Hm {n}?", contains("x")) for n in range(30)]
    settings = {"journal": str(own), "concurrency": 3, "repetitions": 2}
    with ScriptedModel(lambda _text, _name: reply("x"), seconds=0.05) as scripted:
        with engine(tmp_path) as first:
            first.send(
                Evaluate,
                program=program(),
                scenarios=cases,
                model=model(scripted.url),
                judge_model=model(scripted.url),
                **settings,
            )
            while scripted.answered < 20:
                time.sleep(0.01)
            first.kill()
        kept = len(journal(own))
        assert kept >= 15
        time.sleep(0.2)
        answered_before = scripted.answered
        with (own / "calls.jsonl").open("ab") as file:
            file.write(b'{"key": "torn')  # as a kill in the middle of a write leaves it
        finished, answer = evaluate(host, scripted.url, cases, preflight=True, **settings)
        # 60 runs and one preflight in all; what the killed process had kept was not asked again
        assert scripted.answered - answered_before == 61 - kept
        total = expect(Evaluated, answer).usage
        assert total.calls == 61
        assert total.cost_usd == pytest.approx(61 * COST)
        again, _ = evaluate(host, scripted.url, cases, preflight=True, **settings)
        assert scripted.answered - answered_before == 61 - kept
    assert len(finished) == len(again) == 60
    calls = journal(own)
    assert len({(call["key"], call["number"]) for call in calls}) == len(calls) == 61
    assert (own / "calls.jsonl").stat().st_mode & 0o777 == 0o600
    assert own.stat().st_mode & 0o777 == 0o700


def test_two_engines_share_one_journal(host: Engine, tmp_path: Path, own: Path) -> None:
    """A search has an engine of its own, and the comparison that follows runs in the warm one."""
    cases = [one(f"Hm {n}?", contains("x")) for n in range(4)]
    settings = {"journal": str(own), "cap_usd": 8.5 * COST}
    with ScriptedModel(lambda _text, _name: reply("x")) as scripted, engine(tmp_path) as other:
        evaluate(host, scripted.url, cases[:1], **settings)
        evaluate(other, scripted.url, cases, **settings)
        assert len(scripted.calls) == 4
        _, answer = evaluate(host, scripted.url, cases, repetitions=3, **settings)
        assert expect(Evaluated, answer).usage.calls == len(scripted.calls) == 8


def test_the_cap_is_hard_and_counts_what_the_journal_has_seen(host: Engine, own: Path) -> None:
    cases = [one(f"Hm {n}?", contains("x")) for n in range(40)]
    with ScriptedModel(lambda _text, _name: reply("x"), seconds=0.02) as scripted:
        settings = {"journal": str(own), "cap_usd": 10.5 * COST}
        finished, answer = evaluate(host, scripted.url, cases, **settings)
        total = expect(Evaluated, answer).usage
        assert total.cost_usd is not None
        assert total.cost_usd <= 10.5 * COST
        assert total.calls == 10
        assert {item.error_kind for item in finished if item.status == "error"} == {"budget"}
        others = [one(f"Other {n}?", contains("x")) for n in range(10)]
        finished, answer = evaluate(host, scripted.url, others, **settings)
        assert len(scripted.calls) == 10
        assert expect(Failed, answer).kind == "budget"
        _, answer = evaluate(host, scripted.url, others, preflight=True, **settings)
        assert len(scripted.calls) <= 11
        assert expect(Failed, answer).kind == "budget"


def test_a_reasoning_model_gets_the_settings_that_it_demands(host: Engine) -> None:
    """OpenAI's reasoning models refuse a temperature and a small limit of tokens."""
    with ScriptedModel(lambda _text, _name: reply("x")) as scripted:
        thinking = model(scripted.url, "gpt-5-mini", temperature=0.0, max_tokens=300)
        case = one("Hm?", contains("x"))
        _, answer = evaluate(host, scripted.url, [case], model=thinking, preflight=True)
    expect(Evaluated, answer)


def test_one_run(host: Engine) -> None:
    with ScriptedModel(lambda _text, _name: reply("Hello there")) as scripted:
        content = {"program": program(), "inputs": {"caller_says": "Hi"}}
        ran = expect(Ran, host.ask(Run, model=model(scripted.url), **content))
    assert ran.output == {"reply": "Hello there"}
    assert ran.usage.calls == 1
    assert ran.usage.cost_usd == pytest.approx(COST)
