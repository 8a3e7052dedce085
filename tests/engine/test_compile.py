"""Playbooks are compiled by SuperOptiX itself, and no text of theirs becomes code."""

import json
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from mission_control_protocol import (
    Compile,
    Compiled,
    Failed,
    Marketplace,
    MarketplaceListed,
    Program,
)
from tests.engine.harness import PYTHON, Engine, compile_, expect, playbook, program

HOSTILE = [
    '""" + __import__("os").system("touch {canary}") + """',
    '"""\nimport os; os.system("touch {canary}")\n"""',
    "\\N{{NOT A NAME}} \\x41 \\u12 \\",
    "{{% for x in ().__class__.__base__.__subclasses__() %}}{{{{ x }}}}{{% endfor %}}",
    "'); import os; os.system('touch {canary}'); ('",
    "line one\nline two\n\tindented \\n not a break",
]


def read_yaml(text: str) -> Any:
    return yaml.load(text, Loader=yaml.CSafeLoader)


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_text_stays_text(host: Engine, tmp_path: Path, number: int) -> None:
    canary = tmp_path / "canary"
    text = HOSTILE[number].format(canary=canary)
    hostile = playbook(
        persona={"role": text, "name": text, "goal": text, "backstory": text, "traits": [text]},
        tasks=[{"name": text, "instruction": text}],
        constraints=[text],
        reasoning={"method": text, "steps": [text]},
        language_model={"provider": text, "model": text},
        optimization={
            "optimizer": {"params": {"auto": text, "seed": text, "max_full_evals": text}}
        },
        dspy={"module": text, "adapter": {"mode": text, "type": text}, "gepa": {"auto": text}},
        input_fields=[
            {"name": "caller_says", "description": text, "default": text, "enum": [text]}
        ],
        output_fields=[{"name": "reply", "type": text, "description": text}],
    )
    hostile["metadata"] = {"name": text, "id": text, "version": text}
    compiled = expect(
        Compiled, host.ask(Compile, program=Program(agent_id="dana", playbook=hostile))
    )
    assert compiled.prompt.count(text.strip()) == 7  # lossless, in every place it was written
    assert not canary.exists()


@pytest.mark.parametrize(
    "name",
    [
        'x: str = __import__("os").system("touch canary")',
        "class",
        "instructions",
        "signature",
        "demos",
        "self",
        "dspy",
        "str",
        "model_config",
        "with_instructions",
        "import",
        "a" * 200,
    ],
)
@pytest.mark.parametrize("side", ["input_fields", "output_fields"])
def test_field_names_that_would_break_out_are_refused_or_harmless(
    host: Engine, name: str, side: str
) -> None:
    answer = host.ask(Compile, program=program(**{side: [{"name": name}]}))
    if isinstance(answer, Compiled):  # SuperOptiX makes an identifier of what is not one
        assert all(field.isidentifier() for field in answer.inputs + answer.outputs)
    else:
        failed = expect(Failed, answer)
        assert failed.kind == "playbook"
        assert "field" in failed.detail
    assert not (host.directory / "canary").exists()


def test_dunder_names_lose_their_power(host: Engine) -> None:
    compiled = compile_(host, output_fields=[{"name": "__class__x"}])
    assert compiled.outputs == ["class_x"]


@pytest.mark.parametrize(
    ("kind", "warned"),
    [
        ("str", False),
        ("list[str]", False),
        ("dict[str, float]", False),
        ("bool", False),
        ("tuple[str, int]", True),
        ("any", True),
    ],
)
def test_types_are_allowed_by_list(host: Engine, kind: str, warned: bool) -> None:
    compiled = compile_(host, output_fields=[{"name": "reply", "type": kind}])
    assert any("type of field reply" in text for text in compiled.warnings) is warned


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"input_fields": [{"name": "x", "type": "list[" * 5000 + "]" * 5000}]}, "cannot be read"),
        ({"input_fields": [{"name": "reply"}]}, "declared twice"),
        ({"input_fields": [{"name": f"x{n}"} for n in range(40)]}, "more than"),
    ],
)
def test_what_cannot_work_is_refused_with_a_reason(
    host: Engine, broken: dict[str, object], reason: str
) -> None:
    failed = expect(Failed, host.ask(Compile, program=program(**broken)))
    assert failed.kind == "playbook"
    assert reason in failed.detail


def test_a_playbook_without_a_spec_is_refused(host: Engine) -> None:
    failed = expect(Failed, host.ask(Compile, program=Program(agent_id="dana", playbook={})))
    assert failed.kind == "playbook"


def test_the_prompt_given_as_data_wins(host: Engine) -> None:
    given = 'Say "hello".\n\n- then\n- stop """ \\N'
    content = Program(agent_id="dana", playbook=playbook(), prompt=given)
    assert expect(Compiled, host.ask(Compile, program=content)).prompt == given


@pytest.mark.parametrize("module", ["react", "program_of_thought", "parallel"])
def test_a_module_that_does_not_run_here_is_named(host: Engine, module: str) -> None:
    compiled = compile_(host, dspy={"module": module})
    assert compiled.module == "chain_of_thought"
    assert any(text.startswith(f"Module {module} runs as") for text in compiled.warnings)


def test_parts_that_are_not_connected_are_named(host: Engine) -> None:
    compiled = compile_(
        host, rag={"enabled": True}, protocols=[{"type": "mcp", "url": "http://x"}], tools=["x"]
    )
    text = " ".join(compiled.warnings)
    assert "retrieval" in text
    assert "protocols" in text
    assert "tools" in text


# ------------------------------------------------------------------ SuperOptiX's own words

OWN_PROMPT = """
import io, json, os, sys, types, contextlib
import numpy.linalg, superoptix, dspy, importlib.util
from superoptix.compiler.agent_compiler import AgentCompiler
found = {}
with contextlib.redirect_stdout(sys.stderr):
    for name in os.listdir("bots/agents"):
        AgentCompiler().compile(types.SimpleNamespace(name=name, cloud=True, local=False, provider="x", model="x"))
        path = f"bots/agents/{name}/pipelines/{name}_pipeline.py"
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module)
        signature = module.build_program().predictors()[0].signature
        found[name] = [signature.instructions, list(signature.input_fields), list(signature.output_fields)]
print(json.dumps(found))
"""


def test_the_composed_prompt_is_the_one_superoptix_would_write(
    host: Engine, tmp_path: Path
) -> None:
    names = ["developer", "sentiment_analyzer", "tax_planner", "fitness_coach", "retail_analyst"]
    shipped = expect(MarketplaceListed, host.ask(Marketplace)).names
    chosen = [name for name in names if name in shipped] or shipped[:3]
    ours: dict[str, Compiled] = {}
    for name in chosen:
        text = expect(MarketplaceListed, host.ask(Marketplace, name=name)).playbook or ""
        folder = tmp_path / "bots/agents" / name / "playbook"
        folder.mkdir(parents=True)
        (folder / f"{name}_playbook.yaml").write_text(text)
        content = Program(agent_id="x", playbook=read_yaml(text))
        ours[name] = expect(Compiled, host.ask(Compile, program=content))
    (tmp_path / ".super").write_text("project: bots\n")
    done = subprocess.run(
        [PYTHON, "-c", textwrap.dedent(OWN_PROMPT)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={"SUPEROPTIX_TELEMETRY": "false", "HOME": str(tmp_path)},
    )
    for name, (instructions, inputs, outputs) in json.loads(done.stdout).items():
        lines = [line for line in instructions.splitlines() if "Reasoning Method:" not in line]
        assert ours[name].prompt.split() == " ".join(lines).split()
        assert ours[name].inputs == inputs
        assert set(ours[name].outputs) | {"reasoning"} == set(outputs) | {"reasoning"}


@pytest.mark.timeout(600)  # 196 playbooks
def test_every_shipped_playbook_compiles_or_is_refused_with_a_reason(host: Engine) -> None:
    names = expect(MarketplaceListed, host.ask(Marketplace)).names
    assert len(names) > 150
    refused: dict[str, str] = {}
    for name in names:
        text = expect(MarketplaceListed, host.ask(Marketplace, name=name)).playbook or ""
        content = json.loads(json.dumps(read_yaml(text), default=str))
        answer = host.ask(Compile, program=Program(agent_id="x", playbook=content))
        if isinstance(answer, Failed):
            assert answer.kind == "playbook"
            refused[name] = answer.detail
        else:
            assert expect(Compiled, answer).prompt
    assert set(refused) == {"miprov2_writing_agent"}
    assert "'word_count' is declared twice" in refused["miprov2_writing_agent"]


@pytest.mark.parametrize("name", ["no_such_agent", "../../etc/passwd", "", "developer\n"])
def test_an_unknown_shipped_playbook_is_refused(host: Engine, name: str) -> None:
    assert expect(Failed, host.ask(Marketplace, name=name)).kind == "playbook"
