"""What a mutant changes, told so that it stays the same when lines move."""

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef
AROUND = 40  # characters
NAMED = Path(__file__).with_name("survivors.toml")


@dataclass(frozen=True)
class Change:
    """`was` and `now`: the place of the difference, as `ast.unparse` writes it, without comments."""

    function: str  # mission_control.core.money.as_money, …jobs.job_run.JobRun.step
    was: str
    now: str
    kind: str | None = None  # of those that no test needs to notice


def change_between(module: str, mangled: str, before: Function, after: Function) -> Change:
    was, now = _narrowed(*(" ".join(_body(each).split()) for each in (before, after)))
    return Change(
        function=f"{module}.{mangled.removeprefix('x_').removeprefix('xǁ').replace('ǁ', '.')}",
        was=was,
        now=now,
        kind=_kind([*_way_to_the_difference(before, after)]),
    )


def _body(function: Function) -> str:
    """Without its name, which is the mutant's, and without what it says about itself."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return " ".join((ast.unparse(function.args), *(ast.unparse(each) for each in body)))


def _narrowed(was: str, now: str) -> tuple[str, str]:
    """What differs, with a little of what stands around it."""
    start = _alike(was, now)
    longest_end = min(len(was), len(now)) - start
    end = min(_alike(was[::-1], now[::-1]), longest_end)
    start, end = max(0, start - AROUND), max(0, end - AROUND)
    return was[start : len(was) - end], now[start : len(now) - end]


def _alike(one: str, other: str) -> int:
    """How many characters are the same, from the first one on."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _way_to_the_difference(before: ast.AST, after: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    """From the function down to the innermost node that holds all of the difference."""
    yield before, after
    mine, other = ([*ast.iter_child_nodes(each)] for each in (before, after))
    if type(before) is not type(after) or len(mine) != len(other):
        return
    pairs = [two for two in zip(mine, other, strict=True) if ast.dump(two[0]) != ast.dump(two[1])]
    if len(pairs) == 1:
        yield from _way_to_the_difference(*pairs[0])


def _kind(way: list[tuple[ast.AST, ast.AST]]) -> str | None:
    """Changes by which nothing is decided: a test that noticed them would only repeat the code."""
    calls = [ast.unparse(was.func) for was, _ in way if isinstance(was, ast.Call)]
    was, now = way[-1]
    if any(call.startswith(("log.", "structlog.contextvars.")) for call in calls):
        return "text of a log"
    if any(_is_only_for_types(*pair) for pair in way):
        return "a cast's type"
    is_text = all(
        isinstance(each, ast.Constant) and isinstance(each.value, str) for each in (was, now)
    )
    if is_text and " " in ast.unparse(was) and not any(call.startswith("re.") for call in calls):
        return "wording of a sentence"
    return None


def _is_only_for_types(was: ast.AST, now: ast.AST) -> bool:
    """`cast(type, value)` gives the value, whatever the type."""
    return (
        isinstance(was, ast.Call)
        and isinstance(now, ast.Call)
        and ast.unparse(was.func) == "cast"
        and [ast.unparse(each) for each in was.args[1:]]
        == [ast.unparse(each) for each in now.args[1:]]
    )


@dataclass(frozen=True)
class Named:
    """A survivor that was read, and why it may live."""

    function: str
    was: str
    now: str
    reason: str


class NamedSurvivors:
    def __init__(self, rows: list[Named]) -> None:
        self.rows = rows

    @classmethod
    def read(cls, path: Path = NAMED) -> "NamedSurvivors":
        rows = tomllib.loads(path.read_text("utf-8")).get("survivor", [])
        return cls([Named(**{key: text.strip() for key, text in row.items()}) for row in rows])

    @cached_property
    def _by_change(self) -> dict[tuple[str, str, str], Named]:
        return {(row.function, row.was, row.now): row for row in self.rows}

    def reason_for(self, change: Change) -> str | None:
        named = self._by_change.get((change.function, change.was, change.now))
        return named.reason if named is not None else None
