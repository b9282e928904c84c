"""Any valid mesh compiles to what Envoy can hold: no address, name or match twice, nothing that dangles."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from flotilla_pilot.compile.clusters import every_cluster
from flotilla_pilot.model.destination_rules import NO_POLICY
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.scope.sidecar import exported_services
from flotilla_pilot.testing.acceptance import standing_envoy
from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy
from flotilla_shared.testing.properties import examples

HOSTS = ("a.one.svc.cluster.local", "b.one.svc.cluster.local", "a.two.svc.cluster.local", "api.example.com")
WILDCARDS = ("*.example.com", "*.wild.io")
NAMESPACES = ("one", "two", "istio-system")
PORTS = (80, 443, 6379, 9080)
PROTOCOLS = ("HTTP", "HTTP2", "GRPC", "TCP", "TLS", "HTTPS", "UDP", "Mongo", "")
LABELS = st.sampled_from([{"app": "a"}, {"app": "b"}, {"app": "a", "version": "v1"}])
SUBSETS = ("v1", "v2")
PERCENT = st.sampled_from([{"value": 0.5}, {"value": 100}])
DURATION = st.sampled_from(["0.5s", "10s"])
STRING = st.one_of(
    st.sampled_from([{"exact": "x"}, {"prefix": "/p"}, {"regex": "a+(b|c)"}, {"regex": "(?=x)y"}, {"regex": ".*"}]),
    st.just({}),
)


def maybe(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A dict in which each field may be absent."""
    return st.fixed_dictionaries({}, optional=fields)


def some(strategy: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, max_size=most)


@st.composite
def objects(draw: Callable[[Any], Any], kind: str, group: str, spec: st.SearchStrategy[Any]) -> dict[str, Any]:
    number = draw(st.integers(0, 3))
    return {
        "apiVersion": f"{group}.istio.io/v1",
        "kind": kind,
        "metadata": {"name": f"{kind.lower()}-{number}", "namespace": draw(st.sampled_from(NAMESPACES))},
        "spec": draw(spec),
    }


PORT = st.builds(
    lambda number, protocol: {"number": number, "protocol": protocol, "name": f"p{number}"},
    st.sampled_from(PORTS),
    st.sampled_from(PROTOCOLS),
)
UNIQUE_PORTS = st.lists(PORT, min_size=1, max_size=3, unique_by=lambda port: port["number"])
EXPORT = st.sampled_from([[], ["*"], ["."], ["two"]])
ENDPOINT = maybe(labels=LABELS, serviceAccount=st.just("sa"), weight=st.just(3), locality=st.just("r/z/s")).map(
    lambda rest: {"address": "10.0.0.1", **rest}
)
ADDRESSES = ["10.9.0.1", "10.9.0.2", "10.8.0.0/16", "10.8.1.7/24", "fd00::1", "fd00:0::1", "0.0.0.0", "10.0.0.0/99"]
SERVICE = st.one_of(
    st.fixed_dictionaries(
        {
            "hosts": st.lists(st.sampled_from(HOSTS), min_size=1, max_size=2, unique=True),
            "ports": UNIQUE_PORTS,
            "resolution": st.sampled_from(["STATIC", "DNS", "DNS_ROUND_ROBIN", "NONE"]),
            "location": st.sampled_from(["MESH_INTERNAL", "MESH_EXTERNAL"]),
            "exportTo": EXPORT,
        },
        optional={
            "endpoints": st.lists(ENDPOINT, max_size=2),
            "workloadSelector": st.just({"labels": {"app": "a"}}),
            "addresses": st.lists(st.sampled_from(ADDRESSES), min_size=1, max_size=2, unique=True),
        },
    ),
    st.fixed_dictionaries(
        {
            "hosts": st.lists(st.sampled_from(WILDCARDS), min_size=1, max_size=1),
            "ports": UNIQUE_PORTS,
            "resolution": st.sampled_from(["NONE", "DYNAMIC_DNS"]),
        }
    ),
)
WORKLOAD = st.builds(
    lambda number, labels, account: {"address": f"127.0.2.{number}", "labels": labels, "serviceAccount": account},
    st.integers(1, 9),
    LABELS,
    st.sampled_from(["", "sa", "sb"]),
)
DESTINATION = st.fixed_dictionaries(
    {"host": st.sampled_from([*HOSTS, "a", "nobody"])},
    optional={
        "subset": st.sampled_from([*SUBSETS, "none"]),
        "port": st.builds(lambda number: {"number": number}, st.sampled_from([*PORTS, 1234])),
    },
)
OPERATIONS = maybe(
    set=st.sampled_from([{"x-a": "100%"}, {"host": "other"}, {":path": "/"}]),
    add=st.sampled_from([{"x-b": "%REQ(x)%"}, {"Host": "no"}]),
    remove=st.sampled_from([["x-c"], ["host"]]),
)
HEADERS = maybe(request=OPERATIONS, response=OPERATIONS)
TARGET = st.fixed_dictionaries(
    {"destination": DESTINATION}, optional={"weight": st.sampled_from([0, 1, 50]), "headers": HEADERS}
)
MATCH = maybe(
    uri=STRING,
    method=STRING,
    authority=STRING,
    headers=st.dictionaries(st.sampled_from(["x-user", "cookie"]), STRING, max_size=2),
    withoutHeaders=st.dictionaries(st.just("x-not"), STRING, max_size=1),
    queryParams=st.dictionaries(st.just("q"), STRING, max_size=1),
    ignoreUriCase=st.booleans(),
    port=st.sampled_from(PORTS),
    sourceLabels=LABELS,
    gateways=st.sampled_from([["mesh"], ["one/gateway-0"]]),
)
COMMON = {
    "match": some(MATCH),
    "timeout": DURATION,
    "retries": maybe(attempts=st.integers(0, 3), perTryTimeout=DURATION, retryOn=st.sampled_from(["5xx,503", ""])),
    "fault": maybe(
        delay=maybe(fixedDelay=DURATION, percentage=PERCENT),
        abort=maybe(httpStatus=st.sampled_from([199, 503]), percentage=PERCENT),
    ),
    "headers": HEADERS,
    "corsPolicy": maybe(allowOrigins=some(STRING), allowMethods=st.just(["GET"]), maxAge=DURATION),
    "mirrors": some(st.fixed_dictionaries({"destination": DESTINATION}, optional={"percentage": PERCENT}), 2),
}
REWRITE = maybe(
    uri=st.just("/new"), authority=st.just("other"), uriRegexRewrite=st.just({"match": "a", "rewrite": "b"})
)
HTTP = st.one_of(
    st.fixed_dictionaries({"route": st.lists(TARGET, min_size=1, max_size=3)}, optional={**COMMON, "rewrite": REWRITE}),
    st.fixed_dictionaries(
        {"redirect": maybe(uri=st.just("/r"), authority=st.just("h"), redirectCode=st.sampled_from([0, 302, 418]))},
        optional={"match": some(MATCH)},
    ),
    st.fixed_dictionaries(
        {"directResponse": st.sampled_from([{"status": 200, "body": {"string": "hi"}}, {"status": 99}])}
    ),
)
L4_TARGETS = st.lists(st.fixed_dictionaries({"destination": DESTINATION}), min_size=1, max_size=1)
VIRTUAL_SERVICE = st.fixed_dictionaries(
    {"hosts": st.lists(st.sampled_from([*HOSTS, *WILDCARDS, "*", "unknown.org"]), min_size=1, max_size=2, unique=True)},
    optional={
        "gateways": st.lists(
            st.sampled_from(["mesh", "one/gateway-0", "gateway-1", "nowhere"]), min_size=1, max_size=2, unique=True
        ),
        "http": some(HTTP),
        "tcp": some(st.fixed_dictionaries({"route": L4_TARGETS}), 2),
        "tls": some(
            st.fixed_dictionaries(
                {"route": L4_TARGETS, "match": st.just([{"sniHosts": ["api.example.com", "*.wild.io"]}])}
            ),
            2,
        ),
        "exportTo": EXPORT,
    },
)
POLICY = maybe(
    loadBalancer=st.sampled_from(
        [{"simple": "RANDOM"}, {"consistentHash": {"httpHeaderName": "x"}}, {"consistentHash": {"useSourceIp": True}}]
    ),
    connectionPool=maybe(
        tcp=st.just({"maxConnections": 5, "connectTimeout": "1s"}),
        http=st.sampled_from(
            [{"maxRequestsPerConnection": 3}, {"h2UpgradePolicy": "UPGRADE"}, {"useClientProtocol": True}]
        ),
    ),
    outlierDetection=st.sampled_from([{"consecutive5xxErrors": 3, "interval": "1s"}, {"consecutiveErrors": 2}]),
    tls=st.sampled_from([{"mode": "DISABLE"}, {"mode": "ISTIO_MUTUAL"}, {"mode": "SIMPLE", "sni": "x"}]),
)
DESTINATION_RULE = st.fixed_dictionaries(
    {"host": st.sampled_from([*HOSTS, *WILDCARDS, "*"])},
    optional={
        "trafficPolicy": POLICY,
        "subsets": st.lists(
            st.sampled_from([{"name": name, "labels": {"version": name}} for name in SUBSETS]), max_size=2
        ),
        "exportTo": EXPORT,
    },
)
SERVER_TLS = st.sampled_from(
    [
        {"mode": "SIMPLE", "credentialName": "cert"},
        {"mode": "MUTUAL", "credentialName": "cert"},
        {"mode": "ISTIO_MUTUAL"},
        {"mode": "PASSTHROUGH"},
        {"httpsRedirect": True},
    ]
)
GATEWAY = st.fixed_dictionaries(
    {
        "selector": st.just({"app": "gate"}),
        "servers": st.lists(
            st.fixed_dictionaries(
                {
                    "port": st.builds(
                        lambda number, protocol: {"number": number, "protocol": protocol, "name": "n"},
                        st.sampled_from([8080, 8443]),
                        st.sampled_from(["HTTP", "HTTPS", "TCP", "TLS"]),
                    ),
                    "hosts": st.lists(
                        st.sampled_from(["*", "one/*", "*.example.com", "./api.example.com"]), min_size=1, max_size=2
                    ),
                },
                optional={"tls": SERVER_TLS, "bind": st.just("127.0.0.1")},
            ),
            min_size=1,
            max_size=3,
        ),
    }
)
EGRESS = st.fixed_dictionaries(
    {"hosts": st.lists(st.sampled_from(["*/*", "./*", "one/*", "~/*", "*/*.example.com"]), min_size=1, max_size=2)},
    optional={
        "bind": st.sampled_from(["127.0.3.1", "127.0.4.1"]),
        "port": st.sampled_from(
            [
                {"number": 15002, "protocol": "HTTP_PROXY", "name": "proxy"},
                {"number": 6379, "protocol": "TCP", "name": "tcp"},
                {"number": 9080, "protocol": "HTTP", "name": "http"},
            ]
        ),
    },
)
INGRESS = st.builds(
    lambda port, bind, endpoint, mode: {"port": port, "bind": bind, "defaultEndpoint": endpoint, "captureMode": mode},
    PORT.filter(lambda port: port["protocol"] != "UDP"),
    st.just("127.0.2.1"),
    st.sampled_from(["0.0.0.0:9080", "127.0.0.1:8000", "unix:///run/app.sock"]),
    st.sampled_from(["DEFAULT", "NONE"]),
)
SIDECAR = st.fixed_dictionaries(
    {"egress": st.lists(EGRESS, min_size=1, max_size=3)},
    optional={
        "workloadSelector": st.builds(lambda labels: {"labels": labels}, LABELS),
        "ingress": some(INGRESS, 2),
        "outboundTrafficPolicy": st.sampled_from([{"mode": "REGISTRY_ONLY"}, {"mode": "ALLOW_ANY"}]),
    },
)
MUTUAL = st.builds(lambda mode: {"mode": mode}, st.sampled_from(["UNSET", "DISABLE", "PERMISSIVE", "STRICT"]))
PEER_AUTHENTICATION = maybe(
    mtls=MUTUAL,
    selector=st.builds(lambda labels: {"matchLabels": labels}, LABELS),
    portLevelMtls=st.dictionaries(st.sampled_from(["80", "9080"]), MUTUAL, max_size=1),
)
MESH = maybe(
    accessLogFile=st.just("/dev/stdout"),
    enableAutoMtls=st.booleans(),
    outboundTrafficPolicy=st.sampled_from([{"mode": "REGISTRY_ONLY"}, {"mode": "ALLOW_ANY"}]),
).map(lambda spec: {"kind": "MeshConfig", "spec": spec})


def meshes() -> st.SearchStrategy[str]:
    """The YAML of a mesh; an object that comes twice is one object."""
    net, sec = "networking", "security"
    parts = st.tuples(
        some(objects("ServiceEntry", net, SERVICE), 5),
        some(objects("WorkloadEntry", net, WORKLOAD), 4),
        some(objects("DestinationRule", net, DESTINATION_RULE)),
        some(objects("VirtualService", net, VIRTUAL_SERVICE)),
        some(objects("Gateway", net, GATEWAY), 2),
        some(objects("Sidecar", net, SIDECAR)),
        some(objects("PeerAuthentication", sec, PEER_AUTHENTICATION)),
        some(MESH, 1),
    )
    return parts.map(lambda groups: yaml.safe_dump_all([each for group in groups for each in group]))


def proxies() -> list[Proxy]:
    return [
        make_proxy("a", namespace="one", LABELS={"app": "a", "version": "v1"}),
        make_proxy("c", namespace="two", LABELS={"app": "c"}),
        make_proxy("gate", kind="router", namespace="one", LABELS={"app": "gate"}),
        make_proxy(
            "a", 2, namespace="one", LABELS={"app": "a"}, INTERCEPTION_MODE="REDIRECT", INSTANCE_IPS="127.0.2.1"
        ),
    ]


def cluster_names(tree: Any) -> Iterator[str]:
    """Every cluster that a resource names, wherever it does."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            if name == "cluster" and isinstance(value, str):
                yield value
            elif name == "weighted_clusters":
                yield from (each["name"] for each in value["clusters"])
            else:
                yield from cluster_names(value)
    elif isinstance(tree, list):
        for each in tree:
            yield from cluster_names(each)


def check_listeners(compiled: Compiled) -> None:
    listeners = compiled.listeners.values()
    addresses = [str(listener.address) for listener in listeners]
    assert len(addresses) == len(set(addresses)), addresses
    for listener in listeners:
        assert listener.filter_chains, listener.name
        matches = [str(chain.filter_chain_match) for chain in listener.filter_chains]
        assert len(matches) == len(set(matches)), matches
        for chain in listener.filter_chains:
            assert chain.filters[-1].name in TERMINAL


TERMINAL = ("envoy.filters.network.http_connection_manager", "envoy.filters.network.tcp_proxy")


def check_tables(compiled: Compiled) -> None:
    named = set(find_values([as_dict(each) for each in compiled.listeners.values()], "route_config_name"))
    assert named == set(compiled.routes)
    for table in compiled.routes.values():
        domains = [domain.lower() for host in table.virtual_hosts for domain in host.domains]
        assert len(domains) == len(set(domains)), domains
        assert all(host.domains for host in table.virtual_hosts)


def check_clusters(compiled: Compiled, offered: set[str]) -> None:
    """A cluster that is named and not there is that of a host, a port or a subset which nobody has."""
    served = [*compiled.listeners.values(), *compiled.routes.values()]
    used = {name for each in served for name in cluster_names(as_dict(each))}
    missing = used - set(compiled.clusters)
    assert all(name.startswith("outbound|") for name in missing), missing
    assert not missing & offered
    expected = {each.eds_cluster_config.service_name for each in compiled.clusters.values() if each.type == 3}
    assert expected == set(compiled.endpoints)


def offered_to(mesh: Mesh, proxy: Proxy) -> set[str]:
    """The clusters, but for subsets, of everything that a proxy sees; what has no name to resolve has none."""
    services = exported_services(mesh.snapshot, proxy.namespace).values()
    clusters = every_cluster(services, lambda _: NO_POLICY, mesh.snapshot.mesh, not proxy.intercepts)
    return {each.name for each in clusters if each.exists}


def find_values(tree: Any, wanted: str) -> Iterator[str]:
    if isinstance(tree, dict):
        for name, value in tree.items():
            if name == wanted:
                yield value
            yield from find_values(value, wanted)
    elif isinstance(tree, list):
        for each in tree:
            yield from find_values(each, wanted)


RELAXED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
UNSHRUNK = [Phase.explicit, Phase.reuse, Phase.generate]  # Envoy's own words say enough, and each asking takes time


@given(meshes())
@settings(max_examples=examples(60), deadline=None, suppress_health_check=RELAXED)
def test_any_mesh_compiles_to_consistent_resources(text: str) -> None:
    mesh = Mesh(text)
    for proxy in proxies():
        compiled = mesh.compile(proxy)
        check_listeners(compiled)
        check_tables(compiled)
        check_clusters(compiled, offered_to(mesh, proxy))


@given(meshes())
@settings(max_examples=examples(20), deadline=None, suppress_health_check=RELAXED)
def test_compiling_is_deterministic_and_order_of_objects_does_not_matter(text: str) -> None:
    first = Mesh(text)
    again = Mesh(objects={name: dict(reversed(held.items())) for name, held in first.objects.items()})
    assert again.snapshot.version == first.snapshot.version
    for proxy in proxies():
        assert first.compile(proxy).bodies() == again.compile(proxy).bodies()


def test_envoy_accepts_any_mesh(binary: Path, tmp_path: Path) -> None:
    with standing_envoy(binary, tmp_path) as envoy:

        @given(meshes())
        @settings(max_examples=examples(25), deadline=None, suppress_health_check=RELAXED, phases=UNSHRUNK)
        def every_proxy_is_served(text: str) -> None:
            mesh = Mesh(text)
            for proxy in proxies():
                assert envoy.refusals(mesh.compile(proxy).compiled) == {}

        every_proxy_is_served()
        assert envoy.rejected_updates() == {}
