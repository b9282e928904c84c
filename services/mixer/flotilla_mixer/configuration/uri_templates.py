"""Templates of paths (`/books/{id=*}:archive`), and which of many a path fits.

The grammar is that of google.api.http, and the order of preference that of Istio 1.4's proxy: a literal before `*`
before `**`, segment by segment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Generic, TypeVar

V = TypeVar("V")
ONE, ANY = "*", "**"
ALL_METHODS = "*"
MOST_SEGMENTS = 100
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
LITERAL = re.compile(r"[^/{}:*=]+")


class TemplateError(ValueError):
    """A text is no template; says why."""


@dataclass(frozen=True, slots=True)
class Template:
    """`segments` are literals, `*` (any one segment) or `**` (any number); `verb` is what stands behind a colon."""

    segments: tuple[str, ...]
    verb: str = ""


def parse_template(text: str) -> Template:
    """Raises TemplateError."""
    if not text.startswith("/"):
        raise TemplateError("a template begins with a slash")
    path, colon, verb = text.rpartition(":")
    if not colon or "/" in verb or "}" in verb:
        path, verb = text, ""
    elif not LITERAL.fullmatch(verb):
        raise TemplateError(f"{verb!r} is no verb")
    segments = tuple(_segments(path[1:])) if path != "/" else ()
    if len(segments) > MOST_SEGMENTS:
        raise TemplateError(f"a template has at most {MOST_SEGMENTS} segments")
    if ANY in segments and any(each in (ONE, ANY) for each in segments[segments.index(ANY) + 1 :]):
        raise TemplateError("only literals may stand behind **")
    return Template(segments, verb)


def _segments(text: str) -> list[str]:
    found: list[str] = []
    while True:
        segment = _variable(text) if text.startswith("{") else re.match(r"[^/{]*", text)
        assert segment is not None
        whole, inner = segment.group(0), segment.groupdict().get("inner")
        parts = whole.split("/") if "{" not in whole else (inner or ONE).split("/")
        for part in parts:
            if part not in (ONE, ANY) and not LITERAL.fullmatch(part):
                raise TemplateError(f"{part!r} is no segment")
            found.append(part)
        rest = text[len(whole) :]
        if not rest:
            return found
        if not rest.startswith("/"):
            raise TemplateError(f"a slash must stand before {rest!r}")
        text = rest[1:]


def _variable(text: str) -> re.Match[str]:
    found = re.match(rf"\{{{NAME.pattern}(?:=(?P<inner>[^{{}}]+))?\}}", text)
    if found is None:
        raise TemplateError(f"{text!r} is no variable: write {{name}} or {{name=segments}}")
    return found


@dataclass(slots=True)
class _Node(Generic[V]):
    """Where paths with the same beginning go on."""

    children: dict[str, _Node[V]] = field(default_factory=dict)
    values: dict[str, V] = field(default_factory=dict)
    any_number: bool = False

    def value(self, method: str) -> V | None:
        return self.values.get(method, self.values.get(ALL_METHODS))

    def find(self, parts: list[str], at: int, method: str) -> V | None:
        """What is known of the rest of a path."""
        while at < len(parts):
            literal = self._through(parts[at], parts, at, method)
            if literal is not None:
                return literal
            if not self.any_number:
                return self._wild(parts, at, method)
            at += 1
        found = self.value(method)
        wild = self.children.get(ANY)
        return found if found is not None or wild is None else wild.value(method)

    def _wild(self, parts: list[str], at: int, method: str) -> V | None:
        for key in (ONE, ANY):
            found = self._through(key, parts, at, method)
            if found is not None:
                return found
        return None

    def _through(self, key: str, parts: list[str], at: int, method: str) -> V | None:
        child = self.children.get(key)
        return child.find(parts, at + 1, method) if child is not None else None


class PathTable(Generic[V]):
    """Templates with a value each."""

    def __init__(self) -> None:
        self._root: _Node[V] = _Node()
        self._verbs: set[str] = set()

    def add(self, method: str, text: str, value: V) -> None:
        """Raises TemplateError, also where another template takes the same paths already; that one stays."""
        template = parse_template(text)
        node = self._root
        for segment in (*template.segments, *([template.verb] if template.verb else [])):
            node = node.children.setdefault(segment, _Node(any_number=segment == ANY))
        if method in node.values:
            raise TemplateError("another template of this method takes the same paths, and stays")
        node.values[method] = value
        if template.verb:
            self._verbs.add(template.verb)

    def find(self, method: str, path: str) -> V | None:
        """The value of the template that fits best, or None. A query does not count, nor slashes at the end."""
        path = path.partition("?")[0]
        before, colon, verb = path.rpartition(":")
        if colon and verb in self._verbs:
            path = f"{before}/{verb}"
        parts = path[1:].split("/") if path else []
        while parts and not parts[-1]:
            parts.pop()
        return self._root.find(parts, 0, method)
