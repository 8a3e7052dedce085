"""Says which SuperOptiX this is and what works with it."""

import platform
from importlib import metadata, util

import dspy

from engine_host.wire import Reply
from mission_control_protocol import Doctor, Doctored, OptimizerAbility, OptimizerName

_PACKAGES = ("superoptix", "dspy", "gepa", "litellm", "optuna", "numpy", "pydantic")
_TESTED = {"superoptix": "0.3.16", "dspy": "3.4.1", "gepa": "0.1.4"}


def answer(request: Doctor, reply: Reply) -> None:
    versions = {name: _version(name) for name in _PACKAGES}
    reply.finish(
        Doctored(
            id=request.id,
            python=platform.python_version(),
            versions=versions,
            optimizers=_optimizers(),
            problems=_problems(versions),
        )
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def has_optuna() -> bool:
    return util.find_spec("optuna") is not None


_NOTES: dict[OptimizerName, str] = {
    "GEPA": "Rewrites the prompt from feedback; learns the most from few scenarios.",
    "MIPROv2": "Searches over proposed prompts and sets of worked examples.",
    "BootstrapFewShot": "Adds worked examples to the prompt; cheap, and the prompt grows.",
    "SIMBA": "Adds rules and examples learned from better and worse answers.",
}


def _optimizers() -> list[OptimizerAbility]:
    """All of them resume: their finished calls are in the journal, and their choices are seeded."""
    return [
        OptimizerAbility(
            name=name,
            available=hasattr(dspy, name) and (name != "MIPROv2" or has_optuna()),
            resumes=True,
            stops=True,
            note=note,
        )
        for name, note in _NOTES.items()
    ]


def _problems(versions: dict[str, str | None]) -> list[str]:
    missing = [f"{name} is not installed." for name in _TESTED if versions[name] is None]
    if not has_optuna():
        missing.append("optuna is not installed, so MIPROv2 cannot run.")
    untested = [
        f"{name} {versions[name]} was not tested with this engine; {tested} was."
        for name, tested in _TESTED.items()
        if versions[name] not in {None, tested}
    ]
    return missing + untested
