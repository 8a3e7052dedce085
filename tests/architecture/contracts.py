"""The two kinds of import contract that import-linter does not bring; `pyproject.toml` names them."""

from collections.abc import Iterable
from typing import NamedTuple, cast

import grimp
from importlinter import Contract, ContractCheck, fields, output
from importlinter.domain.helpers import module_expressions_to_modules
from importlinter.domain.imports import ModuleExpression

# The floors of a feature, from the top down. Any other module of it stands on OWN.
DOOR, COMMAND, QUERY, OWN, EVENT, BOTTOM = 5, 4, 3, 2, 1, 0
FLOORS = {
    "router": DOOR,
    "tasks": DOOR,
    "commands": COMMAND,
    "work": COMMAND,
    "queries": QUERY,
    "events": EVENT,
    "schemas": BOTTOM,
    "errors": BOTTOM,
}


class BrokenImport(NamedTuple):
    importer: str
    imported: str
    reason: str


class _ImportContract(Contract):
    """A contract that judges one import at a time."""

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:
        broken = sorted(
            BrokenImport(importer, imported, reason)
            for importer in self.importers(graph)
            for imported in graph.find_modules_directly_imported_by(importer)
            if (reason := self.objection(graph, importer, imported))
        )
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, imported, reason in cast("list[BrokenImport]", check.metadata["broken"]):
            output.print_error(f"- {importer} -> {imported}: {reason}", bold=False)
        output.new_line()

    def importers(self, graph: grimp.ImportGraph) -> Iterable[str]:
        raise NotImplementedError

    def objection(self, graph: grimp.ImportGraph, importer: str, imported: str) -> str | None:
        """Why this import may not be; None when it may."""
        raise NotImplementedError


class AllowedImportsContract(_ImportContract):
    """Some modules import a few parts of other packages, and nothing else of them.

    Options:
        source_packages: What is held to it.
        within: The packages of which only a part may be imported; left out: all there are.
        allowed: That part (packages; `*` stands for one name).
    """

    type_name = "allowed_imports"

    source_packages = fields.ListField(subfield=fields.ModuleExpressionField())
    within = fields.ListField(subfield=fields.StringField(), required=False)
    allowed = fields.ListField(subfield=fields.ModuleExpressionField())

    def importers(self, graph: grimp.ImportGraph) -> Iterable[str]:
        own = _modules(graph, cast("list[ModuleExpression]", self.source_packages))
        self._allowed = own | _modules(graph, cast("list[ModuleExpression]", self.allowed))
        return own

    def objection(self, graph: grimp.ImportGraph, importer: str, imported: str) -> str | None:
        within = cast("list[str] | None", self.within)
        held = within is None or any(_lies_in(imported, package) for package in within)
        return "not among what may be imported" if held and imported not in self._allowed else None


def _modules(graph: grimp.ImportGraph, named: list[ModuleExpression]) -> set[str]:
    own = [each for each in named if not _is_external(graph, each.expression)]
    inside = module_expressions_to_modules(graph, own, as_packages=True)
    return {each.name for each in inside} | {each.expression for each in named}


def _is_external(graph: grimp.ImportGraph, module: str) -> bool:
    return module in graph.modules and graph.is_module_squashed(module)


class FeatureShapeContract(_ImportContract):
    """Every module of a feature keeps to its floor, towards its own feature and towards others.

    Options:
        features_in: The package whose packages are the features.
        entrances: The modules that may open a feature's doors.
    """

    type_name = "feature_shape"

    features_in = fields.StringField()
    entrances = fields.ListField(subfield=fields.StringField())

    def importers(self, graph: grimp.ImportGraph) -> Iterable[str]:
        return graph.modules

    def objection(self, graph: grimp.ImportGraph, importer: str, imported: str) -> str | None:
        above, below = self._place(graph, importer), self._place(graph, imported)
        if above and importer == f"{self.features_in}.{above.feature}":
            return "a feature's __init__ stays empty"
        if below is None or below.module is None:
            return None
        if above is None:
            return self._objection_to_a_door(importer, below)
        if above.feature == below.feature:
            return _objection_within(above, below)
        return _objection_between(above, below)

    def _objection_to_a_door(self, importer: str, below: "_Place") -> str | None:
        if below.floor < DOOR or importer in cast("list[str]", self.entrances):
            return None
        return "a door is opened by the application and the worker alone"

    def _place(self, graph: grimp.ImportGraph, module: str) -> "_Place | None":
        root = cast(str, self.features_in)
        if not _lies_in(module, root) or module == root:
            return None
        feature, *inside = module.removeprefix(f"{root}.").split(".")
        if not graph.find_children(f"{root}.{feature}"):
            return None
        return _Place(feature, inside[0] if inside else None)


class _Place(NamedTuple):
    """Where a module stands: its feature, and its first name inside that."""

    feature: str
    module: str | None

    @property
    def floor(self) -> int:
        return FLOORS.get(self.module or "", OWN)


def _objection_within(above: _Place, below: _Place) -> str | None:
    if above.module == below.module or above.floor > below.floor:
        return None
    if above.floor == below.floor and above.floor in (OWN, BOTTOM):
        return None
    return f"{above.module} does not stand above {below.module}"


def _objection_between(above: _Place, below: _Place) -> str | None:
    if below.floor == DOOR:
        return "a door is opened by the application and the worker alone"
    if above.floor <= EVENT and below.floor > above.floor:
        return f"{above.module} import no more than their like from another feature"
    if above.module == "commands" and below.module == "work":
        return "a command never does the work"
    if above.module == "queries" and below.floor == COMMAND:
        return "a query never writes"
    return None


def _lies_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")
