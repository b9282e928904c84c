"""Limits of a workload's own side that Envoy would refuse: told, left out, and the workload is reached all the same."""

from collections.abc import Callable
from typing import Any

import pytest

from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy

BOUND = make_proxy("web", 1)
INTERCEPTED = make_proxy("web", 1, INTERCEPTION_MODE="REDIRECT", INSTANCE_IPS="127.0.1.1")
SERVICE = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: web, namespace: default}
spec:
  hosts: [web.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 8080, name: http, protocol: HTTP2}]
  endpoints: [{address: 127.0.1.1}]
"""
TOO_OFTEN = "connectionPool: {http: {http2KeepAlive: {interval: 0.0000001s, timeout: 1s}}}"
FINE = "connectionPool: {tcp: {maxConnections: 7}}"
CLUSTER = "inbound|8080||"


def sidecar(pool: str) -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: default, namespace: default}}
spec:
  inboundConnectionPool: {pool.removeprefix("connectionPool: ")}
  ingress:
  - port: {{number: 8080, name: http, protocol: HTTP2}}
    bind: 127.0.2.1
    defaultEndpoint: 127.0.1.1:8080
"""


def rule(policy: str) -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: web, namespace: default}}
spec: {{host: web.default.svc.cluster.local, trafficPolicy: {{{policy}}}}}
"""


def limits(compiled: Compiled) -> Any:
    return as_dict(compiled.clusters[CLUSTER]).get("circuit_breakers")


@pytest.mark.parametrize("proxy", [BOUND, INTERCEPTED], ids=["bound", "intercepted"])
def test_what_a_sidecar_says(proxy: Any, validate: Callable[[Compiled], None]) -> None:
    compiled = Mesh(SERVICE + sidecar(TOO_OFTEN)).compile(proxy)
    assert ("default/default", "refused-by-envoy", "spec.inboundConnectionPool") in compiled.problems()
    validate(compiled)
    sound = Mesh(SERVICE + sidecar(FINE)).compile(proxy)
    assert sound.problems() == []
    assert limits(sound)["thresholds"][0]["max_connections"] == 7


def test_what_a_rule_for_the_service_says(validate: Callable[[Compiled], None]) -> None:
    compiled = Mesh(SERVICE + rule(TOO_OFTEN)).compile(INTERCEPTED)
    assert CLUSTER in compiled.clusters
    assert ("default/web", "refused-by-envoy", "spec.trafficPolicy") in compiled.problems()
    validate(compiled)


def test_it_is_told_to_every_proxy_that_shares_what_was_compiled() -> None:
    mesh = Mesh(SERVICE + sidecar(TOO_OFTEN))
    assert mesh.compile(INTERCEPTED).problems() == mesh.compile(INTERCEPTED).problems() != []
