"""What Galley takes to judge one object: from plain data to a message that may be distributed, rules and version included.

One process, one core; reading the YAML is charged by itself. The ratio is to the bar of one VirtualService.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable

from bench.table import table
from flotilla_galley.sources.documents import SourceObject, read_objects
from flotilla_galley.validation.validate import validate_object

BAR_US = 300.0
ROUNDS, CALLS = 200, 10

VIRTUAL_SERVICE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default, labels: {team: reviews}}
spec:
  hosts: [reviews.default.svc.cluster.local]
  gateways: [mesh, istio-system/ingress]
  http:
  - match:
    - uri: {prefix: /reviews}
      headers: {end-user: {exact: jason}}
    - queryParams: {version: {regex: "v[0-9]+"}}
    timeout: 2s
    retries: {attempts: 3, perTryTimeout: 500ms, retryOn: "5xx,connect-failure"}
    route:
    - {destination: {host: reviews, subset: v2, port: {number: 9080}}, weight: 90}
    - {destination: {host: reviews, subset: v3, port: {number: 9080}}, weight: 10}
  - fault: {delay: {percentage: {value: 1}, fixedDelay: 1s}}
    headers: {request: {set: {x-tried: "yes"}}}
    route: [{destination: {host: reviews, subset: v1}}]
"""
DESTINATION_RULE = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: default}
spec:
  host: reviews.default.svc.cluster.local
  trafficPolicy:
    connectionPool: {tcp: {maxConnections: 100}, http: {http2MaxRequests: 1000}}
    outlierDetection: {consecutive5xxErrors: 7, interval: 30s, baseEjectionTime: 2m}
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}, trafficPolicy: {loadBalancer: {simple: RANDOM}}}
  - {name: v3, labels: {version: v3}}
"""
SERVICE_ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: weather, namespace: default}
spec:
  hosts: [api.weather.example.com]
  location: MESH_EXTERNAL
  resolution: DNS
  ports: [{number: 443, name: https, protocol: TLS}]
"""
AUTHORIZATION_POLICY = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: reviews, namespace: default}
spec:
  selector: {matchLabels: {app: reviews}}
  rules:
  - from: [{source: {principals: [cluster.local/ns/default/sa/productpage]}}]
    to: [{operation: {methods: [GET], paths: [/reviews/*]}}]
    when: [{key: "request.headers[version]", values: [v1, v2]}]
"""
OBJECTS = {
    "VirtualService, 2 routes": VIRTUAL_SERVICE,
    "DestinationRule, 3 subsets": DESTINATION_RULE,
    "ServiceEntry": SERVICE_ENTRY,
    "AuthorizationPolicy": AUTHORIZATION_POLICY,
}


def measure() -> str:
    rows: list[tuple[object, ...]] = [("1", "the bar", BAR_US, "-", "-", "-")]
    for name, text in OBJECTS.items():
        source = _source(text)
        least, median = _micros(lambda source=source: validate_object(source))  # type: ignore[misc]
        old, _ = _micros(lambda source=source: validate_object(source, "1.4"))  # type: ignore[misc]
        read, _ = _micros(lambda text=text: read_objects("bench", text))  # type: ignore[misc]
        rows.append((least / BAR_US, name, least, median, old, read))
    header = ("ratio", "object", "us, today's rules", "median", "us, 1.4's rules", "us to read its YAML")
    return table("Validation of one object (us of CPU)", header, rows)


def _source(text: str) -> SourceObject:
    found, problems = read_objects("bench", text)
    assert not problems
    assert validate_object(found[0]).item is not None
    return found[0]


def _micros(call: Callable[[], object]) -> tuple[float, float]:
    """CPU of one call: of the best round, which neighbours on the machine disturbed least, and of the middle one."""
    gc.collect()
    spent = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        for _ in range(CALLS):
            call()
        spent.append((time.process_time() - begin) / CALLS * 1e6)
    return min(spent), statistics.median(spent)
