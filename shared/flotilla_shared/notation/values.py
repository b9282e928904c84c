"""YAML to plain data, whoever wrote it: as Kubernetes reads it, and in bounded time and memory.

The document is never held as a tree of nodes: PyYAML composes one by recursion in C, and a text of some thousand brackets
ends the process. Values are built from the parser's events instead, down to a depth, and at most so many of them; what an
alias stands for counts each time that it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml
from yaml._yaml import CParser
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from flotilla_shared.notation.scalars import TEXT, key_text, scalar_value

MAX_DEPTH = 100
MAX_VALUES = 500_000
# Of a path: what lies deeper in a field of a very long name has its place.
MAX_PATH = 1024
_MAPPING, _SEQUENCE = "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"
_MERGE = "<<"

Note = Callable[[str, yaml.Mark], None]


class YamlRefused(yaml.MarkedYAMLError):
    """Good YAML that is not taken; `problem` says why in a few words, `problem_mark` where."""


def read_value(text: str | bytes, most: int = MAX_VALUES) -> Any:
    """The value of a text of one document, of `most` values in all; None for an empty one. Raises yaml.YAMLError."""
    reader = ValueReader(text, most=most)
    value = reader.next(None)
    reader.end()
    return value


class ValueReader:
    """The documents of a text, one after another. `note(path, mark)` hears where each value stands, its key first."""

    def __init__(self, text: str | bytes, note: Note = lambda path, mark: None, most: int = MAX_VALUES) -> None:
        try:
            self._parser: Any = CParser(text)
        except UnicodeError as error:
            raise YamlRefused(problem=f"it is no Unicode text: {error}") from error
        self._note = note
        self._most = most
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._values = self._depth = 0
        self._parser.get_event()

    def more(self) -> bool:
        """Whether there is another document. Raises yaml.YAMLError."""
        return not self._parser.check_event(StreamEndEvent)

    def next(self, default: Any) -> Any:
        """The next document's value, or the default where there is none. Raises yaml.YAMLError."""
        if not self.more():
            return default
        self._parser.get_event()
        self._anchors, self._values, self._depth = {}, 0, 0
        value = self._value(self._parser.get_event(), "")
        self._parser.get_event()
        return value

    def end(self) -> None:
        """Raises yaml.YAMLError when there is one more document."""
        if self._parser.check_event(DocumentStartEvent):
            mark = self._parser.get_event().start_mark
            raise YamlRefused(problem="one more document begins here, and only one is read", problem_mark=mark)

    def _value(self, event: Any, path: str) -> Any:
        self._note(path, event.start_mark)
        return self._noted(event, path)

    def _noted(self, event: Any, path: str) -> Any:
        """The value of something whose place is told."""
        self._values += 1
        if self._values > self._most:
            self._count(0, event)
        if type(event) is ScalarEvent and event.anchor is None:
            return scalar_value(event)
        return self._anchored(event, path)

    def _anchored(self, event: Any, path: str) -> Any:
        before = self._values
        if isinstance(event, AliasEvent):
            return self._alias(event)
        if isinstance(event, ScalarEvent):
            value = scalar_value(event)
        elif isinstance(event, MappingStartEvent):
            value = self._inside(event, _MAPPING, self._mapping, path)
        else:
            value = self._inside(event, _SEQUENCE, self._sequence, path)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._values - before + 1)
        return value

    def _count(self, more: int, event: Any) -> None:
        self._values += more
        if self._values > self._most:
            text = f"more than {self._most} values, those of aliases each time"
            raise YamlRefused(problem=text, problem_mark=event.start_mark)

    def _alias(self, event: Any) -> Any:
        """What is named, itself: nobody who reads may change it."""
        found = self._anchors.get(event.anchor)
        if found is None:
            raise YamlRefused(problem=f"undefined alias {_short(event.anchor)}", problem_mark=event.start_mark)
        self._count(found[1], event)
        return found[0]

    def _inside(self, event: Any, tag: str, build: Callable[[str], Any], path: str) -> Any:
        if event.tag not in (None, "!", tag):
            raise YamlRefused(problem=f"no constructor for the tag {_short(event.tag)}", problem_mark=event.start_mark)
        if self._depth >= MAX_DEPTH:
            raise YamlRefused(problem=f"nested deeper than {MAX_DEPTH}", problem_mark=event.start_mark)
        if event.anchor is not None:
            self._anchors.pop(event.anchor, None)  # it names nothing until it is whole
        self._depth += 1
        try:
            return build(path)
        finally:
            self._depth -= 1

    def _sequence(self, path: str) -> list[Any]:
        found: list[Any] = []
        short = len(path) <= MAX_PATH
        while type(event := self._parser.get_event()) is not SequenceEndEvent:
            found.append(self._value(event, f"{path}[{len(found)}]" if short else path))
        return found

    def _mapping(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        get, note = self._parser.get_event, self._note
        while type(event := get()) is not MappingEndEvent:
            if _is_merge(event):
                _merge(merged, self._value(get(), path), event.start_mark)
                continue
            name = self._key(event)
            if name in found:
                raise YamlRefused(problem=f"key {_short(name)} occurs twice", problem_mark=event.start_mark)
            where = _below(path, name)
            note(where, event.start_mark)
            found[name] = self._noted(get(), where)
        return merged | found if merged else found

    def _key(self, event: Any) -> str:
        mark: Any = event.start_mark
        if type(event) in (SequenceStartEvent, MappingStartEvent):
            raise YamlRefused(problem="a key must be text", problem_mark=mark)
        key = key_text(self._noted(event, ""))
        if key is None:
            raise YamlRefused(problem="a key must be text", problem_mark=mark)
        return key


def _below(path: str, name: str) -> str:
    if not path:
        return name
    return f"{path}.{name}" if len(path) <= MAX_PATH else path


def _is_merge(event: Any) -> bool:
    return type(event) is ScalarEvent and event.value == _MERGE and event.implicit[0] and event.tag in (None, TEXT)


def _merge(into: dict[str, Any], value: Any, mark: Any) -> None:
    """What was merged first counts, and what the mapping says itself more than that."""
    for each in value if isinstance(value, list) else [value]:
        if not isinstance(each, dict):
            raise YamlRefused(problem="only mappings can be merged", problem_mark=mark)
        for name, inner in each.items():
            into.setdefault(name, inner)


def _short(name: str) -> str:
    return repr(name) if len(name) <= 60 else f"{name[:57]!r}..."
