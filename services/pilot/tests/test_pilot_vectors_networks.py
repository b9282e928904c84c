"""Istio's own cases of networks: which endpoints, and which gateways for others, a caller in one of them is told of.

The rows lean on a mesh beside them, which is written down here. Its clusters are one here: of what a gateway weighs, only
how it compares with the rest can be asked.
"""

from collections import defaultdict
from collections.abc import Callable
from math import gcd
from pathlib import Path
from typing import Any

import pytest

from flotilla_pilot.compile.resource import ENDPOINTS
from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy
from flotilla_pilot.testing.rows import Skipped, rows

HOST = "example.ns.svc.cluster.local"
TLS = "security.istio.io/tlsMode: istio"
ENDS = [
    *(("network1", f"10.0.0.{n}", n < 3) for n in (1, 2, 3)),
    *(("network2", f"20.0.0.{n}", True) for n in (1, 2, 3)),
    ("network4", "40.0.0.1", True),
]
GATEWAYS = {"network1": ["1.1.1.1"], "network2": ["2.2.2.2", "2.2.2.20", "2.2.2.21"], "network3": []}
AMBIENT = "the ambient mesh is not offered"


def end(network: str, address: str, mutual: bool) -> str:
    labels = f"app: example{', ' + TLS if mutual else ''}"
    return f"  - {{address: {address}, network: {network}, labels: {{{labels}}}}}\n"


def way_in(network: str, addresses: list[str]) -> str:
    """A load balancer with these addresses, and one that has only a name yet."""
    given = ", ".join(["{hostname: lb.example}", *(f"{{ip: {each}}}" for each in addresses)])
    return f"""
---
apiVersion: v1
kind: Service
metadata: {{name: east-west-{network}, namespace: istio-system, labels: {{topology.istio.io/network: {network}}}}}
spec: {{type: LoadBalancer, clusterIP: 10.96.0.9, ports: [{{name: tls, port: 15443}}]}}
status: {{loadBalancer: {{ingress: [{given}]}}}}
"""


MESH = f"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: example, namespace: ns}}
spec:
  hosts: [{HOST}]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP, targetPort: 8080}}]
  endpoints:
{"".join(end(*each) for each in ENDS)}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: east-west, namespace: istio-system}}
spec:
  selector: {{istio: east-west}}
  servers: [{{port: {{number: 15443, name: tls, protocol: TLS}}, hosts: ["*"], tls: {{mode: AUTO_PASSTHROUGH}}}}]
{"".join(way_in(*each) for each in GATEWAYS.items())}"""

OFF, ON = "tls: {mode: DISABLE}", "tls: {mode: ISTIO_MUTUAL}"
SUBSET = "subsets: [{name: s, labels: {app: example}"
RULES = {
    "mtls-on-destination-level": f"trafficPolicy: {{{ON}}}",
    "mtls-off-destination-level": f"trafficPolicy: {{{OFF}}}",
    "mtls-on-override-pa": f"trafficPolicy: {{{ON}}}",
    "mtls-on-port-level": f"trafficPolicy: {{{OFF}, portLevelSettings: [{{port: {{number: 80}}, {ON}}}]}}",
    "mtls-off-port-level": f"trafficPolicy: {{{ON}, portLevelSettings: [{{port: {{number: 80}}, {OFF}}}]}}",
    "mtls-off-innefective": f"trafficPolicy: {{{ON}, portLevelSettings: [{{port: {{number: 81}}, {OFF}}}]}}",
    "mtls-on-subset-level": f"trafficPolicy: {{{OFF}}}, {SUBSET}, trafficPolicy: {{{ON}}}}}]",
    "mtls-off-subset-level": f"trafficPolicy: {{{ON}}}, {SUBSET}, trafficPolicy: {{{OFF}}}}}]",
    "mtls-on-subset-fallback-to-destination": f"trafficPolicy: {{{ON}}}, {SUBSET}}}]",
    "mtls-off-subset-fallback-to-destination": f"trafficPolicy: {{{OFF}}}, {SUBSET}}}]",
}
SELECTOR = "selector: {matchLabels: {app: example}}"
PEERS = {
    "mtls-on-strict": ("ns", "mtls: {mode: STRICT}"),
    "mtls-off-global": ("istio-system", "mtls: {mode: DISABLE}"),
    "mtls-off-namespace": ("ns", "mtls: {mode: DISABLE}"),
    "mtls-off-workload": ("ns", f"{SELECTOR}, mtls: {{mode: DISABLE}}"),
    "mtls-off-port": ("ns", f"{SELECTOR}, portLevelMtls: {{8080: {{mode: DISABLE}}}}"),
    "mtls-off-ineffective": ("ns", "selector: {matchLabels: {app: other}}, mtls: {mode: DISABLE}"),
}


def policies(test: str) -> tuple[str, str]:
    """The objects that a test is named after, and the subset that it asks for."""
    name = test.rpartition("_")[2]
    if "DestinationRule" in test:
        text = "\n---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: r, namespace: ns}\n"
        text += f"spec: {{host: {HOST}, {RULES[name]}}}\n"
        off = peers("istio-system", "mtls: {mode: DISABLE}") if name == "mtls-on-override-pa" else ""
        return text + off, "s" if "subset" in name else ""
    return peers(*PEERS[name]) if "PeerAuthentication" in test else "", ""


def peers(namespace: str, spec: str) -> str:
    metadata = f"{{name: p, namespace: {namespace}}}"
    return (
        f"\n---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {metadata}\nspec: {{{spec}}}\n"
    )


def with_gateways(stated: list[Any]) -> str:
    """The mesh; where a row states gateways, with these, and of the endpoints one in network2."""
    if not stated:
        return MESH
    held: defaultdict[str, list[str]] = defaultdict(list)
    for each in stated:
        held[each["Network"]].append(f"'{each['Addr']}'")
    bare = MESH.partition("\n---\napiVersion: v1")[0]
    others = [end(*each) for each in ENDS if each[1] != "20.0.0.1"]
    for each in others:
        bare = bare.replace(each, "")
    return bare + "".join(way_in(*each) for each in held.items())


def told(test: str, case: Any) -> dict[str, int]:
    """Addresses with their weights, for a sidecar; where only mutual TLS is let through, for a gateway."""
    if "Ambient" in test:
        raise Skipped(AMBIENT)
    text, subset = policies(test)
    through = "MTLSFilter" in test
    metadata: dict[str, Any] = {"NETWORK": case["proxy"]["Metadata"]["Network"], "INTERCEPTION_MODE": "REDIRECT"}
    kind = "router" if through else "sidecar"
    if case["proxy"].get("IPAddresses"):
        metadata["INSTANCE_IPS"] = ",".join(case["proxy"]["IPAddresses"])
    proxy = make_proxy("p", kind=kind, namespace="ns", LABELS={"istio": "east-west"}, **metadata)
    found = Mesh(with_gateways(case.get("gateways", ())) + text).compile(proxy).messages(ENDPOINTS)
    name = f"outbound_.80_.{subset}_.{HOST}" if through else f"outbound|80|{subset}|{HOST}"
    groups = as_dict(found[name]).get("endpoints", [])
    return {
        each["endpoint"]["address"]["socket_address"]["address"]: each["load_balancing_weight"]
        for group in groups
        for each in group.get("lb_endpoints", ())
    }


def wanted(case: Any) -> dict[str, int]:
    return {each["Address"]: each["Weight"] for group in case["want"] for each in group.get("LbEps") or ()}


def in_proportion(weights: dict[str, int]) -> dict[str, int]:
    whole = gcd(*weights.values()) or 1
    return {address: weight // whole for address, weight in weights.items()}


def test_endpoints_by_network(vectors: Path) -> None:
    counts: defaultdict[str, int] = defaultdict(int)
    wrong = []
    for row in rows(vectors / "today" / "tables" / "endpoints-ep_filters.jsonl"):
        test = row["id"].split("/")[2]
        try:
            found, asked = in_proportion(told(test, row["case"])), in_proportion(wanted(row["case"]))
        except Skipped as skipped:
            counts[f"skipped: {skipped}"] += 1
            continue
        counts["ran"] += 1
        if found != asked:
            wrong.append(f"{row['id']}: found {found}, wanted {asked}")
    print(f"endpoints-ep_filters: {dict(counts)}")
    assert counts["ran"] > 90
    assert wrong == [], "\n".join(wrong)


@pytest.mark.parametrize(
    ("port", "expected"), [("", 15443), ("networking.istio.io/gatewayPort: '443'", 443), ("x: y", 15443)]
)
def test_the_port_of_a_gateway(port: str, expected: int) -> None:
    labels = f"labels: {{{port}{', ' if port else ''}topology.istio.io/network: network1"
    snapshot = Mesh(
        way_in("network1", ["1.1.1.1"]).replace("labels: {topology.istio.io/network: network1", labels)
    ).snapshot
    ((gateway,),) = snapshot.networks.gateways.values()
    assert gateway == ("network1", "1.1.1.1", expected)


def test_what_changes_at_a_gateway_changes_the_mesh() -> None:
    one, other = (Mesh(MESH.replace("1.1.1.1", each)).snapshot for each in ("1.1.1.1", "1.1.1.9"))
    assert one.version != other.version
    assert one.shape != other.shape


def test_without_networks_nobody_is_told_apart() -> None:
    """Callers in different networks share what is compiled for them."""
    mesh = Mesh(MESH.replace("topology.istio.io/network", "x"))
    one, other = (mesh.compile(make_proxy("p", namespace="ns", NETWORK=each)) for each in ("network1", "network2"))
    assert one.compiled.resources[ENDPOINTS] == other.compiled.resources[ENDPOINTS]


def test_envoy_takes_gateways_for_endpoints(validate: Callable[[Compiled], None]) -> None:
    mesh = Mesh(MESH)
    for kind in ("sidecar", "router"):
        proxy = make_proxy("p", kind=kind, namespace="ns", LABELS={"istio": "east-west"}, NETWORK="network1")
        validate(mesh.compile(proxy))
