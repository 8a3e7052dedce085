"""Reads YAML written by strangers without harm, and writes data in one canonical form."""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, cast

import yaml

MAX_BYTES = 1 << 20
MAX_DEPTH = 64

_CORE = "tag:yaml.org,2002:"
_ALLOWED_TAGS = {None} | {
    _CORE + name for name in ("str", "int", "float", "bool", "null", "map", "seq")
}
# No timestamps: a date in a playbook is text, as it is in the JSON we store.
_RESOLVED_TAGS = {_CORE + name for name in ("int", "float", "bool", "null", "merge")}

_READ_AS_VALUES = {_CORE + name for name in ("int", "float", "bool")}


class UnreadableYamlError(ValueError):
    """Says what is wrong and where (`field`), never what was written there."""

    def __init__(self, message: str, *, field: str = "yaml") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class _Mark(Protocol):
    line: int
    column: int


# libyaml's are ten times faster; not every build of PyYAML has them.
_FastLoader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FastDumper: type[yaml.SafeDumper] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_UNSTORABLE = re.compile("[\\x00\\ud800-\\udfff]")


class _Loader(_FastLoader):
    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way to configure a loader
        first: [(tag, pattern) for tag, pattern in resolvers if tag in _RESOLVED_TAGS]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class _Dumper(_FastDumper):
    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _as_block_where_it_reads_well(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    lines = text.split("\n")
    is_block = (
        len(lines) > 1
        and lines[0] != ""
        and not lines[0][0].isspace()
        and all(line.isprintable() and line == line.rstrip() for line in lines)
    )
    style = "|" if is_block else None
    return dumper.represent_scalar(_CORE + "str", text, style)  # pyright: ignore[reportUnknownMemberType]


_Dumper.add_representer(str, _as_block_where_it_reads_well)  # pyright: ignore[reportUnknownMemberType]


Path = tuple[str | int, ...]


def load(text: str, *, is_text: Callable[[Path], bool] = lambda _: False) -> object:
    """The one document in `text`, as plain JSON-like data. Raises UnreadableYamlError.

    Where `is_text` says so, a plain scalar stays what was written: `yes`, `10:30`, `02134`, `1.10`.
    Paths are keys and indexes from the root, as `("spec", "tasks", 0, "name")`. Null stays null.
    """
    _refuse_size(text)
    try:
        _Inspection().inspect(yaml.parse(text, Loader=_Loader))
        return _constructed(text, is_text)
    except yaml.MarkedYAMLError as exc:
        raise UnreadableYamlError(f"{_position(exc.problem_mark)}: {exc.problem}.") from None
    except yaml.YAMLError:
        raise UnreadableYamlError("It holds characters that YAML does not allow.") from None
    except ValueError as exc:
        if isinstance(exc, UnreadableYamlError):
            raise
        raise UnreadableYamlError("It holds a number that cannot be read.") from None


def _constructed(text: str, is_text: Callable[[Path], bool]) -> object:
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        _keep_text(root, (), is_text)
        return cast("object", loader.construct_document(root))  # pyright: ignore[reportUnknownMemberType]
    finally:
        loader.dispose()


def _keep_text(node: yaml.Node, path: Path, is_text: Callable[[Path], bool]) -> None:
    match node:
        case yaml.ScalarNode() if not node.style and node.tag in _READ_AS_VALUES and is_text(path):
            node.tag = _CORE + "str"
        case yaml.MappingNode():
            for key, value in node.value:
                _keep_text(key, (*path, key.value), is_text)
                _keep_text(value, (*path, key.value), is_text)
        case yaml.SequenceNode():
            for index, item in enumerate(node.value):
                _keep_text(item, (*path, index), is_text)
        case _:
            pass


def dump(data: object) -> str:
    """Canonical text: keys sorted, block style, no aliases, long lines unbroken."""
    return yaml.dump(
        data,
        Dumper=_Dumper,
        sort_keys=True,
        default_flow_style=False,
        allow_unicode=True,
        width=1 << 30,
    )


def refuse_unstorable(value: object, path: str = "", depth: int = 0) -> None:
    """Refuse what JSON or a database cannot hold. Raises UnreadableYamlError naming the field."""
    where = path or "yaml"
    if depth > MAX_DEPTH:
        raise UnreadableYamlError(f"It is nested deeper than {MAX_DEPTH} levels.", field=where)
    match value:
        case str():
            _refuse_characters(value, where)
        case float() if not math.isfinite(value):
            raise UnreadableYamlError("It is not a finite number.", field=where)
        case dict():
            for key, item in cast("dict[object, object]", value).items():
                if not isinstance(key, str):
                    raise UnreadableYamlError("A key is not text. Put it in quotes.", field=where)
                _refuse_characters(key, where)
                refuse_unstorable(item, f"{path}.{key}" if path else key, depth + 1)
        case list():
            for index, item in enumerate(cast("list[object]", value)):
                refuse_unstorable(item, f"{path}[{index}]", depth + 1)
        case None | bool() | int() | float():
            pass
        case _:
            raise UnreadableYamlError("It is not text, a number, a list or a mapping.", field=where)


def _refuse_characters(text: str, where: str) -> None:
    if _UNSTORABLE.search(text):
        raise UnreadableYamlError("It holds characters that cannot be stored.", field=where)


def _refuse_size(text: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise UnreadableYamlError("It is not valid UTF-8 text.") from None
    if size > MAX_BYTES:
        raise UnreadableYamlError(
            f"It is {size / MAX_BYTES:.1f} MiB; a playbook may have 1 MiB at most."
        )


def _position(mark: _Mark | None) -> str:
    return f"Line {mark.line + 1}, column {mark.column + 1}" if mark else "Somewhere"


@dataclass
class _Collection:
    is_mapping: bool
    anchor: str | None
    weight: int = 1
    awaits_key: bool = True
    keys: set[str] = field(default_factory=set[str])


class _Inspection:
    """Looks at the events of a document before anything is built from them.

    Weight is the size of a part once its aliases are written out, in characters; it is what a
    'billion laughs' document is refused by.
    """

    def __init__(self) -> None:
        self._open: list[_Collection] = []
        self._weights: dict[str, int] = {}
        self._documents = 0

    def inspect(self, events: Iterator[yaml.Event]) -> None:
        for event in events:
            self._inspect(event)

    def _inspect(self, event: yaml.Event) -> None:
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise self._refusal(event, "a second document starts here")
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.CollectionStartEvent():
                self._start(event)
            case yaml.CollectionEndEvent():
                done = self._open.pop()
                self._count(event, done.weight, done.anchor)
            case _:
                pass

    def _alias(self, event: yaml.AliasEvent) -> None:
        if self._is_key():
            raise self._refusal(event, "a key must be plain text")
        if event.anchor not in self._weights:
            raise self._refusal(event, "this alias refers to itself or to nothing")
        self._next_item()
        self._count(event, self._weights[event.anchor], None)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._refuse_tag(event)
        if self._is_key():
            keys = self._open[-1].keys
            if event.value in keys:
                raise self._refusal(event, "this key is there twice")
            keys.add(event.value)
        self._next_item()
        self._count(event, 1 + len(event.value), event.anchor)

    def _start(self, event: yaml.CollectionStartEvent) -> None:
        self._refuse_tag(event)
        if self._is_key():
            raise self._refusal(event, "a key must be plain text")
        if len(self._open) >= MAX_DEPTH:
            raise self._refusal(event, f"it is nested deeper than {MAX_DEPTH} levels")
        self._next_item()
        self._open.append(_Collection(isinstance(event, yaml.MappingStartEvent), event.anchor))

    def _is_key(self) -> bool:
        return bool(self._open) and self._open[-1].is_mapping and self._open[-1].awaits_key

    def _next_item(self) -> None:
        if self._open and self._open[-1].is_mapping:
            self._open[-1].awaits_key = not self._open[-1].awaits_key

    def _count(self, event: yaml.Event, weight: int, anchor: str | None) -> None:
        if anchor is not None:
            self._weights[anchor] = weight
        if self._open:
            weight = self._open[-1].weight = self._open[-1].weight + weight
        if weight > MAX_BYTES:
            raise self._refusal(event, "with its aliases written out it is larger than 1 MiB")

    def _refuse_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.tag not in _ALLOWED_TAGS:
            raise self._refusal(event, "a tag is not allowed here")

    @staticmethod
    def _refusal(event: yaml.Event, message: str) -> UnreadableYamlError:
        return UnreadableYamlError(f"{_position(event.start_mark)}: {message}.")
