"""Models × oddities: what execute, evaluate, optimize and compare make of each, as one table (`-s`)."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from mission_control_protocol import (
    Budget,
    Check,
    Failed,
    Optimized,
    Ran,
    Run,
    Scenario,
    ScenarioFinished,
)
from tests.engine.harness import (
    Engine,
    Odd,
    ScriptedModel,
    evaluate,
    model,
    optimize,
    program,
    reply,
    scenario,
)

GOOD = reply("Yes, forty nine dollars.")
RULE = "RULE: always say forty nine dollars"
LEARNED = Check(kind="contains", values=["forty nine dollars"])
JUDGED = Check(kind="judge", values=["Says what it costs."])
HTML = Odd(body=b"<html>Login</html>", headers={"content-type": "text/html"})
STREAM = Odd(body=b"data: [DONE]\n\n", headers={"content-type": "text/event-stream"})
TEMPERATURE = {"error": {"message": "temperature does not support 0.0 with this model"}}
VERDICT = "[[ ## reason ## ]]\nIt does.\n\n[[ ## verdict ## ]]\n"
CUT = Odd("[[ ## reply ## ]]\nYes, forty nine dollars and we al", finish="length")


@dataclass(frozen=True)
class Oddity:
    """`task` answers for the agent; `found` is what each of the four then says.

    In `optimize` the reflection is sane, unless `proposal` is given; in `compare` the candidate
    alone is odd.
    """

    task: str | int | Odd = GOOD
    execute: str = "right"
    evaluate: str = "passed"
    optimize: str = "right"
    compare: str = "passed to passed"
    verdict: str = "True"
    proposal: str | Odd = RULE
    notemp0: bool = False
    waits: bool = False


def unusable(task: str | int | Odd, kind: str, optimize: str = "no better, unmeasured") -> Oddity:
    """A server that fails makes a search unreliable; a model that will not answer is no better."""
    return Oddity(task, kind, f"error {kind}", optimize, f"passed to error {kind}")


ODDITIES: dict[str, Oddity] = {
    "no usage": Oddity(Odd(GOOD, usage="absent"), "right, cost unknown"),
    "usage null": Oddity(Odd(GOOD, usage=None), "right, cost unknown"),
    "a total alone": Oddity(Odd(GOOD, usage={"total_tokens": 40}), "right, cost unknown"),
    "a total that is larger": Oddity(
        Odd(GOOD, usage={"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 700}),
        "right, 600 tokens out",
    ),
    "cut": Oddity(CUT, "right, cut", "failed, cut", "at best 0.5", "passed to failed, cut"),
    "content_filter": unusable(Odd("", finish="content_filter"), "filtered"),
    "refusal": unusable(Odd(None, message={"refusal": "No."}), "refused"),
    "thought up to the limit": unusable(Odd("", finish="length"), "truncated"),
    "think, closed": Oddity(f"<think>hm</think>{GOOD}"),
    "think, never closed": unusable(Odd("<think>hm, well", finish="stop"), "truncated"),
    "think with a field's header": Oddity(f"<think>[[ ## reply ## ]]\nno</think>{GOOD}"),
    "half an emoji": Oddity(reply("Yes, forty nine dollars \ud83d!")),
    "NUL": Oddity(reply("Yes, forty nine dollars \x00!")),
    "no choices": unusable(Odd(choices=[]), "server", "unreliable"),
    "finish_reason error": unusable(Odd("", finish="error"), "server", "unreliable"),
    "HTML with 200": unusable(HTML, "server", "unreliable"),
    "an event stream with 200": unusable(STREAM, "server", "unreliable"),
    "429 with Retry-After": Oddity(waits=True),
    "takes no temperature": Oddity(notemp0=True),
    "a judge's odd words": Oddity(verdict="**PASS.**"),
    "the bare answer": Oddity("Yes, forty nine dollars."),
    "a fenced proposal": Oddity(proposal=f"```text\n{RULE}\n```"),
    "a labelled proposal": Oddity(proposal=f"Here is the improved instruction:\n\n{RULE}"),
    "a huge proposal": Oddity(proposal=RULE + " on" * 40_000, optimize="reflection"),
}  # fmt: skip


class World:
    """A model's server with one oddity. What it does is told by the model's name in the request."""

    def __init__(self, oddity: Oddity) -> None:
        self._oddity = oddity
        self._numbers = count()
        self.server: ScriptedModel | None = None

    def answer(self, text: str, name: str) -> str | int | Odd:
        oddity = self._oddity
        if oddity.waits and next(self._numbers) % 2 == 0:
            return Odd(status=429, headers={"retry-after": "0.01"})
        if name == "reflection":
            proposal = oddity.proposal
            return (
                proposal if isinstance(proposal, Odd) else json.dumps({"new_instruction": proposal})
            )
        assert self.server is not None
        if name == "judge":
            warm = self.server.bodies[-1].get("temperature", 1) != 1
            if oddity.notemp0 and warm:
                return Odd(status=400, body=json.dumps(TEMPERATURE).encode())
            return VERDICT + oddity.verdict
        if name == "sane" or ("RULE" not in text and name == "learner"):
            return GOOD if name == "sane" else reply("I do not know.")
        return oddity.task


def case(name: str, *checks: Check) -> Scenario:
    return scenario(name, f"How much is {name}?", "Yes, forty nine dollars", *checks)


def shown(result: ScenarioFinished) -> str:
    cut = ", cut" if result.truncated and result.status != "error" else ""
    return f"{result.status}{cut}" if result.error_kind is None else f"error {result.error_kind}"


def executed(host: Engine, url: str) -> str:
    asked = {"program": program(), "inputs": {"caller_says": "How much?"}, "model": model(url)}
    answer = host.ask(Run, **asked)
    if isinstance(answer, Failed):
        return answer.kind
    assert isinstance(answer, Ran)
    assert answer.output["reply"].startswith("Yes, forty nine dollars")
    assert "think" not in answer.output["reply"]
    if answer.truncated:
        return "right, cut"
    if answer.usage.output_tokens is None:
        assert answer.usage.cost_usd is None
        return "right, cost unknown"
    return "right" if answer.usage.output_tokens == 10 else f"right, {answer.usage.output_tokens} tokens out"  # fmt: skip


def evaluated(host: Engine, url: str, name: str = "sandbox-1") -> str:
    judged = case("one", LEARNED, JUDGED)
    finished, answer = evaluate(host, url, [judged], model=model(url, name))
    return shown(finished[0]) if finished else getattr(answer, "kind", "nothing")


def optimized(host: Engine, url: str, directory: Path) -> str:
    """The starting prompt is sane and knows nothing; what the better one is answered is odd."""
    cases = [case(f"c{number}", LEARNED) for number in range(6)]
    trials, answer = optimize(
        host, url, directory, train=cases[:3], validation=cases[3:],
        model=model(url, "learner"), reflection_model=model(url, "reflection", temperature=1.0),
        budget=Budget(metric_calls=30),
    )  # fmt: skip
    if isinstance(answer, Failed):
        return answer.kind
    assert isinstance(answer, Optimized)
    assert "```" not in answer.prompt
    if answer.prompt == RULE:
        best = answer.best_validation_score
        return "right" if best == 1.0 else f"at best {best}"
    assert all((trial.validation_score or 0) < 1 for trial in trials.values())
    return "no better, unmeasured" if trials[1].unmeasured else "no better"


CELLS: dict[str, Callable[[Engine, str, Path], str]] = {
    "execute": lambda host, url, _: executed(host, url),
    "evaluate": lambda host, url, _: evaluated(host, url),
    "optimize": optimized,
    "compare": lambda host, url, _: f"{evaluated(host, url, 'sane')} to {evaluated(host, url)}",
}


@pytest.fixture(scope="module")
def table() -> Iterator[dict[str, dict[str, str]]]:
    found: dict[str, dict[str, str]] = {}
    yield found
    rows = {"oddity": {cell: cell for cell in CELLS}}
    rows |= {name: found[name] for name in ODDITIES if name in found}
    wide = {cell: max(len(row[cell]) for row in rows.values()) for cell in CELLS}
    first = max(map(len, ODDITIES))
    for name, row in rows.items():
        print(f"{name:<{first}}  " + "  ".join(f"{row[cell]:<{wide[cell]}}" for cell in CELLS))


@pytest.mark.parametrize("name", ODDITIES)
def test_each_oddity_is_right_or_a_refusal_by_name(
    host: Engine, tmp_path: Path, table: dict[str, dict[str, str]], name: str
) -> None:
    oddity = ODDITIES[name]
    world = World(oddity)
    with ScriptedModel(world.answer) as world.server:
        found = {cell: ask(host, world.server.url, tmp_path) for cell, ask in CELLS.items()}
    table[name] = found
    assert found == {cell: getattr(oddity, cell) for cell in CELLS}
