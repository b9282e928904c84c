"""From the rules of VirtualServices to routes: whose they are, where they lead, what goes along."""

from typing import Any

import pytest
from google.protobuf import json_format

from flotilla_pilot.compile.filters import cors, fault, fraction, percent
from flotilla_pilot.compile.matching import Client, applies, is_catch_all
from flotilla_pilot.compile.retries import RETRY_ON, retry_policy
from flotilla_pilot.model.frozen import EMPTY, FrozenMap
from flotilla_pilot.testing.meshes import Mesh, as_dict, make_proxy
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import (
    CorsPolicy,
    HTTPFaultInjection,
    HTTPMatchRequest,
    HTTPRetry,
    Percent,
)

SERVICES = "".join(
    f"""
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: default}}
spec:
  hosts: [{name}.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ports}]
"""
    for name, ports in (
        ("a", "{number: 80, name: http, protocol: HTTP}"),
        ("b", "{number: 80, name: http, protocol: HTTP}, {number: 81, name: more, protocol: HTTP}"),
        ("c", "{number: 9000, name: http, protocol: HTTP}"),
    )
)
RULE = """
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: b, namespace: default}
spec:
  host: b
  trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: session, ttl: 60s, path: /}}}}
  subsets: [{name: v1, labels: {version: v1}}]
"""


def virtual_service(spec: str, name: str = "r", namespace: str = "default") -> str:
    return (
        "\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\nspec: {{{spec}}}\n"
    )


def routes_of(text: str, host: str = "a", **proxy: Any) -> list[dict[str, Any]]:
    """The routes of one service's virtual host on port 80."""
    table = Mesh(SERVICES + RULE + text).compile(make_proxy("client", **proxy)).routes["80"]
    (found,) = (each for each in table.virtual_hosts if each.name == f"{host}.default.svc.cluster.local:80")
    return [as_dict(route) for route in found.routes]


def action_of(rule: str, **proxy: Any) -> dict[str, Any]:
    (route,) = routes_of(virtual_service(f"hosts: [a], http: [{{{rule}}}]"), **proxy)
    found: dict[str, Any] = route["route"]
    return found


@pytest.mark.parametrize(
    ("destination", "cluster"),
    [
        ("host: a", "outbound|80||a.default.svc.cluster.local"),
        ("host: a.default.svc.cluster.local", "outbound|80||a.default.svc.cluster.local"),
        ("host: A", "outbound|80||a.default.svc.cluster.local"),
        ("host: b", "outbound|80||b.default.svc.cluster.local"),
        ("host: b, port: {number: 81}", "outbound|81||b.default.svc.cluster.local"),
        ("host: b, subset: v1, port: {number: 81}", "outbound|81|v1|b.default.svc.cluster.local"),
        ("host: c", "outbound|9000||c.default.svc.cluster.local"),
        ("host: nobody", "outbound|80||nobody.default.svc.cluster.local"),
        ("host: b, subset: v2", "outbound|80|v2|b.default.svc.cluster.local"),
        ("host: a, port: {number: 81}", "outbound|81||a.default.svc.cluster.local"),
    ],
)
def test_where_a_destination_leads(destination: str, cluster: str) -> None:
    assert action_of(f"route: [{{destination: {{{destination}}}}}]")["cluster"] == cluster


def test_a_short_host_is_of_the_rules_own_namespace() -> None:
    spec = "hosts: [a.default.svc.cluster.local], http: [{route: [{destination: {host: b}}]}]"
    (route,) = routes_of(virtual_service(spec, namespace="other"))
    assert route["route"]["cluster"] == "outbound|80||b.other.svc.cluster.local"


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([1], None),
        ([0], None),
        ([90, 10], [90, 10]),
        ([90, 0], [90]),
        ([0, 0], None),
        ([1, 2, 0], [1, 2]),
    ],
)
def test_weights(weights: list[int], expected: list[int] | None) -> None:
    targets = ", ".join(f"{{destination: {{host: a}}, weight: {weight}}}" for weight in weights)
    action = action_of(f"route: [{targets}]")
    if expected is None:
        assert action["cluster"] == "outbound|80||a.default.svc.cluster.local"
    else:
        assert [each["weight"] for each in action["weighted_clusters"]["clusters"]] == expected


def test_headers_of_the_rule_come_before_those_of_its_destination() -> None:
    """So that the destination's count where both set one."""
    add = "headers: {request: {set: {x: %s}, remove: [%s]}}"
    rule = f"route: [{{destination: {{host: a}}, {add % ('destination', 'd')}}}], {add % ('rule', 'r')}"
    (route,) = routes_of(virtual_service(f"hosts: [a], http: [{{{rule}}}]"))
    assert [each["header"]["value"] for each in route["request_headers_to_add"]] == ["rule", "destination"]
    assert route["request_headers_to_remove"] == ["r", "d"]


@pytest.mark.parametrize(
    ("hosts", "hashes", "again"), [(["b"], 1, True), (["b", "b"], 2, False), (["b", "a"], 1, False), (["a"], 0, False)]
)
def test_requests_to_one_destination_that_hashes_are_tried_there_again(
    hosts: list[str], hashes: int, again: bool
) -> None:
    shares = ", ".join(f"{{destination: {{host: {host}, port: {{number: 80}}}}, weight: 1}}" for host in hosts)
    action = action_of(f"route: [{shares}]")
    assert len(action.get("hash_policy", [])) == hashes
    assert ("retry_host_predicate" not in action["retry_policy"]) is again


def test_requests_are_hashed_as_the_destination_wants() -> None:
    cookie = {"cookie": {"name": "session", "ttl": "60s", "path": "/"}}
    assert action_of("route: [{destination: {host: b}}]")["hash_policy"] == [cookie]
    assert routes_of("", "b")[0]["route"]["hash_policy"] == [cookie]
    assert "hash_policy" not in routes_of("", "a")[0]["route"]


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        (["hosts: [a], http: [{name: x, %s}]", "hosts: [a], http: [{name: y, %s}]"], "x"),
        (["hosts: ['*'], http: [{name: wide, %s}]", "hosts: [a], http: [{name: exact, %s}]"], "exact"),
        (["hosts: ['*.cluster.local'], http: [{name: x, %s}]"], "x"),
        (["hosts: [b], http: [{name: x, %s}]"], "default"),
        (["hosts: [a], gateways: [g], http: [{name: x, %s}]"], "default"),
        (["hosts: [a], tcp: [{%s}]"], "default"),
        (["hosts: [a], http: [{name: x, match: [{port: 81}], %s}]"], "default"),
        (["hosts: [a], http: [{match: [{port: 81}], %s}]", "hosts: [a], http: [{name: y, %s}]"], "y"),
    ],
)
def test_which_rules_route_a_service(specs: list[str], expected: str) -> None:
    route = "route: [{destination: {host: a}}]"
    text = "".join(virtual_service(spec % route, f"r{number}") for number, spec in enumerate(specs))
    assert routes_of(text)[0]["name"] == expected


def test_routes_stop_at_the_first_that_takes_everything() -> None:
    to = "route: [{destination: {host: a}}]"
    rules = f"{{name: one, match: [{{uri: {{prefix: /x}}}}], {to}}}, {{name: two, {to}}}, {{name: three, {to}}}"
    found = routes_of(virtual_service(f"hosts: [a], http: [{rules}]"))
    assert [each["name"] for each in found] == ["one", "two"]


def test_rules_for_other_clients_leave_no_route() -> None:
    to = "route: [{destination: {host: a}}]"
    spec = f"hosts: [a], http: [{{name: mine, match: [{{sourceLabels: {{app: x}}}}], {to}}}, {{name: rest, {to}}}]"
    text = virtual_service(spec)
    assert [each["name"] for each in routes_of(text, LABELS={"app": "x"})] == ["mine"]
    assert [each["name"] for each in routes_of(text, LABELS={"app": "y"})] == ["rest"]


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({}, True),
        ({"port": 80}, True),
        ({"port": 81}, False),
        ({"sourceNamespace": "default"}, True),
        ({"sourceNamespace": "other"}, False),
        ({"sourceLabels": {"app": "x"}}, True),
        ({"sourceLabels": {"app": "x", "v": "1"}}, False),
        ({"gateways": ["mesh"]}, True),
        ({"gateways": ["g"]}, False),
        ({"gateways": ["g", "mesh"]}, True),
    ],
)
def test_whom_a_match_is_for(match: dict[str, Any], expected: bool) -> None:
    (rules,) = Mesh(virtual_service("hosts: [a]")).snapshot.route_rules
    client = Client(80, "default", FrozenMap({"app": "x"}))
    assert applies(json_format.ParseDict(match, HTTPMatchRequest()), rules, client) is expected


def test_a_gateway_is_named_in_full() -> None:
    (rules,) = Mesh(virtual_service("hosts: [a]")).snapshot.route_rules
    client = Client(80, "default", EMPTY, frozenset({"default/g"}))
    assert applies(HTTPMatchRequest(gateways=["g"]), rules, client)
    assert not applies(HTTPMatchRequest(gateways=["other/g"]), rules, client)
    assert not applies(HTTPMatchRequest(gateways=["mesh"]), rules, client)


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({}, True),
        ({"uri": {"prefix": "/"}}, True),
        ({"uri": {"prefix": ""}}, True),
        ({"uri": {"regex": ".*"}}, True),
        ({"uri": {"prefix": "/x"}}, False),
        ({"uri": {"exact": "/"}}, False),
        ({"headers": {"x": {}}}, False),
        ({"withoutHeaders": {"x": {}}}, False),
        ({"queryParams": {"x": {}}}, False),
        ({"method": {"exact": "GET"}}, False),
        ({"port": 80, "sourceLabels": {"a": "b"}}, True),
    ],
)
def test_what_takes_everything(match: dict[str, Any], expected: bool) -> None:
    assert is_catch_all(json_format.ParseDict(match, HTTPMatchRequest())) is expected


def retries(**stated: Any) -> HTTPRetry:
    return json_format.ParseDict(stated, HTTPRetry())


@pytest.mark.parametrize(
    ("own", "mesh", "attempts", "conditions", "codes"),
    [
        (None, None, 2, RETRY_ON, []),
        (None, retries(attempts=5), 5, RETRY_ON, []),
        (retries(attempts=3), retries(attempts=5), 3, RETRY_ON, []),
        (retries(attempts=1, retryOn="5xx"), None, 1, "5xx", []),
        (retries(attempts=1, retryOn="5xx, 503,504"), None, 1, "5xx,retriable-status-codes", [503, 504]),
        (retries(attempts=1, retryOn="retriable-status-codes,429"), None, 1, "retriable-status-codes", [429]),
        (retries(attempts=1, retryOn="5xx,99,700"), None, 1, "5xx", []),
    ],
)
def test_retries(own: HTTPRetry, mesh: HTTPRetry, attempts: int, conditions: str, codes: list[int]) -> None:
    policy = retry_policy(own, mesh)
    assert policy is not None
    assert policy.num_retries.value == attempts
    assert policy.retry_on == conditions
    assert list(policy.retriable_status_codes) == codes
    assert [each.name for each in policy.retry_host_predicate] == ["envoy.retry_host_predicates.previous_hosts"]


@pytest.mark.parametrize(("own", "mesh"), [(retries(attempts=0), None), (None, retries(attempts=0))])
def test_no_attempts_are_no_retries(own: HTTPRetry | None, mesh: HTTPRetry | None) -> None:
    assert retry_policy(own, mesh) is None


def test_previous_hosts_may_be_tried_again() -> None:
    policy = retry_policy(retries(attempts=1, retryIgnorePreviousHosts=False), None)
    assert policy is not None
    assert not policy.retry_host_predicate


@pytest.mark.parametrize(
    ("stated", "default", "expected"),
    [(None, 100, 100), (None, 0, 0), (Percent(value=0.01), 0, 100), (Percent(value=300), 0, 1_000_000)],
)
def test_percentages_are_millionths_and_defaults_hundredths(
    stated: Percent | None, default: int, expected: int
) -> None:
    assert percent(stated, default).numerator == expected
    assert fraction(stated, default).default_value == percent(stated, default)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({}, None),
        ({"delay": {"fixedDelay": "0s"}}, None),
        (
            {"delay": {"fixedDelay": "1s"}},
            {"delay": {"fixed_delay": "1s", "percentage": {}}},
        ),
        (
            {"delay": {"fixedDelay": "1s", "percent": 50}},
            {"delay": {"fixed_delay": "1s", "percentage": {"numerator": 50}}},
        ),
        (
            {"abort": {"httpStatus": 503, "percentage": {"value": 1}}},
            {"abort": {"http_status": 503, "percentage": {"numerator": 10000, "denominator": "MILLION"}}},
        ),
        (
            {"abort": {"grpcStatus": "UNAVAILABLE", "percentage": {"value": 1}}},
            {"abort": {"grpc_status": 14, "percentage": {"numerator": 10000, "denominator": "MILLION"}}},
        ),
        ({"abort": {"httpStatus": 99}}, None),
        ({"abort": {"grpcStatus": "NOBODY"}}, None),
    ],
)
def test_faults(stated: dict[str, Any], expected: dict[str, Any] | None) -> None:
    found = fault(json_format.ParseDict(stated, HTTPFaultInjection()))
    assert (as_dict(found) if found is not None else None) == expected


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"allowOrigins": [{"prefix": "https://"}]}, {"allow_origin_string_match": [{"prefix": "https://"}]}),
        ({"allowOrigin": ["*"]}, {"allow_origin_string_match": [{"exact": "*"}]}),
        (
            {"allowOrigin": ["*"], "allowOrigins": [{"exact": "a"}]},
            {"allow_origin_string_match": [{"exact": "a"}]},
        ),
        ({"allowOrigins": [{"regex": "("}]}, {}),
        ({"allowHeaders": ["a", "b"], "exposeHeaders": ["c"]}, {"allow_headers": "a,b", "expose_headers": "c"}),
        ({"unmatchedPreflights": "FORWARD"}, {"forward_not_matching_preflights": True}),
        ({"unmatchedPreflights": "IGNORE"}, {"forward_not_matching_preflights": False}),
        ({"allowCredentials": False}, {"allow_credentials": False}),
    ],
)
def test_cors(stated: dict[str, Any], expected: dict[str, Any]) -> None:
    found = as_dict(cors(json_format.ParseDict(stated, CorsPolicy())))
    found.pop("filter_enabled")
    assert found == {"forward_not_matching_preflights": True, **expected}
