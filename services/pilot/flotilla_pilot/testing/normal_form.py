"""Resources of Envoy in a form that can be compared: the leaves of their proto3 JSON, each with its path.

Dropped are the paths that a caller names, and nothing else. Lists that Envoy does not order are keyed by what is in
them instead of by place, so that equal meaning gives equal leaves.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from flotilla_pilot.testing.equal_forms import plain_cluster, plain_names

Leaf = tuple[str, str, str]
"""The path of fields, by which patterns know it; the exact place, with keys of lists; and the value there as JSON."""

_SETS = "applicationProtocols domains retriableStatusCodes serverNames"
_ALTERNATIVES = "allowOriginStringMatch matchSubjectAltNames matchTypedSubjectAltNames prefixRanges sourcePrefixRanges"
_CONDITIONS = "headers queryParameters rules"
_MEMBERS = "clusters customTags endpoints filterChains lbEndpoints requestMirrorPolicies upgradeConfigs virtualHosts"
UNORDERED = frozenset(" ".join((_SETS, _ALTERNATIVES, _CONDITIONS, _MEMBERS)).split())
"""Fields whose order says nothing: alternatives, conditions that must all hold, sets, shares of a whole."""

_TYPED_NAMES = "matchTypedSubjectAltNames"

_IDENTITY: Mapping[str, Callable[[dict[str, Any]], Any]] = {
    "filterChains": lambda each: {
        name: sorted(map(as_json, value)) if name in UNORDERED else value
        for name, value in (each.get("filterChainMatch") or {}).items()
    },
    "lbEndpoints": lambda each: each.get("endpoint", {}).get("address"),
    "endpoints": lambda each: (each.get("locality"), each.get("priority")),
    "customTags": lambda each: each.get("tag"),
}
"""What tells the elements of a list apart, where it is not their name."""


FILTERS = frozenset({"filters", "httpFilters", "listenerFilters"})
"""Lists whose elements are configured each in its own way."""


class Patterns:
    """Whether a path of fields is one of those that some patterns name."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._expression = re.compile("|".join(f"(?:{_expression(each)})" for each in patterns) or "(?!)")
        self._known: dict[str, bool] = {}

    def __contains__(self, path: str) -> bool:
        found = self._known.get(path)
        if found is None:
            found = self._known[path] = self._expression.fullmatch(path) is not None
        return found


def _expression(pattern: str) -> str:
    """`*` is one field, `**.` any number of them, `**` at the end whatever is below too."""
    parts = re.split(r"(\*\*\.|\*\*|\*)", pattern)
    return "".join({"**.": "(?:.*[.])?", "**": ".*", "*": "[^.]*"}.get(each, re.escape(each)) for each in parts)


class NormalForm:
    """Normalises resources, leaving out what `dropped` names, with everything below it.

    A pattern `path=value` drops that value alone, as JSON has it.
    """

    def __init__(self, dropped: Iterable[str]) -> None:
        self._dropped = Patterns(dropped)

    def leaves(self, kind: str, resource: Mapping[str, Any]) -> Counter[Leaf]:
        """The leaves of a resource that are compared."""
        return Counter(self._walk(plain_cluster(resource) if kind == "clusters" else resource, kind, ""))

    def _walk(self, tree: Any, path: str, place: str) -> Iterator[Leaf]:
        if path in self._dropped:
            return
        if isinstance(tree, Mapping) and tree:
            for name, each in tree.items():
                name, each = _plain(name, each)
                yield from self._walk(each, f"{path}.{name}", f"{place}.{name}")
        elif isinstance(tree, list) and tree:
            yield from self._list(tree, path, place)
        elif not self._is_default(path, tree):
            yield path, place, as_json(tree)

    def _is_default(self, path: str, value: Any) -> bool:
        return f"{path}={as_json(value)}" in self._dropped

    def _list(self, items: list[Any], path: str, place: str) -> Iterator[Leaf]:
        field = path.rpartition(".")[2]
        kept = []
        for position, each in enumerate(items):
            inside = element_path(path, field, each)
            if inside in self._dropped or self._is_default(path, each):
                continue
            kept.append(key_of(field, each, position))
            yield from self._walk(each, inside, f"{place}[{kept[-1]}]")
        if field not in UNORDERED and len(kept) > 1:
            yield path, f"{place}#order", as_json(kept)


def _plain(name: str, value: Any) -> tuple[str, Any]:
    return plain_names(value) if name == _TYPED_NAMES else (name, value)


def element_path(path: str, field: str, item: Any) -> str:
    """The path of an element: filters are told apart by the last part of their name, all others are alike."""
    return f"{path}[{str(item['name']).rpartition('.')[2]}]" if field in FILTERS and _is_named(item) else path


def key_of(field: str, item: Any, position: int) -> str:
    """What an element of a list is known by: its identity, its name, or the whole of it; else its position."""
    if not isinstance(item, Mapping):
        return as_json(item)
    if field in _IDENTITY:
        return as_json(_IDENTITY[field](dict(item)))
    if _is_named(item):
        return str(item["name"])
    return as_json(item) if field in UNORDERED else str(position)


def _is_named(item: Any) -> bool:
    return isinstance(item, Mapping) and isinstance(item.get("name"), str)


def as_json(value: Any) -> str:
    """A value as JSON; `1` and `1.0` are one number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True)


Where = tuple[str | int, ...]


def every_leaf(kind: str, resource: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
    """Every leaf, dropped or not: where it is in the JSON, and its path of fields."""
    stack: list[tuple[Any, Where, str]] = [(resource, (), kind)]
    while stack:
        item, where, path = stack.pop()
        if isinstance(item, Mapping) and item:
            stack.extend((each, (*where, name), f"{path}.{name}") for name, each in item.items())
        elif isinstance(item, list) and item:
            field = path.rpartition(".")[2]
            stack.extend((each, (*where, n), element_path(path, field, each)) for n, each in enumerate(item))
        else:
            yield where, path
