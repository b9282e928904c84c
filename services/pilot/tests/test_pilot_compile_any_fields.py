"""Objects of every networking kind with any of their fields: all is compiled, and the real Envoy takes it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.testing.acceptance import standing_envoy
from flotilla_pilot.testing.any_message import AnyMessage
from flotilla_pilot.testing.meshes import Mesh, make_proxy
from flotilla_shared.model import kinds
from flotilla_shared.testing.properties import examples

HOSTS = st.sampled_from(["a.one.svc.cluster.local", "b.two.svc.cluster.local", "api.example.com", "*.example.com"])
NAMES = st.sampled_from(["a.one.svc.cluster.local", "b.two.svc.cluster.local", "api.example.com", "a", "nobody.org"])
NAMESPACES = st.sampled_from(["one", "two", "istio-system"])
PORTS = st.sampled_from([80, 443, 9080, 6379, 15001, 0, 65535, 65536])
LABELS = st.sampled_from(["a", "b", "v1"])
KEYS = st.sampled_from(["app", "version", "topology.istio.io/network"])
HEADERS = st.sampled_from(["x-user", "cookie", "host", ":path", "Bad Name", "@request.auth.claims.sub", ""])
PATHS = st.sampled_from(["/", "/p", "*", "", "p", "/a?b"])
PATTERNS = st.sampled_from([".*", "a+(b|c)", "(?=x)y", "[", "/v[0-9]+", "(" * 9])
GATEWAYS = st.sampled_from(["mesh", "one/gateway-0", "gateway-1", "nowhere"])
VISIBLE = st.sampled_from(["*", ".", "two", "~"])
BINDS = st.sampled_from(["", "127.0.3.1", "0.0.0.0", "::1", "unix:///run/x.sock", "no address"])
PROTOCOLS = st.sampled_from(["HTTP", "HTTP2", "GRPC", "TCP", "TLS", "HTTPS", "UDP", "Mongo", "HTTP_PROXY", "", "what"])
LOCALITIES = st.sampled_from(["r", "r/z", "r/z/s", "*", "r/z/*", "other/z2"])
ADDRESSES = st.sampled_from(["10.0.0.1", "10.9.0.0/16", "fd00::1", "unix:///run/a.sock", "x.org", "10.0.0.0/99", ""])
FILES = st.sampled_from(["/etc/cert.pem", "system", ""])
SECRETS = st.sampled_from(["cert", "kubernetes://cert", "builtin://", ""])
PATCHES = st.sampled_from(
    [
        {},
        {"name": "new", "connect_timeout": "1s"},
        {"connect_timeout": "-1s"},
        {
            "name": "x",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"},
        },
        {"name": "x", "typed_config": {"@type": "type.googleapis.com/no.such.Type"}},
        {"name": "x", "match": {"prefix": "/x"}, "direct_response": {"status": 200}},
        {"name": "x", "domains": ["x.org"]},
        {"no_such_field": 1},
        {"stat_prefix": "patched", "lb_policy": "RANDOM"},
    ]
)
WORDS = {
    "host": NAMES,
    "DestinationRule.host": HOSTS,
    "hosts": HOSTS,
    "Server.hosts": st.sampled_from(["*", "one/*", "*.example.com", "./api.example.com", "~/x", "a/b/c"]),
    "IstioEgressListener.hosts": st.sampled_from(["*/*", "./*", "one/*", "~/*", "*/*.example.com", "*"]),
    "gateways": GATEWAYS,
    "exportTo": VISIBLE,
    "subset": st.sampled_from(["v1", "v2", ""]),
    "Subset.name": st.sampled_from(["v1", "v2", "", "a b"]),
    "number": PORTS,
    "port": PORTS,
    "targetPort": PORTS,
    "portNumber": PORTS,
    "destinationPort": PORTS,
    "WorkloadEntry.ports": PORTS,
    "protocol": PROTOCOLS,
    "bind": BINDS,
    "defaultEndpoint": st.sampled_from(
        ["127.0.0.1:80", "0.0.0.0:9080", "unix:///run/app.sock", "bad", "1.2.3.4:99999"]
    ),
    "addresses": ADDRESSES,
    "address": ADDRESSES,
    "destinationSubnets": ADDRESSES,
    "sourceSubnet": ADDRESSES,
    "locality": LOCALITIES,
    "from": LOCALITIES,
    "Failover.to": LOCALITIES,
    "Distribute.to{}": LOCALITIES,
    "Distribute.to": st.sampled_from([0, 20, 80, 100, 101]),
    "failoverPriority": st.sampled_from(["app", "version=v1", "topology.kubernetes.io/region", ""]),
    "regex": PATTERNS,
    "RegexRewrite.match": PATTERNS,
    "RegexRewrite.rewrite": st.sampled_from(["b", "\\1", "\\9", ""]),
    "exact": PATHS,
    "prefix": PATHS,
    "uri": PATHS,
    "prefixRewrite": PATHS,
    "HTTPMatchRequest.uri": st.sampled_from([{"prefix": "/p"}, {"exact": "x"}, {"regex": "a+"}, {"regex": "["}, {}]),
    "authority": st.sampled_from(["other", "", "bad host", "other:80"]),
    "HTTPMatchRequest.authority": st.sampled_from([{"exact": "x"}, {"prefix": ""}, {}]),
    "HTTPMatchRequest.headers{}": HEADERS,
    "HTTPMatchRequest.withoutHeaders{}": HEADERS,
    "HTTPMatchRequest.queryParams{}": st.sampled_from(["q", ""]),
    "HeaderOperations.set{}": HEADERS,
    "HeaderOperations.add{}": HEADERS,
    "HeaderOperations.set": st.sampled_from(["v", "%REQ(x)%", "100%", "%NO%", "a\nb", ""]),
    "HeaderOperations.add": st.sampled_from(["v", "%START_TIME%", "%%", "a\0b"]),
    "HeaderOperations.remove": HEADERS,
    "redirectCode": st.sampled_from([0, 301, 302, 308, 418]),
    "HTTPRedirect.scheme": st.sampled_from(["http", "https", "ftp", ""]),
    "status": st.sampled_from([200, 404, 99, 600]),
    "httpStatus": st.sampled_from([503, 200, 199, 600]),
    "grpcStatus": st.sampled_from(["UNAVAILABLE", "no"]),
    "retryOn": st.sampled_from(["5xx", "5xx,503", "gateway-error, 999", "nonsense", ""]),
    "weight": st.sampled_from([0, 1, 50, 100, 2**31 - 1]),
    "WorkloadEntry.weight": st.sampled_from([0, 1, 2**32 - 1]),
    "httpHeaderName": HEADERS,
    "HTTPCookie.name": HEADERS,
    "HTTPCookie.path": PATHS,
    "tableSize": st.sampled_from(["0", "7", "65537", "65536", "5000011", str(2**64 - 1)]),
    "sni": st.sampled_from(["x.org", "*", "", "a b"]),
    "sniHosts": st.sampled_from(["api.example.com", "*.wild.io", "*", "a.*", ""]),
    "subjectAltNames": st.sampled_from(["spiffe://cluster.local/ns/one/sa/sa", "x.org", ""]),
    "credentialName": SECRETS,
    "credentialNames": SECRETS,
    "caCertCredentialName": SECRETS,
    "serverCertificate": FILES,
    "privateKey": FILES,
    "caCertificates": FILES,
    "clientCertificate": FILES,
    "cipherSuites": st.sampled_from(["ECDHE-RSA-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256", "nonsense", ""]),
    "verifyCertificateSpki": st.sampled_from(["A" * 43 + "=", "no"]),
    "verifyCertificateHash": st.sampled_from(["ab" * 32, "no"]),
    "sourceLabels{}": KEYS,
    "sourceLabels": LABELS,
    "sourceNamespace": NAMESPACES,
    "labels": LABELS,
    "matchLabels": LABELS,
    "selector": st.just("gate"),
    "Gateway.selector{}": st.just("app"),
    "namespace": NAMESPACES,
    "Delegate.name": st.sampled_from(["virtualservice-0", "virtualservice-1", "none"]),
    "network": st.sampled_from(["", "n1"]),
    "serviceAccount": st.sampled_from(["", "sa", "sb"]),
    "Patch.value": PATCHES,
    "FilterMatch.name": st.sampled_from(["envoy.filters.network.http_connection_manager", "none"]),
    "SubFilterMatch.name": st.sampled_from(["envoy.filters.http.router", "none"]),
    "statPrefix": st.sampled_from(["p", "a b"]),
    "PeerAuthentication.portLevelMtls{}": st.sampled_from(["80", "9080", "65535"]),
} | {
    f"{message}{{}}": KEYS
    for message in ("Subset.labels", "WorkloadEntry.labels", "WorkloadSelector.labels", "WorkloadSelector.matchLabels")
}
NEEDED = {
    "ServiceEntry": {"hosts", "ports", "resolution"},
    "ServicePort": {"number", "protocol", "name"},
    "WorkloadEntry": {"address", "labels"},
    "VirtualService": {"hosts"},
    "HTTPRouteDestination": {"destination"},
    "RouteDestination": {"destination"},
    "HTTPMirrorPolicy": {"destination"},
    "Destination": {"host"},
    "HTTPRoute": {"route"},
    "TCPRoute": {"route"},
    "TLSRoute": {"route", "match"},
    "TLSMatchAttributes": {"sniHosts"},
    "DestinationRule": {"host", "trafficPolicy"},
    "Subset": {"name", "labels"},
    "Gateway": {"servers", "selector"},
    "Server": {"port", "hosts"},
    "Port": {"number", "protocol", "name"},
    "SidecarPort": {"number", "protocol", "name"},
    "IstioEgressListener": {"hosts"},
    "IstioIngressListener": {"port", "defaultEndpoint"},
    "EnvoyFilter": {"configPatches"},
    "EnvoyConfigObjectPatch": {"applyTo", "match", "patch"},
    "Patch": {"operation", "value"},
}
ANY = AnyMessage(WORDS, {name: frozenset(fields) for name, fields in NEEDED.items()})
KINDS = (
    kinds.SERVICE_ENTRIES,
    kinds.WORKLOAD_ENTRIES,
    kinds.DESTINATION_RULES,
    kinds.VIRTUAL_SERVICES,
    kinds.GATEWAYS,
    kinds.SIDECARS,
    kinds.PEER_AUTHENTICATIONS,
    kinds.POLICIES,
    kinds.ENVOY_FILTERS,
)

MOST = 2
RELAXED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
UNSHRUNK = [Phase.explicit, Phase.reuse, Phase.generate]  # Envoy's own words say enough, and each asking takes time


@st.composite
def documents(draw: Callable[[Any], Any], collection: str) -> dict[str, Any]:
    kind = kinds.by_collection(collection)
    assert kind is not None
    name = f"{kind.kind.lower()}-{draw(st.integers(0, 2))}"
    return {
        "apiVersion": f"{kind.group}/{kind.versions[0]}",
        "kind": kind.kind,
        "metadata": {"name": name, "namespace": draw(NAMESPACES)},
        "spec": draw(ANY.of(kind.message_class().DESCRIPTOR)),
    }


MESH = st.sampled_from(
    [
        {},
        {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}},
        {"accessLogFile": "/dev/stdout"},
        {"enableAutoMtls": False},
    ]
).map(lambda spec: {"kind": "MeshConfig", "spec": spec})


def meshes() -> st.SearchStrategy[list[dict[str, Any]]]:
    """Some objects of every kind; one that comes twice is one object."""
    parts = [st.lists(documents(each), max_size=MOST) for each in KINDS]
    services = st.lists(documents(kinds.SERVICE_ENTRIES), min_size=1, max_size=3)
    return st.tuples(MESH.map(lambda mesh: [mesh]), services, *parts).map(
        lambda groups: [each for group in groups for each in group]
    )


def proxies() -> list[Proxy]:
    labels = {"app": "a", "version": "v1"}
    return [
        make_proxy("a", namespace="one", LABELS=labels),
        make_proxy("a", 2, namespace="one", LABELS=labels, INTERCEPTION_MODE="REDIRECT", INSTANCE_IPS="10.0.0.1"),
        make_proxy("gate", kind="router", namespace="one", LABELS={"app": "gate"}),
        make_proxy("c", 3, namespace="two", INTERCEPTION_MODE="TPROXY"),
    ]


def test_envoy_takes_whatever_the_fields_say(binary: Path, tmp_path: Path) -> None:
    with standing_envoy(binary, tmp_path) as envoy:

        @given(meshes())
        @settings(max_examples=examples(40), deadline=None, suppress_health_check=RELAXED, phases=UNSHRUNK)
        def every_proxy_is_served(held: list[dict[str, Any]]) -> None:
            mesh = Mesh(yaml.safe_dump_all(held))
            for proxy in proxies():
                assert envoy.refusals(mesh.compile(proxy).compiled) == {}

        every_proxy_is_served()
        assert envoy.rejected_updates() == {}
