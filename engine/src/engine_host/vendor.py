"""The inside of SuperOptiX that is used here; what is private to it is named in this file alone."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import dspy
from superoptix.cli.commands.agent import _MinimalDSPyBDDEvaluator
from superoptix.compiler import agent_compiler
from superoptix.runners.dspy_runner import DSPyRunner
from superoptix.superspec.validator import SuperSpecXValidator

_validating = threading.Lock()


def snake_case(name: str) -> str:
    return agent_compiler.to_snake_case(name)


def signature_fields(spec: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Inputs and outputs with `name`, `dspy_type`, `description`, by SuperOptiX's precedence."""
    reader = agent_compiler.AgentCompiler.__new__(agent_compiler.AgentCompiler)  # needs no project
    return reader._resolve_signature_fields(spec)


def adapter(spec: dict[str, Any]) -> dspy.Adapter:
    """The adapter that SuperOptiX's runner would choose, or DSPy's default."""
    runner = DSPyRunner.__new__(DSPyRunner)  # its choice only; a real one wants a project
    try:
        chosen = runner._choose_adapter_type(runner._resolve_dspy_adapter_config(spec), spec)
        built = runner._build_dspy_adapter(
            chosen, native_fc=False, strict=False, retry_on_parse_error=1
        )
    except (AttributeError, TypeError, ValueError):
        built = None
    return cast("dspy.Adapter", built or dspy.ChatAdapter())


def compile_project(root: Path) -> None:
    """Compile the agent called `agent` of the project at `root`; success is for the caller to judge."""
    options = SimpleNamespace(
        name="agent", cloud=True, local=False, provider="openai", model="none"
    )
    with _quiet():
        _ProjectCompiler(root).compile(options)


class _ProjectCompiler(agent_compiler.AgentCompiler):
    """SuperOptiX's compiler in a project of our choice; it would look around the working directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        super().__init__()

    def _find_project_root(self) -> Path:
        return self._root


@contextmanager
def _quiet() -> Generator[None]:
    agent_compiler.console.quiet = True
    try:
        yield
    finally:
        agent_compiler.console.quiet = False


def objections(playbook: dict[str, Any]) -> list[str]:
    """Errors and warnings of SuperSpec's own validator. It raises whatever it stumbles over."""
    with _validating:
        result = _validator().validate(playbook)
        return [*map(str, result["errors"]), *map(str, result["warnings"])]


@cache
def _validator() -> SuperSpecXValidator:
    return SuperSpecXValidator()  # reads a large file each time


class LexicalScore:
    """SuperOptiX's own score: shared words, structure and length."""

    def __init__(self, source: ModuleType) -> None:
        self._evaluator = _MinimalDSPyBDDEvaluator(source, Path("no-scenarios.yaml"))

    def of(self, output: dict[str, str], expected: dict[str, str]) -> float:
        """From 0 to 1, on the expected fields only; SuperOptiX itself passes from 0.60."""
        text = self._evaluator._actual_to_text(output)
        return round(float(self._evaluator._evaluate(text, expected)["confidence_score"]), 6)
