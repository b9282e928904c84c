"""No analyzer raises, whatever objects there are."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from flotilla_galley.analysis.ingress_defaults import with_ingress_gateway
from flotilla_galley.analysis.kinds import KUBERNETES_KINDS
from flotilla_galley.analysis.planned_pods import with_planned_pods
from flotilla_galley.analysis.reading import ResourceReader, resource_of
from flotilla_galley.analysis.registry import OF_1_4, TODAY
from flotilla_galley.analysis.run import analyze
from flotilla_galley.sources.yaml_documents import YamlDocument, read_documents
from flotilla_shared.model.kinds import MESH_CONFIG, WRITTEN
from flotilla_shared.model.legacy_kinds import LEGACY_PREFIX
from flotilla_shared.testing.properties import examples

WORDS = st.sampled_from(
    [
        "",
        "a",
        "b",
        "*",
        ".",
        "mesh",
        "*.a",
        "a.b.svc.cluster.local",
        "b/a",
        "./*",
        "http",
        "TCP",
        "1337",
        "true",
        "enabled",
    ]
)
NAMES = st.sampled_from(["a", "b", "istio", "istiod", "istio-system"])
JUNK = st.one_of(
    WORDS, st.none(), st.booleans(), st.integers(-1, 80), st.just([]), st.just({}), st.just([None]), st.just(1.5)
)
# Names of fields that analyzers read of Kubernetes' own objects, wherever in them.
FIELDS = st.sampled_from(
    [
        "spec",
        "status",
        "metadata",
        "template",
        "containers",
        "initContainers",
        "name",
        "image",
        "env",
        "value",
        "ports",
        "port",
        "targetPort",
        "protocol",
        "type",
        "selector",
        "matchLabels",
        "labels",
        "annotations",
        "data",
        "stringData",
        "webhooks",
        "clientConfig",
        "service",
        "url",
        "namespace",
        "conditions",
        "namespaceSelector",
        "objectSelector",
        "matchExpressions",
        "key",
        "operator",
        "values",
        "securityContext",
        "runAsUser",
        "nodeName",
        "group",
        "names",
        "kind",
        "listeners",
        "hostname",
        "message",
        "reason",
        "securityContext",
        "appProtocol",
        "config",
        "path",
        "bundle",
        "versions",
        "externalName",
        "args",
    ]
)
LABELS = st.dictionaries(
    st.sampled_from(
        ["app", "istio", "istio-injection", "istio.io/rev", "sidecar.istio.io/inject", "istio/multiCluster"]
    ),
    st.one_of(WORDS, JUNK),
    max_size=3,
)
PLAIN = st.recursive(
    JUNK, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=5), max_leaves=15
)


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor, depth: int = 6) -> Any:
    """What could be written for a message: mostly of the right type."""
    if depth == 0 or draw(st.integers(0, 30)) == 0:
        return draw(JUNK)
    fields = draw(st.lists(st.sampled_from(list(descriptor.fields) or [None]), max_size=5, unique_by=id))
    return {each.json_name: draw(values(each, depth)) for each in fields if each is not None}


def values(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    one: st.SearchStrategy[Any] = WORDS
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        inner = field.message_type.fields_by_name["value"]
        return st.dictionaries(WORDS, values(inner, depth - 1), max_size=3)
    if field.message_type is not None:
        one = messages(field.message_type, depth - 1)
    elif field.enum_type is not None:
        one = st.sampled_from([each.name for each in field.enum_type.values])
    elif field.cpp_type != FieldDescriptor.CPPTYPE_STRING:
        one = st.one_of(st.integers(-1, 9000), st.booleans(), JUNK)
    return st.lists(one, max_size=3) if field.is_repeated else one


ISTIO = [kind for kind in WRITTEN if not kind.collection.startswith(LEGACY_PREFIX)]


@st.composite
def objects(draw: st.DrawFn) -> dict[str, Any]:
    metadata = {"name": draw(NAMES), "namespace": draw(NAMES), "labels": draw(LABELS), "annotations": draw(LABELS)}
    if draw(st.booleans()):
        kind = draw(st.sampled_from(ISTIO))
        spec = draw(messages(kind.message_class().DESCRIPTOR))
        return {"kind": kind.kind, "apiVersion": kind.api_versions[0], "metadata": metadata, "spec": spec}
    theirs = draw(st.sampled_from(KUBERNETES_KINDS))
    version = f"{theirs.group}/{theirs.version}" if theirs.group else theirs.version
    rest = draw(st.dictionaries(FIELDS, PLAIN, max_size=3))
    return {**rest, "kind": theirs.kind, "apiVersion": version, "metadata": metadata, "spec": draw(PLAIN)}


@settings(max_examples=examples(60))
@given(st.lists(objects(), max_size=12))
def test_no_analyzer_raises_on_any_objects(written: list[dict[str, Any]]) -> None:
    reader = ResourceReader()
    reader.resources += [resource_of(each) for each in written]
    resources = with_ingress_gateway(with_planned_pods(reader.finished()))
    for analyzers in (TODAY, OF_1_4):
        found = analyze(resources, analyzers)
        assert [each.text for each in found.messages if each.code == "IST0001"] == []
        assert found.failures == 0
        assert all(each.as_dict()["message"] for each in found.messages)


GRID = [
    document.value
    for file in sorted((Path(__file__).parent / "analysis").rglob("*.yaml"))
    for document in read_documents(file.read_text())
    if isinstance(document, YamlDocument)
]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """(what holds it, its key or index) of everything in a document."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield value, key
        yield from places(inner)


@st.composite
def spoilt(draw: st.DrawFn) -> Any:
    """An object of the grid, for which some analyzer has something to say, with one thing in it replaced."""
    document = copy.deepcopy(draw(st.sampled_from(GRID)))
    holder, key = draw(st.sampled_from(list(places(document))))
    holder[key] = draw(JUNK)
    return document


@settings(max_examples=examples(30))
@given(st.lists(spoilt(), min_size=20, max_size=50))
def test_no_analyzer_raises_on_objects_of_the_grid_that_are_spoilt(written: list[Any]) -> None:
    reader = ResourceReader()
    reader.read("spoilt.yaml", "\n---\n".join(json.dumps(each) for each in written))
    resources = with_ingress_gateway(with_planned_pods(reader.finished()))
    for analyzers in (TODAY, OF_1_4):
        found = analyze(resources, analyzers)
        assert [each.text for each in found.messages if each.code == "IST0001"] == []
        assert all(each.as_dict()["message"] for each in found.messages)


@settings(max_examples=examples(30))
@given(PLAIN)
def test_no_mesh_configuration_makes_an_analyzer_raise(written: Any) -> None:
    reader = ResourceReader()
    reader.read_mesh(MESH_CONFIG, "mesh.yaml", f"defaultConfig: {written!r}")
    assert analyze(reader.finished(), TODAY).failures == 0


@given(st.text(max_size=200))
def test_no_text_makes_reading_raise(text: str) -> None:
    reader = ResourceReader()
    reader.read("a.yaml", text)
    reader.finished()
