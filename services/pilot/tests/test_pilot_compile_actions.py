"""What a route does: rewrites, redirects, direct answers, mirrors, headers; and what it says of itself."""

from typing import Any

import pytest
from envoy.config.route.v3.route_components_pb2 import Route
from google.protobuf import json_format

from flotilla_pilot.compile.header_operations import apply_headers, host_rewrite
from flotilla_pilot.testing.meshes import Mesh, as_dict, make_proxy
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import Headers

SERVICES = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a, namespace: default}
spec:
  hosts: [a.default.svc.cluster.local, b.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
"""
TO_A = "route: [{destination: {host: a}}]"
A, B = (f"outbound|80||{name}.default.svc.cluster.local" for name in "ab")


def route_of(rule: str) -> dict[str, Any]:
    """The first route of service a, with `rule` as its only one."""
    text = (
        "\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: r, namespace: default}\n"
        f"spec: {{hosts: [a], http: [{{{rule}}}]}}\n"
    )
    compiled = Mesh(SERVICES + text).compile(make_proxy("client"))
    assert compiled.problems() == []
    return as_dict(compiled.routes["80"].virtual_hosts[0].routes[0])


@pytest.mark.parametrize(
    ("rewrite", "expected"),
    [
        ("uri: /new", {"prefix_rewrite": "/new"}),
        ("authority: other.io", {"host_rewrite_literal": "other.io"}),
        ("uri: /new, authority: other.io", {"prefix_rewrite": "/new", "host_rewrite_literal": "other.io"}),
        (
            "uriRegexRewrite: {match: '^/a/(.*)', rewrite: '/b/\\1'}",
            {"regex_rewrite": {"pattern": {"regex": "^/a/(.*)"}, "substitution": "/b/\\1"}},
        ),
        (
            "uri: /new, uriRegexRewrite: {match: a, rewrite: b}",
            {"regex_rewrite": {"pattern": {"regex": "a"}, "substitution": "b"}},
        ),
    ],
)
def test_rewrites(rewrite: str, expected: dict[str, Any]) -> None:
    action = route_of(f"{TO_A}, rewrite: {{{rewrite}}}")["route"]
    names = ("prefix_rewrite", "host_rewrite_literal", "regex_rewrite")
    assert {name: action[name] for name in names if name in action} == expected


@pytest.mark.parametrize(
    ("redirect", "expected"),
    [
        ("uri: /there", {"path_redirect": "/there"}),
        ("authority: b.io", {"host_redirect": "b.io", "path_redirect": ""}),
        ("prefixRewrite: /new", {"prefix_rewrite": "/new"}),
        ("uri: /there, prefixRewrite: /new", {"prefix_rewrite": "/new"}),
        (
            "scheme: https, port: 8443",
            {"scheme_redirect": "https", "port_redirect": 8443, "path_redirect": ""},
        ),
        ("uri: /x, redirectCode: 301", {"path_redirect": "/x"}),
        ("uri: /x, redirectCode: 302", {"path_redirect": "/x", "response_code": "FOUND"}),
        ("uri: /x, redirectCode: 303", {"path_redirect": "/x", "response_code": "SEE_OTHER"}),
        ("uri: /x, redirectCode: 307", {"path_redirect": "/x", "response_code": "TEMPORARY_REDIRECT"}),
        ("uri: /x, redirectCode: 308", {"path_redirect": "/x", "response_code": "PERMANENT_REDIRECT"}),
    ],
)
def test_redirects(redirect: str, expected: dict[str, Any]) -> None:
    assert route_of(f"redirect: {{{redirect}}}")["redirect"] == expected


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("status: 204", {"status": 204}),
        ("status: 200, body: {string: hi}", {"status": 200, "body": {"inline_string": "hi"}}),
        ("status: 503, body: {bytes: aGk=}", {"status": 503, "body": {"inline_bytes": "aGk="}}),
    ],
)
def test_direct_answers(response: str, expected: dict[str, Any]) -> None:
    assert route_of(f"directResponse: {{{response}}}")["direct_response"] == expected


def mirrored(cluster: str, share: int, of: str = "MILLION") -> dict[str, Any]:
    fraction = {"numerator": share, **({} if of == "HUNDRED" else {"denominator": of})}
    return {
        "cluster": cluster,
        "runtime_fraction": {"default_value": fraction},
        "trace_sampled": False,
        "disable_shadow_host_suffix_append": True,
    }


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("mirror: {host: b}", [mirrored(B, 100, "HUNDRED")]),
        ("mirror: {host: b}, mirrorPercentage: {value: 2.5}", [mirrored(B, 25_000)]),
        ("mirror: {host: b}, mirrorPercent: 10", [mirrored(B, 10, "HUNDRED")]),
        ("mirrors: [{destination: {host: b}}]", [mirrored(B, 100, "HUNDRED")]),
        (
            "mirrors: [{destination: {host: b}, percentage: {value: 1}}, {destination: {host: a}}]",
            [mirrored(B, 10_000), mirrored(A, 100, "HUNDRED")],
        ),
        ("mirror: {host: nobody}", None),
    ],
)
def test_mirrors(rule: str, expected: list[dict[str, Any]] | None) -> None:
    found = route_of(f"{TO_A}, {rule}")["route"]["request_mirror_policies"]
    assert found == (expected or [mirrored("outbound|80||nobody.default.svc.cluster.local", 100, "HUNDRED")])


@pytest.mark.parametrize(
    ("rule", "expected"), [("", "0s"), ("timeout: 1.5s", "1.500s"), ("timeout: 0s", "0s"), ("timeout: 60s", "60s")]
)
def test_timeouts(rule: str, expected: str) -> None:
    found = route_of(", ".join(each for each in (TO_A, rule) if each))["route"]
    assert (found["timeout"], found["max_grpc_timeout"]) == (expected, expected)


TWO = "route: [{destination: {host: a}, weight: 1}, {destination: {host: b}, weight: 1}]"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (TO_A, "a.default.svc.cluster.local:80/*"),
        ("route: [{destination: {host: b}}]", "b.default.svc.cluster.local:80/*"),
        (TWO, "r:80/*"),
        (f"match: [{{uri: {{exact: /x}}}}], {TO_A}", "a.default.svc.cluster.local:80/x"),
        (f"match: [{{uri: {{prefix: /x}}}}], {TO_A}", "a.default.svc.cluster.local:80/x*"),
        (f"match: [{{uri: {{regex: /x+}}}}], {TO_A}", "a.default.svc.cluster.local:80/x+"),
        ("route: [{destination: {host: nobody}}]", "nobody.default.svc.cluster.local:80/*"),
        ("redirect: {uri: /x}", "r:80/*"),
    ],
)
def test_the_operation_that_traces_show(rule: str, expected: str) -> None:
    assert route_of(rule)["decorator"]["operation"] == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (TO_A, ""),
        (f"name: n, {TO_A}", "n"),
        (f"name: n, match: [{{name: m, uri: {{exact: /}}}}], {TO_A}", "n.m"),
        (f"match: [{{name: m, uri: {{exact: /}}}}], {TO_A}", ".m"),
    ],
)
def test_the_name_of_a_route(rule: str, expected: str) -> None:
    assert route_of(rule).get("name", "") == expected


def test_a_route_says_which_object_made_it() -> None:
    path = "/apis/networking.istio.io/v1/namespaces/default/virtual-service/r"
    assert route_of(TO_A)["metadata"]["filter_metadata"]["istio"] == {"config": path}


OVERWRITE, APPEND = 2, 0


def applied(**stated: Any) -> tuple[list[tuple[str, str, int]], list[str], list[str]]:
    """The request headers to add (name, value, action), those to remove, and what was refused."""
    route = Route()
    refused = list(apply_headers(route, json_format.ParseDict(stated, Headers())))
    added = [(each.header.key, each.header.value, each.append_action) for each in route.request_headers_to_add]
    return added, list(route.request_headers_to_remove), refused


@pytest.mark.parametrize(
    ("request_operations", "added", "removed", "refused"),
    [
        ({"set": {"x": "1"}}, [("x", "1", OVERWRITE)], [], []),
        ({"add": {"x": "1"}}, [("x", "1", APPEND)], [], []),
        ({"remove": ["x"]}, [], ["x"], []),
        (
            {"add": {"b": "2"}, "set": {"z": "1", "a": "1"}, "remove": ["c"]},
            [("a", "1", OVERWRITE), ("z", "1", OVERWRITE), ("b", "2", APPEND)],
            ["c"],
            [],
        ),
        ({"set": {"host": "x"}}, [], [], []),
        ({"set": {":authority": "x"}}, [], [], []),
        ({"set": {":path": "x"}}, [], [], ["request.set[:path]"]),
        ({"add": {"host": "x", "Host": "y"}}, [], [], ["request.add[Host]", "request.add[host]"]),
        ({"add": {":method": "x"}}, [], [], ["request.add[:method]"]),
        ({"remove": ["host", ":path", "x"]}, [], ["x"], ["request.remove[0]", "request.remove[1]"]),
        ({"set": {"": "x"}}, [], [], ["request.set[]"]),
    ],
)
def test_header_operations(
    request_operations: dict[str, Any], added: list[tuple[str, str, int]], removed: list[str], refused: list[str]
) -> None:
    assert applied(request=request_operations) == (added, removed, refused)


def test_responses_have_headers_of_their_own() -> None:
    route = Route()
    stated = {"response": {"set": {"x": "1"}, "add": {"y": "2"}, "remove": ["z"]}}
    assert list(apply_headers(route, json_format.ParseDict(stated, Headers()))) == []
    assert [each.header.key for each in route.response_headers_to_add] == ["x", "y"]
    assert list(route.response_headers_to_remove) == ["z"]
    assert not route.request_headers_to_add


def test_the_host_of_a_response_cannot_be_set() -> None:
    stated = json_format.ParseDict({"response": {"set": {"host": "x"}}}, Headers())
    assert list(apply_headers(Route(), stated)) == ["response.set[host]"]


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({}, ""),
        ({"x": "1"}, ""),
        ({"host": "a.io"}, "a.io"),
        ({"Host": "a.io"}, "a.io"),
        ({":authority": "b.io"}, "b.io"),
    ],
)
def test_setting_the_host_is_a_rewrite(stated: dict[str, str], expected: str) -> None:
    assert host_rewrite(json_format.ParseDict({"request": {"set": stated}}, Headers())) == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (f"{TO_A}, headers: {{request: {{set: {{host: x.io}}}}}}", "x.io"),
        (f"{TO_A}, headers: {{request: {{set: {{host: x.io}}}}}}, rewrite: {{authority: y.io}}", "y.io"),
        ("route: [{destination: {host: a}, headers: {request: {set: {host: z.io}}}}]", "z.io"),
    ],
)
def test_who_sets_the_host(rule: str, expected: str) -> None:
    assert route_of(rule)["route"]["host_rewrite_literal"] == expected


def test_headers_of_several_destinations_stay_with_each() -> None:
    rule = (
        "route: [{destination: {host: a}, weight: 1, headers: {request: {set: {x: one}}}},"
        "{destination: {host: b}, weight: 3, headers: {response: {remove: [y]}, request: {set: {host: h}}}}]"
    )
    one, two = route_of(rule)["route"]["weighted_clusters"]["clusters"]
    assert [each["header"] for each in one["request_headers_to_add"]] == [{"key": "x", "value": "one"}]
    assert (two["response_headers_to_remove"], two["host_rewrite_literal"], two["weight"]) == (["y"], "h", 3)
    assert "host_rewrite_literal" not in one
