"""Searches improve or end honestly, keep their budgets, and lose nothing that was paid for."""

import time
from pathlib import Path
from typing import Any

import pytest

from mission_control_protocol import (
    Budget,
    Cancel,
    Check,
    Evaluated,
    Failed,
    Optimize,
    Optimized,
    Progressed,
    Scenario,
    TrialFinished,
)
from tests.engine.harness import (
    TOPICS,
    Engine,
    ScriptedModel,
    contains,
    engine,
    evaluate,
    expect,
    journal,
    model,
    optimize,
    optimize_content,
    playbook,
    program,
    reflection,
    reply,
    scenario,
    scenarios,
    statistics,
)

# Cannot be learned, so that a search never becomes perfect.
IMPOSSIBLE = scenario("no", "Hm?", "Never", contains("never ever said"))
OTHERS = ["MIPROv2", "BootstrapFewShot", "SIMBA"]


def bland(text: str, name: str) -> str | int:
    """A task model that never improves, and a reflection that always writes another prompt."""
    if "new_instruction" in text or "new instruction" in text:
        return f'{{"new_instruction": "Say it better, try {len(text)}."}}'
    return reply("I understand.")


# ------------------------------------------------------------------ improving


def test_gepa_improves_and_stops_when_validation_is_perfect(
    host: Engine, model_server: str, own: Path
) -> None:
    request = host.send(Optimize, **optimize_content(model_server, own))
    messages = list(host.messages(request))
    optimized = expect(Optimized, messages[-1])
    assert optimized.stop_reason == "perfect"
    assert optimized.best_validation_score == 1.0
    assert (optimized.baseline_validation_score or 0) < 0.5
    assert optimized.changed
    trials = [message for message in messages if isinstance(message, TrialFinished)]
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert trials[0].parent is None
    assert trials[0].validation_score == optimized.baseline_validation_score
    assert all(trial.parent in range(trial.number) for trial in trials[1:])
    assert trials[-1].prompt == optimized.prompt
    assert optimized.trials == len(trials)
    assert optimized.usage.calls == len(journal(own))
    assert optimized.usage.cost_usd
    phases = [message.phase for message in messages if isinstance(message, Progressed)]
    assert list(dict.fromkeys(phases)) == ["preparing", "baseline", "searching", "finishing"]

    # Every score is what an evaluation of that prompt by itself comes to.
    for trial in trials:
        if trial.validation_score is not None:
            candidate = program().model_copy(update={"prompt": trial.prompt})
            finished, _ = evaluate(host, model_server, scenarios()[1], program=candidate)
            mean = sum(item.score or 0 for item in finished) / len(finished)
            assert mean == pytest.approx(trial.validation_score)


@pytest.mark.parametrize("optimizer", OTHERS)
def test_the_others_improve_and_a_repetition_costs_nothing(
    host: Engine, model_server: str, own: Path, optimizer: str
) -> None:
    settings: dict[str, Any] = {"optimizer": optimizer, "budget": Budget(level="light")}
    if optimizer == "SIMBA":  # learns from differences, so it needs scores that are not all zero
        sides = zip(("train", "validation"), scenarios(), strict=True)
        settings |= {
            side: [one.model_copy(update={"checks": []}) for one in all_] for side, all_ in sides
        }
    trials, answer = optimize(host, model_server, own, **settings)
    optimized = expect(Optimized, answer)
    assert optimized.changed
    assert (optimized.best_validation_score or 0) > (optimized.baseline_validation_score or 0)
    assert optimized.stop_reason in {"finished", "perfect"}
    assert sorted(trials) == list(range(len(trials)))
    calls = statistics(model_server)["calls"]

    repeated, again = optimize(host, model_server, own, **settings)
    assert statistics(model_server)["calls"] == calls
    assert expect(Optimized, again).prompt == optimized.prompt
    assert expect(Optimized, again).usage == optimized.usage
    assert {n: (t.prompt, t.validation_score) for n, t in repeated.items()} == {
        n: (t.prompt, t.validation_score) for n, t in trials.items()
    }

    carried = program().model_copy(
        update={"prompt": optimized.prompt, "demonstrations": optimized.demonstrations}
    )
    validation = settings.get("validation", scenarios()[1])
    finished, _ = evaluate(host, model_server, validation, program=carried)
    mean = sum(item.score or 0 for item in finished) / len(finished)
    assert mean == pytest.approx(optimized.best_validation_score)


@pytest.mark.parametrize("optimizer", ["GEPA", *OTHERS])
def test_a_perfect_start_ends_before_it_costs(host: Engine, own: Path, optimizer: str) -> None:
    train, validation = scenarios()
    everything = " ".join(value for _, _, values in TOPICS.values() for value in values)
    with ScriptedModel(lambda _text, _name: reply(everything)) as perfect:
        _, answer = optimize(host, perfect.url, own, optimizer=optimizer)
        assert len(perfect.calls) == 2 + len(validation)
    optimized = expect(Optimized, answer)
    assert optimized.stop_reason == "perfect"
    assert not optimized.changed
    assert optimized.trials == 1
    assert len(train) == len(validation)


def test_what_does_not_improve_returns_the_start(host: Engine, own: Path) -> None:
    with ScriptedModel(bland) as stubborn:
        trials, answer = optimize(host, stubborn.url, own, budget=Budget(metric_calls=60))
    optimized = expect(Optimized, answer)
    assert not optimized.changed
    assert optimized.stop_reason == "budget_metric_calls"
    assert optimized.metric_calls <= 60
    assert len(trials) > 2
    assert not any(trial.accepted for number, trial in trials.items() if number)
    assert all(trial.sample_score is not None for number, trial in trials.items() if number)


def test_only_declared_fields_and_no_test_scenario_reach_the_reflection(
    host: Engine, own: Path
) -> None:
    case = scenario("x", "Secret id?", "One two three", contains("one two three"))
    with ScriptedModel(bland) as stubborn:
        settings: dict[str, Any] = {"train": [case, case], "validation": [case]}
        optimize(host, stubborn.url, own, budget=Budget(metric_calls=12), **settings)
        asked = [text for text in stubborn.calls if "should have conveyed" in text]
    assert asked
    assert all(
        'The reply should have conveyed: \\"One two three\\"' in text
        or 'conveyed: "One two three"' in text
        for text in asked
    )


# ------------------------------------------------------------------ as an evaluation would score


def twins(split: str) -> list[Scenario]:
    """The same questions and expected texts twice, each time with checks that exclude the other."""
    said = "It is forty nine dollars a month"
    never = Check(kind="excludes", values=["forty nine"])
    return [
        each
        for number in range(3)
        for question in [f"{split}: what does plan {number} cost?"]
        for each in (
            scenario(f"{split}_never_{number}", question, said, never),
            scenario(f"{split}_always_{number}", question, said, contains("forty nine dollars")),
        )
    ]


def knows_the_rule(text: str, name: str) -> str | int:
    """Answers right once the prompt holds the rule, which every reflection proposes."""
    if "new_instruction" in text or "new instruction" in text:
        return '{"new_instruction": "Answer in one sentence. RULE-PRICE"}'
    return reply("It is forty nine dollars a month" if "RULE-PRICE" in text else "I see.")


@pytest.mark.parametrize("optimizer", ["GEPA", *OTHERS])
@pytest.mark.parametrize("shared", [False, True], ids=["own questions", "across splits"])
def test_scenarios_that_differ_in_their_checks_alone_are_scored_apart(
    host: Engine, own: Path, model_server: str, optimizer: str, shared: bool
) -> None:
    """Whatever is answered, one of two twins fails: no search may find more than a half."""
    train, validation = twins("train"), twins("train" if shared else "validation")
    if shared:  # the same questions on both sides, of which train asks only one half
        train = [each for each in train if "always" in each.id]
    with ScriptedModel(knows_the_rule) as scripted:
        trials, answer = optimize(
            host,
            scripted.url,
            own,
            optimizer=optimizer,
            train=train,
            validation=validation,
            # The script knows how GEPA asks for a prompt; the stand-in knows how all of them do.
            reflection_model=reflection(scripted.url if optimizer == "GEPA" else model_server),
            budget=Budget(metric_calls=80),
        )
        optimized = expect(Optimized, answer)
        assert optimized.stop_reason != "perfect"
        assert optimized.best_validation_score == 0.5
        scored = [each for each in trials.values() if each.validation_score is not None]
        for trial in scored:
            candidate = program().model_copy(
                update={"prompt": trial.prompt, "demonstrations": trial.demonstrations}
            )
            finished, _ = evaluate(host, scripted.url, validation, program=candidate)
            rate = sum(each.status == "passed" for each in finished) / len(finished)
            assert trial.validation_score == rate == 0.5


# ------------------------------------------------------------------ kill -9


@pytest.mark.parametrize("optimizer", ["GEPA", "MIPROv2"])
def test_after_kill_9_it_goes_on_and_pays_nothing_twice(
    host: Engine, tmp_path: Path, own: Path, slow_model_server: str, optimizer: str
) -> None:
    settings: dict[str, Any] = {
        "optimizer": optimizer,
        "budget": Budget(metric_calls=90) if optimizer == "GEPA" else Budget(level="light"),
        "validation": [*scenarios()[1], IMPOSSIBLE],
        "concurrency": 4,
    }
    seen: dict[int, TrialFinished] = {}
    before = statistics(slow_model_server)["calls"]
    with engine(tmp_path) as first:
        request = first.send(Optimize, **optimize_content(slow_model_server, own, **settings))
        for message in first.messages(request):
            if isinstance(message, TrialFinished):
                seen[message.number] = message
            if isinstance(message, Progressed) and len(seen) >= 2 and message.usage.calls > 25:
                break
        first.kill()
    time.sleep(0.3)
    kept, asked = len(journal(own)), statistics(slow_model_server)["calls"] - before
    assert 0 <= asked - kept <= 4  # only what was under way is lost

    trials, answer = optimize(host, slow_model_server, own, **settings)
    optimized = expect(Optimized, answer)
    calls = journal(own)
    assert optimized.usage.calls == len(calls) > kept
    assert statistics(slow_model_server)["calls"] - before == len(calls) + asked - kept
    assert len({(call["key"], call["number"]) for call in calls}) == len(calls)
    for number, trial in seen.items():
        assert trials[number].prompt == trial.prompt
        assert trials[number].validation_score == trial.validation_score

    with engine(tmp_path) as new:  # an undisturbed search in another directory comes to the same
        _, straight = optimize(new, slow_model_server, tmp_path / "straight", **settings)
    undisturbed = expect(Optimized, straight)
    assert undisturbed.prompt == optimized.prompt
    assert undisturbed.usage == optimized.usage
    assert undisturbed.metric_calls == optimized.metric_calls


def test_a_directory_of_another_search_is_refused(
    host: Engine, model_server: str, own: Path
) -> None:
    expect(Optimized, optimize(host, model_server, own)[1])
    train, _ = scenarios()
    _, answer = optimize(host, model_server, own, train=train[1:])
    assert expect(Failed, answer).kind == "config"
    other = program(persona={"role": "Somebody else"})
    _, answer = optimize(host, model_server, own, program=other)
    assert expect(Failed, answer).kind == "config"


# ------------------------------------------------------------------ budgets


@pytest.mark.parametrize("optimizer", ["GEPA", *OTHERS])
@pytest.mark.parametrize("usd", [0.004, 0.02])
def test_money_is_a_hard_limit(
    host: Engine, model_server: str, own: Path, optimizer: str, usd: float
) -> None:
    settings = {"optimizer": optimizer, "budget": Budget(usd=usd), "concurrency": 8}
    train, validation = scenarios()
    settings |= {"train": [*train, IMPOSSIBLE], "validation": [*validation, IMPOSSIBLE]}
    _, answer = optimize(host, model_server, own, **settings)
    costs = [call["cost_usd"] for call in journal(own)]
    assert sum(costs) <= usd + max(costs)
    if isinstance(answer, Optimized):
        assert answer.stop_reason in {"budget_usd", "finished", "perfect"}
        assert answer.baseline_validation_score is not None
    else:
        assert answer.kind == "budget"


def test_calls_for_the_comparison_are_held_back(host: Engine, own: Path) -> None:
    with ScriptedModel(bland) as stubborn:
        _, answer = optimize(host, stubborn.url, own, budget=Budget(usd=0.006), reserve_calls=100)
    assert expect(Optimized, answer).stop_reason == "budget_usd"
    costs = {call["role"]: call["cost_usd"] for call in journal(own)}
    spent = sum(call["cost_usd"] for call in journal(own))
    assert spent <= 0.006 - 100 * costs["task"] + costs["reflection"]
    assert spent > 0.002


@pytest.mark.parametrize("optimizer", OTHERS)
def test_metric_calls_are_a_hard_limit(
    host: Engine, model_server: str, own: Path, optimizer: str
) -> None:
    settings = {"validation": [*scenarios()[1], IMPOSSIBLE], "optimizer": optimizer}
    budget = Budget(metric_calls=20, level="light")
    _, answer = optimize(host, model_server, own, budget=budget, **settings)
    optimized = expect(Optimized, answer)
    assert optimized.stop_reason == "budget_metric_calls"
    assert optimized.metric_calls == 20


def test_a_budget_below_one_validation_is_refused_before_it_costs(host: Engine, own: Path) -> None:
    with ScriptedModel(bland) as scripted:
        _, answer = optimize(host, scripted.url, own, budget=Budget(metric_calls=3))
        assert scripted.calls == []
    assert expect(Failed, answer).kind == "budget"


def test_minutes_are_a_hard_limit_even_over_a_resume(
    host: Engine, own: Path, slow_model_server: str
) -> None:
    settings: dict[str, Any] = {"validation": [*scenarios()[1], IMPOSSIBLE]}
    budget = Budget(minutes=2.5 / 60)
    started = time.monotonic()
    _, answer = optimize(host, slow_model_server, own, budget=budget, **settings)
    assert expect(Optimized, answer).stop_reason == "budget_minutes"
    assert time.monotonic() - started < 4
    calls = len(journal(own))
    _, answer = optimize(host, slow_model_server, own, budget=budget, **settings)
    assert expect(Failed, answer).kind == "budget"
    assert len(journal(own)) == calls


def test_money_without_a_price_is_refused_after_one_call(host: Engine, own: Path) -> None:
    with ScriptedModel(bland) as scripted:
        unpriced = model(scripted.url, price=None)
        _, answer = optimize(host, scripted.url, own, budget=Budget(usd=1), model=unpriced)
        assert len(scripted.calls) == 1
    failed = expect(Failed, answer)
    assert failed.kind == "config"
    assert "no known price" in failed.detail


# ------------------------------------------------------------------ failing


@pytest.mark.parametrize("said", ["gibberish", 503])
def test_a_reflection_that_is_dead_ends_the_search(
    host: Engine, own: Path, said: str | int
) -> None:
    def script(text: str, name: str) -> str | int:
        if name == "thinker" and "single word: ready" not in text:
            return said
        return reply("I understand.")

    with ScriptedModel(script) as scripted:
        thinker = reflection(scripted.url, "thinker")
        _, answer = optimize(host, scripted.url, own, reflection_model=thinker)
        assert len(scripted.calls) < 60
    failed = expect(Failed, answer)
    assert failed.kind == "reflection"
    assert "three times in a row" in failed.detail
    assert failed.usage.calls == len(journal(own))


@pytest.mark.parametrize("optimizer", ["GEPA", "MIPROv2"])
def test_a_model_that_fails_too_often_makes_no_scores(
    host: Engine, own: Path, optimizer: str
) -> None:
    def script(text: str, name: str) -> str | int:
        searching = len(scripted.calls) > 12  # after the preflight and the start
        return 503 if searching and len(scripted.calls) % 3 == 0 else bland(text, name)

    with ScriptedModel(script) as scripted:
        _, answer = optimize(host, scripted.url, own, optimizer=optimizer)
    failed = expect(Failed, answer)
    assert failed.kind == "unreliable"
    assert "model calls failed" in failed.detail


def test_a_model_that_fails_half_of_the_time_is_unreliable_from_the_preflight_on(
    host: Engine, own: Path
) -> None:
    """As an evaluation of it is: the first question may be among those it cannot answer."""

    def script(text: str, name: str) -> str | int:
        if "with the single word" in text:
            return 503
        return 503 if "?" in text and len(text) % 2 else bland(text, name)

    says = ["How much is it?", "Who are you?", "Is it long?", "What now?"]
    few = [
        scenario(f"s{at}", each + " " * (at % 2), "x", contains("x"))
        for at, each in enumerate(says)
    ]
    with ScriptedModel(script) as half:
        _, answer = optimize(host, half.url, own, train=few, validation=few)
        _, evaluated = evaluate(host, half.url, few, preflight=True)
    assert expect(Failed, answer).kind == "unreliable"
    assert isinstance(evaluated, Evaluated)


@pytest.mark.parametrize(
    ("model_name", "kind"), [("down", "server"), ("unauthorised", "auth"), ("broken", "format")]
)
def test_a_model_that_cannot_work_is_told_at_once(
    host: Engine, model_server: str, own: Path, model_name: str, kind: str
) -> None:
    broken = model(model_server, f"sandbox-{model_name}")
    before = statistics(model_server)["calls"]
    _, answer = optimize(host, model_server, own, model=broken)
    assert expect(Failed, answer).kind == kind
    assert statistics(model_server)["calls"] - before < 20


def test_cancel_answers_at_once_and_the_search_can_be_taken_up_again(
    host: Engine, own: Path, slow_model_server: str
) -> None:
    request = host.send(Optimize, **optimize_content(slow_model_server, own, concurrency=2))
    for message in host.messages(request):
        if isinstance(message, TrialFinished) and message.number == 1:
            break
    host.send(Cancel, target=request)
    answer = list(host.messages(request))[-1]
    assert expect(Failed, answer).kind == "cancelled"
    until_nobody_asks(slow_model_server)
    _, again = optimize(host, slow_model_server, own, concurrency=2)
    assert expect(Optimized, again).best_validation_score == 1.0


def until_nobody_asks(url: str) -> None:
    """Those that were under way may still arrive; a search that goes on would never be quiet."""
    calls = -1
    while calls != (calls := statistics(url)["calls"]):
        time.sleep(1)


def test_a_judge_is_paid_once_per_answer(host: Engine, own: Path) -> None:
    def script(text: str, name: str) -> str | int:
        if name == "judge":
            return "[[ ## reason ## ]]\nno\n\n[[ ## verdict ## ]]\nFalse\n\n[[ ## completed ## ]]"
        return bland(text, name)

    judged = [
        scenario(f"s{n}", f"Hm {n}?", "Yes", Check(kind="judge", values=["kind"])) for n in range(4)
    ]
    with ScriptedModel(script) as scripted:
        settings = {
            "train": judged[:2],
            "validation": judged[2:],
            "budget": Budget(metric_calls=20),
            "judge_model": model(scripted.url, "judge", temperature=0.5),
        }
        _, answer = optimize(host, scripted.url, own, **settings)
    optimized = expect(Optimized, answer)
    judge_calls = [call for call in journal(own) if call["role"] == "judge"]
    assert len(judge_calls) == optimized.metric_calls


def test_chain_of_thought_with_two_outputs_can_be_searched(host: Engine, own: Path) -> None:
    content = playbook(
        dspy={"module": "chain_of_thought"},
        output_fields=[{"name": "reply"}, {"name": "mood", "type": "list[str]"}],
    )

    def script(text: str, name: str) -> str | int:
        if "new_instruction" in text:
            return bland(text, name)
        return '{"reasoning": "so", "reply": "I understand.", "mood": ["calm"]}'

    both = program().model_copy(update={"playbook": content})
    with ScriptedModel(script) as scripted:
        for optimizer, number in (("GEPA", 40), ("BootstrapFewShot", 40)):
            budget = Budget(metric_calls=number)
            settings = {"program": both, "optimizer": optimizer, "budget": budget}
            _, answer = optimize(host, scripted.url, own / optimizer, **settings)
            expect(Optimized, answer)
