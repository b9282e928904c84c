"""Numbers at the ends of their ranges, and strings of the wrong form, raise nothing and harm nobody."""

from collections.abc import Callable
from typing import Any

import pytest

from flotilla_pilot.testing.meshes import Compiled, Mesh, make_proxy

SERVICE = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: s, namespace: default}
spec:
  hosts: [s.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 10.0.0.1, serviceAccount: sa}]
"""
MIN32, MAX32, MAXU32 = -(2**31), 2**31 - 1, 2**32 - 1


def item(kind: str, spec: str, group: str = "networking") -> str:
    return f"\n---\napiVersion: {group}.istio.io/v1\nkind: {kind}\nmetadata: {{name: x, namespace: default}}\nspec: {{{spec}}}\n"


def route(rule: str) -> str:
    return item("VirtualService", f"hosts: [s], http: [{{{rule}}}]")


def policy(spec: str) -> str:
    return item("DestinationRule", f"host: s, trafficPolicy: {{{spec}}}")


def sidecar(ingress: str) -> str:
    return item("Sidecar", f"ingress: [{{{ingress}}}], egress: [{{bind: 127.0.3.1, hosts: ['*/*']}}]")


TO = "route: [{destination: {host: s}}]"
PORT = "port: {number: 80, name: p, protocol: HTTP}, bind: 127.0.2.1"


@pytest.mark.parametrize(
    "text",
    [
        *(route(f"route: [{{destination: {{host: s}}, weight: {each}}}]") for each in (MIN32, -1, MAX32)),
        route(f"route: [{{destination: {{host: s}}, weight: {MAX32}}}, {{destination: {{host: s}}, weight: {MAX32}}}]"),
        route("route: [{destination: {host: s}, weight: -5}, {destination: {host: s}, weight: 5}]"),
        route(f"route: [{{destination: {{host: s, port: {{number: {MAXU32}}}}}}}]"),
        *(route(f"{TO}, retries: {{attempts: {each}}}") for each in (MIN32, MAX32)),
        *(route(f"{TO}, retries: {{attempts: 1, perTryTimeout: {each}}}") for each in ("-1s", "0s", "315576000000s")),
        *(route(f"{TO}, timeout: {each}") for each in ("-0.000000001s", "0s", "315576000000s")),
        *(route(f"{TO}, fault: {{delay: {{fixedDelay: 1s, percent: {each}}}}}") for each in (MIN32, MAX32)),
        *(
            route(f"{TO}, fault: {{delay: {{fixedDelay: 1s, percentage: {{value: {each}}}}}}}")
            for each in ("'NaN'", "'Infinity'", "-1e300")
        ),
        *(
            route(f"{TO}, fault: {{abort: {{httpStatus: {each}, percentage: {{value: 1}}}}}}")
            for each in (MIN32, MAX32, 600)
        ),
        route(f"{TO}, fault: {{delay: {{fixedDelay: -1s, percentage: {{value: 1}}}}}}"),
        route(f"{TO}, mirror: {{host: s}}, mirrorPercent: {MAXU32}"),
        route(f"redirect: {{uri: /x, port: {MAXU32}, redirectCode: {MAXU32}}}"),
        route(f"directResponse: {{status: {MAXU32}}}"),
        route("directResponse: {status: 200, body: {string: '" + "x" * (1 << 20) + "'}}"),
        route("directResponse: {status: 200, body: {string: '" + "x" * ((1 << 20) + 1) + "'}}"),
        route(f"{TO}, corsPolicy: {{maxAge: -1s, allowOrigins: [{{exact: '*'}}]}}"),
        *(policy(f"connectionPool: {{tcp: {{maxConnections: {each}}}}}") for each in (MIN32, 0, MAX32)),
        *(policy(f"connectionPool: {{http: {{maxRequestsPerConnection: {each}}}}}") for each in (MIN32, MAX32)),
        *(
            policy(f"connectionPool: {{http: {{h2UpgradePolicy: UPGRADE, maxConcurrentStreams: {each}}}}}")
            for each in (MIN32, MAX32)
        ),
        *(
            policy(f"connectionPool: {{tcp: {{tcpKeepalive: {{time: {each}, interval: {each}, probes: {MAXU32}}}}}}}")
            for each in ("-5s", "1s")
        ),
        *(policy(f"connectionPool: {{tcp: {{connectTimeout: {each}}}}}") for each in ("0s", "-1s", "315576000000s")),
        *(policy(f"outlierDetection: {{consecutiveErrors: {each}}}") for each in (MIN32, MAX32)),
        *(
            policy(f"outlierDetection: {{maxEjectionPercent: {each}, minHealthPercent: {each}}}")
            for each in (MIN32, MAX32)
        ),
        *(policy(f"outlierDetection: {{interval: {each}, baseEjectionTime: {each}}}") for each in ("-1s", "0s")),
        *(
            policy(f"loadBalancer: {{consistentHash: {{httpHeaderName: x, minimumRingSize: {each}}}}}")
            for each in (0, 2**64 - 1)
        ),
        *(
            policy(f"loadBalancer: {{consistentHash: {{httpHeaderName: x, maglev: {{tableSize: {each}}}}}}}")
            for each in (1, 2**64 - 1)
        ),
        *(policy(f"loadBalancer: {{simple: {each}}}") for each in (99, "PASSTHROUGH")),
        *(policy(f"tls: {{mode: {each}}}") for each in (99, "MUTUAL")),
        *(
            sidecar(f"{PORT}, defaultEndpoint: '{each}'")
            for each in ("127.0.0.1:x", "127.0.0.1", ":", "0.0.0.0:", "[::1]")
        ),
        sidecar("bind: 127.0.2.1"),
        sidecar(f"port: {{number: {MAXU32}, name: p, protocol: HTTP}}"),
        item("PeerAuthentication", "mtls: {mode: 99}, portLevelMtls: {80: {mode: 98}}", "security"),
        SERVICE.replace("name: s,", "name: t,").replace("STATIC", "9"),
        SERVICE.replace("s.default", "t.default")
        .replace("name: s,", "name: t,")
        .replace("number: 80", f"number: {MAXU32}"),
        SERVICE.replace("s.default", "t.default")
        .replace("name: s,", "name: t,")
        .replace("10.0.0.1", "10.0.0.1, weight: 4294967295"),
    ],
)
def test_nothing_raises_and_envoy_takes_the_rest(text: str, validate: Callable[[Compiled], None]) -> None:
    separator = "" if text.startswith("\n---") else "---"
    compiled = Mesh(SERVICE + separator + text).compile(make_proxy("s", LABELS={"app": "s"}))
    assert "outbound|80||s.default.svc.cluster.local" in compiled.clusters
    validate(compiled)


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("ServiceEntry", ""),
        ("ServiceEntry", "hosts: [a.io]"),
        ("ServiceEntry", "hosts: ['*'], ports: [{number: 80, protocol: HTTP}]"),
        ("WorkloadEntry", ""),
        ("VirtualService", ""),
        ("VirtualService", "hosts: [a.io], http: [{}], tcp: [{}], tls: [{match: [{}]}]"),
        ("DestinationRule", ""),
        ("Gateway", ""),
        ("Gateway", "servers: [{}, {port: {}}, {tls: {}}]"),
        ("Sidecar", ""),
        ("Sidecar", "ingress: [{}], egress: [{}]"),
    ],
)
@pytest.mark.parametrize("proxy_kind", ["sidecar", "router"])
def test_empty_objects_raise_nothing(
    kind: str, spec: str, proxy_kind: Any, validate: Callable[[Compiled], None]
) -> None:
    compiled = Mesh(SERVICE + item(kind, spec)).compile(make_proxy("s", kind=proxy_kind))
    validate(compiled)
