"""Delegation: rules of a VirtualService without hosts in place of the rule that leads to it."""

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import json_format

from flotilla_pilot.model.delegation import conflict, merge_rule
from flotilla_pilot.testing.meshes import Compiled, Mesh, make_proxy
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import HTTPMatchRequest, HTTPRoute

PROXY = make_proxy("a")
SERVICE = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a}
spec:
  hosts: [a.default.svc.cluster.local]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
"""
TO_A = "route: [{destination: {host: a}}]"


def rules(name: str, spec: str, namespace: str = "default") -> str:
    return (
        "\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\nspec: {{{spec}}}\n"
    )


def root(delegate: str = "name: child", more: str = "") -> str:
    rule = f"{{name: r, match: [{{uri: {{prefix: /a}}}}], delegate: {{{delegate}}}{more}}}"
    return rules("root", f"hosts: [a], http: [{rule}, {{name: rest, {TO_A}}}]")


def routes_of(compiled: Compiled) -> list[Any]:
    (host,) = (each for table in compiled.routes.values() for each in table.virtual_hosts if each.name.startswith("a."))
    return list(host.routes)


@pytest.mark.parametrize(
    ("case", "root_match", "inner", "conflicts"),
    [
        ("nothing asked by the delegate", {"uri": {"prefix": "/a"}}, {}, False),
        ("nothing asked by the root", {}, {"uri": {"regex": "/a.*"}}, False),
        ("within", {"uri": {"prefix": "/a"}}, {"uri": {"exact": "/ab"}}, False),
        ("beyond", {"uri": {"prefix": "/ab"}}, {"uri": {"prefix": "/a"}}, True),
        ("a prefix within one path", {"uri": {"exact": "/a"}}, {"uri": {"prefix": "/a"}}, True),
        ("the same path", {"uri": {"exact": "/a"}}, {"uri": {"exact": "/a"}}, False),
        ("an expression of the root", {"uri": {"regex": "/a"}}, {"uri": {"exact": "/a"}}, True),
        ("an expression of the delegate", {"uri": {"prefix": "/"}}, {"uri": {"regex": "/a"}}, True),
        ("an empty text", {"uri": {"prefix": "/"}}, {"uri": {}}, True),
        ("method", {"method": {"exact": "GET"}}, {"method": {"exact": "PUT"}}, True),
        ("another header", {"headers": {"x": {"exact": "1"}}}, {"headers": {"y": {"exact": "2"}}}, False),
        ("query", {"queryParams": {"x": {"exact": "1"}}}, {"queryParams": {"x": {"exact": "2"}}}, True),
        ("case", {"ignoreUriCase": True}, {}, True),
        ("ports", {"port": 80}, {"port": 81}, True),
        ("a port of one", {"port": 80}, {}, False),
        ("labels", {"sourceLabels": {"v": "1"}}, {"sourceLabels": {"v": "2"}}, True),
        ("further labels", {"sourceLabels": {"v": "1"}}, {"sourceLabels": {"w": "2"}}, False),
        ("namespaces", {"sourceNamespace": "a"}, {"sourceNamespace": "b"}, True),
        ("gateways beyond", {"gateways": ["g"]}, {"gateways": ["g", "h"]}, True),
        ("gateways within", {"gateways": ["g", "h"]}, {"gateways": ["g"]}, False),
    ],
)
def test_what_lies_within_the_roots_match(
    case: str, root_match: dict[str, Any], inner: dict[str, Any], conflicts: bool
) -> None:
    outer, within = (json_format.ParseDict(each, HTTPMatchRequest()) for each in (root_match, inner))
    assert conflict(outer, within) is conflicts, case


def test_what_the_delegate_states_counts_first() -> None:
    outer = json_format.ParseDict(
        {"name": "r", "timeout": "1s", "headers": {"request": {"set": {"a": "b"}}}, "rewrite": {"uri": "/r"}},
        HTTPRoute(),
    )
    inner = json_format.ParseDict({"name": "d", "timeout": "2s", "match": [{"port": 1}]}, HTTPRoute())
    merged = merge_rule(outer, inner)
    assert merged is not None
    assert json_format.MessageToDict(merged) == {
        "name": "r-d",
        "timeout": "2s",
        "headers": {"request": {"set": {"a": "b"}}},
        "rewrite": {"uri": "/r"},
        "match": [{"port": 1}],
    }
    assert inner.name == "d"


@pytest.mark.parametrize(
    ("case", "text", "names", "problems"),
    [
        ("in place", root() + rules("child", f"http: [{{name: c, {TO_A}}}]"), ["r-c", "rest"], []),
        (
            "unknown",
            root(),
            ["rest"],
            [("default/root", "delegate-refused", "spec.http[0].delegate")],
        ),
        (
            "with hosts it is no delegate",
            root() + rules("child", f"hosts: [x.io], http: [{{{TO_A}}}]"),
            ["rest"],
            [("default/root", "delegate-refused", "spec.http[0].delegate")],
        ),
        (
            "hidden",
            root("name: child, namespace: b") + rules("child", f"exportTo: ['.'], http: [{{name: c, {TO_A}}}]", "b"),
            ["rest"],
            [("default/root", "delegate-refused", "spec.http[0].delegate")],
        ),
        (
            "one level only, and only within the root",
            root()
            + rules(
                "child",
                "http: [{delegate: {name: child}}, "
                f"{{match: [{{uri: {{prefix: /b}}}}], {TO_A}}}, {{name: c, {TO_A}}}]",
            ),
            ["r-c", "rest"],
            [
                ("default/child", "delegate-refused", "spec.http[0].delegate"),
                ("default/child", "delegate-refused", "spec.http[1].match"),
            ],
        ),
    ],
)
def test_the_rules_of_a_root(case: str, text: str, names: list[str], problems: list[tuple[str, str, str]]) -> None:
    mesh = Mesh(SERVICE + text)
    assert [each.name for each in routes_of(mesh.compile(PROXY))] == names, case
    assert mesh.problems() == problems


def test_a_delegate_speaks_of_its_own_namespace_and_is_told_of_itself(validate: Callable[[Compiled], None]) -> None:
    child = rules("child", "exportTo: [default], http: [{route: [{destination: {host: b}}]}]", "other")
    mesh = Mesh(SERVICE + root("name: child, namespace: other") + child)
    assert mesh.problems() == [("other/child", "unknown-host", "spec.http[0].route[0].destination.host")]
    assert any("b.other.svc.cluster.local" in each.text for found in mesh.snapshot.problems.values() for each in found)
    validate(mesh.compile(PROXY))


def test_a_match_that_envoy_refuses_is_told_of_the_delegate() -> None:
    child = rules("child", f"http: [{{match: [{{headers: {{x: {{regex: '('}}}}}}], {TO_A}}}]")
    assert Mesh(SERVICE + root() + child).compile(PROXY).problems() == [
        ("default/child", "match-refused", "spec.http[0].match.headers[x].regex")
    ]


def test_a_change_of_the_delegate_reaches_the_routes() -> None:
    first = Mesh(SERVICE + root() + rules("child", f"http: [{{timeout: 1s, {TO_A}}}]"))
    second = Mesh(SERVICE + root() + rules("child", f"http: [{{timeout: 2s, {TO_A}}}]"), compiler=first.compiler)
    waits = [routes_of(each.compile(PROXY))[0].route.timeout.seconds for each in (first, second)]
    assert waits == [1, 2]
    keys = {
        key.name
        for each in second.compile(PROXY).compiled.resources.values()
        for r in each.values()
        for key in r.depends_on
    }
    assert {"root", "child"} <= keys


@pytest.mark.parametrize(
    ("gateway", "expected"),
    [("g", "n/g"), ("./g", "n/g"), ("o/g", "o/g"), ("g.o", "o/g"), ("g.o.svc.cluster.local", "o/g"), ("mesh", "mesh")],
)
def test_names_of_gateways(gateway: str, expected: str) -> None:
    from flotilla_pilot.model.route_rules import full_gateway

    assert full_gateway(gateway, "n") == expected
