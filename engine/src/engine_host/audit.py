"""Reads the Python that SuperOptiX generated before anything imports it."""

import ast
from collections.abc import Iterator

_MODULES = {"__future__", "inspect", "json", "logging", "pathlib", "typing", "dspy", "superoptix"}
_CALLS_AT_IMPORT = {
    "Path",
    "dict",
    "isinstance",
    "list",
    "str",
    "_load_compiled_spec",
    "Path(__file__).resolve",
}


def findings(source: str, fields: set[str]) -> list[str]:
    """What the file holds that the template does not make; empty means that it may be imported."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        return [f"the generated file is not Python: {type(error).__name__}"]
    found = [problem for node in tree.body for problem in _statement(node)]
    declared = {name for node in tree.body for name in _declared(node)}
    if declared != fields:
        found.append("the generated fields are not the declared ones")
    return found


def _statement(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.Expr(value=ast.Constant()):
            return
        case ast.Import(names=names):
            roots = {alias.name.split(".")[0] for alias in names}
            if not roots <= _MODULES:
                yield _problem(node, "imports what it should not")
        case ast.ImportFrom(module=module):
            if (module or "").split(".")[0] not in _MODULES:
                yield _problem(node, "imports what it should not")
        case ast.Assign(targets=[ast.Name()], value=value):
            yield from _calls(value)
        case ast.FunctionDef(decorator_list=[], args=ast.arguments(defaults=[], kw_defaults=[])):
            return
        case ast.FunctionDef(name="setup_lm", decorator_list=[]):
            return
        case ast.ClassDef(decorator_list=[], keywords=[], name=name, body=body):
            check = _signature_member if name.endswith("Signature") else _module_member
            for member in body:
                yield from check(member)
        case _:
            yield _problem(node, "is no statement of the template")


def _signature_member(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.Expr(value=ast.Constant()):
            return
        case ast.AnnAssign(target=ast.Name(), value=ast.Call(args=[], keywords=keywords) as call):
            constant = all(isinstance(item.value, ast.Constant) for item in keywords)
            known = ast.unparse(call.func) in {"dspy.InputField", "dspy.OutputField"}
            if not (known and constant):
                yield _problem(node, "is no field")
        case _:
            yield _problem(node, "is no field")


def _module_member(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.Expr(value=ast.Constant()):
            return
        case ast.FunctionDef(name="__init__" | "forward", decorator_list=[]):
            return
        case _:
            yield _problem(node, "is no method of the template")


def _calls(value: ast.expr) -> Iterator[str]:
    for node in ast.walk(value):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            harmless = name in _CALLS_AT_IMPORT or name.endswith(".get")
            if not harmless:
                yield _problem(node, "calls something while it is imported")


def _declared(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.ClassDef) and node.name.endswith("Signature"):
        for member in node.body:
            if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name):
                yield member.target.id


def _problem(node: ast.stmt | ast.expr, what: str) -> str:
    return f"line {node.lineno} {what}"
