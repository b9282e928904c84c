"""Which host, route and address a played call finds."""

from typing import Any

import pytest

from flotilla_pilot.offline.calls import Call, Lost
from flotilla_pilot.offline.dialling import ELSEWHERE, by_listener, dial
from flotilla_pilot.offline.matching import choose_host, choose_route, takes
from flotilla_pilot.testing.meshes import Mesh, make_proxy


def table(*domains: str, ignore_port: bool = True) -> dict[str, Any]:
    hosts = [{"name": each, "domains": [each]} for each in domains]
    return {"virtual_hosts": hosts, "ignore_port_in_host_matching": ignore_port}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("reviews", "reviews"),
        ("REVIEWS:9080", "reviews"),
        ("a.example.com", "a.example.com"),
        ("b.example.com", "*.example.com"),
        ("b.other.com", "*.com"),
        ("api.local", "api.*"),
        ("nowhere", "*"),
    ],
)
def test_the_most_specific_domain_takes_a_request(asked: str, found: str) -> None:
    held = table("*", "*.com", "*.example.com", "a.example.com", "reviews", "api.*")
    assert choose_host(held, asked)["name"] == found


def test_a_port_counts_unless_the_table_ignores_it() -> None:
    assert choose_host(table("a:80", "a:81", ignore_port=False), "a:81")["name"] == "a:81"
    with pytest.raises(Lost, match="NoVirtualHost"):
        choose_host(table("a", ignore_port=False), "a:80")


def call(path: str = "/", **headers: str) -> Call:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Call("10.0.0.1", 80, host="reviews", path=path, headers={":method": "GET", **named})


def header(name: str, **asked: Any) -> dict[str, Any]:
    return {"prefix": "/", "headers": [{"name": name, **asked}]}


@pytest.mark.parametrize(
    ("match", "given", "taken"),
    [
        ({"prefix": "/a"}, call("/ab"), True),
        ({"prefix": "/A"}, call("/ab"), False),
        ({"prefix": "/A", "case_sensitive": False}, call("/ab"), True),
        ({"path": "/a"}, call("/a?x=1"), True),
        ({"path": "/a"}, call("/a/"), False),
        ({"path_separated_prefix": "/a"}, call("/a"), True),
        ({"path_separated_prefix": "/a"}, call("/a/b"), True),
        ({"path_separated_prefix": "/a"}, call("/ab"), False),
        ({"safe_regex": {"regex": "/[0-9]+"}}, call("/12"), True),
        ({"safe_regex": {"regex": "/[0-9]+"}}, call("/12a"), False),
        ({"safe_regex": {"regex": "(?P<"}}, call("/12a"), False),
        ({"connect_matcher": {}}, call("/"), False),
        (header("user", string_match={"exact": "jason"}), call(user="jason"), True),
        (header("user", string_match={"exact": "jason"}), call(user="Jason"), False),
        (header("user", string_match={"exact": "JASON", "ignore_case": True}), call(user="Jason"), True),
        (header("user", string_match={"prefix": "ja"}), call(user="jason"), True),
        (header("user", string_match={"suffix": "on"}), call(user="jason"), True),
        (header("user", string_match={"contains": "as"}), call(user="jason"), True),
        (header("user", string_match={"safe_regex": {"regex": "j.*"}}), call(user="jason"), True),
        (header("user", string_match={"exact": "jason"}), call(), False),
        (header("user", string_match={"exact": "jason"}, invert_match=True), call(), True),
        (header("user", string_match={"exact": "jason"}, invert_match=True), call(user="jason"), False),
        (header("user", string_match={"exact": ""}, treat_missing_header_as_empty=True), call(), True),
        (header("user", present_match=True), call(user=""), True),
        (header("user", present_match=True), call(), False),
        (header("user", present_match=True, invert_match=True), call(), True),
        (header("user", present_match=False), call(), True),
        (header(":method", string_match={"exact": "GET"}), call(), True),
        (header(":authority", string_match={"exact": "reviews"}), call(), True),
        ({"prefix": "/", "query_parameters": [{"name": "v", "string_match": {"exact": "1"}}]}, call("/?v=1"), True),
        ({"prefix": "/", "query_parameters": [{"name": "v", "string_match": {"exact": "1"}}]}, call("/?v=2"), False),
        ({"prefix": "/", "query_parameters": [{"name": "v", "present_match": True}]}, call("/?v"), True),
    ],
)
def test_a_match_takes_what_envoy_would(match: dict[str, Any], given: Call, taken: bool) -> None:
    assert takes(match, given) is taken


def test_headers_count_only_where_they_are_known() -> None:
    asked = header("user", string_match={"exact": "jason"})
    assert takes(asked, Call("10.0.0.1", 80))
    assert not takes(asked, Call("10.0.0.1", 80, headers={}))


def test_the_first_route_that_fits_is_taken() -> None:
    host = {"routes": [{"name": "no", "match": {"path": "/b"}}, {"name": "yes", "match": {"prefix": "/a"}}]}
    assert choose_route(host, call("/a"))["name"] == "yes"
    with pytest.raises(Lost, match="NoRoute"):
        choose_route(host, call("/c"))


SERVICES = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews.shop.svc.cluster.local]
  addresses: [10.1.0.1]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside, namespace: shop}
spec:
  hosts: [www.example.com]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: DNS
"""


@pytest.mark.parametrize(
    ("namespace", "host", "address"),
    [
        ("shop", "reviews", "10.1.0.1"),
        ("other", "reviews", ELSEWHERE),
        ("other", "reviews.shop", "10.1.0.1"),
        ("other", "reviews.shop.svc", "10.1.0.1"),
        ("other", "reviews.shop.svc.cluster.local", "10.1.0.1"),
        ("shop", "www.example.com", ELSEWHERE),
        ("shop", "unknown.example.com", ELSEWHERE),
        ("shop", "10.9.9.9", "10.9.9.9"),
    ],
)
def test_names_are_looked_up_as_the_cluster_does(namespace: str, host: str, address: str) -> None:
    proxy = make_proxy("web", namespace=namespace, INTERCEPTION_MODE="REDIRECT")
    assert dial(Mesh(SERVICES).snapshot, proxy, host, 80) == address


def test_a_gateway_is_called_at_its_own_address() -> None:
    proxy = make_proxy("edge", 7, kind="router")
    assert dial(Mesh(SERVICES).snapshot, proxy, "reviews.shop", 80) == "127.0.2.7"


def listener(address: str, port: int, *, tunnels: bool = False, direction: str = "OUTBOUND") -> dict[str, Any]:
    options = {"http_protocol_options": {"accept_http_10": True}} if tunnels else {}
    return {
        "address": {"socket_address": {"address": address, "port_value": port}},
        "traffic_direction": direction,
        "filter_chains": [{"filters": [{"typed_config": options}]}],
    }


def test_where_listeners_are_bound_a_caller_dials_one_of_them() -> None:
    held = {
        "in": listener("127.0.2.1", 80, direction="INBOUND"),
        "a": listener("127.0.3.1", 80),
        "b": listener("127.0.3.2", 80),
        "proxy": listener("127.0.3.1", 15002, tunnels=True),
    }
    asked = Call("127.0.3.2", 80, host="reviews")
    assert by_listener(asked, held) is asked
    assert by_listener(Call("10.1.0.1", 80, host="reviews"), held).address == "127.0.3.1"
    through = by_listener(Call("10.1.0.1", 81, host="reviews"), held)
    assert (through.address, through.port, through.host) == ("127.0.3.1", 15002, "reviews:81")
    nowhere = Call("10.1.0.1", 81, protocol="tcp")
    assert by_listener(nowhere, held) is nowhere
