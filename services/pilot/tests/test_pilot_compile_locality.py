"""Localities through the compiler: who gets which priorities and weights, and what callers at different places share."""

from collections.abc import Callable

import pytest
from envoy.config.core.v3.health_check_pb2 import UNHEALTHY as SICK
from envoy.config.core.v3.health_check_pb2 import UNKNOWN

from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.compile.resource import TYPES, CompiledProxy
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.scope.place import place_of
from flotilla_pilot.testing.meshes import Compiled, Mesh, make_node, make_proxy

WATCHED = "outlierDetection: {consecutive5xxErrors: 5}"
ECHO = "outbound|80||echo.shop.svc.cluster.local"
PLAIN = "outbound|80||plain.shop.svc.cluster.local"
NODES = {"n1": "r1/z1/s1", "n2": "r1/z1/s2", "n3": "r1/z2/s1", "n4": "r2/z1/s1", "n5": "r3/z1/s1"}


def nodes() -> str:
    text = ""
    for name, place in NODES.items():
        region, zone, subzone = place.split("/")
        labels = f"topology.kubernetes.io/region: {region}, topology.kubernetes.io/zone: {zone}"
        labels += f", topology.istio.io/subzone: {subzone}"
        text += f"---\napiVersion: v1\nkind: Node\nmetadata: {{name: {name}, labels: {{{labels}}}}}\n"
    return text


def service(name: str, ends: dict[str, str], spec: str = "", annotations: str = "", not_ready: str = "") -> str:
    """A Service whose pods, by the last number of their address, are on nodes."""
    text = f"""
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: shop, annotations: {{{annotations}}}}}
spec: {{clusterIP: 10.96.0.{len(name)}, ports: [{{name: http, port: 80}}], {spec}}}
"""
    rows = []
    for number, node in ends.items():
        target = f"targetRef: {{kind: Pod, name: {name}-{number}, namespace: shop}}"
        ready = f"conditions: {{ready: {str(number not in not_ready).lower()}}}"
        rows.append(f"{{addresses: [10.1.0.{number}], {ready}, nodeName: {node}, {target}}}")
        text += f"""
---
apiVersion: v1
kind: Pod
metadata: {{name: {name}-{number}, namespace: shop, labels: {{app: {name}, number: n{number}}}}}
spec: {{serviceAccountName: sa, nodeName: {node}}}
"""
    return f"""{text}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-x, namespace: shop, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: http, port: 80}}]
endpoints: [{", ".join(rows)}]
"""


def rule(policy: str = WATCHED, host: str = "echo", more: str = "") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {host}, namespace: shop}}
spec: {{host: {host}.shop.svc.cluster.local, trafficPolicy: {{{policy}}}, {more}}}
"""


def mesh(spec: str) -> str:
    return f"---\nkind: MeshConfig\nspec: {{{spec}}}\n"


EVERYWHERE = {str(number): node for number, node in enumerate(NODES, 1)}
ECHOES = nodes() + service("echo", EVERYWHERE) + service("plain", {"6": "n1", "7": "n4"})


def caller(node: str = "n1", kind: str = "sidecar", **metadata: object) -> Proxy:
    stated = {"INTERCEPTION_MODE": "REDIRECT", "INSTANCE_IPS": "10.1.9.9", "NODE_NAME": node, **metadata}
    return make_proxy("caller", kind=kind, namespace="shop", **stated)


def ends(compiled: Compiled, name: str = ECHO) -> list[tuple[int, int | None, list[str]]]:
    """Priority, weight, and the last numbers of the addresses of each group that has any."""
    found = []
    for group in compiled.endpoints[name].endpoints:
        numbers = [each.endpoint.address.socket_address.address.rpartition(".")[2] for each in group.lb_endpoints]
        weight = group.load_balancing_weight.value if group.HasField("load_balancing_weight") else None
        if numbers:
            found.append((group.priority, weight, numbers))
    return found


def order(compiled: Compiled, name: str = ECHO) -> list[str]:
    """The endpoints by priority, those of one priority together."""
    found: dict[int, list[str]] = {}
    for priority, _, numbers in ends(compiled, name):
        found.setdefault(priority, []).extend(numbers)
    return ["".join(sorted(found[each])) for each in sorted(found)]


def local(setting: str, also: str = WATCHED) -> str:
    return ", ".join(each for each in (f"loadBalancer: {{localityLbSetting: {{{setting}}}}}", also) if each)


ORDERS = [
    ("nothing is watched", "", "", ["12345"]),
    ("by default", "", WATCHED, ["1", "2", "3", "45"]),
    ("the rule switches it off", "", local("enabled: false"), ["12345"]),
    ("the mesh switches it off", "localityLbSetting: {enabled: false}", WATCHED, ["12345"]),
    ("the rule beats the mesh", "localityLbSetting: {enabled: false}", local("enabled: true"), ["1", "2", "3", "45"]),
    ("a next region", "", local("failover: [{from: r1, to: r3}]"), ["1", "2", "3", "5", "4"]),
    ("a next region of others", "", local("failover: [{from: r2, to: r3}]"), ["1", "2", "3", "45"]),
    ("the mesh's region", "localityLbSetting: {failover: [{from: r1, to: r2}]}", WATCHED, ["1", "2", "3", "4", "5"]),
    ("a region unwatched", "", local("failover: [{from: r1, to: r3}]", also=""), ["12345"]),
    ("a label", "", local('failoverPriority: ["number=n4"]'), ["4", "1235"]),
    ("two labels", "", local('failoverPriority: ["app=echo", "number=n4"]'), ["4", "1235"]),
    (
        "own labels",
        "",
        local("failoverPriority: [topology.kubernetes.io/region, topology.kubernetes.io/zone]"),
        ["12", "3", "45"],
    ),
    ("the node", "", local("failoverPriority: [kubernetes.io/hostname]"), ["1", "2345"]),
    ("the cluster", "", local("failoverPriority: [topology.istio.io/cluster]"), ["12345"]),
    (
        "a label, then regions",
        "",
        local('failoverPriority: ["app=echo"], failover: [{from: r1, to: r3}]'),
        ["1", "2", "3", "5", "4"],
    ),
    ("zones, by the mesh", "zoneAwareLbSetting: {}", "", ["1", "2", "3", "45"]),
    ("zones switched off", "zoneAwareLbSetting: {enabled: false}", WATCHED, ["12345"]),
    (
        "zones, by the rule",
        "",
        "loadBalancer: {zoneAwareLbSetting: {failover: [{from: r1, to: r3}]}}",
        ["1", "2", "3", "5", "4"],
    ),
    (
        "zones by labels",
        "",
        "loadBalancer: {zoneAwareLbSetting: {failoverPriority: [topology.kubernetes.io/region], minClusterSize: 3}}",
        ["123", "45"],
    ),
]


@pytest.mark.parametrize(("what", "of_mesh", "policy", "expected"), ORDERS, ids=[each[0] for each in ORDERS])
def test_the_order_of_endpoints(what: str, of_mesh: str, policy: str, expected: list[str]) -> None:
    compiled = Mesh(ECHOES + rule(policy) + mesh(of_mesh)).compile(caller())
    assert order(compiled) == expected
    assert order(compiled, PLAIN) == (["67"] if "zoneAwareLbSetting: {}" not in of_mesh else ["6", "7"])


SHARES = [
    ("{r1/*: 80, r2/*: 20}", {"1": 27, "2": 27, "3": 27, "4": 20}),
    ("{r1/z1/*: 60, r1/z2/s1: 30, r3: 10}", {"1": 30, "2": 30, "3": 30, "5": 10}),
    ("{r1/z1/s1: 1, '*': 99}", {"1": 1, "2": 25, "3": 25, "4": 25, "5": 25}),
]


@pytest.mark.parametrize(("to", "expected"), SHARES)
@pytest.mark.parametrize("where", ["mesh", "rule"])
def test_shares_of_localities(to: str, expected: dict[str, int], where: str) -> None:
    """With or without outlier detection; of those who are elsewhere nothing is changed."""
    setting = f"distribute: [{{from: r1/z1/*, to: {to}}}]"
    stated = mesh(f"localityLbSetting: {{{setting}}}") if where == "mesh" else rule(local(setting, also=""))
    made = Mesh(ECHOES + stated)
    compiled = made.compile(caller())
    found = ends(compiled)
    assert {numbers[0]: weight for _, weight, numbers in found} == expected
    assert {priority for priority, _, _ in found} == {0}
    assert compiled.clusters[ECHO].common_lb_config.HasField("locality_weighted_lb_config")
    assert {weight for _, weight, _ in ends(made.compile(caller("n4")))} == {1}


WEIGHTED = [
    ("", False),
    (WATCHED, False),
    (local("failover: [{from: r1, to: r3}]"), True),
    (local("failover: [{from: r1, to: r3}]", also=""), False),
    (local("failoverPriority: [app]"), True),
    (local("distribute: [{from: r9, to: {r1: 100}}]", also=""), True),
]


@pytest.mark.parametrize(("policy", "expected"), WEIGHTED)
def test_weights_are_heeded_where_they_are_meant(policy: str, expected: bool) -> None:
    compiled = Mesh(ECHOES + rule(policy)).compile(caller())
    assert compiled.clusters[ECHO].common_lb_config.HasField("locality_weighted_lb_config") is expected


def test_envoy_takes_it(validate: Callable[[Compiled], None]) -> None:
    text = ECHOES + rule(local('failoverPriority: ["app=echo", number], failover: [{from: r1, to: r3}]'))
    text += rule(local("distribute: [{from: '*', to: {r1: 70, r2: 30}}]"), "plain")
    validate(Mesh(text).compile(caller()))


# -- whom callers prefer by a Service's own word

DISTRIBUTIONS = [
    ("trafficDistribution: PreferClose", "", "", ["12", "3", "45"]),
    ("trafficDistribution: PreferSameZone", "", "", ["12", "3", "45"]),
    ("trafficDistribution: PreferSameNode", "", "", ["1", "2", "3", "45"]),
    ("trafficDistribution: Unheard", "", "", ["12345"]),
    ("", "networking.istio.io/traffic-distribution: preferclose", "", ["12", "3", "45"]),
    ("", "", "networking.istio.io/traffic-distribution: PreferSameNode", ["1", "2", "3", "45"]),
    (
        "",
        "networking.istio.io/traffic-distribution: PreferClose",
        "networking.istio.io/traffic-distribution: PreferSameNode",
        ["12", "3", "45"],
    ),
    ("internalTrafficPolicy: Local", "", "", ["1"]),
]


@pytest.mark.parametrize(("spec", "annotation", "of_namespace", "expected"), DISTRIBUTIONS)
def test_what_a_service_says(spec: str, annotation: str, of_namespace: str, expected: list[str]) -> None:
    namespace = f"---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, annotations: {{{of_namespace}}}}}\n"
    text = nodes() + service("echo", EVERYWHERE, spec, annotation) + namespace
    assert order(Mesh(text).compile(caller())) == expected
    assert order(Mesh(text + rule(local("enabled: true"))).compile(caller())) == (
        ["1", "2", "3", "45"] if "Local" not in spec else ["1"]
    )


SAID = "networking.istio.io/traffic-distribution: "


@pytest.mark.parametrize(
    ("annotation", "of_namespace", "expected"),
    [
        ("", "", ["123"]),
        ("", f"{SAID}PreferClose", ["1", "23"]),
        (f"{SAID}PreferSameNode", f"{SAID}PreferClose", ["1", "23"]),
        ("", f"{SAID}Unheard", ["123"]),
    ],
)
def test_what_a_service_entry_says(annotation: str, of_namespace: str, expected: list[str]) -> None:
    text = f"""{nodes()}
---
apiVersion: v1
kind: Namespace
metadata: {{name: shop, annotations: {{{of_namespace}}}}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: echo, namespace: shop, annotations: {{{annotation}}}}}
spec:
  hosts: [echo.shop.svc.cluster.local]
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints:
  - {{address: 10.1.0.1, locality: r1/z1}}
  - {{address: 10.1.0.2, locality: r2/z1}}
  - {{address: 10.1.0.3, locality: r2/z2}}
"""
    made = Mesh(text).compile(caller(LABELS={"istio-locality": "r1.z1"}))
    assert order(made) == expected
    assert made.clusters[ECHO].common_lb_config.HasField("locality_weighted_lb_config") is (len(expected) > 1)


UNHEALTHY = [
    ("", "", True),
    ("", WATCHED, True),
    ("", "outlierDetection: {minHealthPercent: 50}", False),
    ("trafficDistribution: PreferClose", "outlierDetection: {minHealthPercent: 50}", True),
]


@pytest.mark.parametrize(("spec", "policy", "told"), UNHEALTHY)
def test_unhealthy_endpoints_are_counted(spec: str, policy: str, told: bool) -> None:
    """So that callers go further when too few are left; not where all are called then, in whatever state."""
    text = nodes() + service("echo", EVERYWHERE, spec, not_ready="2") + rule(policy)
    compiled = Mesh(text).compile(caller())
    health = {
        each.endpoint.address.socket_address.address[-1]: each.health_status
        for group in compiled.endpoints[ECHO].endpoints
        for each in group.lb_endpoints
    }
    assert health == {"1": UNKNOWN, "3": UNKNOWN, "4": UNKNOWN, "5": UNKNOWN, **({"2": SICK} if told else {})}
    threshold = compiled.clusters[ECHO].common_lb_config.healthy_panic_threshold
    assert threshold.value == (0 if told else 50)


# -- where a caller is


PLACES = [
    ({"INSTANCE_IPS": "10.1.0.3"}, "", "r1/z2/s1"),
    ({"INSTANCE_IPS": "10.1.0.3", "LABELS": {"app": "echo", "number": "n3"}}, "r9", "r1/z2/s1"),
    ({"NODE_NAME": "n4", "LABELS": {"istio-locality": "r8.z8"}}, "r9", "r8/z8"),
    ({"LABELS": {"topology.kubernetes.io/region": "r7", "topology.kubernetes.io/zone": "z7"}}, "r9", "r7/z7"),
    ({"NODE_NAME": "n4"}, "r9", "r2/z1/s1"),
    ({"NODE_NAME": "unheard-of"}, "r9", "r9"),
    ({}, "", ""),
]


@pytest.mark.parametrize(("metadata", "said", "expected"), PLACES)
def test_where_a_caller_is(metadata: dict[str, object], said: str, expected: str) -> None:
    """By its own endpoint, its labels, what else is on its node, and then by what it says itself."""
    stated = {"INSTANCE_IPS": "10.1.9.9", **metadata}
    node = make_node("sidecar~10.1.9.9~caller.shop~shop.svc.cluster.local", **stated)
    node.locality.region = said
    own = {"LABELS": {"app": "echo", "number": "n3"}} if metadata.get("INSTANCE_IPS") else {}
    node.metadata.update({**own, **stated})
    assert place_of(Mesh(ECHOES).snapshot, Proxy.from_node(node)).locality == expected


def test_subsets_may_ask_for_places() -> None:
    more = "subsets: [{name: west, labels: {topology.kubernetes.io/region: r1, app: echo}}]"
    compiled = Mesh(ECHOES + rule("", more=more)).compile(caller())
    assert order(compiled, "outbound|80|west|echo.shop.svc.cluster.local") == ["123"]


NAMES = """
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: names, namespace: shop}
spec:
  hosts: [names.example.com]
  resolution: DNS
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints:
  - {address: far.example.com, locality: r2}
  - {address: near.example.com, locality: r1/z1/s1}
"""


def test_names_are_resolved_by_priority(validate: Callable[[Compiled], None]) -> None:
    text = ECHOES + NAMES + rule().replace("echo.shop.svc.cluster.local", "names.example.com").replace("echo", "names")
    made = Mesh(text)
    for node, first in (("n1", "near"), ("n4", "far")):
        compiled = made.compile(caller(node))
        groups = compiled.clusters["outbound|80||names.example.com"].load_assignment.endpoints
        found = {each.priority: each.lb_endpoints[0].endpoint.address.socket_address.address for each in groups}
        assert found[0] == f"{first}.example.com"
        assert sorted(found) == [0, 1]
        validate(compiled)


def test_gateways_are_somewhere_too() -> None:
    text = (
        ECHOES
        + rule()
        + """
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gate, namespace: shop}
spec: {selector: {app: gate}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: gate, namespace: shop}
spec: {hosts: ["*"], gateways: [gate], http: [{route: [{destination: {host: echo.shop.svc.cluster.local}}]}]}
"""
    )
    made = Mesh(text)
    for node, expected in (("n1", ["1", "2", "3", "45"]), ("n4", ["4", "1235"])):
        assert order(made.compile(caller(node, "router", LABELS={"app": "gate"}))) == expected


def test_applications_that_speak_for_themselves_are_somewhere_too() -> None:
    made = Mesh(ECHOES + rule())
    for node, expected in (("n1", ["1", "2", "3", "45"]), ("n4", ["4", "1235"])):
        assert order(made.compile(caller(node, GENERATOR="grpc"))) == expected


# -- what is shared


def held(compiled: CompiledProxy) -> dict[tuple[str, str], object]:
    return {(each, name): resource for each in TYPES for name, resource in compiled.resources[each].items()}


def test_callers_share_all_that_no_place_makes_different() -> None:
    made = Mesh(ECHOES + rule())
    one, other = (held(made.compile(caller(node)).compiled) for node in ("n1", "n4"))
    assert {name for (_, name), each in one.items() if other[_, name] is not each} == {ECHO}


def test_callers_at_one_place_share_everything() -> None:
    made = Mesh(ECHOES + rule(local("failoverPriority: [app]")))
    one, other = (held(made.compile(caller("n1", NAME=name)).compiled) for name in "ab")
    assert all(other[key] is each for key, each in one.items())


@pytest.mark.parametrize(
    ("setting", "shared"), [("failoverPriority: [app]", True), ("failoverPriority: [kubernetes.io/hostname]", False)]
)
def test_a_node_is_a_place_where_somebody_asks_for_it(setting: str, shared: bool) -> None:
    near = {"LABELS": {"istio-locality": "r1.z1.s1"}}
    snapshot = Mesh(ECHOES + rule(local(setting))).snapshot
    one, other = (place_of(snapshot, caller(node, **near)) for node in ("n1", "n2"))
    assert (one == other) is shared


def test_without_a_wish_callers_share_everything() -> None:
    made = Mesh(ECHOES)
    one, other = (held(made.compile(caller(node)).compiled) for node in ("n1", "n4"))
    assert all(other[key] is each for key, each in one.items())


MOVES = [{"1": "n1"}, {"1": "n1", "4": "n4"}, {"4": "n4", "5": "n5"}, {}, {"1": "n4", "4": "n1"}]


def test_endpoints_that_move_are_seen_from_every_place() -> None:
    """Step by step the bytes are those of compiling anew."""
    kept = Compiler()
    for step in MOVES:
        text = nodes() + service("echo", step) + service("plain", {"6": "n1", "7": "n4"}) + rule()
        for node in ("n1", "n4"):
            again = Mesh(text, compiler=kept).compile(caller(node)).bodies()
            assert again == Mesh(text).compile(caller(node)).bodies()
