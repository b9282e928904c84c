"""Kubernetes Ingress: which are served, and the Gateways and VirtualServices that stand for them."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format

from flotilla_pilot.ingress.configuration import is_derived, with_ingresses
from flotilla_pilot.offline.kubernetes import native_services, read_kubernetes
from flotilla_pilot.testing.meshes import Compiled, Mesh, Objects, make_proxy, read_objects
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ObjectKey, Problem

GATE = make_proxy("gate", 1, "router", namespace="istio-system", LABELS={"istio": "ingressgateway"})
NAMES = {kinds.GATEWAYS: "Gateway", kinds.VIRTUAL_SERVICES: "VirtualService"}
SERVICE = """
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.9, ports: [{name: http, port: 80}, {name: admin, port: 8081}]}
"""
IS = "annotations: {kubernetes.io/ingress.class: istio}"
TO_WEB = "backend: {service: {name: web, port: {number: 80}}}"


def ingress(spec: str, name: str = "web", meta: str = IS, namespace: str = "shop") -> str:
    return f"""
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name}, namespace: {namespace}, {meta}}}
spec: {{{spec}}}
"""


def ingress_class(name: str, controller: str) -> str:
    kind = "apiVersion: networking.k8s.io/v1\nkind: IngressClass"
    return f"\n---\n{kind}\nmetadata: {{name: {name}}}\nspec: {{controller: {controller}}}\n"


def mesh_config(text: str) -> str:
    return f"\n---\nkind: MeshConfig\nspec: {{{text}}}\n"


def rule(*paths: str, host: str = "web.example") -> str:
    return f"rules: [{{host: '{host}', http: {{paths: [{', '.join(f'{{{each}}}' for each in paths)}]}}}}]"


def derived(
    text: str, objects: Objects | None = None, domain: str = "cluster.local"
) -> tuple[list[dict[str, Any]], Mapping[ObjectKey, tuple[Problem, ...]]]:
    """The documents that stand for the Ingresses of `text`, Gateways first, and what is wrong."""
    documents = [each for each in yaml.safe_load_all(text) if each and "Config" not in each["kind"]]
    held = read_kubernetes(documents)
    given = read_objects(text) if objects is None else objects
    services = native_services(documents)
    made, told = with_ingresses(given, services, held.ingresses.values(), held.ingress_classes, domain)
    found = [item for name in NAMES for item in made.get(name, {}).values()]
    return [_document(item) for item in found], told


def _document(item: Any) -> dict[str, Any]:
    metadata = {"name": item.key.name, "namespace": item.key.namespace}
    if item.annotations:
        metadata["annotations"] = dict(item.annotations)
    kind = NAMES[item.key.collection]
    spec = json_format.MessageToDict(item.spec)
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def rules_of(text: str) -> list[dict[str, Any]]:
    return [each for each in derived(text)[0] if each["kind"] == "VirtualService"]


def leads(rules: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Of each rule what it matches, and the port that it leads to."""
    found = []
    for http in rules["spec"]["http"]:
        uri = http.get("match", [{"uri": {"any": ""}}])[0]["uri"]
        (kind, value), port = next(iter(uri.items())), http["route"][0]["destination"]["port"]["number"]
        found.append((f"{kind} {value}".strip(), port))
    return found


def test_the_vectors(vectors: Path) -> None:
    folders = sorted((vectors / "today" / "ingress").iterdir())
    for folder in folders:
        found, _ = derived(
            (folder / "input.yaml").read_text() + mesh_config("ingressControllerMode: DEFAULT"), None, "mydomain"
        )
        wanted = [each for each in yaml.safe_load_all((folder / "expected.yaml").read_text()) if each]
        assert found == wanted, folder.name
    print(f"today/ingress: {len(folders)} ran, 0 skipped, 0 differ")
    assert folders


@pytest.mark.parametrize(
    ("meta", "named", "mesh", "served"),
    [
        (IS, "", "", True),
        ("annotations: {kubernetes.io/ingress.class: nginx}", "", "", False),
        ("annotations: {kubernetes.io/ingress.class: nginx}", "", "ingressControllerMode: DEFAULT", False),
        ("annotations: {kubernetes.io/ingress.class: nginx}", "", "ingressClass: nginx", True),
        (IS, "", "ingressControllerMode: 'OFF'", False),
        ("labels: {}", "ingressClassName: mesh", "ingressControllerMode: 'OFF'", False),
        (IS, "ingressClassName: other", "", True),
        ("labels: {}", "", "", False),
        ("labels: {}", "", "ingressControllerMode: STRICT", False),
        ("labels: {}", "", "ingressControllerMode: DEFAULT", True),
        ("labels: {}", "ingressClassName: mesh", "", True),
        ("labels: {}", "ingressClassName: other", "ingressControllerMode: DEFAULT", False),
        ("labels: {}", "ingressClassName: nobody", "ingressControllerMode: DEFAULT", False),
    ],
)
def test_which_ingresses_are_served(meta: str, named: str, mesh: str, served: bool) -> None:
    classes = ingress_class("mesh", "istio.io/ingress-controller") + ingress_class("other", "example.com/other")
    spec = ", ".join(each for each in (named, rule(f"path: /, pathType: Prefix, {TO_WEB}")) if each)
    found, _ = derived(ingress(spec, meta=meta) + classes + mesh_config(mesh))
    assert bool(found) is served


@pytest.mark.parametrize(
    ("mesh", "selector"),
    [
        ("", "ingressgateway"),
        ("ingressService: istio-ingressgateway", "ingressgateway"),
        ("ingressService: edge", "edge"),
        ("ingressService: edge, ingressSelector: edges", "edges"),
    ],
)
def test_which_gateways_serve_them(mesh: str, selector: str) -> None:
    (gateway, _), _ = derived(ingress(rule(TO_WEB)) + mesh_config(mesh))
    assert gateway["spec"]["selector"] == {"istio": selector}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("path: /a, pathType: Exact", "exact /a"),
        ("path: /a, pathType: Prefix", "prefix /a"),
        ("path: /a, pathType: ImplementationSpecific", "exact /a"),
        ("path: /a/*", "prefix /a"),
        ("path: /a.*", "prefix /a"),
        ("path: /*", "any"),
        ("path: '*'", "any"),
        ("path: ''", "any"),
    ],
)
def test_how_a_path_is_compared(path: str, expected: str) -> None:
    (rules,) = rules_of(ingress(rule(f"{path}, {TO_WEB}")))
    assert leads(rules) == [(expected, 80)]


def test_the_longest_path_comes_first_and_of_equals_the_exact_one() -> None:
    paths = ("path: /a, pathType: Prefix", "path: ''", "path: /a, pathType: Exact", "path: /a/b, pathType: Prefix")
    (rules,) = rules_of(ingress(rule(*(f"{each}, {TO_WEB}" for each in paths))))
    assert [match for match, _ in leads(rules)] == ["prefix /a/b", "exact /a", "prefix /a", "any"]


def test_rules_of_one_host_are_joined_under_the_oldest_ingress() -> None:
    old, young = (f"{IS}, creationTimestamp: '20{year}-01-01T00:00:00Z'" for year in (10, 20))
    text = ingress(rule(f"path: /x, {TO_WEB}"), "young", young) + ingress(
        rule(f"path: /long, {TO_WEB}"), "old", old, "b"
    )
    (rules,) = rules_of(text)
    assert rules["metadata"]["name"] == "web-example-old-istio-autogenerated-k8s-ingress"
    assert rules["metadata"]["namespace"] == "b"
    assert rules["spec"]["gateways"] == ["istio-system/old-istio-autogenerated-k8s-ingress-b"]
    hosts = [each["route"][0]["destination"]["host"] for each in rules["spec"]["http"]]
    assert hosts == ["web.b.svc.cluster.local", "web.shop.svc.cluster.local"]


def test_hosts_whose_names_become_one_stay_two() -> None:
    text = f"rules: [{{host: a.b, http: {{paths: [{{{TO_WEB}}}]}}}}, {{host: a-b, http: {{paths: [{{{TO_WEB}}}]}}}}]"
    found = rules_of(ingress(text))
    assert [each["spec"]["hosts"] for each in found] == [["a.b"], ["a-b"]]
    assert len({each["metadata"]["name"] for each in found}) == 2


def test_each_certificate_has_a_server() -> None:
    tls = "tls: [{hosts: [a.example, b.example], secretName: one}, {secretName: two}, {hosts: [c.example]}]"
    (gateway, _), told = derived(ingress(f"{tls}, {rule(TO_WEB)}"))
    servers = [(each["port"]["name"], each["hosts"], each.get("tls")) for each in gateway["spec"]["servers"]]
    assert servers == [
        ("https-443-ingress-web-shop-0", ["a.example", "b.example"], {"mode": "SIMPLE", "credentialName": "one"}),
        ("https-443-ingress-web-shop-1", ["*"], {"mode": "SIMPLE", "credentialName": "two"}),
        ("http-80-ingress-web-shop", ["*"], None),
    ]
    assert fields(told) == ["spec.tls[2].secretName"]


def fields(told: Mapping[ObjectKey, tuple[Problem, ...]]) -> list[str]:
    return [each.field for problems in told.values() for each in problems]


@pytest.mark.parametrize(
    ("spec", "field", "left"),
    [
        (rule("backend: {service: {name: web, port: {name: admin}}}"), None, [("any", 8081)]),
        (
            rule("backend: {service: {name: web, port: {name: nobody}}}", f"path: /x, {TO_WEB}"),
            "spec.rules[0].http.paths[0].backend.service.port",
            [("exact /x", 80)],
        ),
        (
            rule("backend: {resource: {kind: Bucket, name: b}}", f"path: /x, {TO_WEB}"),
            "spec.rules[0].http.paths[0].backend",
            [("exact /x", 80)],
        ),
        ("rules: [{host: a}]", "spec.rules[0].http", None),
        ("defaultBackend: {service: {name: web, port: {number: 80}}}", "spec.defaultBackend", None),
    ],
)
def test_what_cannot_be_served_is_told(spec: str, field: str | None, left: list[tuple[str, int]] | None) -> None:
    found, told = derived(SERVICE + ingress(spec))
    rules = [leads(each) for each in found if each["kind"] == "VirtualService"]
    assert rules == ([left] if left else [])
    assert fields(told) == ([field] if field else [])


def test_a_gateway_serves_them_beside_what_is_configured(validate: Callable[[Compiled], None]) -> None:
    tls = "tls: [{hosts: [web.example], secretName: cert}]"
    paths = (
        f"path: /a/, pathType: Prefix, {TO_WEB}",
        "path: /b, pathType: Exact, backend: {service: {name: web, port: {name: admin}}}",
    )
    mesh = Mesh(SERVICE + ingress(f"{tls}, {rule(*paths)}"))
    compiled = mesh.compile(GATE)
    validate(compiled)
    assert sorted(compiled.listeners) == ["0.0.0.0_443", "0.0.0.0_80"]
    (host,) = compiled.routes["http.80"].virtual_hosts
    assert [(each.match.path_separated_prefix, each.match.path) for each in host.routes] == [("/a", ""), ("", "/b")]
    assert [each.decorator.operation for each in host.routes] == [
        "web.shop.svc.cluster.local:80/*",
        "web.shop.svc.cluster.local:8081/b",
    ]
    assert set(compiled.clusters) >= {f"outbound|{port}||web.shop.svc.cluster.local" for port in (80, 8081)}


def test_a_change_of_the_ingress_changes_the_routes_and_nothing_else() -> None:
    first = Mesh(SERVICE + ingress(rule(f"path: /a, {TO_WEB}")))
    second = Mesh(SERVICE + ingress(rule(f"path: /b, {TO_WEB}")), compiler=first.compiler)
    assert first.snapshot.version != second.snapshot.version
    before, after = (each.compile(GATE).bodies() for each in (first, second))
    assert [name for (_, name), body in after.items() if before[(_, name)] != body] == ["http.80"]


def test_what_is_wrong_with_an_ingress_is_a_problem_of_the_mesh() -> None:
    mesh = Mesh(SERVICE + ingress(f"defaultBackend: {{}}, {rule(TO_WEB)}"))
    assert mesh.problems() == [("shop/web", "ingress-refused", "spec.defaultBackend")]


def test_what_stands_for_an_ingress_is_known_as_that() -> None:
    text = SERVICE + ingress(rule(TO_WEB))
    found = [key for key in Mesh(text).snapshot.objects if key.collection in NAMES]
    assert len(found) == 2
    assert all(map(is_derived, found))
    assert not is_derived(ObjectKey(kinds.GATEWAYS, "shop", "web"))


def test_ingresses_that_are_not_served_leave_configuration_as_it_is() -> None:
    objects = read_objects("")
    assert with_ingresses(objects, (), _ingresses(ingress("")), {}, "x")[0] is not objects
    assert with_ingresses(objects, (), _ingresses(ingress("", meta="labels: {}")), {}, "x")[0] is objects


def _ingresses(text: str) -> Iterable[Any]:
    return read_kubernetes(each for each in yaml.safe_load_all(text) if each).ingresses.values()
