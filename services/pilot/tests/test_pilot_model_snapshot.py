"""A snapshot: its version, what it holds, and the problems that only the whole mesh shows."""

import pytest

from flotilla_pilot.model.mesh import MeshSettings
from flotilla_pilot.model.snapshot import COLLECTIONS, build_snapshot
from flotilla_pilot.testing.meshes import Mesh, read_objects
from flotilla_shared.model import kinds

SERVICE = """
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a, namespace: default}
spec: {hosts: [a.default.svc.cluster.local], ports: [{number: 80, name: http, protocol: HTTP}]}
"""
SUBSETS = """
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: a, namespace: default}
spec: {host: a, subsets: [{name: v1, labels: {version: v1}}]}
"""
GATEWAY = """
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: g, namespace: default}
spec: {servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}
"""


def routes(spec: str, name: str = "r", namespace: str = "default") -> str:
    return (
        "\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\nspec: {{{spec}}}\n"
    )


def to(destination: str, kind: str = "http") -> str:
    return routes(f"hosts: [a], {kind}: [{{route: [{{destination: {{{destination}}}}}]}}]")


FIELD = "spec.http[0].route[0].destination"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (to("host: a"), []),
        (to("host: a, subset: v1, port: {number: 80}"), []),
        (to("host: a.default.svc.cluster.local"), []),
        (to("host: nobody"), [("default/r", "unknown-host", f"{FIELD}.host")]),
        (to("host: a, subset: v2"), [("default/r", "unknown-subset", f"{FIELD}.subset")]),
        (to("host: a, port: {number: 81}"), [("default/r", "unknown-port", f"{FIELD}.port.number")]),
        (
            to("host: a, subset: v9, port: {number: 81}"),
            [("default/r", "unknown-port", f"{FIELD}.port.number"), ("default/r", "unknown-subset", f"{FIELD}.subset")],
        ),
        (to("host: nobody", "tcp"), [("default/r", "unknown-host", "spec.tcp[0].route[0].destination.host")]),
        (to("host: nobody", "tls"), [("default/r", "unknown-host", "spec.tls[0].route[0].destination.host")]),
        (
            routes("hosts: [a], http: [{mirror: {host: nobody}}, {mirrors: [{destination: {host: none}}]}]"),
            [
                ("default/r", "unknown-host", "spec.http[0].mirror.host"),
                ("default/r", "unknown-host", "spec.http[1].mirrors[0].destination.host"),
            ],
        ),
        (routes("hosts: [a], gateways: [mesh, g, default/g]"), []),
        (routes("hosts: [a], gateways: [g]", namespace="other"), [("other/r", "unknown-gateway", "spec.gateways[0]")]),
        (
            routes("hosts: [a], gateways: [mesh, nowhere]"),
            [("default/r", "unknown-gateway", "spec.gateways[1]")],
        ),
        (routes("hosts: [a], http: [{redirect: {uri: /x}}]"), []),
        (
            routes("hosts: [a, b.io]", "first") + routes("hosts: [b.io]", "second"),
            [("default/second", "host-taken", "spec.hosts[0]")],
        ),
        (
            routes("hosts: [b.io], gateways: [g]", "first") + routes("hosts: [b.io], gateways: [g]", "second"),
            [],
        ),
    ],
)
def test_problems_of_a_virtual_service(text: str, expected: list[tuple[str, str, str]]) -> None:
    assert Mesh(SERVICE + SUBSETS + GATEWAY + text).problems() == expected


def test_a_sentence_says_what_is_there_instead() -> None:
    mesh = Mesh(SERVICE + SUBSETS + to("host: a, subset: v2, port: {number: 81}"))
    texts = [each.text for found in mesh.snapshot.problems.values() for each in found]
    assert texts == [
        "a.default.svc.cluster.local has no port 81 (it has 80); calls are answered 503",
        "no DestinationRule defines subset 'v2' of a.default.svc.cluster.local (known: v1); calls are answered 503",
    ]


def general(kind: str, name: str, spec: str = "", group: str = "networking") -> str:
    return (
        f"\n---\napiVersion: {group}.istio.io/v1\nkind: {kind}\n"
        f"metadata: {{name: {name}, namespace: default}}\nspec: {{{spec}}}\n"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            SERVICE + SERVICE.replace("name: a,", "name: again,").replace("spec: {", "spec: {exportTo: ['.'], "),
            [("default/again", "host-taken", "spec.hosts")],
        ),
        (SERVICE + SERVICE.replace("name: a,", "name: again,"), []),
        (SERVICE + SERVICE.replace("namespace: default", "namespace: other"), []),
        (
            SERVICE + SUBSETS + SUBSETS.replace("name: a,", "name: again,"),
            [("default/again", "subset-taken", "spec.subsets[0].name")],
        ),
        (general("DestinationRule", "d", "host: nobody"), [("default/d", "unknown-host", "spec.host")]),
        (SERVICE + general("DestinationRule", "d", "host: '*.cluster.local'"), []),
        (general("Sidecar", "one") + general("Sidecar", "two"), [("default/two", "default-taken", "spec")]),
        (
            general("Sidecar", "one") + general("Sidecar", "two", "workloadSelector: {labels: {app: a}}"),
            [],
        ),
        (
            general("PeerAuthentication", "one", group="security")
            + general("PeerAuthentication", "two", group="security"),
            [("default/two", "default-taken", "spec")],
        ),
    ],
)
def test_problems_of_claims_that_an_older_object_has(text: str, expected: list[tuple[str, str, str]]) -> None:
    assert Mesh(text).problems() == expected


def test_a_rule_that_nothing_uses_is_a_warning() -> None:
    mesh = Mesh(general("DestinationRule", "d", "host: nobody"))
    (problem,) = next(iter(mesh.snapshot.problems.values()))
    assert problem.severity == "warning"


def test_the_version_says_what_is_in_it() -> None:
    one, again = Mesh(SERVICE), Mesh(SERVICE)
    assert one.snapshot.version == again.snapshot.version
    assert one.snapshot.version != Mesh(SERVICE + SUBSETS).snapshot.version
    assert one.snapshot.version != Mesh(SERVICE.replace("number: 80", "number: 81")).snapshot.version
    assert one.snapshot.version != Mesh(SERVICE, MeshSettings(trust_domain="other")).snapshot.version


def test_a_snapshot_holds_the_objects_it_was_made_of() -> None:
    objects = read_objects(SERVICE + SUBSETS)
    snapshot = build_snapshot(objects, MeshSettings())
    assert snapshot.objects == {key: each for held in objects.values() for key, each in held.items()}


def test_nothing_is_a_mesh_too() -> None:
    snapshot = build_snapshot({}, MeshSettings())
    assert snapshot.services == ()
    assert snapshot.problems == {}
    assert snapshot.mesh.allow_any


def test_other_collections_are_ignored() -> None:
    objects = {**read_objects(SERVICE), kinds.AUTHORIZATION_POLICIES: {}}
    assert build_snapshot(objects, MeshSettings()).version == Mesh(SERVICE).snapshot.version
    assert kinds.AUTHORIZATION_POLICIES not in COLLECTIONS


def test_label_keys_are_those_that_rules_ask_of_clients() -> None:
    text = (
        routes("hosts: [a], http: [{match: [{sourceLabels: {app: x}}]}], tcp: [{match: [{sourceLabels: {tier: y}}]}]")
        + general("DestinationRule", "d", "host: a, workloadSelector: {matchLabels: {zone: z}}")
        + general("Sidecar", "s", "workloadSelector: {labels: {other: o}}")
    )
    assert Mesh(text).snapshot.label_keys == {"app", "tier", "zone"}
