"""Makes the mutants, with mutmut: a copy of the product in which any one of them can be switched on."""

# pyright: basic, reportMissingImports=false, reportMissingModuleSource=false
# mutmut is installed by `make mutants` alone.

import ast
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mutmut.mutation.file_mutation import mutate_file_contents

from tests.mutants.changes import Change, change_between
from tests.mutants.groups import MUTATED, REPOSITORY, Group

SOURCE = REPOSITORY / "src"
PACKAGE = SOURCE / "mission_control"


@dataclass(frozen=True)
class Mutant:
    name: str  # as mutmut knows it
    change: Change


def make_mutants(group: Group, *, only: str) -> list[Mutant]:
    """A fresh copy of the product, with the mutants of one group. `only`: part of a module's name."""
    modules = {_name_of(path): path for glob in group.code for path in PACKAGE.glob(glob)}
    wanted = {name: path for name, path in sorted(modules.items()) if only in name}
    if not wanted:
        return []
    copy = MUTATED / group.name
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(SOURCE, copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return [mutant for name, path in wanted.items() for mutant in _of_file(name, path, copy)]


def _name_of(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


def _of_file(module: str, path: Path, copy: Path) -> Iterator[Mutant]:
    made = mutate_file_contents(str(path), path.read_text("utf-8"))
    if made.mutant_names:
        (copy / "src" / path.relative_to(SOURCE)).write_text(made.code, "utf-8")
        yield from _of_module(module, made.code, made.mutant_names)


def _of_module(module: str, code: str, names: Sequence[str]) -> Iterator[Mutant]:
    functions = {
        node.name: node
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    for name in names:
        original, _, _ = name.rpartition("__mutmut_")
        before, after = functions[f"{original}__mutmut_orig"], functions[name]
        yield Mutant(f"{module}.{name}", change_between(module, original, before, after))
