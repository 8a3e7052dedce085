"""Models and servers as they are: what is unknown is null, what is cut is seen, nothing is guessed."""

import itertools
import json
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mission_control_protocol import (
    Budget,
    Check,
    Evaluated,
    Failed,
    Optimized,
    Ran,
    Run,
    ScenarioFinished,
    TrialFinished,
)
from tests.engine.harness import (
    TASK_PRICE,
    USAGE,
    Engine,
    Odd,
    ScriptedModel,
    contains,
    evaluate,
    expect,
    journal,
    model,
    optimize,
    program,
    reply,
    scenario,
)

GOOD = reply("Yes, forty nine dollars.")
CASE = scenario("price", "How much?", "Yes, forty nine dollars", contains("forty nine dollars"))
JUDGED = scenario("polite", "Hello?", "Good day", Check(kind="judge", values=["Is polite."]))


def result(host: Engine, answer: str | int | Odd, **settings: Any) -> ScenarioFinished:
    with ScriptedModel(lambda text, name: answer) as scripted:
        finished, _ = evaluate(host, scripted.url, [CASE], model=model(scripted.url, **settings))
    return finished[0]


# ------------------------------------------------------------------ what was used


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (USAGE, (100, 10)),
        ("absent", (None, None)),
        (None, (None, None)),
        ({"total_tokens": 40}, (None, None)),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, (None, None)),
        ({"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 700}, (100, 600)),
        ({"prompt_tokens": 100, "total_tokens": 130}, (100, 30)),
    ],
)
def test_unknown_usage_is_null_and_so_is_its_cost(
    host: Engine, usage: object, tokens: tuple[int | None, int | None]
) -> None:
    used = result(host, Odd(GOOD, usage=usage)).usage
    assert (used.input_tokens, used.output_tokens) == tokens
    price = (TASK_PRICE.input_per_million, TASK_PRICE.output_per_million)
    expected = (
        None
        if tokens[0] is None or tokens[1] is None
        else pytest.approx((tokens[0] * price[0] + tokens[1] * price[1]) / 1e6)
    )
    assert used.cost_usd == expected


def test_a_limit_in_dollars_is_refused_where_nobody_says_what_was_used(
    host: Engine, tmp_path: Path
) -> None:
    with ScriptedModel(lambda text, name: Odd(GOOD, usage="absent")) as scripted:
        answers = [
            evaluate(host, scripted.url, [CASE], preflight=True, cap_usd=0.5)[1],
            optimize(host, scripted.url, tmp_path, budget=Budget(usd=0.5))[1],
        ]
    for answer in answers:
        failed = expect(Failed, answer)
        assert failed.kind == "config"
        assert "does not say how many tokens" in failed.detail


# ------------------------------------------------------------------ how it ended


def test_a_reply_that_was_cut_fails_whatever_it_says(host: Engine) -> None:
    cut = result(host, Odd("[[ ## reply ## ]]\nYes, forty nine dollars and we al", finish="length"))
    assert (cut.status, cut.truncated) == ("failed", True)
    assert [check.kind for check in cut.checks] == ["contains", "whole_reply"]
    assert cut.checks[1].reason is not None
    assert "max_tokens" in cut.checks[1].reason


def test_a_reply_that_is_complete_was_not_cut(host: Engine) -> None:
    whole = result(host, Odd(GOOD, finish="length"))
    assert (whole.status, whole.truncated) == ("passed", False)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Odd("", finish="length"), "truncated", "used its whole limit"),
        (Odd("<think>hm, let me see", finish="length"), "truncated", "used its whole limit"),
        (Odd("[[ ## re", finish="length"), "truncated", "Raise max_tokens"),
        (Odd("", finish="content_filter"), "filtered", "withheld"),
        (Odd(None, message={"refusal": "I cannot help."}), "refused", "refused"),
        (Odd(choices=[]), "server", "without any choice"),
        (Odd("", finish="error"), "server", "finish_reason"),
        (
            Odd(body=b"<html>Login</html>", headers={"content-type": "text/html"}),
            "server",
            "HTTP 200",
        ),
        (
            Odd(body=b"data: [DONE]\n\n", headers={"content-type": "text/event-stream"}),
            "server",
            "text/event-stream",
        ),
        (500, "server", "No"),
    ],
)
def test_what_is_no_answer_is_named(
    host: Engine, answer: str | int | Odd, kind: str, words: str
) -> None:
    unmeasured = result(host, answer)
    assert (unmeasured.status, unmeasured.score) == ("error", None)
    assert unmeasured.error_kind == kind
    assert words in (unmeasured.error_detail or "")


def test_what_was_paid_is_booked_also_when_it_is_no_answer(host: Engine, tmp_path: Path) -> None:
    with ScriptedModel(lambda text, name: Odd("", finish="content_filter")) as scripted:
        finished, _ = evaluate(host, scripted.url, [CASE], journal=str(tmp_path))
    assert finished[0].usage.calls == len(journal(tmp_path)) == 1


def test_a_server_that_fails_once_is_asked_again(host: Engine) -> None:
    answers = itertools.chain([Odd(choices=[]), 503], itertools.repeat(GOOD))
    with ScriptedModel(lambda text, name: next(answers)) as scripted:
        again = model(scripted.url, retries=2)
        finished, _ = evaluate(host, scripted.url, [CASE], model=again)
    assert finished[0].status == "passed"
    assert len(scripted.calls) == 3


# ------------------------------------------------------------------ words and thoughts


@pytest.mark.parametrize(
    "content",
    [
        f"<think>The price? [[ ## reply ## ]] no idea</think>{GOOD}",
        f"<THINKING>twenty</THINKING>\n{GOOD}",
        f"twenty, I think</think>{GOOD}",
        "[[ ## reply ## ]]\n<think>twenty</think>Yes, forty nine dollars.",
        "Yes, forty nine dollars.",  # the words alone, without DSPy's marks
    ],
)
def test_only_the_words_are_the_reply(host: Engine, content: str) -> None:
    read = result(host, content)
    assert read.status == "passed", read
    assert read.output == {"reply": "Yes, forty nine dollars."}
    assert (read.thinking is None) is ("think" not in content.lower())


def test_half_an_emoji_is_kept_as_a_character_that_can_be_stored(host: Engine) -> None:
    read = result(host, reply("Yes, forty nine dollars \ud83d\x00!"))
    assert read.output == {"reply": "Yes, forty nine dollars \ufffd\ufffd!"}


def test_an_execution_says_that_it_was_cut_and_what_was_thought(host: Engine) -> None:
    content = "<think>soon</think>[[ ## reply ## ]]\nI will call you ba"
    with ScriptedModel(lambda text, name: Odd(content, finish="length")) as scripted:
        asked = {
            "program": program(),
            "inputs": {"caller_says": "Hi"},
            "model": model(scripted.url),
        }
        ran = expect(Ran, host.ask(Run, **asked))
    assert (ran.output, ran.truncated) == ({"reply": "I will call you ba"}, True)
    assert ran.thinking == "soon"


# ------------------------------------------------------------------ judges


@pytest.mark.parametrize(
    ("said", "passed"),
    [
        ("True", True), ("True.", True), ("**True**", True), ("PASS", True), ("yes", True),
        ("Verdict: True", True), ("**Verdict:** False", False), ("False!", False), ("fail", False),
    ],
)  # fmt: skip
def test_a_verdict_is_read_as_models_write_it(host: Engine, said: str, passed: bool) -> None:
    answer = f"[[ ## reason ## ]]\nIt says so.\n\n[[ ## verdict ## ]]\n{said}"

    def script(text: str, name: str) -> str:
        return answer if name == "judge" else reply("Good day")

    with ScriptedModel(script) as scripted:
        finished, _ = evaluate(host, scripted.url, [JUDGED])
    assert finished[0].status == ("passed" if passed else "failed")
    assert len(scripted.calls) == 2  # the agent, and the judge once


@pytest.mark.parametrize("second", ["True", None])
def test_an_unclear_verdict_is_asked_for_once_more_and_never_guessed(
    host: Engine, second: str | None
) -> None:
    unclear = "[[ ## reason ## ]]\nHm.\n\n[[ ## verdict ## ]]\nIt depends, true or false."
    verdicts = iter([unclear, second or unclear])

    def script(text: str, name: str) -> str:
        return next(verdicts) if name == "judge" else reply("Good day")

    with ScriptedModel(script) as scripted:
        finished, _ = evaluate(host, scripted.url, [JUDGED])
    assert finished[0].status == ("passed" if second else "error")
    assert finished[0].error_kind == (None if second else "format")
    assert len(scripted.calls) == 3


# ------------------------------------------------------------------ limits of the server


def test_a_rate_limit_is_waited_for_by_all_and_is_no_latency(host: Engine) -> None:
    """Four requests in each half second, and a true `Retry-After` beyond that."""
    window, lock = list[float](), threading.Lock()

    def script(text: str, name: str) -> Odd | str:
        with lock:
            now = time.monotonic()
            window[:] = [at for at in window if now - at < 0.5]
            if len(window) >= 4:
                pause = 0.5 - (now - window[0])
                return Odd(status=429, headers={"retry-after": f"{pause:.3f}"})
            window.append(now)
            return GOOD

    cases = [CASE.model_copy(update={"id": f"price_{number}"}) for number in range(24)]
    with ScriptedModel(script) as scripted:
        finished, answer = evaluate(host, scripted.url, cases, concurrency=16)
    expect(Evaluated, answer)
    assert [each.status for each in finished] == ["passed"] * 24


# ------------------------------------------------------------------ proposals


TOOK = "RULE: always say forty nine dollars"
RAW = {
    "fenced": f"```text\n{TOOK}\n```",
    "labelled": f"Here is the improved instruction:\n\n{TOOK}",
    "labelled and fenced": f"Sure! Here's the new prompt:\n\n```\n{TOOK}\n```",
    "with thoughts": f"<think>shorter?</think>{TOOK}",
    "a printed list of one": f'["{TOOK}"]',
    "data": f'{{"new_instruction": "{TOOK}"}}',
    "quoted": f'"{TOOK}"',
}
REFUSED = {
    "a printed list": '["one", "two"]',
    "huge": TOOK + " and so on" * 40_000,
    "an open fence": f"{TOOK}\n```json",
}


def _learned(text: str) -> str:
    return reply("Yes, forty nine dollars." if "RULE" in text else "I do not know.")


def _optimized(
    host: Engine, directory: Path, proposal: object
) -> tuple[dict[int, TrialFinished], Optimized | Failed]:

    def script(text: str, name: str) -> str | Odd:
        if name != "reflection":
            return _learned(text)
        return proposal if isinstance(proposal, Odd) else json.dumps({"new_instruction": proposal})

    cases = [CASE.model_copy(update={"id": f"c{n}", "input": {"caller_says": f"How much {n}?"}})
             for n in range(8)]  # fmt: skip
    with ScriptedModel(script) as scripted:
        return optimize(
            host, scripted.url, directory, train=cases[:4], validation=cases[4:],
            reflection_model=model(scripted.url, "reflection", temperature=1.0),
            budget=Budget(metric_calls=40),
        )  # fmt: skip


@pytest.mark.parametrize("name", RAW)
def test_a_proposal_is_made_a_prompt_where_that_is_certain(
    host: Engine, tmp_path: Path, name: str
) -> None:
    _, answer = _optimized(host, tmp_path, RAW[name])
    assert expect(Optimized, answer).prompt == TOOK


@pytest.mark.parametrize("name", REFUSED)
def test_a_proposal_that_is_no_prompt_is_refused_and_asked_for_again(
    host: Engine, tmp_path: Path, name: str
) -> None:
    trials, answer = _optimized(host, tmp_path, REFUSED[name])
    assert expect(Failed, answer).kind == "reflection"
    assert list(trials) == [0]


@pytest.mark.parametrize(
    "proposal",
    [
        Odd(f'{{"new_instruction": "{TOOK} and never guar', finish="length"),
        Odd(f'{{"new_instruction": "{TOOK} and never guar', finish="stop"),
    ],
)
def test_a_proposal_that_was_cut_is_never_adopted(
    host: Engine, tmp_path: Path, proposal: Odd
) -> None:
    trials, answer = _optimized(host, tmp_path, proposal)
    failed = expect(Failed, answer)
    assert failed.kind == "reflection"
    assert "cut by its token limit" in failed.detail
    assert list(trials) == [0]


def test_a_candidate_whose_replies_are_cut_is_no_better(host: Engine, tmp_path: Path) -> None:

    def script(text: str, name: str) -> str | Odd:
        if name == "reflection":
            return json.dumps({"new_instruction": TOOK})
        if "RULE" in text:
            return Odd("[[ ## reply ## ]]\nYes, forty nine dollars and we al", finish="length")
        return reply("I do not know.")

    cases = [CASE.model_copy(update={"id": f"c{n}", "input": {"caller_says": f"How much {n}?"}})
             for n in range(8)]  # fmt: skip
    with ScriptedModel(script) as scripted:
        trials, answer = optimize(
            host, scripted.url, tmp_path, train=cases[:4], validation=cases[4:],
            reflection_model=model(scripted.url, "reflection", temperature=1.0),
            budget=Budget(metric_calls=30),
        )  # fmt: skip
    scores = {trial.validation_score for trial in trials.values()}
    assert all(score is None or score < 1 for score in scores)
    assert any(trial.truncated for number, trial in trials.items() if number)
    expect(Optimized, answer)


# ------------------------------------------------------------------ other optimizers, too


def _proposing(*proposals: str) -> Callable[[str, str], str | Odd]:
    """Whatever asks the reflection model for an instruction or advice gets these, in turn."""
    answers = itertools.chain(proposals[:-1], itertools.repeat(proposals[-1]))
    replies = itertools.cycle(["Yes, forty nine dollars.", *["I do not know."] * 2])

    def script(text: str, name: str) -> str | Odd:
        if name != "reflection":
            return _learned(text) if "RULE" in text else reply(next(replies))
        if "module_advice" in text:
            [module] = re.findall(
                r"## module_names ## \]\]\s*\[\s*(?:\[1\] «)?\W*(\w[\w.]*)", text
            )[-1:]
            said = json.dumps({module: next(answers)})
            return f"[[ ## discussion ## ]]\nx\n\n[[ ## module_advice ## ]]\n{said}\n\n[[ ## completed ## ]]"
        if "[[ ## proposed_instruction ## ]]" in text:
            return f"[[ ## proposed_instruction ## ]]\n{next(answers)}\n\n[[ ## completed ## ]]"
        fields = re.findall(r"\[\[ ## (\w+) ## \]\]", text.rsplit("Respond with", 1)[-1])
        return "\n\n".join(f"[[ ## {field} ## ]]\nA phone agent." for field in fields)

    return script


def _other(
    host: Engine, directory: Path, optimizer: str, *proposals: str
) -> tuple[dict[int, TrialFinished], Optimized | Failed]:
    cases = [CASE.model_copy(update={"id": f"c{n}", "input": {"caller_says": f"How much {n}?"}})
             for n in range(8)]  # fmt: skip
    with ScriptedModel(_proposing(*proposals)) as scripted:
        return optimize(
            host, scripted.url, directory, optimizer=optimizer, train=cases[:4], validation=cases[4:],
            reflection_model=model(scripted.url, "reflection", temperature=1.0),
            model=model(scripted.url, temperature=1.0), longest_prompt=1_000,
            budget=Budget(level="light"), concurrency=1,
        )  # fmt: skip


@pytest.mark.parametrize("optimizer", ["MIPROv2", "SIMBA"])
def test_every_optimizer_s_proposals_are_cleaned(
    host: Engine, tmp_path: Path, optimizer: str
) -> None:
    trials, _ = _other(host, tmp_path, optimizer, RAW["fenced"])
    prompts = {trial.prompt for trial in trials.values()}
    assert any("say forty nine dollars" in prompt for prompt in prompts), prompts
    assert not any("```" in prompt for prompt in prompts)


@pytest.mark.parametrize("optimizer", ["MIPROv2", "SIMBA"])
def test_every_optimizer_asks_again_when_a_proposal_is_no_prompt(
    host: Engine, tmp_path: Path, optimizer: str
) -> None:
    trials, _ = _other(host, tmp_path, optimizer, REFUSED["an open fence"], "x" * 2_000, TOOK)
    prompts = {trial.prompt for trial in trials.values()}
    assert any("say forty nine dollars" in prompt for prompt in prompts), prompts
    assert not any("```" in prompt or "xxx" in prompt for prompt in prompts)


@pytest.mark.parametrize("optimizer", ["MIPROv2", "SIMBA"])
def test_every_optimizer_ends_when_nothing_proposed_is_a_prompt(
    host: Engine, tmp_path: Path, optimizer: str
) -> None:
    trials, answer = _other(host, tmp_path, optimizer, "y" * 2_000)
    failed = expect(Failed, answer)
    assert failed.kind == "reflection"
    assert "2,000 characters" in failed.detail or "allowed" in failed.detail
    assert not any("yyy" in trial.prompt for trial in trials.values())


@pytest.mark.parametrize(
    ("dead", "kind"), [(1, None), (2, "unreliable")], ids=["a little", "too much"]
)
def test_what_could_not_be_measured_is_no_zero_in_a_search(
    host: Engine, tmp_path: Path, dead: int, kind: str | None
) -> None:
    """Of six validation scenarios the first `dead` get no readable answer from the better prompt."""

    def script(text: str, name: str) -> str | Odd:
        if name == "reflection":
            return json.dumps({"new_instruction": TOOK})
        unreadable = any(f"How much {6 + number}?" in text for number in range(dead))
        return "{" if "RULE" in text and unreadable else _learned(text)

    cases = [CASE.model_copy(update={"id": f"c{n}", "input": {"caller_says": f"How much {n}?"}})
             for n in range(12)]  # fmt: skip
    with ScriptedModel(script) as scripted:
        trials, answer = optimize(
            host, scripted.url, tmp_path, train=cases[:6], validation=cases[6:],
            reflection_model=model(scripted.url, "reflection", temperature=1.0),
            budget=Budget(metric_calls=40),
        )  # fmt: skip
    if kind is not None:
        assert expect(Failed, answer).kind == kind
    else:
        assert trials[1].validation_score == 1.0
        assert expect(Optimized, answer).prompt == TOOK


def test_a_judge_that_takes_no_temperature_but_its_own_is_asked_without_one(host: Engine) -> None:
    answer = "[[ ## reason ## ]]\nIt says so.\n\n[[ ## verdict ## ]]\nTrue"
    seen: list[object] = []

    def script(text: str, name: str) -> str | Odd:
        if name != "judge":
            return reply("Good day")
        body = scripted.bodies[-1]
        seen.append(body.get("temperature"))
        if body.get("temperature", 1) != 1:
            refusal = {"message": "temperature does not support 0.0 with this model", "type": "x"}
            return Odd(status=400, body=json.dumps({"error": refusal}).encode())
        return answer

    with ScriptedModel(script) as scripted:
        finished, _ = evaluate(
            host, scripted.url, [JUDGED], judge_model=model(scripted.url, "judge", temperature=0.0)
        )
    assert finished[0].status == "passed", finished[0]
    assert seen == [0.0, None]


@pytest.mark.parametrize(
    ("pattern", "passes"),
    [(r"book\.example/a", True), ("^See our site now$", True), (r"\]\(", False)],
)
def test_a_pattern_finds_the_words_of_a_link_and_where_it_leads(
    host: Engine, pattern: str, passes: bool
) -> None:
    said = reply("See [our site](https://book.example/a) now")
    linked = scenario("link", "Where?", "Our site", Check(kind="regex", values=[pattern]))
    with ScriptedModel(lambda text, name: said) as scripted:
        finished, _ = evaluate(host, scripted.url, [linked])
    assert finished[0].status == ("passed" if passes else "failed")


@pytest.mark.parametrize("side", ["parent", "candidate"])
def test_what_could_not_be_measured_decides_no_trial(
    host: Engine, tmp_path: Path, side: str
) -> None:
    """An outage under the parent takes no candidate, one under the candidate loses no better one."""
    right = {"parent": {"candidate": [2]}, "candidate": {"candidate": [0], "parent": [2]}}[side]

    def script(text: str, name: str) -> str | Odd:
        if name == "reflection":
            return json.dumps({"new_instruction": TOOK})
        asked = "candidate" if "RULE" in text else "parent"
        if asked == side and "How much 2?" in text:
            return "{"
        known = any(f"How much {number}?" in text for number in right.get(asked, ()))
        return reply("Yes, forty nine dollars." if known else "I do not know.")

    cases = [CASE.model_copy(update={"id": f"c{n}", "input": {"caller_says": f"How much {n}?"}})
             for n in range(9)]  # fmt: skip
    with ScriptedModel(script) as scripted:
        trials, _ = optimize(
            host, scripted.url, tmp_path, train=cases[:3], validation=cases[3:],
            reflection_model=model(scripted.url, "reflection", temperature=1.0),
            budget=Budget(metric_calls=20),
        )  # fmt: skip
    assert trials[1].accepted == (side == "candidate")
