"""The rules of each kind: one object that is right, and what each change makes wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from flotilla_galley.sources.documents import SourceObject, read_objects
from flotilla_galley.validation.validate import validate_object

GROUPS = {"PeerAuthentication": "security.istio.io/v1"}

# Each line: kind, spec in short YAML, and the fields that are told ("" at the end of a path: the thing itself).
RIGHT = [
    ("VirtualService", "{hosts: [a], http: [{route: [{destination: {host: b}}]}]}"),
    ("VirtualService", "{hosts: ['*'], gateways: [g], http: [{redirect: {uri: /x}}]}"),
    ("VirtualService", "{hosts: [a], http: [{directResponse: {status: 503}}]}"),
    ("VirtualService", "{http: [{route: [{destination: {host: b}}]}]}"),
    ("VirtualService", "{hosts: [a], tcp: [{route: [{destination: {host: b}}]}]}"),
    ("VirtualService", "{hosts: [a.b], tls: [{match: [{sniHosts: [a.b]}], route: [{destination: {host: b}}]}]}"),
    ("VirtualService", "{hosts: [1.2.3.4], http: [{delegate: {name: d}}]}"),
    ("DestinationRule", "{host: a, subsets: [{name: v1, labels: {version: v1}}]}"),
    ("DestinationRule", "{host: '*.a', trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}"),
    ("DestinationRule", "{host: a, trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}}]}}"),
    ("Gateway", "{selector: {a: b}, servers: [{port: {number: 80, name: h, protocol: HTTP}, hosts: ['*']}]}"),
    (
        "Gateway",
        "{servers: [{port: {number: 443, name: h, protocol: HTTPS}, hosts: [a.b], tls: {mode: SIMPLE, credentialName: c}}]}",
    ),
    ("Gateway", "{servers: [{port: {number: 80, name: h, protocol: HTTP}, hosts: ['*'], tls: {httpsRedirect: true}}]}"),
    ("ServiceEntry", "{hosts: [a.b], ports: [{number: 80, name: h, protocol: HTTP}], resolution: DNS}"),
    (
        "ServiceEntry",
        "{hosts: [a.b], ports: [{number: 80, name: h, protocol: HTTP}], resolution: STATIC, endpoints: [{address: 1.2.3.4}]}",
    ),
    ("ServiceEntry", "{hosts: ['*.a.b'], ports: [{number: 443, name: t, protocol: TLS}], exportTo: ['~']}"),
    ("WorkloadEntry", "{address: 1.2.3.4, ports: {http: 80}, labels: {a: b}}"),
    ("WorkloadEntry", "{address: host.example}"),
    ("WorkloadEntry", "{address: 'unix:///run/x'}"),
    ("Sidecar", "{egress: [{hosts: ['*/*']}]}"),
    (
        "Sidecar",
        "{workloadSelector: {labels: {a: b}}, ingress: [{port: {number: 80, name: h, protocol: HTTP}, bind: 127.0.2.1,"
        " defaultEndpoint: '0.0.0.0:80'}], egress: [{port: {number: 15002, protocol: HTTP_PROXY}, hosts: ['*/*']}]}",
    ),
    ("PeerAuthentication", "{mtls: {mode: STRICT}}"),
    ("PeerAuthentication", "{selector: {matchLabels: {a: b}}, portLevelMtls: {80: {mode: DISABLE}}}"),
]
R = "route: [{destination: {host: b}}]"
WRONG = [
    # VirtualService
    ("VirtualService", "{hosts: [a]}", ["spec"]),
    ("VirtualService", "{hosts: ['*'], http: [{%s}]}" % R, ["spec.hosts[0]"]),
    ("VirtualService", "{hosts: [a, A], http: [{%s}]}" % R, ["spec.hosts[1]"]),
    ("VirtualService", "{hosts: ['*.a', b.a], http: [{%s}]}" % R, ["spec.hosts[1]"]),
    ("VirtualService", "{hosts: [a_b], http: [{%s}]}" % R, ["spec.hosts[0]"]),
    ("VirtualService", "{hosts: [a], gateways: [x_y], http: [{%s}]}" % R, ["spec.gateways[0]"]),
    ("VirtualService", "{gateways: [g], http: [{%s}]}" % R, ["spec.gateways"]),
    ("VirtualService", "{http: [{delegate: {name: x}}]}", ["spec.http[0].delegate"]),
    ("VirtualService", "{hosts: [a], http: [{}]}", ["spec.http[0]"]),
    ("VirtualService", "{hosts: [a], http: [{%s, redirect: {uri: /}}]}" % R, ["spec.http[0]"]),
    ("VirtualService", "{hosts: [a], http: [{redirect: {uri: /}, rewrite: {uri: /x}}]}", ["spec.http[0].rewrite"]),
    ("VirtualService", "{hosts: [a], http: [{redirect: {}}]}", ["spec.http[0].redirect"]),
    (
        "VirtualService",
        "{hosts: [a], http: [{redirect: {uri: /, redirectCode: 200}}]}",
        ["spec.http[0].redirect.redirectCode"],
    ),
    ("VirtualService", "{hosts: [a], http: [{redirect: {scheme: ftp}}]}", ["spec.http[0].redirect.scheme"]),
    ("VirtualService", "{hosts: [a], http: [{directResponse: {status: 100}}]}", ["spec.http[0].directResponse.status"]),
    ("VirtualService", "{hosts: [a], http: [{route: [{}]}]}", ["spec.http[0].route[0].destination"]),
    (
        "VirtualService",
        "{hosts: [a], http: [{route: [{destination: {}}]}]}",
        ["spec.http[0].route[0].destination.host"],
    ),
    (
        "VirtualService",
        "{hosts: [a], http: [{route: [{destination: {host: '*'}}]}]}",
        ["spec.http[0].route[0].destination.host"],
    ),
    (
        "VirtualService",
        "{hosts: [a], http: [{route: [{destination: {host: b, subset: x_y, port: {number: 70000}}}]}]}",
        ["spec.http[0].route[0].destination.subset", "spec.http[0].route[0].destination.port.number"],
    ),
    (
        "VirtualService",
        "{hosts: [a], http: [{route: [{destination: {host: b}}, {destination: {host: c}}]}]}",
        ["spec.http[0].route"],
    ),
    (
        "VirtualService",
        "{hosts: [a], http: [{route: [{destination: {host: b}, weight: -1}]}]}",
        ["spec.http[0].route[0].weight"],
    ),
    ("VirtualService", "{hosts: [a], http: [{%s, timeout: 0s}]}" % R, ["spec.http[0].timeout"]),
    ("VirtualService", "{hosts: [a], http: [{%s, rewrite: {}}]}" % R, ["spec.http[0].rewrite"]),
    (
        "VirtualService",
        "{hosts: [a], http: [{%s, retries: {attempts: -1}}]}" % R,
        ["spec.http[0].retries.attempts"],
    ),
    (
        "VirtualService",
        "{hosts: [a], http: [{%s, retries: {attempts: 1, retryOn: '5xx, nonsense', perTryTimeout: 1ns}}]}" % R,
        ["spec.http[0].retries.perTryTimeout", "spec.http[0].retries.retryOn"],
    ),
    ("VirtualService", "{hosts: [a], http: [{%s, fault: {}}]}" % R, ["spec.http[0].fault"]),
    (
        "VirtualService",
        "{hosts: [a], http: [{%s, fault: {abort: {httpStatus: 7, percentage: {value: 101}}}}]}" % R,
        ["spec.http[0].fault.abort.percentage.value", "spec.http[0].fault.abort.httpStatus"],
    ),
    (
        "VirtualService",
        "{hosts: [a], http: [{%s, fault: {delay: {percentage: {value: 1}}}}]}" % R,
        ["spec.http[0].fault.delay"],
    ),
    (
        "VirtualService",
        "{hosts: [a], http: [{match: [{headers: {'a b': {exact: x}}, uri: {regex: '('}}], %s}]}" % R,
        ["spec.http[0].match[0].uri.regex", "spec.http[0].match[0].headers.a b"],
    ),
    (
        "VirtualService",
        "{hosts: [a], http: [{match: [{method: {prefix: ''}}], %s}]}" % R,
        ["spec.http[0].match[0].method.prefix"],
    ),
    (
        "VirtualService",
        "{hosts: [a], http: [{%s, headers: {response: {set: {host: x}}, request: {remove: [':path']}}}]}" % R,
        ["spec.http[0].headers.request.remove", "spec.http[0].headers.response.set.host"],
    ),
    ("VirtualService", "{hosts: [a], http: [{%s, mirror: {host: ''}}]}" % R, ["spec.http[0].mirror.host"]),
    (
        "VirtualService",
        "{hosts: [a], http: [{%s, corsPolicy: {allowMethods: [FETCH], maxAge: 1.5s}}]}" % R,
        ["spec.http[0].corsPolicy.allowMethods[0]", "spec.http[0].corsPolicy.maxAge"],
    ),
    (
        "VirtualService",
        "{hosts: [a], http: [{%s, corsPolicy: {allowOrigin: ['', 'http://a:0'], allowOrigins: [{regex: '('}]}}]}" % R,
        [f"spec.http[0].corsPolicy.{field}" for field in ("allowOrigins[0].regex", "allowOrigin[0]", "allowOrigin[1]")],
    ),
    ("VirtualService", "{hosts: [a], tls: [{%s}]}" % R, ["spec.tls[0].match"]),
    (
        "VirtualService",
        "{hosts: [a.b], tls: [{match: [{sniHosts: [c.d]}, {}], route: []}]}",
        ["spec.tls[0].match[0].sniHosts[0]", "spec.tls[0].match[1].sniHosts", "spec.tls[0].route"],
    ),
    ("VirtualService", "{hosts: [a], tcp: [{match: [{destinationSubnets: [x]}]}]}", None),
    # DestinationRule
    ("DestinationRule", "{}", ["spec.host"]),
    ("DestinationRule", "{host: a, trafficPolicy: {}}", ["spec.trafficPolicy"]),
    ("DestinationRule", "{host: a, subsets: [{name: ''}]}", ["spec.subsets[0].name"]),
    ("DestinationRule", "{host: a, subsets: [{name: v}, {name: v}]}", ["spec.subsets[1].name"]),
    ("DestinationRule", "{host: a, subsets: [{name: v, labels: {'-x': y}}]}", ["spec.subsets[0].labels.-x"]),
    (
        "DestinationRule",
        "{host: a, trafficPolicy: {outlierDetection: {interval: 0s, maxEjectionPercent: 101}}}",
        ["spec.trafficPolicy.outlierDetection.interval", "spec.trafficPolicy.outlierDetection.maxEjectionPercent"],
    ),
    (
        "DestinationRule",
        "{host: a, trafficPolicy: {portLevelSettings: [{port: {number: 80}}]}}",
        ["spec.trafficPolicy.portLevelSettings[0]"],
    ),
    ("DestinationRule", "{host: a, trafficPolicy: {connectionPool: {}}}", ["spec.trafficPolicy.connectionPool"]),
    (
        "DestinationRule",
        "{host: a, trafficPolicy: {connectionPool: {http: {maxRetries: -1}, tcp: {maxConnections: -1}}}}",
        ["spec.trafficPolicy.connectionPool.http.maxRetries", "spec.trafficPolicy.connectionPool.tcp.maxConnections"],
    ),
    (
        "DestinationRule",
        "{host: a, trafficPolicy: {tls: {mode: MUTUAL}}}",
        ["spec.trafficPolicy.tls.clientCertificate", "spec.trafficPolicy.tls.privateKey"],
    ),
    (
        "DestinationRule",
        "{host: a, trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {}}}}}",
        ["spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.name"],
    ),
    (
        "DestinationRule",
        "{host: a, trafficPolicy: {portLevelSettings: [{tls: {mode: DISABLE}}]}}",
        ["spec.trafficPolicy.portLevelSettings[0].port"],
    ),
    # Gateway
    ("Gateway", "{}", ["spec.servers"]),
    ("Gateway", "{servers: [{port: {number: 80, name: h, protocol: HTTP}}]}", ["spec.servers[0].hosts"]),
    ("Gateway", "{servers: [{hosts: ['*']}]}", ["spec.servers[0].port"]),
    (
        "Gateway",
        "{servers: [{port: {number: 0, protocol: X}, hosts: ['*']}]}",
        ["spec.servers[0].port.protocol", "spec.servers[0].port.name", "spec.servers[0].port.number"],
    ),
    (
        "Gateway",
        "{servers: [{port: {number: 80, name: h, protocol: HTTP}, hosts: ['*foo.b', short], bind: nowhere}]}",
        ["spec.servers[0].hosts[0]", "spec.servers[0].hosts[1]", "spec.servers[0].bind"],
    ),
    (
        "Gateway",
        "{servers: [{port: {number: 80, name: h, protocol: HTTP}, hosts: [a.b]},"
        " {port: {number: 81, name: h, protocol: HTTP}, hosts: [a.b]}]}",
        ["spec.servers[1].port.name"],
    ),
    ("Gateway", "{servers: [{port: {number: 443, name: h, protocol: HTTPS}, hosts: ['*']}]}", ["spec.servers[0].tls"]),
    (
        "Gateway",
        "{servers: [{port: {number: 443, name: h, protocol: HTTPS}, hosts: ['*'], tls: {mode: MUTUAL}}]}",
        [f"spec.servers[0].tls.{field}" for field in ("serverCertificate", "privateKey", "caCertificates")],
    ),
    (
        "Gateway",
        "{servers: [{port: {number: 80, name: h, protocol: TCP}, hosts: ['*'], tls: {mode: SIMPLE}}]}",
        ["spec.servers[0].tls"],
    ),
    (
        "Gateway",
        "{servers: [{port: {number: 443, name: h, protocol: TLS}, hosts: ['*'], tls: {mode: ISTIO_MUTUAL, privateKey: k}}]}",
        ["spec.servers[0].tls.privateKey"],
    ),
    # ServiceEntry
    ("ServiceEntry", "{}", ["spec.hosts"]),
    ("ServiceEntry", "{hosts: ['*']}", ["spec.hosts[0]"]),
    ("ServiceEntry", "{hosts: [a.b], addresses: [x]}", ["spec.addresses[0]"]),
    ("ServiceEntry", "{hosts: [a.b], addresses: [10.0.0.0/8], resolution: DNS}", ["spec.addresses[0]"]),
    (
        "ServiceEntry",
        "{hosts: [a.b], ports: [{number: 80, name: h, protocol: HTTP}, {number: 80, name: h, protocol: HTTP}]}",
        ["spec.ports[1].name", "spec.ports[1].number"],
    ),
    (
        "ServiceEntry",
        "{hosts: [a.b], ports: [{number: 0, name: '', protocol: quic}]}",
        ["spec.ports[0].name", "spec.ports[0].number", "spec.ports[0].protocol"],
    ),
    ("ServiceEntry", "{hosts: [a.b], endpoints: [{address: 1.2.3.4}]}", ["spec.endpoints"]),
    ("ServiceEntry", "{hosts: [a.b], resolution: STATIC, endpoints: [{address: x.y}]}", ["spec.endpoints[0].address"]),
    ("ServiceEntry", "{hosts: [a.b], resolution: STATIC, endpoints: [{}]}", ["spec.endpoints[0].address"]),
    ("ServiceEntry", "{hosts: ['*.b'], resolution: DNS}", ["spec.hosts[0]"]),
    (
        "ServiceEntry",
        "{hosts: [a.b], resolution: DNS, ports: [{number: 80, name: h, protocol: HTTP}],"
        " endpoints: [{address: c.d, ports: {other: 81}}]}",
        ["spec.endpoints[0].ports.other"],
    ),
    (
        "ServiceEntry",
        "{hosts: [a.b], resolution: STATIC, workloadSelector: {labels: {a: b}}, endpoints: [{address: 1.2.3.4}]}",
        ["spec.endpoints"],
    ),
    (
        "ServiceEntry",
        "{hosts: [a.b, c.d], resolution: STATIC, ports: [{number: 1, name: t, protocol: REDIS}]}",
        ["spec.ports[0].protocol"],
    ),
    (
        "ServiceEntry",
        "{hosts: [a.b], resolution: DNS_ROUND_ROBIN, endpoints: [{address: a.b}, {address: c.d}]}",
        ["spec.endpoints"],
    ),
    # WorkloadEntry
    ("WorkloadEntry", "{}", ["spec.address"]),
    ("WorkloadEntry", "{address: 'a b'}", ["spec.address"]),
    ("WorkloadEntry", "{address: 'unix://x', ports: {h: 80}}", ["spec.address", "spec.ports"]),
    ("WorkloadEntry", "{address: 1.2.3.4, ports: {'a.b': 0}}", ["spec.ports.a.b", "spec.ports.a.b"]),
    # Sidecar
    ("Sidecar", "{}", ["spec"]),
    ("Sidecar", "{ingress: [{port: {number: 80, protocol: HTTP, name: 'a/b'}}]}", ["spec.ingress[0].port.name"]),
    (
        "Sidecar",
        "{workloadSelector: {labels: {a: b}}, ingress: [{}, {port: {number: 80}, bind: x, defaultEndpoint: '127.0.1.2:80'}]}",
        ["spec.ingress[0].port", "spec.ingress[1].bind", "spec.ingress[1].defaultEndpoint"],
    ),
    (
        "Sidecar",
        "{workloadSelector: {labels: {a: b}}, ingress: [{port: {number: 80}}, {port: {number: 80}}]}",
        ["spec.ingress[1].port.number"],
    ),
    ("Sidecar", "{egress: [{}]}", ["spec.egress[0].hosts"]),
    ("Sidecar", "{egress: [{hosts: ['a.b']}]}", ["spec.egress[0].hosts[0]"]),
    ("Sidecar", "{egress: [{hosts: ['*/*']}, {port: {number: 80}, hosts: ['*/*']}]}", ["spec.egress[0]"]),
    (
        "Sidecar",
        "{egress: [{port: {number: 80}, hosts: ['*/*']}, {port: {number: 80}, hosts: ['*/*']}]}",
        ["spec.egress[1].port.number"],
    ),
    (
        "Sidecar",
        "{workloadSelector: {labels: {a: '*'}}, egress: [{hosts: ['*/*']}]}",
        ["spec.workloadSelector.labels.a"],
    ),
    # PeerAuthentication
    ("PeerAuthentication", "{portLevelMtls: {80: {mode: STRICT}}}", ["spec.portLevelMtls"]),
    (
        "PeerAuthentication",
        "{selector: {matchLabels: {a: b}}, portLevelMtls: {0: {mode: STRICT}}}",
        ["spec.portLevelMtls.0"],
    ),
]


def make(kind: str, spec: str) -> SourceObject:
    text = (
        f"apiVersion: {GROUPS.get(kind, 'networking.istio.io/v1')}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {spec}\n"
    )
    (found,), problems = read_objects("f.yaml", text)
    assert problems == []
    return found


@pytest.mark.parametrize(("kind", "spec"), RIGHT)
def test_what_is_right(kind: str, spec: str) -> None:
    verdict = validate_object(make(kind, spec))
    assert [problem for problem in verdict.problems if problem.severity == "error"] == []
    assert verdict.item is not None


@pytest.mark.parametrize(("kind", "spec", "fields"), WRONG)
def test_what_is_wrong(kind: str, spec: str, fields: list[str] | None) -> None:
    verdict = validate_object(make(kind, spec))
    found = [problem.field for problem in verdict.problems if problem.severity == "error"]
    assert verdict.item is None
    if fields is not None:
        assert found == fields
    for problem in verdict.problems:
        assert (problem.file, problem.line) == ("f.yaml", 4)
        assert problem.text
        assert not problem.text.endswith(".")


def test_a_route_after_one_that_takes_everything_is_a_warning() -> None:
    spec = "{hosts: [a], http: [{%s}, {%s}]}" % (R, R)
    verdict = validate_object(make("VirtualService", spec))
    assert verdict.item is not None
    assert [(p.field, p.severity, p.code) for p in verdict.problems] == [("spec.http[1]", "warning", "unreachable")]


def test_problems_have_the_line_of_their_field(one: Callable[[str], SourceObject]) -> None:
    text = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: a
spec:
  hosts:
  - a
  http:
  - route:
    - destination:
        host: b
      weight: -1
    timeout: 0s
"""
    verdict = validate_object(one(text))
    assert {problem.field: problem.line for problem in verdict.problems} == {
        "spec.http[0].route[0].weight": 12,
        "spec.http[0].timeout": 13,
    }


@pytest.mark.parametrize("name", ["a", "a.b", "a-1"])
def test_names(name: str) -> None:
    source = make("WorkloadEntry", "{address: 1.2.3.4}")
    named = type(source)(**{**_fields(source), "key": type(source.key)(source.key.collection, "ns", name)})
    assert validate_object(named).item is not None


def _fields(source: SourceObject) -> dict[str, Any]:
    return {name: getattr(source, name) for name in SourceObject.__slots__}


def test_the_example_is_right(bookinfo: Path) -> None:
    for file in sorted((bookinfo / "config").glob("*.yaml")):
        found, problems = read_objects(file.name, file.read_text())
        assert problems == []
        for source in found:
            assert validate_object(source).problems == (), source.key


def test_versions_follow_content_not_form(one: Callable[[str], SourceObject]) -> None:
    block = "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata:\n  name: a\nspec:\n  address: 1.2.3.4\n"
    flow = yaml.safe_dump(yaml.safe_load(block), default_flow_style=True)
    older = block.replace("/v1\n", "/v1alpha3\n")
    other = block.replace("1.2.3.4", "1.2.3.5")
    versions = []
    for text in (block, flow, older, other):
        item = validate_object(one(text)).item
        assert item is not None
        versions.append(item.version)
    assert versions[0] == versions[1] == versions[2] != versions[3]
