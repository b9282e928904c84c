"""The mesh configuration's rules, and what today's rules warn of: what is told, and where."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flotilla_galley.offline.judge import judge
from flotilla_galley.sources.mesh import mesh_reading

GROUPS = {"TrafficExtension": "extensions.istio.io/v1alpha1", "PeerAuthentication": "security.istio.io/v1"}
SECURE = {"name": "a", "number": 443, "protocol": "HTTPS"}
TO = [{"destination": {"host": "a.example.com"}}]
Told = list[tuple[str, str]]


def told_of_mesh(written: dict[str, Any]) -> Told:
    ((_, verdict),) = mesh_reading("mesh", json.dumps(written), "istio-system").objects
    return [(problem.field.removeprefix("spec."), problem.severity) for problem in verdict.problems]


def provider(**what: Any) -> dict[str, Any]:
    return {"extensionProviders": [{"name": "a", **what}]}


def proxy(**what: Any) -> dict[str, Any]:
    return {"defaultConfig": what}


DEFAULT, FIRST = "defaultConfig.", "extensionProviders[0]."


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({}, []),
        ({"trustDomain": "a.b"}, []),
        ({"trustDomain": "A.b"}, [("trustDomain", "error")]),
        ({"trustDomain": "-a"}, [("trustDomain", "error")]),
        (
            {"trustDomainAliases": ["a", "a/b", ""]},
            [("trustDomainAliases[1]", "error"), ("trustDomainAliases[2]", "error")],
        ),
        ({"rootNamespace": "a_b"}, [("rootNamespace", "error")]),
        ({"proxyListenPort": 70000}, [("proxyListenPort", "error")]),
        ({"connectTimeout": "2h"}, [("connectTimeout", "error")]),
        ({"connectTimeout": "0.5ms"}, [("connectTimeout", "error")]),
        ({"protocolDetectionTimeout": "0s"}, []),
        ({"protocolDetectionTimeout": "1.5ms"}, [("protocolDetectionTimeout", "error")]),
        ({"mixerCheckServer": "a"}, [("mixerCheckServer", "error")]),
        ({"mixerCheckServer": "[::1]:15004"}, []),
        ({"serviceSettings": [{"hosts": ["a", "a.*"]}]}, [("serviceSettings[0].hosts[1]", "error")]),
        ({"meshMTLS": {"ecdhCurves": ["P-256"]}}, [("meshMTLS.ecdhCurves", "error")]),
        (
            {"tlsDefaults": {"ecdhCurves": ["P-256", "P-256", "x"]}},
            [(f"tlsDefaults.ecdhCurves[{n}]", "warning") for n in (1, 2)],
        ),
        ({"defaultTrafficPolicy": {"connectionPool": {}}}, [("defaultTrafficPolicy.connectionPool", "error")]),
        ({"defaultHttpRetryPolicy": {"retryOn": "5xx"}}, [("defaultHttpRetryPolicy.attempts", "error")]),
        ({"localityLbSetting": {"failover": [{"from": "a", "to": "a"}]}}, [("localityLbSetting.failover[0]", "error")]),
        (proxy(drainDuration="1.5s"), [(f"{DEFAULT}drainDuration", "error")]),
        (proxy(discoveryAddress="nowhere"), [(f"{DEFAULT}discoveryAddress", "error")]),
        (proxy(proxyAdminPort=-1), [(f"{DEFAULT}proxyAdminPort", "error")]),
        (proxy(tracing={"zipkin": {"address": "a:9411"}}), []),
        (proxy(tracing={"zipkin": {}}), [(f"{DEFAULT}tracing.zipkin.address", "error")]),
        (proxy(tracing={"datadog": {"address": "$(HOST_IP):8126"}}), []),
        (proxy(tracing={"customTags": {"a": {}}}), [(f"{DEFAULT}tracing.customTags.a", "error")]),
        (proxy(privateKeyProvider={}), [(f"{DEFAULT}privateKeyProvider", "error")]),
        (proxy(privateKeyProvider={"qat": {}}), [(f"{DEFAULT}privateKeyProvider.qat.pollDelay", "error")]),
        (
            proxy(connectionSettings={"http2InitialStreamWindowSize": 1, "listenerConnectionLimit": -1}),
            [
                (f"{DEFAULT}connectionSettings.{name}", "error")
                for name in ("http2InitialStreamWindowSize", "listenerConnectionLimit")
            ],
        ),
        (provider(zipkin={"service": "a.b", "port": 9411}), []),
        (provider(zipkin={"service": "ns/a.b", "port": 0}), [(f"{FIRST}zipkin.port", "warning")]),
        (provider(zipkin={"service": "a/b/c", "port": 1}), [(f"{FIRST}zipkin.service", "warning")]),
        (provider(), [("extensionProviders[0]", "warning")]),
        (provider(lightstep={"service": "a", "port": 1}), [(f"{FIRST}lightstep.accessToken", "warning")]),
        (
            provider(envoyExtAuthzHttp={"service": "a", "port": 1, "pathPrefix": "a", "statusOnError": "x"}),
            [(f"{FIRST}envoyExtAuthzHttp.{name}", "warning") for name in ("statusOnError", "pathPrefix")],
        ),
        (
            provider(opentelemetry={"service": "a", "port": 1, "http": {}, "grpc": {}}),
            [(f"{FIRST}opentelemetry.grpc", "warning")],
        ),
        (
            provider(stackdriver={"maxNumberOfAttributes": -1}),
            [(f"{FIRST}stackdriver.maxNumberOfAttributes", "warning")],
        ),
    ],
)
def test_the_mesh_configuration(written: dict[str, Any], told: Told) -> None:
    assert told_of_mesh(written) == told


def test_providers_have_names_of_their_own() -> None:
    written = {"extensionProviders": [{"name": name, "prometheus": {}} for name in ("a", "", "a")]}
    assert told_of_mesh(written) == [
        ("extensionProviders[1].name", "warning"),
        ("extensionProviders[2].name", "warning"),
    ]


def route(**what: Any) -> dict[str, Any]:
    return {"hosts": ["a.example.com"], "http": [{"route": TO, **what}]}


@pytest.mark.parametrize(
    ("kind", "spec", "told"),
    [
        ("VirtualService", {**route(), "gateways": ["a.b"]}, [("gateways[0]", "warning")]),
        ("VirtualService", {**route(), "gateways": ["b/a"]}, []),
        ("VirtualService", route(match=[{"gateways": ["b/a", "a_"]}]), [("http[0].match[0].gateways[1]", "error")]),
        (
            "VirtualService",
            route(match=[{"headers": {"@request.auth.claims.a": {"exact": "b"}}}]),
            [("http[0].match[0].headers.@request.auth.claims.a", "error")],
        ),
        (
            "VirtualService",
            {**route(match=[{"headers": {"@request.auth.claims.a": {"exact": "b"}}}]), "gateways": ["b/a"]},
            [],
        ),
        ("VirtualService", route(mirrorPercent=1, mirror={"host": "b"}), [("http[0].mirrorPercent", "warning")]),
        ("VirtualService", route(retries={"backoff": "1s"}), [("http[0].retries.attempts", "error")]),
        (
            "VirtualService",
            route(corsPolicy={"allowOrigins": [{"exact": ""}]}),
            [("http[0].corsPolicy.allowOrigins[0]", "error")],
        ),
        (
            "VirtualService",
            {
                "hosts": ["a.example.com"],
                "http": [{"match": [{"uri": {"exact": "/"}}], "redirect": {"prefixRewrite": "/b"}}],
            },
            [("http[0].redirect.prefixRewrite", "error")],
        ),
        ("ServiceEntry", {"hosts": ["*a.com"], "resolution": "STATIC"}, [("hosts[0]", "warning")]),
        (
            "ServiceEntry",
            {"hosts": ["a.com"], "workloadSelector": {}},
            [("workloadSelector", "warning"), ("workloadSelector", "warning")],
        ),
        ("Sidecar", {"egress": [{"hosts": ["./*", "default/a.com"]}]}, [("egress[0].hosts[1]", "warning")]),
        ("Sidecar", {"egress": [{"hosts": ["*/*", "a/b.com"]}]}, [("egress[0].hosts", "warning")]),
        ("Sidecar", {"egress": [{"hosts": ["*/*", "~/b.com"]}]}, []),
        ("Sidecar", {"workloadSelector": {}, "egress": [{"hosts": ["*/*"]}]}, [("workloadSelector", "warning")]),
        (
            "Gateway",
            {"servers": [{"hosts": ["*"], "port": SECURE, "tls": {"httpsRedirect": True}}]},
            [("servers[0].tls.httpsRedirect", "warning")],
        ),
        ("TrafficExtension", {"lua": {"inlineCode": "a"}, "match": [{}]}, [("match[0]", "error")]),
        ("PeerAuthentication", {"selector": {}}, [("selector", "warning")]),
    ],
)
def test_what_todays_rules_tell(kind: str, spec: dict[str, Any], told: Told) -> None:
    head = {"apiVersion": GROUPS.get(kind, "networking.istio.io/v1"), "kind": kind, "metadata": {"name": "a"}}
    (judged,) = judge("test", json.dumps({**head, "spec": spec}))
    found = [(each.field, "error") for each in judged.errors] + [(each.field, "warning") for each in judged.warnings]
    assert [(field.removeprefix("spec."), severity) for field, severity in found] == told
