"""Rules of today's traffic kinds that have modules of their own: a spec, and the one field that is wrong with it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flotilla_galley.sources.documents import read_objects
from flotilla_galley.validation.header_values import header_value
from flotilla_galley.validation.localities import localities
from flotilla_galley.validation.validate import validate_object


def check(kind: str, spec: dict[str, Any], wanted: str) -> None:
    """`wanted`: the end of the path of the one thing that is wrong, "" where nothing is; a leading ~ is a warning."""
    written = {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    (source,), wrong = read_objects("f", json.dumps(written))
    assert wrong == []
    found = validate_object(source).problems
    severity = "warning" if wanted.startswith("~") else "error"
    if not wanted:
        assert found == ()
    else:
        assert [(each.severity, each.field.endswith(wanted.removeprefix("~"))) for each in found] == [(severity, True)]


def http(**fields: object) -> dict[str, Any]:
    return {"connectionPool": {"http": fields}}


def tcp(**fields: object) -> dict[str, Any]:
    return {"connectionPool": {"tcp": fields}}


def balancer(**fields: object) -> dict[str, Any]:
    return {"loadBalancer": fields, "outlierDetection": {}}


def hashed(**fields: object) -> dict[str, Any]:
    return balancer(consistentHash={"useSourceIp": True} | fields)


def cookie(*names: str) -> dict[str, Any]:
    attributes = [{"name": name} for name in names]
    return balancer(consistentHash={"httpCookie": {"name": "c", "attributes": attributes}})


def locality(**fields: object) -> dict[str, Any]:
    return balancer(localityLbSetting=fields)


def tls(mode: str, **fields: object) -> dict[str, Any]:
    return {"tls": {"mode": mode} | fields}


REGION = "topology.kubernetes.io/region"
POLICIES = [
    (http(maxConcurrentStreams=-1), "maxConcurrentStreams"),
    (http(http2KeepAlive={"interval": "5s"}), "http2KeepAlive.timeout"),
    (http(http2KeepAlive={"interval": "5s", "timeout": "5s"}), ""),
    (tcp(idleTimeout="0s"), ""),
    (tcp(connectTimeout="0s"), "connectTimeout"),
    (tcp(tcpKeepalive={"time": "0s"}), "tcpKeepalive.time"),
    (hashed(maglev={"tableSize": 65537}), ""),
    (hashed(maglev={"tableSize": 65536}), "tableSize"),
    (hashed(minimumRingSize=1024), "~minimumRingSize"),
    (cookie("a", "b"), ""),
    (cookie("a", "a"), "attributes[1].name"),
    (cookie(""), "attributes[0].name"),
    (balancer(warmup={"duration": "60s"}), ""),
    (balancer(warmup={}), "warmup.duration"),
    (balancer(warmup={"duration": "60s", "minimumPercent": 101}), "minimumPercent"),
    (locality(distribute=[{"from": "a/*", "to": {"b": 60, "c": 40}}]), ""),
    (locality(distribute=[{"from": "a/*", "to": {"b": 60, "c": 30}}]), "to"),
    (locality(failover=[{"from": "a", "to": "a"}]), "failover[0]"),
    (locality(failover=[{"from": "a/b", "to": "c"}]), "from"),
    (locality(failover=[{"from": "a", "to": "b"}], failoverPriority=[REGION]), "failoverPriority"),
    ({"loadBalancer": {"localityLbSetting": {"failover": [{"from": "a", "to": "b"}]}}}, "~localityLbSetting"),
    (balancer(zoneAwareLbSetting={"failoverPriority": [REGION]}), "failoverPriority[0]"),
    (tls("SIMPLE", credentialName="c"), ""),
    (tls("MUTUAL", clientCertificate="c"), "privateKey"),
    (tls("SIMPLE", credentialName="c", caCrl="c"), "caCrl"),
    (tls("SIMPLE", credentialName="configmap://other/c"), "credentialName"),
    (tls("SIMPLE", insecureSkipVerify=True, subjectAltNames=["a"]), "subjectAltNames"),
    ({"tunnel": {"protocol": "GET", "targetHost": "a.example", "targetPort": 80}}, "tunnel.protocol"),
    ({"outlierDetection": {"consecutiveLocalOriginFailures": 3}}, "consecutiveLocalOriginFailures"),
]


@pytest.mark.parametrize(("policy", "wanted"), POLICIES)
def test_traffic_policies(policy: dict[str, Any], wanted: str) -> None:
    check("DestinationRule", {"host": "a", "trafficPolicy": policy}, wanted)


SERVERS = [
    (tls("SIMPLE", credentialName="c"), ""),
    (tls("SIMPLE", serverCertificate="c"), "privateKey"),
    (tls("SIMPLE", credentialName="c", serverCertificate="c", privateKey="k"), "tls"),
    (tls("MUTUAL", serverCertificate="c", privateKey="k"), "caCertificates"),
    (tls("SIMPLE", tlsCertificates=[{"serverCertificate": "c"}]), "tlsCertificates[0].privateKey"),
    (tls("ISTIO_MUTUAL", caCrl="c"), "caCrl"),
    (tls("PASSTHROUGH", caCrl="c"), "~caCrl"),
    (tls("SIMPLE", credentialName="c", cipherSuites=["none"]), "~cipherSuites[0]"),
    (tls("SIMPLE", credentialName="c", cipherSuites=["AES128-SHA", "AES128-SHA"]), "~cipherSuites[1]"),
    (tls("SIMPLE", credentialName="c", minProtocolVersion="TLSV1_0"), "~minProtocolVersion"),
]


@pytest.mark.parametrize(("fields", "wanted"), SERVERS)
def test_tls_of_servers(fields: dict[str, Any], wanted: str) -> None:
    port = {"number": 443, "name": "https", "protocol": "HTTPS"}
    check("Gateway", {"servers": [{"hosts": ["a.example"], "port": port} | fields]}, wanted)


PROXY = {"host": "a.example", "port": {"number": 80}}
SIDECARS = [
    ({"outboundTrafficPolicy": {"mode": "ALLOW_ANY", "egressProxy": PROXY}}, ""),
    ({"outboundTrafficPolicy": {"egressProxy": PROXY}}, "egressProxy"),
    ({"outboundTrafficPolicy": {"mode": "ALLOW_ANY", "egressProxy": {"host": "a.example"}}}, "egressProxy.port"),
    ({"inboundConnectionPool": {}}, "inboundConnectionPool"),
    ({"egress": [{"hosts": ["./*a.example"]}]}, "hosts[0]"),
]


@pytest.mark.parametrize(("spec", "wanted"), SIDECARS)
def test_sidecars(spec: dict[str, Any], wanted: str) -> None:
    check("Sidecar", spec, wanted)


@pytest.mark.parametrize(
    ("names", "right"),
    [
        (["a/*", "b/c/d"], True),
        (["a", "a/b"], False),
        (["a/*", "a/b/c"], False),
        (["*/b"], False),
        (["a//c"], False),
        (["a/b/c/d"], False),
    ],
)
def test_localities(names: list[str], right: bool) -> None:
    assert (localities(names) == "") is right


@pytest.mark.parametrize(
    ("value", "right"),
    [
        ("a", True),
        ("100%%", True),
        ("%REQ(x)%", True),
        ("%REQ(x):9%", True),
        ("5%", False),
        ("%REQ(x", False),
        ("\n", False),
    ],
)
def test_header_values(value: str, right: bool) -> None:
    assert (header_value(value) == "") is right
