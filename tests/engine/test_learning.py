"""The stand-in model, the engine and the shipped playbooks together: GEPA finds a better prompt."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from mission_control.core.comparison import Comparison, ScenarioScore, compare
from mission_control.core.playbook import Playbook, Scenario, parse_playbook, split_of
from mission_control.core.setting_values import SANDBOX_MODEL
from mission_control.integrations.superoptix.location import EngineLocation
from mission_control.integrations.superoptix_client import SuperOptiXClient, program_of, to_engine
from mission_control_protocol import (
    Budget,
    Demonstration,
    Model,
    Optimized,
    Program,
    ScenarioFinished,
    TrialFinished,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Learned:
    """What one search changed, on scenarios that it has never seen and on those that may not break."""

    held_out: Comparison
    prompt: str
    trials: Sequence[TrialFinished]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def engine() -> AsyncIterator[SuperOptiXClient]:
    client = SuperOptiXClient(EngineLocation())
    yield client
    await client.aclose()


@pytest.fixture
def model(model_server: str) -> Model:
    return Model(name=SANDBOX_MODEL, base_url=model_server)


def playbook_at(path: str) -> Playbook:
    return parse_playbook((REPOSITORY / path).read_text())


def of_split(playbook: Playbook, split: str) -> list[Scenario]:
    return [each for each in playbook.scenarios if split_of(playbook.agent_id, each) == split]


async def scores(
    engine: SuperOptiXClient, program: Program, scenarios: Sequence[Scenario], model: Model
) -> list[ScenarioScore]:
    found: dict[str, bool] = {}
    running = engine.evaluate_agent(
        program, [to_engine(each) for each in scenarios], model=model, judge_model=model
    )
    async with aclosing(running) as answers:
        async for answer in answers:
            if isinstance(answer, ScenarioFinished):
                assert answer.status != "error", answer.error_detail
                found[answer.scenario_id] = answer.status == "passed"
    assert found.keys() == {each.id for each in scenarios}
    return [ScenarioScore(each.id, (float(found[each.id]),)) for each in scenarios]


async def learn(
    engine: SuperOptiXClient, playbook: Playbook, model: Model, directory: Path
) -> Learned:
    """Search with train and validation, then compare on the test split and all anchors."""
    program = program_of(playbook)
    trials: list[TrialFinished] = []
    best: Optimized | None = None
    searching = engine.optimize_agent(
        program,
        train=[to_engine(each) for each in of_split(playbook, "train")],
        validation=[to_engine(each) for each in of_split(playbook, "validation")],
        budget=Budget(level="light"),
        model=model,
        reflection_model=model,
        judge_model=model,
        directory=directory,
    )
    async with aclosing(searching) as answers:
        async for answer in answers:
            if isinstance(answer, TrialFinished):
                trials.append(answer)
            elif isinstance(answer, Optimized):
                best = answer
    assert best is not None
    candidate = improved(program, best.prompt, best.demonstrations)
    anchors = [each for each in playbook.scenarios if each.anchor]
    test = of_split(playbook, "test")
    judged = [*test, *(each for each in anchors if each not in test)]
    comparison = compare(
        await scores(engine, program, judged, model),
        await scores(engine, candidate, judged, model),
        anchors={each.id for each in anchors},
        uncounted={each.id for each in anchors if each not in test},
    )
    return Learned(held_out=comparison, prompt=best.prompt, trials=trials)


def improved(program: Program, prompt: str, demonstrations: Sequence[Demonstration]) -> Program:
    return program.model_copy(update={"prompt": prompt, "demonstrations": list(demonstrations)})


async def test_gepa_improves_remus_on_held_out_scenarios_and_breaks_nothing(
    engine: SuperOptiXClient, model: Model, tmp_path: Path
) -> None:
    playbook = playbook_at("agents/remus.yaml")

    learned = await learn(engine, playbook, model, tmp_path)

    result = learned.held_out
    assert result.verdict == "better", result.sentence
    assert len(result.fixed) >= 8
    assert result.broken == ()
    assert result.anchors_broken == ()
    assert result.baseline_rate is not None
    assert 0.2 <= result.baseline_rate <= 0.45
    assert learned.prompt.startswith((playbook.prompt or "").strip()[:200])
    assert any(not trial.accepted for trial in learned.trials), (
        "A search that never fails is no search."
    )


@pytest.mark.parametrize("domain", ["clinic", "hotel"])
async def test_gepa_improves_domains_that_the_stand_in_was_not_written_for(
    engine: SuperOptiXClient, model: Model, tmp_path: Path, domain: str
) -> None:
    learned = await learn(engine, playbook_at(f"tests/domains/{domain}.yaml"), model, tmp_path)

    result = learned.held_out
    assert len(result.fixed) >= 3, result.sentence
    assert result.broken == ()
    assert result.anchors_broken == ()
