"""Calls to nobody known, where a Sidecar names a proxy for all ways out (`egressProxy`)."""

from typing import Any

import pytest

from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy

INTERCEPTED = make_proxy("client", INTERCEPTION_MODE="REDIRECT", INSTANCE_IPS="10.1.0.9")
BOUND = make_proxy("client")
MESH = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: forward, namespace: egress}
spec:
  hosts: [forward.egress.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 8443, name: tcp, protocol: TCP}]
  endpoints: [{address: 10.1.0.1, labels: {version: v2}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: web, namespace: default}
spec:
  hosts: [web.example]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 10.1.0.2}]
"""
CLUSTER = "outbound|8443||forward.egress.svc.cluster.local"


def compiled(proxy_out: str, *more: str, proxy: Any = INTERCEPTED, mode: str = "ALLOW_ANY") -> Compiled:
    policy = f"{{mode: {mode}, egressProxy: {proxy_out}}}"
    sidecar = f"""
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: default, namespace: default}}
spec: {{outboundTrafficPolicy: {policy}, egress: [{{hosts: ["./*"]}}]}}
"""
    return Mesh("---".join((MESH, sidecar, *more))).compile(proxy)


NAMED = "{host: forward.egress.svc.cluster.local, port: {number: 8443}}"


def beyond(found: Compiled) -> tuple[str, str]:
    """Where TCP and HTTP go that no listener and no host is for."""
    (rest,) = as_dict(found.listeners["virtualOutbound"])["filter_chains"][1:]
    last = as_dict(found.routes["80"])["virtual_hosts"][-1]["routes"][0]
    action = last.get("route", {}).get("cluster") or str(last["direct_response"]["status"])
    return rest["filters"][-1]["typed_config"]["cluster"], action


@pytest.mark.parametrize(
    ("proxy_out", "mode", "leads"),
    [
        (NAMED, "ALLOW_ANY", (CLUSTER, CLUSTER)),
        (NAMED, "REGISTRY_ONLY", ("BlackHoleCluster", "502")),
        (NAMED.replace("port:", "subset: v9, port:"), "ALLOW_ANY", (CLUSTER.replace("||", "|v9|"),) * 2),
        ("{host: gone.example, port: {number: 1}}", "ALLOW_ANY", ("outbound|1||gone.example",) * 2),
        ("{host: web.example, port: {number: 80}}", "ALLOW_ANY", ("outbound|80||web.example",) * 2),
    ],
)
def test_calls_to_nobody_known_go_to_the_proxy_that_is_named(proxy_out: str, mode: str, leads: tuple[str, str]) -> None:
    assert beyond(compiled(proxy_out, mode=mode)) == leads


def test_what_the_rest_of_a_port_is_for_goes_there_too() -> None:
    listener = as_dict(compiled(NAMED).listeners["0.0.0.0_80"])
    rest = listener["default_filter_chain"]["filters"][-1]["typed_config"]
    assert rest["cluster"] == CLUSTER


def test_the_proxy_is_imported_by_being_named() -> None:
    assert CLUSTER in compiled(NAMED).clusters
    assert CLUSTER not in compiled("{host: web.example, port: {number: 80}}").clusters


def test_a_subset_is_the_rules() -> None:
    rule = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: forward, namespace: egress}
spec: {host: forward.egress.svc.cluster.local, subsets: [{name: v2, labels: {version: v2}}]}
"""
    named = NAMED.replace("port:", "subset: v2, port:")
    found = compiled(named, rule)
    assert beyond(found) == (CLUSTER.replace("||", "|v2|"),) * 2
    assert CLUSTER.replace("||", "|v2|") in found.clusters


def test_a_short_name_is_of_the_sidecars_namespace() -> None:
    assert beyond(compiled("{host: forward, port: {number: 8443}}"))[0] == (
        "outbound|8443||forward.default.svc.cluster.local"
    )


def test_bound_listeners_lead_unknown_hosts_there() -> None:
    last = as_dict(compiled(NAMED, proxy=BOUND).routes["80"])["virtual_hosts"][-1]
    assert [each["route"]["cluster"] for each in last["routes"]] == [CLUSTER]
