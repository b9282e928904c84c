"""Today's policies and extensions: a spec, and the fields that are wrong with it (an end of the path is enough)."""

from __future__ import annotations

from typing import Any

import pytest

from flotilla_galley.sources.documents import read_objects
from flotilla_galley.validation.key_sets import key_set
from flotilla_galley.validation.log_filters import log_filter
from flotilla_galley.validation.validate import validate_object
from flotilla_shared.model.objects import Problem

GATEWAY = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"}
APP = {"matchLabels": {"app": "a"}}
CODE = {"lua": {"inlineCode": "function envoy_on_request() end"}}
URL = "oci://example.com/filter"


def problems(api: str, kind: str, spec: dict[str, Any]) -> tuple[Problem, ...]:
    (source,), wrong = read_objects(
        "f", repr({"apiVersion": api, "kind": kind, "metadata": {"name": "x"}, "spec": spec})
    )
    assert wrong == []
    return validate_object(source).problems


def check(api: str, kind: str, spec: dict[str, Any], wanted: str) -> None:
    """`wanted`: the end of the path of the one thing that is wrong, "" where nothing is; a leading ~ is a warning."""
    found = problems(api, kind, spec)
    severity = "warning" if wanted.startswith("~") else "error"
    if not wanted:
        assert found == ()
    else:
        assert [(each.severity, each.field.endswith(wanted.removeprefix("~"))) for each in found] == [(severity, True)]


def source(**fields: object) -> dict[str, Any]:
    return {"rules": [{"from": [{"source": fields}]}]}


def operation(**fields: object) -> dict[str, Any]:
    return {"rules": [{"to": [{"operation": fields}]}]}


def when(key: str, *values: str) -> dict[str, Any]:
    return {"rules": [{"when": [{"key": key, "values": list(values)}]}]}


CUSTOM = {"action": "CUSTOM", "provider": {"name": "p"}}
AUTHORIZATION = [
    ({}, ""),
    ({"rules": [{}]}, ""),
    ({"selector": APP, "targetRefs": [GATEWAY]}, "spec"),
    ({"targetRef": GATEWAY, "targetRefs": [GATEWAY]}, "spec"),
    ({"targetRefs": [GATEWAY | {"namespace": "other"}]}, "targetRefs[0].namespace"),
    ({"targetRefs": [GATEWAY | {"name": ""}]}, "targetRefs[0].name"),
    ({"targetRefs": [{"group": "", "kind": "Service", "name": "s"}]}, ""),
    ({"targetRef": {"kind": "Pod", "name": "p"}}, "targetRef"),
    ({"selector": {}}, "~selector"),
    ({"action": "DENY"}, "rules"),
    (CUSTOM, "rules"),
    (CUSTOM | {"rules": [{}]}, ""),
    (CUSTOM | source(principals=["p"]), "source.principals"),
    (CUSTOM | source(notNamespaces=["n"]), "source.notNamespaces"),
    (CUSTOM | source(ipBlocks=["10.0.0.0/8"]), ""),
    (CUSTOM | when("request.auth.claims[a]", "x"), "when[0].key"),
    (CUSTOM | when("request.headers[a]", "x"), ""),
    ({"provider": {"name": "p"}}, "provider"),
    ({"rules": [{"from": [{}]}]}, "from[0].source"),
    ({"rules": [{"to": [{}]}]}, "to[0].operation"),
    (source(), "source"),
    (operation(), "operation"),
    (source(principals=["a", ""]), "principals[1]"),
    (source(ipBlocks=["10.0.0.0/8", "1.2.3"]), "ipBlocks[1]"),
    (source(remoteIpBlocks=["::1"]), ""),
    (source(serviceAccounts=["ns/sa", "sa"]), ""),
    (source(serviceAccounts=["a/b/c"]), "serviceAccounts[0]"),
    (source(serviceAccounts=["*"]), "serviceAccounts[0]"),
    (source(serviceAccounts=["a" * 321]), "serviceAccounts[0]"),
    (source(serviceAccounts=["a"] * 17), "serviceAccounts"),
    (source(serviceAccounts=["a"], principals=["p"]), "serviceAccounts"),
    (source(trustDomains=["*.example"]), ""),
    (source(trustDomains=["a*b"]), "trustDomains[0]"),
    (source(notTrustDomains=["a/b"]), "notTrustDomains[0]"),
    (operation(ports=["80", "65535"]), ""),
    (operation(ports=["65536"]), "ports[0]"),
    (operation(paths=["/a/{*}/b/{**}"]), ""),
    (operation(paths=["/{**}/{*}"]), "paths[0]"),
    (operation(paths=["/a{*}"]), "paths[0]"),
    (operation(notPaths=["/*/{*}"]), "notPaths[0]"),
    (when("request.headers[a]", "x"), ""),
    (when("request.headers[]", "x"), "key"),
    (when("request.headers", "x"), "key"),
    (when("source.ip", "10.0.0.1", "x"), "values[1]"),
    (when("destination.port", "80"), ""),
    (when("destination.port", "http"), "values[0]"),
    (when("destination.labels[a]", "x"), "key"),
    (when("experimental.envoy.filters.a[b]", "x"), ""),
    (when("experimental.envoy.filters.a", "x"), "key"),
    (when("source.ip"), "values"),
    (when("", "x"), "key"),
    ({"action": "DENY"} | operation(methods=["GET"]), "~rules"),
    ({"action": "DENY"} | operation(methods=["GET"], ports=["80"]), ""),
    ({"action": "DENY"} | source(principals=["p"]), ""),
    ({"action": "DENY"} | source(requestPrincipals=["p"]), "~rules"),
]


@pytest.mark.parametrize(("spec", "wanted"), AUTHORIZATION)
def test_authorization_policy(spec: dict[str, Any], wanted: str) -> None:
    check("security.istio.io/v1", "AuthorizationPolicy", spec, wanted)


def rule(**fields: object) -> dict[str, Any]:
    return {"jwtRules": [{"issuer": "i"} | fields]}


KEY = '{"keys": [{"kty": "RSA", "n": "AQ", "e": "AQAB"%s}]}'
REQUEST = [
    ({"selector": APP}, ""),
    (rule(), ""),
    ({"jwtRules": [{}]}, "issuer"),
    ({"jwtRules": [{"jwksUri": "https://example.com/keys"}]}, ""),
    (rule(jwksUri="example.com"), "jwksUri"),
    (rule(jwksUri="https://example.com:port"), "jwksUri"),
    (rule(jwks=KEY % ""), ""),
    (rule(jwks=KEY % ', "d": "AQ"'), "~jwks"),
    (rule(jwks="keys"), "jwks"),
    (rule(audiences=[""]), "audiences[0]"),
    (rule(fromHeaders=[{"prefix": "Bearer "}]), "fromHeaders[0].name"),
    (rule(fromParams=["a", ""]), "fromParams[1]"),
    (rule(fromCookies=[""]), "fromCookies[0]"),
    (rule(outputClaimToHeaders=[{"header": "x-a", "claim": "a"}]), ""),
    (rule(outputClaimToHeaders=[{"header": "x-a"}]), "outputClaimToHeaders[0]"),
    (rule(outputClaimToHeaders=[{"header": "x a", "claim": "a"}]), "outputClaimToHeaders[0].header"),
    (rule(timeout="0s"), "timeout"),
]


@pytest.mark.parametrize(("spec", "wanted"), REQUEST)
def test_request_authentication(spec: dict[str, Any], wanted: str) -> None:
    check("security.istio.io/v1", "RequestAuthentication", spec, wanted)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ('{"keys": []}', True),
        ('{"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}', True),
        ('{"kty": "EC", "crv": "P-256", "x": "A Q", "y": "AQ"}', False),
        ('{"keys": {}}', False),
        ('{"keys": [3]}', False),
        ('{"kty": ["RSA"]}', False),
        ("[]", False),
        ("[" * 100_000, False),
    ],
)
def test_key_sets(text: str, right: bool) -> None:
    assert (key_set(text) == "") is right


def tags(**tag: object) -> dict[str, Any]:
    return {"tracing": [{"customTags": {"t": tag}}]}


def overrides(name: str, **change: object) -> dict[str, Any]:
    return {"metrics": [{"overrides": [{"tagOverrides": {name: change}}]}]}


TELEMETRY = [
    ({}, ""),
    ({"tracing": [{}, {}]}, "~tracing"),
    ({"tracing": [{"providers": [{"name": "a"}, {"name": "b"}]}]}, "~providers"),
    ({"tracing": [{"providers": [{}]}]}, "providers[0].name"),
    ({"tracing": [{"randomSamplingPercentage": 100}]}, ""),
    ({"tracing": [{"randomSamplingPercentage": 100.5}]}, "randomSamplingPercentage"),
    (tags(literal={"value": "x"}), ""),
    (tags(), "customTags.t"),
    (tags(literal={}), "literal.value"),
    (tags(header={}), "header.name"),
    (tags(environment={"defaultValue": "x"}), "environment.name"),
    (overrides("a", value="x"), ""),
    (overrides("a"), "value"),
    (overrides("a", operation="REMOVE"), ""),
    (overrides("a", operation="REMOVE", value="x"), "value"),
    ({"metrics": [{"overrides": [{"match": {"customMetric": ""}}]}]}, "customMetric"),
    ({"accessLogging": [{"filter": {"expression": "response.code >= 400"}}]}, ""),
    ({"accessLogging": [{"filter": {"expression": "response.code >="}}]}, "filter.expression"),
]


@pytest.mark.parametrize(("spec", "wanted"), TELEMETRY)
def test_telemetry(spec: dict[str, Any], wanted: str) -> None:
    check("telemetry.istio.io/v1", "Telemetry", spec, wanted)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("a.b == 'x' && !(c['d'] in [1, 2.5])", True),
        ("has(a.b) ? -1 : {'k': r\"v\"}", True),
        ("", False),
        ("a b", False),
        ("a ==== b", False),
        ("(a", False),
        ("a)", False),
        ("'open", False),
        ("&& a", False),
        ("a" * 10 + " +" * 20_000, False),
    ],
)
def test_log_filters(text: str, right: bool) -> None:
    assert (log_filter(text) == "") is right


def variables(*env: object) -> dict[str, Any]:
    return {"url": URL, "vmConfig": {"env": list(env)}}


WASM = [
    ({"url": URL}, ""),
    ({"url": "example.com/filter"}, ""),
    ({}, "url"),
    ({"url": "ftp://example.com/filter"}, "url"),
    ({"url": "http://[x"}, "url"),
    ({"url": URL, "sha256": "0" * 64}, ""),
    ({"url": URL, "sha256": "A" * 64}, "sha256"),
    ({"url": URL, "imagePullSecret": "s" * 254}, "imagePullSecret"),
    ({"url": URL, "pluginName": "p" * 257}, "pluginName"),
    (variables({"name": "A", "value": "x"}, {"name": "B", "valueFrom": "HOST"}), ""),
    (variables({"name": "A"}, {"name": "A"}), "env[1].name"),
    (variables({"value": "x"}), "env[0].name"),
    (variables({"name": "A" * 257}), "env[0].name"),
    (variables({"name": "A", "valueFrom": "HOST", "value": "x"}), "env[0].value"),
    ({"url": URL, "match": [{"ports": [{"number": 0}]}]}, "ports[0].number"),
    ({"url": URL, "selector": APP, "targetRef": GATEWAY}, "spec"),
]


@pytest.mark.parametrize(("spec", "wanted"), WASM)
def test_wasm_plugin(spec: dict[str, Any], wanted: str) -> None:
    check("extensions.istio.io/v1alpha1", "WasmPlugin", spec, wanted)


EXTENSIONS = [
    (CODE, ""),
    ({}, "spec"),
    ({"lua": {}}, "lua.inlineCode"),
    ({"lua": {"inlineCode": "a" * 65_537}}, "lua.inlineCode"),
    ({"wasm": {"url": "ftp://x"}}, "wasm.url"),
    (CODE | {"match": [{"ports": [{"number": 70_000}]}]}, "match[0].ports[0].number"),
    (CODE | {"selector": APP, "targetRefs": [GATEWAY]}, "spec"),
]


@pytest.mark.parametrize(("spec", "wanted"), EXTENSIONS)
def test_traffic_extension(spec: dict[str, Any], wanted: str) -> None:
    check("extensions.istio.io/v1alpha1", "TrafficExtension", spec, wanted)


def probe(**fields: object) -> dict[str, Any]:
    return {"template": {}, "probe": fields}


GROUPS = [
    ({"template": {}}, ""),
    ({}, "template"),
    ({"template": {}, "metadata": {"labels": {"a b": "c"}}}, "labels.a b"),
    (probe(), "probe"),
    (probe(tcpSocket={"port": 5}, timeoutSeconds=-1), "timeoutSeconds"),
    (probe(tcpSocket={}), "tcpSocket.port"),
    (probe(grpc={"port": 70_000}), "grpc.port"),
    (probe(exec={}), "exec.command"),
    (probe(httpGet={"port": 80, "scheme": "HTTPS"}), ""),
    (probe(httpGet={"port": 80, "scheme": "ftp"}), "httpGet.scheme"),
    (probe(httpGet={"port": 80, "httpHeaders": [{"name": "a_b"}]}), "httpHeaders[0].name"),
]


@pytest.mark.parametrize(("spec", "wanted"), GROUPS)
def test_workload_group(spec: dict[str, Any], wanted: str) -> None:
    check("networking.istio.io/v1", "WorkloadGroup", spec, wanted)


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [({}, ""), ({"concurrency": 0}, ""), ({"concurrency": -1}, "concurrency"), ({"selector": {}}, "~selector")],
)
def test_proxy_config(spec: dict[str, Any], wanted: str) -> None:
    check("networking.istio.io/v1beta1", "ProxyConfig", spec, wanted)
