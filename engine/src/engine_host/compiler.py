"""From a playbook to a program: SuperOptiX compiles a neutral skeleton, the playbook's texts follow as data."""

import hashlib
import importlib.util
import json
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import dspy
import yaml

from engine_host import audit, environment, fields, prompt, vendor
from engine_host.adapters import reading_bare_answers
from engine_host.errors import EngineFailure, cleaned
from engine_host.fields import Field, mapping, sequence
from engine_host.journal import json_text
from engine_host.wire import Reply
from mission_control_protocol import Compile, Compiled, Demonstration, Program

_NOT_CONNECTED = {
    "tools": "tools",
    "tool_calling": "tool calling",
    "rag": "retrieval",
    "retrieval": "retrieval",
    "memory": "memory",
    "mcp_servers": "MCP servers",
    "mcp": "MCP servers",
    "protocols": "protocols",
}
_compiling = threading.Lock()
_modules: dict[str, ModuleType] = {}


@dataclass(frozen=True)
class Prepared:
    """A program that is ready to be built, as often as needed and in any thread."""

    source: ModuleType
    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]
    module: str
    prompt: str
    demonstrations: tuple[Demonstration, ...]
    spec: dict[str, Any]
    warnings: tuple[str, ...]

    def build(self) -> dspy.Module:
        """A new DSPy program that carries the prompt, the descriptions and the demonstrations."""
        program = self.source.build_program()
        for predictor in program.predictors():
            predictor.signature = self._described(predictor.signature).with_instructions(
                self.prompt
            )
            predictor.demos = [self._demo(one) for one in self.demonstrations]
        return program

    def _described(self, signature: Any) -> Any:
        for field in (*self.inputs, *self.outputs):
            signature = signature.with_updated_fields(field.name, desc=field.description)
        return signature

    @staticmethod
    def _demo(one: Demonstration) -> dspy.Example:
        inputs = {fields.field_name(name): value for name, value in one.inputs.items()}
        outputs = {fields.field_name(name): value for name, value in one.outputs.items()}
        return dspy.Example({**inputs, **outputs}).with_inputs(*inputs)

    def adapter(self) -> dspy.Adapter:
        """The adapter that SuperOptiX's own runner would choose for this playbook."""
        return reading_bare_answers(vendor.adapter(self.spec))

    def arguments(self, given: dict[str, str]) -> dict[str, str]:
        """The inputs of one run under the program's names; refuses missing and unknown ones."""
        values = {fields.field_name(name): value for name, value in given.items()}
        known = {field.name for field in self.inputs}
        unknown = sorted(set(values) - known)
        if unknown:
            raise EngineFailure(
                "playbook", f"{unknown[0]!r} is not an input; inputs are {_names(self.inputs)}."
            )
        for field in self.inputs:
            if field.name not in values:
                if field.default is None:
                    raise EngineFailure(
                        "playbook", f"There is no value for the input {field.name!r}."
                    )
                values[field.name] = field.default
        return values


def prepare(program: Program) -> Prepared:
    """Read the playbook and have SuperOptiX compile its skeleton, or raise `playbook`."""
    spec = mapping(program.playbook.get("spec"))
    if not spec:
        raise EngineFailure("playbook", "The playbook has no `spec`.")
    warnings: list[str] = []
    module = _module(spec, warnings)
    _warn_of_missing_parts(spec, warnings)
    inputs, outputs = fields.read(spec, warnings)
    return Prepared(
        source=_source(inputs, outputs, module),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        module=module,
        prompt=program.prompt if program.prompt is not None else prompt.compose(spec),
        demonstrations=tuple(program.demonstrations),
        spec=_for_adapter(spec, outputs),
        warnings=tuple(warnings),
    )


def _module(spec: dict[str, Any], warnings: list[str]) -> str:
    asked = mapping(spec.get("dspy")).get("module") or mapping(spec.get("reasoning")).get("method")
    if asked == "predict":
        return "predict"
    if asked in {"react", "program_of_thought", "parallel"}:
        why = "tools are not connected" if asked == "react" else "it runs one plain program"
        warnings.append(f"Module {asked} runs as chain_of_thought here: {why}.")
    return "chain_of_thought"


def _warn_of_missing_parts(spec: dict[str, Any], warnings: list[str]) -> None:
    parts = dict.fromkeys(
        word
        for key, word in _NOT_CONNECTED.items()
        if spec.get(key) and mapping(spec[key]).get("enabled") is not False
    )
    warnings += [f"The playbook asks for {part}, which is not connected here." for part in parts]
    framework = spec.get("target_framework")
    if isinstance(framework, str) and framework.lower() != "dspy":
        warnings.append(
            f"The playbook is written for {cleaned(framework)[:40]}; it runs with DSPy here."
        )
    if len(sequence(spec.get("tasks"))) > 1:
        warnings.append(
            "SuperOptiX runs only the first task of a playbook; the others are not used."
        )


def _for_adapter(spec: dict[str, Any], outputs: list[Field]) -> dict[str, Any]:
    """Only what the choice of an adapter may depend on."""
    chosen = mapping(mapping(spec.get("dspy")).get("adapter"))
    return {
        "dspy": {
            "adapter": {
                key: chosen[key] for key in ("mode", "type") if isinstance(chosen.get(key), str)
            }
        },
        "output_fields": [{"name": field.name} for field in outputs],
    }


# ---------------------------------------------------------------- the skeleton


def _source(inputs: list[Field], outputs: list[Field], module: str) -> ModuleType:
    skeleton = _skeleton(inputs, outputs, module)
    name = "playbook_" + hashlib.sha256(json_text(skeleton).encode()).hexdigest()[:16]
    with _compiling:
        if name not in _modules:
            directory = environment.private_directory() / name
            path = _compile(directory, skeleton)
            problems = audit.findings(
                path.read_text(encoding="utf-8"), {f.name for f in (*inputs, *outputs)}
            )
            if problems:
                raise EngineFailure(
                    "playbook", "SuperOptiX generated unexpected code: " + "; ".join(problems[:3])
                )
            _modules[name] = _imported(name, path)
        return _modules[name]


def _skeleton(inputs: list[Field], outputs: list[Field], module: str) -> dict[str, Any]:
    """A playbook with this shape and not one word of the real one."""

    def neutral(side: list[Field]) -> list[dict[str, Any]]:
        return [
            {"name": f.name, "type": f.type, "description": "Field", "required": True} for f in side
        ]

    return {
        "apiVersion": "agent/v1",
        "kind": "AgentSpec",
        "metadata": {"name": "agent", "id": "agent", "version": "1.0.0", "level": "oracles"},
        "spec": {
            "language_model": {"provider": "openai", "model": "none"},
            "persona": {"role": "Assistant"},
            "tasks": [{"name": "answer", "instruction": "Answer."}],
            "dspy": {"module": module},
            "input_fields": neutral(inputs),
            "output_fields": neutral(outputs),
        },
    }


def _compile(root: Path, skeleton: dict[str, Any]) -> Path:
    """Run SuperOptiX's compiler; only a newly written artefact counts as success."""
    playbook = root / "bots/agents/agent/playbook/agent_playbook.yaml"
    playbook.parent.mkdir(parents=True, exist_ok=True)
    (root / ".super").write_text("project: bots\n", encoding="utf-8")
    playbook.write_text(yaml.safe_dump(skeleton), encoding="utf-8")
    artefact = root / "bots/agents/agent/pipelines/agent_pipeline.py"
    artefact.unlink(missing_ok=True)
    vendor.compile_project(root)
    if not artefact.exists():
        raise EngineFailure("playbook", "SuperOptiX did not write a program for this playbook.")
    return artefact


def _imported(name: str, path: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise EngineFailure("playbook", "The compiled program cannot be loaded.")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # optimizers look up the source of the program by its module
    try:
        specification.loader.exec_module(module)
        module.build_program()
    except Exception as error:
        del sys.modules[name]
        raise EngineFailure(
            "playbook", f"The compiled program does not load: {cleaned(error)}"
        ) from error
    return module


def _names(side: tuple[Field, ...]) -> str:
    return ", ".join(field.name for field in side)


# ---------------------------------------------------------------- the request


def answer(request: Compile, reply: Reply) -> None:
    """Compile and validate; what SuperOptiX's validator objects to becomes a warning."""
    prepared = prepare(request.program)
    prepared.build()
    reply.finish(
        Compiled(
            id=request.id,
            prompt=prepared.prompt,
            inputs=[field.name for field in prepared.inputs],
            outputs=[field.name for field in prepared.outputs],
            module=prepared.module,
            warnings=[*prepared.warnings, *_objections(request.program.playbook)],
        )
    )


def _objections(playbook: dict[str, Any]) -> list[str]:
    """What SuperSpec's own validator says. It crashes on some playbooks, with `protocols` always."""
    copy = json.loads(json.dumps(playbook, default=str))
    mapping(copy.get("spec")).pop("protocols", None)
    try:
        found = vendor.objections(copy)
    except Exception as error:  # noqa: BLE001 - a crash of the validator is a finding about the playbook
        return [f"SuperSpec's validator cannot read this playbook: {cleaned(error)[:120]}"]
    return [f"SuperSpec: {cleaned(text)[:200]}" for text in found]
