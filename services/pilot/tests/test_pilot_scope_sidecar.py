"""What a sidecar sees: its Sidecar, the services and rules let in, what it may share with others."""

import pytest

from flotilla_pilot.model.frozen import FrozenMap
from flotilla_pilot.scope.imports import Import, lets_in, parse_imports
from flotilla_pilot.scope.sidecar import SidecarScope, asked_labels, find_sidecar, outbound_key, sidecar_scope
from flotilla_pilot.testing.meshes import Mesh, make_proxy
from flotilla_shared.model.protocols import Protocol


def item(kind: str, name: str, namespace: str, spec: str) -> str:
    return (
        f"\n---\napiVersion: networking.istio.io/v1\nkind: {kind}\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\nspec: {{{spec}}}\n"
    )


def service(host: str, namespace: str, extra: str = "") -> str:
    name = host.replace(".", "-").replace("*", "any")
    spec = f"hosts: ['{host}'], ports: [{{number: 80, name: http, protocol: HTTP}}]{extra}"
    return item("ServiceEntry", name, namespace, spec)


def sidecar(name: str, namespace: str, spec: str = "") -> str:
    return item("Sidecar", name, namespace, spec)


def scope_of(text: str, namespace: str = "one", **metadata: object) -> SidecarScope:
    mesh = Mesh(text)
    proxy = make_proxy("p", namespace=namespace, **metadata)
    return sidecar_scope(mesh.snapshot, proxy, find_sidecar(mesh.snapshot, proxy))


SELECTING = "workloadSelector: {labels: {app: a}}"


@pytest.mark.parametrize(
    ("case", "text", "expected"),
    [
        ("none", "", None),
        ("the namespace's", sidecar("s", "one"), "one/s"),
        ("another namespace's", sidecar("s", "two"), None),
        ("the root namespace's", sidecar("s", "istio-system"), "istio-system/s"),
        ("the namespace's before the root's", sidecar("r", "istio-system") + sidecar("s", "one"), "one/s"),
        ("the workload's before the namespace's", sidecar("s", "one") + sidecar("w", "one", SELECTING), "one/w"),
        ("another workload's", sidecar("w", "one", "workloadSelector: {labels: {app: b}}"), None),
        ("the oldest for the workload", sidecar("w", "one", SELECTING) + sidecar("a", "one", SELECTING), "one/w"),
        ("the oldest for the namespace", sidecar("s", "one") + sidecar("a", "one"), "one/s"),
        ("the root's selectors are its own", sidecar("w", "istio-system", SELECTING), None),
    ],
)
def test_which_sidecar_speaks(case: str, text: str, expected: str | None) -> None:
    found = find_sidecar(Mesh(text).snapshot, make_proxy("p", namespace="one", LABELS={"app": "a"}))
    assert (found.key.full_name if found else None) == expected, case


@pytest.mark.parametrize(
    ("text", "owner", "host", "expected"),
    [
        ("*/*", "two", "a.io", True),
        ("./*", "one", "a.io", True),
        ("./*", "two", "a.io", False),
        ("two/*", "two", "a.io", True),
        ("two/*", "one", "a.io", False),
        ("~/*", "one", "a.io", False),
        ("*/a.io", "two", "a.io", True),
        ("*/a.io", "two", "b.io", False),
        ("*/*.io", "two", "a.io", True),
        ("*/*.io", "two", "a.com", False),
        ("*/*.io", "two", "*.a.io", True),
        ("*/A.IO", "two", "a.io", True),
        ("a.io", "two", "a.io", True),
        ("*/* ~two/*", "two", "a.io", False),
        ("*/* ~two/*", "three", "a.io", True),
        ("*/* ~./a.io", "one", "a.io", False),
        ("*/* ~*/*.io", "two", "a.com", True),
        ("~two/*", "two", "a.io", False),
    ],
)
def test_imports(text: str, owner: str, host: str, expected: bool) -> None:
    assert lets_in(parse_imports(text.split()), owner, host, "one") is expected


def test_imports_are_read_apart() -> None:
    assert parse_imports(["./a.io", "*/*"]) == (Import(".", "a.io"), Import("*", "*"))


SERVICES = (
    service("a.one.svc.cluster.local", "one")
    + service("b.two.svc.cluster.local", "two")
    + service("private.two.svc.cluster.local", "two", ", exportTo: ['.']")
    + service("api.example.com", "two")
)


@pytest.mark.parametrize(
    ("case", "text", "expected"),
    [
        ("no Sidecar: all that is exported", "", ["a.one", "b.two", "api.example.com"]),
        ("no egress: the same", sidecar("s", "one"), ["a.one", "b.two", "api.example.com"]),
        ("its own", sidecar("s", "one", "egress: [{hosts: ['./*']}]"), ["a.one"]),
        ("by name", sidecar("s", "one", "egress: [{hosts: ['*/api.example.com']}]"), ["api.example.com"]),
        (
            "what is not exported cannot be let in",
            sidecar("s", "one", "egress: [{hosts: ['two/*']}]"),
            ["b.two", "api.example.com"],
        ),
        ("nothing", sidecar("s", "one", "egress: [{hosts: ['~/*']}]"), []),
    ],
)
def test_the_services_that_are_seen(case: str, text: str, expected: list[str]) -> None:
    hosts = [host.removesuffix(".svc.cluster.local") for host in scope_of(SERVICES + text).services]
    assert hosts == expected, case


TWO_PORTS = "ports: [{number: 80, name: http, protocol: HTTP}, {number: 9000, name: data, protocol: TCP}]"
TO_DATA = "hosts: [v.io], tcp: [{route: [{destination: {host: s.io, port: {number: 9000}}}]}]"
TO_ALL = "hosts: [v.io], http: [{route: [{destination: {host: s.io}}]}]"


@pytest.mark.parametrize(
    ("case", "egress", "rules", "expected"),
    [
        ("all ports of what is let in", "{hosts: ['*/s.io']}", "", [80, 9000]),
        ("the port of the way out", "{port: {number: 80, protocol: HTTP, name: p}, hosts: ['*/s.io']}", "", [80]),
        (
            "an explicit proxy's any",
            "{port: {number: 1, protocol: HTTP_PROXY, name: p}, hosts: ['*/*']}",
            "",
            [80, 9000],
        ),
        ("none of them", "{port: {number: 81, protocol: HTTP, name: p}, hosts: ['*/s.io']}", "", []),
        ("the port of a route", "{hosts: ['*/v.io']}", TO_DATA, [9000]),
        ("all, where a route names none", "{hosts: ['*/v.io']}", TO_ALL, [80, 9000]),
        ("both", "{port: {number: 80, protocol: HTTP, name: p}, hosts: ['*/*']}", TO_DATA, [80, 9000]),
    ],
)
def test_the_ports_that_are_seen(case: str, egress: str, rules: str, expected: list[int]) -> None:
    text = item("ServiceEntry", "s", "two", f"hosts: [s.io], {TWO_PORTS}") + sidecar("s", "one", f"egress: [{egress}]")
    seen = scope_of(text + (item("VirtualService", "v", "two", rules) if rules else "")).services
    assert [port.number for each in seen.values() for port in each.ports] == expected, case


def test_each_way_out_has_its_own_services() -> None:
    text = sidecar(
        "s",
        "one",
        "egress: [{port: {number: 80, protocol: HTTP, name: http}, bind: 127.0.3.1, hosts: ['./*']}, {hosts: ['two/*']}]",
    )
    first, second = scope_of(SERVICES + text).egress
    assert (first.port, first.protocol, first.bind) == (80, Protocol.HTTP, "127.0.3.1")
    assert [each.host for each in first.services] == ["a.one.svc.cluster.local"]
    assert (second.port, second.protocol, second.bind) == (0, None, "")
    assert [each.host for each in second.services] == ["b.two.svc.cluster.local", "api.example.com"]


def test_a_host_of_several_namespaces_is_the_own_ones() -> None:
    text = service("x.io", "two") + service("x.io", "one") + service("y.io", "three") + service("y.io", "two")
    found = {host: each.namespace for host, each in scope_of(text).services.items()}
    assert found == {"x.io": "one", "y.io": "three"}


def test_a_host_is_the_same_service_on_every_way_out() -> None:
    text = service("x.io", "two") + service("x.io", "three")
    scope = scope_of(text + sidecar("s", "one", "egress: [{hosts: ['three/*']}, {hosts: ['two/*']}]"))
    assert [each.namespace for egress in scope.egress for each in egress.services] == ["two"]


def test_what_a_route_leads_to_is_seen_though_not_let_in() -> None:
    rules = item(
        "VirtualService",
        "r",
        "one",
        "hosts: [a.one.svc.cluster.local], http: [{route: [{destination: {host: b.two.svc.cluster.local}}],"
        "mirrors: [{destination: {host: api.example.com}}]}]",
    )
    scope = scope_of(SERVICES + rules + sidecar("s", "one", "egress: [{hosts: ['./*']}]"))
    assert sorted(scope.services) == ["a.one.svc.cluster.local", "api.example.com", "b.two.svc.cluster.local"]
    assert [each.host for each in scope.egress[0].services] == ["a.one.svc.cluster.local"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("hosts: [a.one.svc.cluster.local]", ["r"]),
        ("hosts: [a.one.svc.cluster.local], gateways: [mesh]", ["r"]),
        ("hosts: [a.one.svc.cluster.local], gateways: [g]", []),
        ("hosts: [a.one.svc.cluster.local], exportTo: ['.']", []),
        ("hosts: [a.one.svc.cluster.local], exportTo: [one]", ["r"]),
        ("hosts: [else.where]", []),
    ],
)
def test_the_rules_that_are_seen(spec: str, expected: list[str]) -> None:
    text = SERVICES + item("VirtualService", "r", "two", spec)
    egress = "egress: [{hosts: ['*/*.svc.cluster.local']}]"
    (way,) = scope_of(text + sidecar("s", "one", egress)).egress
    assert [each.item.key.name for each in way.rules] == expected


@pytest.mark.parametrize(
    ("mesh", "spec", "expected"),
    [
        ("", "", True),
        ("kind: MeshConfig\nspec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}", "", False),
        ("", "outboundTrafficPolicy: {mode: REGISTRY_ONLY}", False),
        (
            "kind: MeshConfig\nspec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}",
            "outboundTrafficPolicy: {mode: ALLOW_ANY}",
            True,
        ),
    ],
)
def test_the_sidecars_policy_beats_the_meshs(mesh: str, spec: str, expected: bool) -> None:
    assert scope_of(mesh + sidecar("s", "one", spec)).allow_any is expected


@pytest.mark.parametrize(
    ("mode", "capture", "binds", "captured"),
    [("NONE", "DEFAULT", True, False), ("REDIRECT", "DEFAULT", False, True), ("REDIRECT", "NONE", False, False)],
)
def test_listeners_are_bound_unless_connections_are_captured(
    mode: str, capture: str, binds: bool, captured: bool
) -> None:
    text = sidecar("s", "one", f"egress: [{{hosts: ['*/*'], captureMode: {capture}}}]")
    scope = scope_of(text, INTERCEPTION_MODE=mode)
    assert scope.binds is binds
    assert [each.captured for each in scope.egress] == [captured]


ASKING = item("VirtualService", "r", "one", "hosts: [a], http: [{match: [{sourceLabels: {app: x}}]}]")


def test_only_labels_that_rules_ask_for_tell_proxies_apart() -> None:
    snapshot = Mesh(ASKING).snapshot
    labels = ({"app": "x", "pod": "1"}, {"app": "x", "pod": "2"}, {"app": "y", "pod": "1"})
    one, same, other = (make_proxy("p", number, namespace="one", LABELS=each) for number, each in enumerate(labels, 1))
    assert asked_labels(snapshot, one) == FrozenMap({"app": "x"})
    assert outbound_key(snapshot, one, None) == outbound_key(snapshot, same, None)
    assert outbound_key(snapshot, one, None) != outbound_key(snapshot, other, None)


def test_namespace_mode_and_sidecar_tell_proxies_apart() -> None:
    snapshot = Mesh(sidecar("s", "one")).snapshot
    own = snapshot.sidecars["one"][0]
    keys = {
        outbound_key(snapshot, make_proxy("p", namespace="one"), own),
        outbound_key(snapshot, make_proxy("p", namespace="one"), None),
        outbound_key(snapshot, make_proxy("p", namespace="two"), own),
        outbound_key(snapshot, make_proxy("p", namespace="one", INTERCEPTION_MODE="REDIRECT"), own),
    }
    assert len(keys) == 4
