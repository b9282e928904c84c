"""Which API a call is of: HTTPAPISpecs, bound to services by HTTPAPISpecBindings, as Istio 1.4's proxy read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import re2  # type: ignore[import-untyped]

from flotilla_mixer.attributes.entry import API_KEY
from flotilla_mixer.attributes.typed import PYTHON_TYPES
from flotilla_mixer.configuration.quota_specs import PATTERNS, Bound
from flotilla_mixer.configuration.uri_templates import PathTable, TemplateError
from flotilla_shared.model import kinds
from flotilla_shared.model.expressions import Duration, Timestamp, ValueType
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.model.problems import ProblemLog
from flotilla_shared.model.static_attributes import HOST, NAME, NAMESPACE

Bag = Mapping[str, object]
Attributes = Mapping[str, object]
# Where a key is looked for when a spec does not say it.
DEFAULT_KEYS = (("query", "key"), ("query", "api_key"), ("header", "x-api-key"))
MEMO_SIZE = 4096
LONGEST_REMEMBERED = 512  # characters of a path: requests bring them


@dataclass(frozen=True, slots=True, eq=False)
class ApiSpec:
    """What is said of the calls of an API: of all, of those of a template, of those of a pattern; and where the key is."""

    attributes: Attributes
    templates: PathTable[Attributes]
    patterns: tuple[tuple[str, Any, Attributes], ...]
    keys: tuple[tuple[str, str], ...]
    _described: dict[tuple[str, str], Attributes] = field(default_factory=dict)

    def describe(self, method: str, path: str) -> Attributes:
        """What is more exact counts: of all, of the template, of each pattern that fits. Paths that come often are looked
        at once.
        """
        if len(path) > LONGEST_REMEMBERED:
            return self._describe(method, path)
        known = self._described.get((method, path))
        if known is None:
            if len(self._described) >= MEMO_SIZE:
                self._described.clear()
            known = self._described[method, path] = self._describe(method, path)
        return known

    def _describe(self, method: str, path: str) -> Attributes:
        found = dict(self.attributes)
        found |= self.templates.find(method, path) or {}
        for wanted, pattern, attributes in self.patterns:
            if wanted == method and pattern.fullmatch(path):
                found |= attributes
        return found

    def key(self, bag: Bag) -> str:
        """The first key that is there, or the empty text."""
        return next((found for kind, name in self.keys if (found := _looked_up(bag, kind, name))), "")


@dataclass(frozen=True, slots=True)
class ApiPlan:
    """All bindings with their specs, in the order of their names."""

    bindings: tuple[tuple[tuple[Bound, ...], tuple[ApiSpec, ...]], ...] = ()
    _known: dict[tuple[object, object, object], tuple[ApiSpec, ...]] = field(default_factory=dict, compare=False)

    def put(self, bag: dict[str, object]) -> None:
        """Add what specs say of the call. What is in the bag already was seen or proven, and stays."""
        if not self.bindings:
            return
        specs = self._concerned(bag)
        if not specs or "request.method" not in bag:
            return
        method, path = str(bag["request.method"]), str(bag["request.path"])
        key = next((key for spec in specs if (key := spec.key(bag))), "")
        if key:
            bag.setdefault(API_KEY, key)
        for name, value in _joined([spec.describe(method, path) for spec in specs]).items():
            bag.setdefault(name, value)

    def _concerned(self, bag: Bag) -> tuple[ApiSpec, ...]:
        """The specs of the service that was called; the same answer for the same service."""
        service = (bag.get(HOST), bag.get(NAME), bag.get(NAMESPACE))
        found = self._known.get(service)
        if found is None:
            chosen = (specs for services, specs in self.bindings if any(each.concerns(bag) for each in services))
            found = tuple(dict.fromkeys(each for specs in chosen for each in specs))
            if len(self._known) >= MEMO_SIZE:
                self._known.clear()
            self._known[service] = found
        return found


def _joined(found: list[Attributes]) -> Attributes:
    """Of two specs that give one attribute the later counts."""
    return found[0] if len(found) == 1 else {name: value for each in found for name, value in each.items()}


def api_plan(
    specs: Mapping[ObjectKey, ConfigObject],
    bindings: Mapping[ObjectKey, ConfigObject],
    vocabulary: Mapping[str, ValueType],
    problems: ProblemLog,
) -> ApiPlan:
    """The plan of these objects. A pattern, an attribute or a reference that is wrong is left out and told."""
    read = {key: _spec(specs[key], vocabulary, problems) for key in sorted(specs)}
    found = []
    for key in sorted(bindings):
        item = bindings[key]
        chosen = tuple(_referred(item, read, problems))
        services = tuple(Bound(each.service, each.name, each.namespace or key.namespace) for each in item.spec.services)
        if chosen and services:
            found.append((services, chosen))
    return ApiPlan(tuple(found))


def _referred(binding: ConfigObject, specs: Mapping[ObjectKey, ApiSpec], problems: ProblemLog) -> Iterator[ApiSpec]:
    for number, reference in enumerate(binding.spec.api_specs):
        namespace = reference.namespace or binding.key.namespace
        found = specs.get(ObjectKey(kinds.HTTP_API_SPECS, namespace, reference.name))
        if found is not None:
            yield found
            continue
        text = f"there is no HTTPAPISpec {namespace}/{reference.name}; it is left out."
        problems.error(binding.key, "no-api-spec", f"spec.apiSpecs[{number}]", text)


def _spec(item: ConfigObject, vocabulary: Mapping[str, ValueType], problems: ProblemLog) -> ApiSpec:
    templates: PathTable[Attributes] = PathTable()
    patterns = []
    for number, each in enumerate(item.spec.patterns):
        path = f"spec.patterns[{number}]"
        attributes = _attributes(item, f"{path}.attributes", each.attributes, vocabulary, problems)
        try:
            if each.WhichOneof("pattern") == "uri_template":
                templates.add(each.http_method, each.uri_template, attributes)
            elif each.regex:
                patterns.append((each.http_method, re2.compile(each.regex, PATTERNS), attributes))
        except TemplateError as error:
            said = f"{each.uri_template!r} has no effect: {error}."
            problems.error(item.key, "bad-pattern", f"{path}.uriTemplate", said)
        except re2.error as error:
            problems.error(item.key, "bad-pattern", f"{path}.regex", f"{each.regex!r} is no pattern ({error}).")
    keys = tuple((kind, getattr(each, kind)) for each in item.spec.api_keys if (kind := each.WhichOneof("key")))
    own = _attributes(item, "spec.attributes", item.spec.attributes, vocabulary, problems)
    return ApiSpec(own, templates, tuple(patterns), keys or DEFAULT_KEYS)


def _attributes(
    item: ConfigObject, path: str, given: Any, vocabulary: Mapping[str, ValueType], problems: ProblemLog
) -> Attributes:
    found: dict[str, object] = {}
    for name, wrapped in sorted(given.attributes.items()):
        place, declared = f"{path}.attributes[{name}]", vocabulary.get(name)
        value = _value(wrapped)
        if declared is None:
            problems.error(item.key, "unknown-attribute", place, f"no manifest declares the attribute {name}.")
        elif type(value) is not PYTHON_TYPES.get(declared, str):
            text = f"the attribute {name} is declared as {declared}, and this is no value of that type."
            problems.error(item.key, "wrong-type", place, text)
        else:
            found[name] = value
    return found


def _value(wrapped: Any) -> object:
    kind = wrapped.WhichOneof("value")
    if kind is None:
        return None
    value = getattr(wrapped, kind)
    match kind:
        case "timestamp_value":
            return Timestamp(value.ToNanoseconds())
        case "duration_value":
            return Duration(value.ToNanoseconds())
        case "string_map_value":
            return dict(value.entries)
    found: object = value
    return found


def _looked_up(bag: Bag, kind: str, name: str) -> str:
    headers: Any = bag.get("request.headers") or {}
    if kind == "header":
        return str(headers.get(name.lower(), ""))
    if kind == "cookie":
        return dict(_cookies(headers.get("cookie", ""))).get(name, "")
    parameters: Any = bag.get("request.query_params") or {}
    return str(parameters.get(name, ""))


def _cookies(header: str) -> Iterable[tuple[str, str]]:
    """Names and values; of a name that stands there twice the first counts."""
    parts = [each.partition("=") for each in header.split(";")]
    return reversed([(name.strip(), value.strip().strip('"')) for name, _, value in parts])
