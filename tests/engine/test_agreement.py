"""A search scores a playbook as an evaluation does, whatever its scenarios ask and check."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mission_control_protocol import Budget, Check, Scenario
from tests.engine.harness import Engine, ScriptedModel, evaluate, model, optimize, program, reply

RULE = "RULE: always say forty nine dollars"
CHECKS = st.lists(
    st.sampled_from(
        [
            Check(kind="contains", values=["forty nine dollars"]),
            Check(kind="contains", values=["yes", "a month"]),
            Check(kind="excludes", values=["forty nine"]),
            Check(kind="excludes", values=["guarantee"]),
            Check(kind="regex", values=["^Yes"]),
            Check(kind="exact", values=["Yes, forty nine dollars."]),
        ]
    ),
    max_size=2,
)
# Few questions and few expected replies, so that many scenarios are alike but for their checks.
SCENARIOS = st.lists(
    st.tuples(st.sampled_from(["How much?", "how much?", "What is it?"]), CHECKS),
    min_size=2,
    max_size=6,
)


def scenarios(declared: list[tuple[str, list[Check]]], split: str) -> list[Scenario]:
    return [
        Scenario(
            id=f"{split}_{number}",
            input={"caller_says": says},
            expected={"reply": "Yes, forty nine dollars a month"},
            checks=checks,
        )
        for number, (says, checks) in enumerate(declared)
    ]


def answers(text: str, name: str) -> str:
    if name == "reflection":
        return json.dumps({"new_instruction": RULE})
    return reply("Yes, forty nine dollars." if "RULE" in text else "I do not know.")


@pytest.mark.parametrize("optimizer", ["GEPA", "MIPROv2"])
@settings(
    deadline=None,
    max_examples=5,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # smaller ones would take minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(train=SCENARIOS, validation=SCENARIOS)
def test_search_and_evaluation_agree(
    host: Engine,
    optimizer: str,
    train: list[tuple[str, list[Check]]],
    validation: list[tuple[str, list[Check]]],
) -> None:
    cases = scenarios(validation, "validation")
    with (
        ScriptedModel(answers) as scripted,
        tempfile.TemporaryDirectory() as directory,
    ):
        url = scripted.url
        trials, _ = optimize(
            host, url, Path(directory), optimizer=optimizer,
            train=scenarios(train, "train"), validation=cases,
            reflection_model=model(url, "reflection", temperature=1.0),
            budget=Budget(metric_calls=len(cases) * 3 + 12),
        )  # fmt: skip
        for trial in trials.values():
            if trial.validation_score is None or trial.demonstrations:
                continue
            asked = program().model_copy(update={"prompt": trial.prompt})
            finished, _ = evaluate(host, url, cases, program=asked)
            scores = [each.score for each in finished if each.score is not None]
            assert len(scores) == len(cases)
            assert trial.validation_score == pytest.approx(sum(scores) / len(scores))
