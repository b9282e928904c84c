"""Documents that are objects, and those that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from flotilla_galley.sources.documents import read_objects
from flotilla_shared.model.kinds import KINDS, WRITTEN
from flotilla_shared.model.legacy_kinds import LEGACY_PREFIX
from flotilla_shared.model.objects import ObjectKey

HEAD = "apiVersion: networking.istio.io/v1\nkind: VirtualService\n"


def test_an_object() -> None:
    text = (
        HEAD + "metadata:\n  name: a\n  namespace: ns\n  labels: {x: y}\n  annotations: {n: w}\n"
        "  creationTimestamp: '2024-05-01T10:00:00Z'\nspec: {hosts: [h]}\n"
    )
    (found,), problems = read_objects("f.yaml", text)
    assert problems == []
    assert found.key == ObjectKey("istio/networking/v1alpha3/virtualservices", "ns", "a")
    assert (found.labels, found.annotations) == ({"x": "y"}, {"n": "w"})
    assert found.create_time_ns == 1714557600 * 10**9
    assert (found.file, found.line, found.line_of("spec.hosts")) == ("f.yaml", 2, 9)


def test_the_default_namespace_and_cluster_scoped_kinds() -> None:
    (found,), _ = read_objects("f", HEAD + "metadata: {name: a}\n")
    assert found.key.namespace == "default"
    policy = "apiVersion: authentication.istio.io/v1alpha1\nkind: MeshPolicy\nmetadata: {name: default, namespace: x}\n"
    (found,), _ = read_objects("f", policy)
    assert found.key.namespace == ""


@pytest.mark.parametrize("kind", WRITTEN, ids=lambda kind: kind.kind)
def test_every_kind_in_every_version(kind) -> None:
    for version in kind.api_versions:
        (found,), problems = read_objects("f", f"apiVersion: {version}\nkind: {kind.kind}\nmetadata: {{name: a}}\n")
        assert (problems, found.kind) == ([], kind)


def test_a_list_and_the_lines_of_its_items() -> None:
    text = (
        "apiVersion: v1\nkind: List\nitems:\n"
        "- apiVersion: networking.istio.io/v1\n  kind: Gateway\n  metadata: {name: a}\n"
        "- apiVersion: networking.istio.io/v1\n  kind: Gateway\n  metadata: {}\n"
    )
    (found,), (problem,) = read_objects("f", text)
    assert (found.key.name, found.line_of("kind")) == ("a", 5)
    assert (problem.code, problem.line) == ("no-name", 9)


REFUSED = [
    ("[1, 2]\n", "no-object", "", 1),
    ("hello\n", "no-object", "", 1),
    ("kind: Gateway\nmetadata: {name: a}\n", "no-api-version", "apiVersion", 1),
    ("apiVersion: v1\nkind: Service\nmetadata: {name: a}\n", "no-api-version", "apiVersion", 1),
    ("apiVersion: networking.istio.io/v1\nmetadata: {name: a}\n", "no-kind", "kind", 1),
    ("apiVersion: networking.istio.io/v1\nkind: Gatewya\nmetadata: {name: a}\n", "unknown-kind", "kind", 2),
    ("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n", "unknown-kind", "kind", 2),
    ("apiVersion: networking.istio.io/v9\nkind: Gateway\nmetadata: {name: a}\n", "unknown-version", "apiVersion", 1),
    ("apiVersion: security.istio.io/v1\nkind: Gateway\nmetadata: {name: a}\n", "unknown-version", "apiVersion", 1),
    (HEAD + "spec: {}\n", "no-metadata", "metadata", 1),
    (HEAD + "metadata: {namespace: x}\n", "no-name", "metadata.name", 3),
    (HEAD + "metadata: {name: 7}\n", "no-name", "metadata.name", 3),
    (HEAD + "metadata: {name: a, namespace: [x]}\n", "bad-namespace", "metadata.namespace", 3),
    (HEAD + "metadata:\n  name: a\n  labels: {x: 1}\n", "bad-metadata", "metadata.labels", 5),
    (HEAD + "metadata: {name: a}\nspec: [1]\n", "no-spec", "spec", 4),
    ("apiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\nmetadata: {name: a}\n", "unknown-kind", "kind", 2),
]


@pytest.mark.parametrize(("text", "code", "field", "line"), REFUSED)
def test_what_is_no_object(text: str, code: str, field: str, line: int) -> None:
    found, (problem,) = read_objects("f.yaml", text)
    assert found == []
    assert (problem.code, problem.field, problem.file, problem.line) == (code, field, "f.yaml", line)
    assert problem.severity == "error"


@pytest.mark.parametrize(
    ("written", "meant"),
    [("Gatewya", "Gateway"), ("VirtualServise", "VirtualService"), ("DestinationRules", "DestinationRule")],
)
def test_the_nearest_kind_is_named(written: str, meant: str) -> None:
    _, (problem,) = read_objects("f", f"apiVersion: networking.istio.io/v1\nkind: {written}\nmetadata: {{name: a}}\n")
    assert f"did you mean {meant}?" in problem.text


@pytest.mark.parametrize("stamp", ["yesterday", "", "2024-13-01T00:00:00Z", 5, None])
def test_a_creation_time_that_is_none_counts_as_unknown(stamp: object) -> None:
    import json

    text = HEAD + f"metadata: {{name: a, creationTimestamp: {json.dumps(stamp)}}}\n"
    (found,), _ = read_objects("f", text)
    assert found.create_time_ns == 0


def test_the_page_of_sources_has_every_collection() -> None:
    """docs/reference/sources.md, row by row."""
    text = (Path(__file__).parents[3] / "docs" / "reference" / "sources.md").read_text()
    for kind in WRITTEN:
        if kind.collection.startswith(LEGACY_PREFIX):
            assert f"`{kind.kind}`" in text
            continue
        cluster = ", cluster" if kind.cluster_scoped else ""
        struct = " (Struct)" if kind.message.endswith(":Struct") else ""
        versions = ", ".join(kind.versions)
        assert f"| {kind.kind}{cluster} | {kind.group} | {versions} | `{kind.collection}`{struct} |" in text
    assert all(f"`{kind.collection}`" in text for kind in KINDS if not kind.written)
