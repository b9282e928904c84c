"""Routers: listeners by place, TLS by host, virtual hosts of merged VirtualServices, only the clusters used."""

from collections.abc import Callable
from typing import Any

import pytest

from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy

PROXY = make_proxy("gate", 100, "router", LABELS={"app": "gate"})


def item(kind: str, name: str, spec: str, namespace: str = "default") -> str:
    return (
        f"\n---\napiVersion: networking.istio.io/v1\nkind: {kind}\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\nspec: {{{spec}}}\n"
    )


def service(name: str, port: int = 80, protocol: str = "HTTP") -> str:
    spec = (
        f"hosts: [{name}.default.svc.cluster.local], location: MESH_INTERNAL, resolution: STATIC,"
        f"ports: [{{number: {port}, name: p, protocol: {protocol}}}]"
    )
    return item("ServiceEntry", name, spec)


def gateway(*servers: str, name: str = "g") -> str:
    return item("Gateway", name, f"selector: {{app: gate}}, servers: [{', '.join(servers)}]")


def server(
    protocol: str = "HTTP", hosts: str = "'*'", tls: str = "", port: int = 80, name: str = "p", bind: str = ""
) -> str:
    secured = f", tls: {{{tls}}}" if tls else ""
    place = f", bind: {bind}" if bind else ""
    return f"{{port: {{number: {port}, name: {name}, protocol: {protocol}}}, hosts: [{hosts}]{secured}{place}}}"


def routes(spec: str, name: str = "r", gateways: str = "g") -> str:
    return item("VirtualService", name, f"{spec}, gateways: [{gateways}]")


HTTP_TO_A = "http: [{route: [{destination: {host: a}}]}]"


def hosts_of(compiled: Compiled, table: str) -> dict[str, list[str]]:
    return {host.name: [route.name for route in host.routes] for host in compiled.routes[table].virtual_hosts}


def names_of(compiled: Compiled, listener: str) -> list[list[str]]:
    return [list(chain.filter_chain_match.server_names) for chain in compiled.listeners[listener].filter_chains]


@pytest.mark.parametrize(
    ("case", "bind", "listener", "table"),
    [
        ("any address", "", "0.0.0.0_80", "http.80"),
        ("one address", "127.0.0.1", "127.0.0.1_80", "http.80.127.0.0.1"),
    ],
)
def test_the_names_of_a_gateway(case: str, bind: str, listener: str, table: str) -> None:
    compiled = Mesh(gateway(server(bind=bind))).compile(PROXY)
    assert list(compiled.listeners) == [listener], case
    assert list(compiled.routes) == [table]


def test_a_gateway_without_virtual_services_answers_404(validate: Callable[[Compiled], None]) -> None:
    compiled = Mesh(gateway(server())).compile(PROXY)
    assert hosts_of(compiled, "http.80") == {"blackhole:80": []}
    validate(compiled)


def test_a_router_that_no_gateway_selects_holds_nothing_but_the_black_hole() -> None:
    compiled = Mesh(service("a")).compile(PROXY)
    assert (list(compiled.clusters), compiled.listeners, compiled.routes) == (["BlackHoleCluster"], {}, {})


def test_only_clusters_that_are_used_are_there() -> None:
    text = service("a") + service("b") + gateway(server()) + routes(f"hosts: ['*'], {HTTP_TO_A}")
    compiled = Mesh(text).compile(PROXY)
    assert sorted(compiled.clusters) == ["BlackHoleCluster", "outbound|80||a.default.svc.cluster.local"]
    assert list(compiled.endpoints) == ["outbound|80||a.default.svc.cluster.local"]


def test_clusters_are_those_used_when_the_table_comes_from_the_cache() -> None:
    text = service("a") + gateway(server()) + routes(f"hosts: ['*'], {HTTP_TO_A}")
    first = Mesh(text)
    again = Mesh(text + service("b"), compiler=first.compiler)
    assert sorted(first.compile(PROXY).clusters) == sorted(again.compile(PROXY).clusters)


def test_hosts_of_servers_and_virtual_services_are_intersected() -> None:
    text = service("a") + gateway(server(hosts="'*.example.com', other.io")) + routes(f"hosts: ['*'], {HTTP_TO_A}")
    (host,) = Mesh(text).compile(PROXY).routes["http.80"].virtual_hosts
    assert (host.name, list(host.domains)) == ("other.io:80", ["other.io", "*.example.com"])


REDIRECTED = server("HTTP", "a.io", "httpsRedirect: true", 80)


@pytest.mark.parametrize(
    ("servers", "rules", "expected"),
    [
        ([server(hosts="b.io, a.io")], ["hosts: [b.io, a.io]"], [["a.io", "b.io"]]),
        ([server(hosts="'*.a.io', a.io")], ["hosts: ['*']"], [["a.io", "*.a.io"]]),
        ([server(hosts="'*'")], ["hosts: [a.io, b.io]", "hosts: [c.io]"], [["a.io", "b.io"], ["c.io"]]),
        ([server(hosts="'*'")], ["hosts: [a.io, b.io]", "hosts: [a.io]"], [["a.io"], ["b.io"]]),
        ([REDIRECTED, server(hosts="b.io", name="q")], ["hosts: [a.io, b.io]"], [["a.io"], ["b.io"]]),
    ],
)
def test_hosts_that_are_served_alike_are_one_virtual_host(
    servers: list[str], rules: list[str], expected: list[list[str]], validate: Callable[[Compiled], None]
) -> None:
    text = "".join(routes(f"{each}, {HTTP_TO_A}", f"r{number}") for number, each in enumerate(rules))
    compiled = Mesh(service("a") + gateway(*servers) + text).compile(PROXY)
    assert [list(each.domains) for each in compiled.routes["http.80"].virtual_hosts] == expected
    validate(compiled)


@pytest.mark.parametrize(
    "rules",
    ["tcp: [{route: [{destination: {host: a}}]}]", "http: [{match: [{port: 81}], route: [{destination: {host: a}}]}]"],
)
def test_rules_that_have_nothing_to_say_of_requests_make_no_host(rules: str) -> None:
    compiled = Mesh(service("a") + gateway(server()) + routes(f"hosts: [x.io], {rules}")).compile(PROXY)
    assert hosts_of(compiled, "http.80") == {"blackhole:80": []}


def test_virtual_services_of_one_host_are_joined_oldest_first_with_catch_alls_last() -> None:
    def named(name: str, prefix: str = "") -> str:
        match = f"match: [{{uri: {{prefix: {prefix}}}}}], " if prefix else ""
        rule = f"{{name: {name}, {match}route: [{{destination: {{host: a}}}}]}}"
        return routes(f"hosts: [x.io], http: [{rule}]", name)

    text = service("a") + gateway(server()) + named("all") + named("z", "/z") + named("b", "/b")
    assert hosts_of(Mesh(text).compile(PROXY), "http.80") == {"x.io:80": ["z", "b", "all"]}


def test_a_host_is_named_by_the_port_of_its_own_server() -> None:
    text = service("a") + gateway(server(hosts="a.io")) + gateway(server(hosts="b.io", port=81), name="h")
    text += routes(f"hosts: [a.io, b.io], {HTTP_TO_A}", gateways="g, h")
    compiled = Mesh(text).compile(PROXY)
    assert [list(hosts_of(compiled, table)) for table in ("http.80", "http.81")] == [["a.io:80"], ["b.io:81"]]


def test_matches_are_for_the_gateways_they_name() -> None:
    rule = "{name: %s, match: [{uri: {prefix: /%s}, gateways: [%s]}], route: [{destination: {host: a}}]}"
    rules = ", ".join(rule % (name, name, gate) for name, gate in (("mine", "g"), ("mesh", "mesh"), ("other", "h")))
    text = service("a") + gateway(server()) + routes(f"hosts: ['*'], http: [{rules}]", gateways="g, h, mesh")
    assert hosts_of(Mesh(text).compile(PROXY), "http.80") == {"*:80": ["mine"]}


SIMPLE = "mode: SIMPLE, credentialName: c"


@pytest.mark.parametrize(
    ("case", "servers", "expected", "problems"),
    [
        (
            "by host",
            [server("HTTPS", "a.io", SIMPLE), server("HTTPS", "b.io", SIMPLE, name="q")],
            [["a.io"], ["b.io"]],
            [],
        ),
        ("all others", [server("HTTPS", "a.io", SIMPLE), server("HTTPS", "'*'", SIMPLE, name="q")], [["a.io"], []], []),
        (
            "a host once",
            [server("HTTPS", "a.io, b.io", SIMPLE), server("HTTPS", "b.io, c.io", SIMPLE, name="q")],
            [["a.io", "b.io"], ["c.io"]],
            [("default/g", "host-taken", "spec.servers[1].hosts")],
        ),
        (
            "a star inside a label",
            [server("HTTPS", "'*-x.io', a.io", SIMPLE)],
            [["a.io"]],
            [("default/g", "host-taken", "spec.servers[0].hosts")],
        ),
        ("namespaces are cut off", [server("HTTPS", "default/a.io", SIMPLE)], [["a.io"]], []),
        (
            "plaintext on the port of TLS",
            [server("HTTPS", "a.io", SIMPLE), server("HTTP")],
            [["a.io"]],
            [("default/g", "listener-taken", "spec.servers[1].port")],
        ),
    ],
)
def test_servers_with_tls_share_a_port_by_host(
    case: str,
    servers: list[str],
    expected: list[list[str]],
    problems: list[tuple[str, str, str]],
    validate: Callable[[Compiled], None],
) -> None:
    compiled = Mesh(gateway(*servers)).compile(PROXY)
    assert names_of(compiled, "0.0.0.0_80") == expected, case
    assert compiled.problems() == problems
    validate(compiled)


def test_tables_of_servers_with_equal_port_names_are_apart() -> None:
    compiled = Mesh(gateway(server("HTTPS", "a.io", SIMPLE), server("HTTPS", "b.io", SIMPLE))).compile(PROXY)
    assert sorted(compiled.routes) == ["https.80.p.g.default", "https.80.p.g.default.1"]


def test_https_redirect_is_for_every_host_of_the_server(validate: Callable[[Compiled], None]) -> None:
    compiled = Mesh(gateway(server("HTTP", "a.io, b.io", "httpsRedirect: true"))).compile(PROXY)
    (host,) = compiled.routes["http.80"].virtual_hosts
    assert (list(host.domains), host.require_tls) == (["a.io", "b.io"], host.ALL)
    validate(compiled)


TCP_TO_DB = "tcp: [{route: [{destination: {host: db, port: {number: 5432}}}]}]"


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        ([server("TCP", port=5432)], "outbound|5432||db.default.svc.cluster.local"),
        ([server("TLS", "db.io", SIMPLE, 5432)], "outbound|5432||db.default.svc.cluster.local"),
    ],
)
def test_tcp_goes_by_tcp_routes(servers: list[str], expected: str, validate: Callable[[Compiled], None]) -> None:
    text = service("db", 5432, "TCP") + gateway(*servers) + routes(f"hosts: ['*'], {TCP_TO_DB}")
    compiled = Mesh(text).compile(PROXY)
    assert expected in compiled.clusters
    assert list(compiled.listeners) == ["0.0.0.0_5432"]
    validate(compiled)


def test_tcp_without_a_route_has_no_listener() -> None:
    assert Mesh(gateway(server("TCP", port=5432))).compile(PROXY).listeners == {}


def test_a_second_tcp_server_on_a_port_is_told() -> None:
    text = service("db", 5432, "TCP") + gateway(server("TCP", port=5432), server("TCP", port=5432))
    compiled = Mesh(text + routes(f"hosts: ['*'], {TCP_TO_DB}")).compile(PROXY)
    assert compiled.problems() == [("default/g", "listener-taken", "spec.servers[1].port")]


def test_tls_is_passed_through_by_name(validate: Callable[[Compiled], None]) -> None:
    tls = "tls: [{match: [{sniHosts: [x.io]}], route: [{destination: {host: db, port: {number: 443}}}]}]"
    text = (
        service("db", 443, "TLS")
        + gateway(server("TLS", "x.io", "mode: PASSTHROUGH", 443))
        + routes(f"hosts: [x.io], {tls}")
    )
    compiled = Mesh(text).compile(PROXY)
    assert names_of(compiled, "0.0.0.0_443") == [["x.io"]]
    validate(compiled)


@pytest.mark.parametrize(
    ("spec", "suites", "versions"),
    [
        ("cipherSuites: [ECDHE-RSA-AES128-GCM-SHA256, NOBODY]", ["ECDHE-RSA-AES128-GCM-SHA256"], (0, 0)),
        ("minProtocolVersion: TLSV1_3, maxProtocolVersion: TLSV1_2", [], (4, 4)),
        ("maxProtocolVersion: TLSV1_2", [], (0, 3)),
        ("maxProtocolVersion: TLSV1_1", [], (0, 3)),
    ],
)
def test_tls_parameters_that_envoy_knows(
    spec: str, suites: list[str], versions: tuple[int, int], validate: Callable[[Compiled], None]
) -> None:
    from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import DownstreamTlsContext

    compiled = Mesh(gateway(server("HTTPS", "a.io", f"{SIMPLE}, {spec}"))).compile(PROXY)
    context = DownstreamTlsContext()
    compiled.listeners["0.0.0.0_80"].filter_chains[0].transport_socket.typed_config.Unpack(context)
    stated = context.common_tls_context.tls_params
    assert list(stated.cipher_suites) == suites
    assert (stated.tls_minimum_protocol_version, stated.tls_maximum_protocol_version) == versions
    validate(compiled)


@pytest.mark.parametrize(
    ("defaults", "own", "expected"),
    [
        ("minProtocolVersion: TLSV1_3", "", {"tls_minimum_protocol_version": "TLSv1_3"}),
        ("minProtocolVersion: TLSV1_3", ", minProtocolVersion: TLSV1_2", {"tls_minimum_protocol_version": "TLSv1_2"}),
        ("cipherSuites: [AES128-GCM-SHA256]", "", {"cipher_suites": ["AES128-GCM-SHA256"]}),
        ("cipherSuites: [AES128-SHA]", ", cipherSuites: [AES256-SHA]", {"cipher_suites": ["AES256-SHA"]}),
        (
            "ecdhCurves: [P-256, P-384, P-521, X25519, X25519MLKEM768, P-1]",
            "",
            {"ecdh_curves": ["P-256", "P-384", "P-521", "X25519", "X25519MLKEM768"]},
        ),
    ],
)
def test_what_the_mesh_says_of_tls_where_a_server_says_nothing(
    defaults: str, own: str, expected: dict[str, Any], validate: Callable[[Compiled], None]
) -> None:
    text = gateway(server("HTTPS", "a.io", f"{SIMPLE}{own}"))
    compiled = Mesh(f"kind: MeshConfig\nspec: {{tlsDefaults: {{{defaults}}}}}\n---\n{text}").compile(PROXY)
    socket = as_dict(compiled.listeners["0.0.0.0_80"])["filter_chains"][0]["transport_socket"]
    assert socket["typed_config"]["common_tls_context"]["tls_params"] == expected
    validate(compiled)


def test_a_place_that_is_none_is_told() -> None:
    compiled = Mesh(gateway(server(bind="my.host"), server(port=81))).compile(PROXY)
    assert compiled.problems() == [("default/g", "bad-address", "spec.servers[0]")]
    assert list(compiled.listeners) == ["0.0.0.0_81"]


def test_what_a_gateway_depends_on() -> None:
    text = service("a") + gateway(server()) + routes(f"hosts: ['*'], {HTTP_TO_A}")
    compiled = Mesh(f"kind: MeshConfig\nspec: {{accessLogFile: /dev/stdout}}\n{text}").compile(PROXY).compiled
    found = {name: each for held in compiled.resources.values() for name, each in held.items()}
    names = {name: sorted(key.collection.rpartition("/")[2] for key in each.depends_on) for name, each in found.items()}
    assert names["0.0.0.0_80"] == ["MeshConfig", "gateways"]
    assert names["http.80"] == ["MeshConfig", "gateways", "serviceentries", "virtualservices"]


@pytest.mark.parametrize(
    ("tls", "scheme", "port"), [(SIMPLE, "", 0), (SIMPLE, "http", 443), ("", "https", 0), ("", "", 443)]
)
def test_a_redirect_says_no_port_that_goes_without_saying(tls: str, scheme: str, port: int) -> None:
    rule = f"redirect: {{authority: b.io, derivePort: FROM_REQUEST_PORT, scheme: '{scheme}'}}"
    way_in = server("HTTPS" if tls else "HTTP", "a.io", tls, 443)
    compiled = Mesh(gateway(way_in) + routes(f"hosts: [a.io], http: [{{{rule}}}]")).compile(PROXY)
    (table,) = compiled.routes.values()
    assert table.virtual_hosts[0].routes[0].redirect.port_redirect == port
