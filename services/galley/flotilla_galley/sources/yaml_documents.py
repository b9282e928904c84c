"""YAML with the line of every field. One bad document does not take the others of its file with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

# What PyYAML would turn into dates and into numbers to the base of sixty, and what it leaves as text though it is
# a number in JSON. Kubernetes reads them otherwise.
_FLOAT = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$")
_DROPPED = {"tag:yaml.org,2002:timestamp"}
_COLLECTIONS = {"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}
_INT = "tag:yaml.org,2002:int"
_FLOATS = "tag:yaml.org,2002:float"
_PLAIN_INT = re.compile(r"[-+]?(?:0|[1-9]\d*|0o[0-7]+|0x[0-9a-fA-F]+)$")
_SEPARATOR = re.compile(r"^---(?:\s.*)?$")
MAX_DEPTH = 100


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """`value` is plain data; `lines` maps a path such as `spec.http[0].route` to its line (1-based) in the file.

    `columns` does the same for columns (1-based), and is empty unless they were asked for: a mesh's worth of them is
    memory that only who shows an excerpt has a use for.
    """

    value: Any
    line: int
    lines: Mapping[str, int] = field(default_factory=dict)
    columns: Mapping[str, int] = field(default_factory=dict)

    def line_of(self, path: str) -> int:
        """The line of a field, or of the nearest one around it that is written."""
        path = self._written(path)
        return self.lines[path] if path else self.line

    def column_of(self, path: str) -> int:
        """The column that goes with `line_of`; 1 where columns were not asked for."""
        return self.columns.get(self._written(path), 1)

    def _written(self, path: str) -> str:
        """The path, or that of the nearest field around it that is written; "" is the document."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return path


@dataclass(frozen=True, slots=True)
class YamlError:
    """A document that is no YAML."""

    line: int
    text: str


class _Loader(yaml.CSafeLoader):
    """The safe loader of C, with JSON's idea of scalars and with lines."""

    def __init__(self, stream: str, first_line: int, *, columns: bool) -> None:
        super().__init__(stream)
        self.first_line = first_line
        self.lines: dict[str, int] = {}
        self.columns: dict[str, int] | None = {} if columns else None
        self.depth = 0

    def build(self, node: yaml.Node, path: str) -> Any:
        """A node's value; writes down the lines of all that is in it."""
        if path not in self.lines:
            self._place(path, node.start_mark)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=f"nested deeper than {MAX_DEPTH}", problem_mark=node.start_mark)
        try:
            if isinstance(node, yaml.CollectionNode) and node.tag not in _COLLECTIONS:
                raise yaml.MarkedYAMLError(
                    problem=f"no constructor for the tag {node.tag}", problem_mark=node.start_mark
                )
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self.build(child, f"{path}[{index}]") for index, child in enumerate(node.value)]
            return self.construct_object(node)
        finally:
            self.depth -= 1

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, Any]:
        self.flatten_mapping(node)
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node)
            name = key if isinstance(key, str) else _json_key(key)
            if name in found:
                raise yaml.MarkedYAMLError(problem=f"key {name!r} occurs twice", problem_mark=key_node.start_mark)
            where = f"{path}.{name}" if path else name
            self._place(where, key_node.start_mark)
            found[name] = self.build(value_node, where)
        return found

    def _place(self, path: str, mark: yaml.Mark) -> None:
        self.lines[path] = mark.line + self.first_line
        if self.columns is not None:
            self.columns[path] = mark.column + 1


def _json_key(key: object) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return "null" if key is None else str(key)


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    table: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items():
        table[first] = [(tag, pattern) for tag, pattern in pairs if tag not in {*_DROPPED, _INT, _FLOATS}]
    for first in "-+0123456789.":
        table.setdefault(first, []).extend([(_INT, _PLAIN_INT), (_FLOATS, _FLOAT)])
    return table


_Loader.yaml_implicit_resolvers = _resolvers()


def read_documents(text: str, *, columns: bool = False) -> Iterator[YamlDocument | YamlError]:
    """Every document of a file in order; empty ones are left out. Never raises."""
    for first_line, part in _split(text):
        loader = None
        try:
            loader = _Loader(part, first_line, columns=columns)
            node = loader.get_single_node()
            if node is None:
                continue
            value = loader.build(node, "")
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            yield _explained(error, first_line)
            continue
        finally:
            if loader is not None:
                loader.dispose()
        if value is not None:
            first = _first_written(loader.lines, first_line)
            yield YamlDocument(value, first, loader.lines, loader.columns or {})


def _first_written(lines: Mapping[str, int], first_line: int) -> int:
    return lines.get("", first_line)


def _split(text: str) -> Iterator[tuple[int, str]]:
    """(line of its first line, text) of each document."""
    begin, part = 1, list[str]()
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if _SEPARATOR.match(line.rstrip("\r\n")):
            yield begin, "".join(part)
            # What follows the dashes on their line belongs to the document.
            begin, part = number, ["   " + line[3:]]
        else:
            part.append(line)
    yield begin, "".join(part)


def _explained(error: Exception, first_line: int) -> YamlError:
    mark = getattr(error, "problem_mark", None)
    line = first_line + mark.line if mark is not None else first_line
    text = getattr(error, "problem", None) or str(error)
    return YamlError(line, " ".join(str(text).split()))
