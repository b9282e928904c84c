"""From documents to objects: what each says that it is, and where each field stands."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flotilla_galley.sources.yaml_documents import Part, YamlDocument, YamlError, parts_of, read_part
from flotilla_shared.model.kinds import WRITTEN, Kind, kind_of
from flotilla_shared.model.objects import ObjectKey, Problem

DEFAULT_NAMESPACE = "default"
_KIND_NAMES = tuple({kind.kind for kind in WRITTEN})
# What an object has; all else of it stands below.
TOP_LEVEL = ("apiVersion", "kind", "metadata", "spec", "status")
FindKind = Callable[[Mapping[str, Any]], Kind]
Aside = Callable[[Any, int], bool]
"""Takes a mapping, and its line, that is no configuration: True if it did. Raises Unusable."""


@dataclass(frozen=True, slots=True)
class SourceObject:
    """An object as it is written, before its spec is looked at. `prefix` is its path in its document."""

    kind: Kind
    key: ObjectKey
    spec: Mapping[str, Any]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    create_time_ns: int
    file: str
    document: YamlDocument
    prefix: str = ""

    @property
    def line(self) -> int:
        return self.line_of("kind")

    def line_of(self, path: str) -> int:
        """The line of a field given by its path in the object."""
        return self.document.line_of(f"{self.prefix}{path}")


class Unusable(ValueError):
    """A document holds no object; `field` says where the fault is."""

    def __init__(self, code: str, field: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.field = field


def read_objects(file: str, text: str, aside: Aside | None = None) -> tuple[list[SourceObject], list[Problem]]:
    """The objects of a file and the problems of what is none. `file` is the name to show. Never raises.

    `aside` is offered every mapping first.
    """
    found: list[SourceObject] = []
    problems: list[Problem] = []
    for part in parts_of(text):
        objects, wrong = read_objects_of_part(file, part, aside)
        found += objects
        problems += wrong
    return found, problems


def read_objects_of_part(file: str, part: Part, aside: Aside | None = None) -> tuple[list[SourceObject], list[Problem]]:
    """The same of one document of the file."""
    document = read_part(part)
    if document is None:
        return [], []
    if isinstance(document, YamlError):
        sentence = f"this document is not YAML: {document.text}; what it held before stays as it was"
        return [], [Problem("broken-yaml", "", sentence, file=file, line=document.line)]
    return objects_of(file, document, aside=aside)


def objects_of(
    file: str, document: YamlDocument, find_kind: FindKind | None = None, aside: Aside | None = None
) -> tuple[list[SourceObject], list[Problem]]:
    """The object of a document, or the items of a list; and what is none. `find_kind` says of what kind a mapping is."""
    found: list[SourceObject] = []
    problems: list[Problem] = []
    for prefix, value in _items(document):
        try:
            if aside is not None and aside(value, document.line_of(f"{prefix}kind")):
                continue
            found.append(_object(file, document, prefix, value, find_kind or kind_by_version))
        except Unusable as error:
            line = document.line_of(prefix + error.field)
            problems.append(Problem(error.code, error.field, str(error), file=file, line=line))
    return found, problems


def _items(document: YamlDocument) -> Iterator[tuple[str, Any]]:
    """The document itself, or the items of a `kind: List`."""
    value = document.value
    if isinstance(value, dict) and value.get("kind") == "List" and isinstance(value.get("items"), list):
        for index, item in enumerate(value["items"]):
            yield f"items[{index}].", item
    else:
        yield "", value


def _object(file: str, document: YamlDocument, prefix: str, value: Any, find_kind: FindKind) -> SourceObject:
    if not isinstance(value, dict):
        raise Unusable("no-object", "", f"a {type(value).__name__} stands where an object with kind must stand")
    kind = find_kind(value)
    metadata = value.get("metadata")
    if not isinstance(metadata, dict):
        raise Unusable("no-metadata", "metadata", f"{kind.kind} has no metadata; it needs at least metadata.name")
    name = metadata.get("name")
    if not isinstance(name, str) or not name:
        raise Unusable("no-name", "metadata.name", f"{kind.kind} has no metadata.name; give it one")
    spec = value.get("spec")
    spec = {} if spec is None else spec
    if not isinstance(spec, dict):
        raise Unusable("no-spec", "spec", f"{kind.kind} {name}: spec must be a mapping of fields")
    return SourceObject(
        kind=kind,
        key=ObjectKey(kind.collection, _namespace(kind, metadata), name),
        spec=spec,
        labels=_pairs(kind, name, metadata, "labels"),
        annotations=_pairs(kind, name, metadata, "annotations"),
        create_time_ns=created_ns(metadata),
        file=file,
        document=document,
        prefix=prefix,
    )


def kind_by_version(value: Mapping[str, Any]) -> Kind:
    """The kind that apiVersion and kind name. Raises Unusable."""
    api_version, kind = value.get("apiVersion"), _kind_name(value)
    if not isinstance(api_version, str) or "/" not in api_version:
        raise Unusable("no-api-version", "apiVersion", f"{kind} has no apiVersion of the form group/version")
    found = kind_of(api_version, kind)
    if found is not None and found.written:
        return found
    same = [each for each in WRITTEN if each.kind == kind]
    if same:
        known = ", ".join(version for each in same for version in each.api_versions)
        raise Unusable("unknown-version", "apiVersion", f"{kind} has no apiVersion {api_version!r}; it has {known}")
    raise _unknown_kind(f"there is no kind {kind!r} in {api_version}", kind)


def kind_by_name(value: Mapping[str, Any]) -> Kind:
    """The kind that `kind` names, whatever apiVersion says: 1.4's rules do not judge it. Raises Unusable."""
    kind = _kind_name(value)
    found = next((each for each in WRITTEN if each.kind == kind), None)
    if found is None:
        raise _unknown_kind(f"there is no kind {kind!r}", kind)
    if not found.is_of_mixer:
        _refuse_other_fields(value, kind)
    return found


def _refuse_other_fields(value: Mapping[str, Any], kind: str) -> None:
    for field in value:
        if field not in TOP_LEVEL:
            text = f"{kind} has no field {field!r} beside {', '.join(TOP_LEVEL)}; move it below spec, or remove it"
            raise Unusable("unknown-field", str(field), text)


def _kind_name(value: Mapping[str, Any]) -> str:
    kind = value.get("kind")
    if not isinstance(kind, str) or not kind:
        raise Unusable("no-kind", "kind", "the document has no kind; every object needs apiVersion and kind")
    return kind


def _unknown_kind(sentence: str, kind: str) -> Unusable:
    near = difflib.get_close_matches(kind, _KIND_NAMES, 1)
    hint = f"; did you mean {near[0]}?" if near else "; remove it, or put it where its own tool reads it"
    return Unusable("unknown-kind", "kind", sentence + hint)


def _namespace(kind: Kind, metadata: Mapping[str, Any]) -> str:
    if kind.cluster_scoped:
        return ""
    namespace = metadata.get("namespace") or DEFAULT_NAMESPACE
    if not isinstance(namespace, str):
        raise Unusable("bad-namespace", "metadata.namespace", "metadata.namespace must be text")
    return namespace


def _pairs(kind: Kind, name: str, metadata: Mapping[str, Any], field: str) -> Mapping[str, str]:
    pairs = metadata.get(field) or {}
    if not isinstance(pairs, dict) or not all(isinstance(value, str) for value in pairs.values()):
        raise Unusable(
            "bad-metadata",
            f"metadata.{field}",
            f"{kind.kind} {name}: metadata.{field} must map names to text (quote it)",
        )
    return pairs


def created_ns(metadata: Mapping[str, Any]) -> int:
    """Nanoseconds of creationTimestamp; 0 for none, or one that cannot be read."""
    stamp = metadata.get("creationTimestamp")
    if not isinstance(stamp, str):
        return 0
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return 0
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return max(0, int(seconds)) * 1_000_000_000
