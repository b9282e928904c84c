"""Matches on claims of tokens, and other fields of a rule that only few rules have."""

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import json_format

from flotilla_pilot.compile.claims import claim_path
from flotilla_pilot.compile.matching import route_match
from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import HTTPMatchRequest

MESH = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a}
spec:
  hosts: [a.default.svc.cluster.local]
  resolution: STATIC
  ports: [{number: 8080, name: http, protocol: HTTP}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a}
spec: {hosts: [a], http: [{%s}]}
"""
TO_A = "route: [{destination: {host: a}}]"


def compile_rule(rule: str) -> Compiled:
    return Mesh(MESH % rule).compile(make_proxy("client"))


def route(compiled: Compiled) -> dict[str, Any]:
    (host,) = (each for table in compiled.routes.values() for each in table.virtual_hosts if each.name != "allow_any")
    return as_dict(host.routes[0])


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("@request.auth.claims.a", ("a",)),
        ("@request.auth.claims.a.b", ("a", "b")),
        ("@request.auth.claims[a.b][c]", ("a.b", "c")),
        ("@REQUEST.auth.claims.a", ("a",)),
        ("@request.auth.claims", ()),
        ("@request.auth.claims.", ()),
        ("@request.auth.claims.a..b", ()),
        ("@request.auth.claims[a]b", ()),
        ("@request.auth.claims[]", ()),
        ("@request.auth.claims[a", ()),
        ("@request.auth.claimsa", ()),
        ("x-request.auth.claims.a", ()),
    ],
)
def test_the_claim_that_a_name_stands_for(name: str, path: tuple[str, ...]) -> None:
    assert claim_path(name) == path


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"exact": "x"}, {"exact": "x"}),
        ({"prefix": "x"}, {"prefix": "x"}),
        ({}, {"safe_regex": {"regex": ".*"}}),
    ],
)
@pytest.mark.parametrize("field", ["headers", "withoutHeaders"])
def test_a_claim_is_asked_of_the_tokens_metadata(field: str, wanted: dict[str, str], expected: dict[str, Any]) -> None:
    match = json_format.ParseDict({field: {"@request.auth.claims.g": wanted, "x": {"exact": "y"}}}, HTTPMatchRequest())
    found = as_dict(route_match(match))
    (claim,) = found["dynamic_metadata"]
    assert claim["filter"] == "envoy.filters.http.jwt_authn"
    assert [each["key"] for each in claim["path"]] == ["payload", "g"]
    listed, text = claim["value"]["or_match"]["value_matchers"]
    assert (listed, text) == ({"list_match": {"one_of": text}}, {"string_match": expected})
    assert claim.get("invert", False) is (field == "withoutHeaders")
    assert [each["name"] for each in found["headers"]] == ["x"]


def test_envoy_takes_claims_and_a_rule_with_them_is_no_catch_all(validate: Callable[[Compiled], None]) -> None:
    compiled = compile_rule(f"match: [{{headers: {{'@request.auth.claims.g': {{}}}}}}], {TO_A}}}, {{name: rest, {TO_A}")
    (host,) = (each for table in compiled.routes.values() for each in table.virtual_hosts if each.name != "allow_any")
    assert [each.name for each in host.routes] == ["", "rest"]
    validate(compiled)


@pytest.mark.parametrize(
    ("stated", "port"),
    [
        ("derivePort: FROM_REQUEST_PORT", 8080),
        ("derivePort: FROM_PROTOCOL_DEFAULT", None),
        ("port: 90", 90),
        ("port: 80", None),
        ("port: 80, scheme: https", 80),
        ("port: 443, scheme: https", None),
        ("uri: /x", None),
    ],
)
def test_the_port_of_a_redirect(stated: str, port: int | None, validate: Callable[[Compiled], None]) -> None:
    compiled = compile_rule(f"redirect: {{authority: b.io, {stated}}}")
    assert route(compiled)["redirect"].get("port_redirect") == port
    validate(compiled)


@pytest.mark.parametrize(
    ("number", "scheme", "said"),
    [(80, "", None), (80, "http", None), (443, "https", None), (80, "https", 80), (443, "http", 443)],
)
def test_a_port_that_goes_without_saying_is_not_said(number: int, scheme: str, said: int | None) -> None:
    stated = f"redirect: {{derivePort: FROM_REQUEST_PORT, scheme: '{scheme}'}}"
    text = (MESH % stated).replace("number: 8080", f"number: {number}")
    assert route(Mesh(text).compile(make_proxy("client")))["redirect"].get("port_redirect") == said


def test_a_stat_prefix_is_the_matchs() -> None:
    compiled = compile_rule(f"match: [{{uri: {{prefix: /a}}, statPrefix: shop}}, {{uri: {{prefix: /b}}}}], {TO_A}")
    (host,) = (each for table in compiled.routes.values() for each in table.virtual_hosts if each.name != "allow_any")
    assert [each.stat_prefix for each in host.routes] == ["shop", ""]


@pytest.mark.parametrize(
    ("stated", "name"), [("true", "envoy.retry_priorities.previous_priorities"), ("false", None), ("null", None)]
)
def test_retries_in_other_localities(stated: str, name: str | None, validate: Callable[[Compiled], None]) -> None:
    compiled = compile_rule(f"retries: {{attempts: 2, retryRemoteLocalities: {stated}, backoff: 0.1s}}, {TO_A}")
    policy = route(compiled)["route"]["retry_policy"]
    assert policy.get("retry_priority", {}).get("name") == name
    assert policy["retry_back_off"] == {"base_interval": "0.100s"}
    validate(compiled)


@pytest.mark.parametrize(
    ("mirrors", "shares"),
    [
        ("mirror: {host: a}", [100]),
        ("mirror: {host: a}, mirrorPercentage: {value: 0}", []),
        ("mirror: {host: a}, mirrorPercent: 0", []),
        ("mirrors: [{destination: {host: a}, percentage: {value: 0.5}}, {destination: {host: a}}]", [5000, 100]),
        ("mirrors: [{destination: {host: a}, percentage: {value: 0}}, {destination: {host: a}}]", [100]),
    ],
)
def test_copies_of_no_request_are_no_copies(mirrors: str, shares: list[int]) -> None:
    found = route(compile_rule(f"{mirrors}, {TO_A}"))["route"].get("request_mirror_policies", [])
    assert [each["runtime_fraction"]["default_value"]["numerator"] for each in found] == shares
    assert all(each["trace_sampled"] is False for each in found)
    assert all(each["disable_shadow_host_suffix_append"] for each in found)


@pytest.mark.parametrize(
    ("retries", "ignores"),
    [
        ("", False),
        ("retries: {attempts: 1}, ", False),
        ("retries: {attempts: 1, retryIgnorePreviousHosts: true}, ", True),
    ],
)
def test_a_request_that_names_its_host_is_tried_there_again(retries: str, ignores: bool) -> None:
    hashed = (
        "\n---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\nspec: {host: a, %s}\n"
    )
    rule = hashed % "trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x}}}"
    found = route(Mesh(MESH % f"{retries}{TO_A}" + rule).compile(make_proxy("client")))["route"]
    assert found["hash_policy"] == [{"header": {"header_name": "x"}}]
    assert ("retry_host_predicate" in found["retry_policy"]) is ignores
