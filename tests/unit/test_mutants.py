"""A survivor that was named keeps its name when lines move; what decides nothing is told apart."""

import ast
from pathlib import Path

import pytest

from tests.mutants.changes import Change, NamedSurvivors, change_between


def change(before: str, after: str) -> Change:
    was, now = (
        ast.parse(f"def {name}(self):\n    {body}").body[0]
        for name, body in (("f__mutmut_orig", before), ("f__mutmut_7", after))
    )
    assert isinstance(was, ast.FunctionDef)
    assert isinstance(now, ast.FunctionDef)
    return change_between("a.b", "xǁStockǁtake", was, now)


def test_a_change_is_told_without_lines_and_comments() -> None:
    told = change("'''It adds.'''\n    a = 1 # one\n    return a+2", "a  = 1\n    return a-2")
    assert told == Change("a.b.Stock.take", "self a = 1 return a + 2", "self a = 1 return a - 2")


def test_of_a_long_function_the_place_is_told() -> None:
    long = "; ".join(f"a{number} = {number}" for number in range(40))
    told = change(f"{long}; b = 1; {long}", f"{long}; b = None; {long}")
    assert "b = 1" in told.was
    assert "b = None" in told.now
    assert len(told.was) < 100


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("log.info('gone', id=1)", "log.info('gone', id=None)", "text of a log"),
        ("log.info('gone')", "log.info(None)", "text of a log"),
        ("structlog.contextvars.bind(a=b)", "structlog.contextvars.bind(a=None)", "text of a log"),
        ("raise E('It is gone.')", "raise E('XXIt is gone.XX')", "wording of a sentence"),
        ("return f'{a} is gone'", "return f'{b} is gone'", None),
        ("raise E('gone')", "raise E('GONE')", None),
        ("return re.sub('a b', '', c)", "return re.sub('A B', '', c)", None),
        ("return cast('int', a)", "return cast('INT', a)", "a cast's type"),
        ("return cast('int', a)", "return cast(None, a)", "a cast's type"),
        ("return cast('int', a)", "return cast('int', None)", None),
        ("return cast('int', a)", "return cast(a)", None),
        ("return a + 1", "return a - 1", None),
    ],
)
def test_what_decides_nothing_is_told_apart(before: str, after: str, kind: str | None) -> None:
    assert change(before, after).kind == kind


def test_a_survivor_is_named_by_its_function_and_its_change(tmp_path: Path) -> None:
    path = tmp_path / "survivors.toml"
    path.write_text("""
        [[survivor]]
        function = "a.b.take"
        was = '''a + 1'''
        now = '''a - 1'''
        reason = '''Both are the same.'''
    """)
    named = NamedSurvivors.read(path)
    assert named.reason_for(Change("a.b.take", "a + 1", "a - 1")) == "Both are the same."
    assert named.reason_for(Change("a.b.give", "a + 1", "a - 1")) is None
    assert named.reason_for(Change("a.b.take", "a + 1", "a * 1")) is None
    assert (
        NamedSurvivors.read().rows == NamedSurvivors.read().rows
    )  # the committed ones can be read
