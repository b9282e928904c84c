"""Istio's own cases of names: protocols of ports, labels, identities, hosts, addresses. What differs is listed with its reason."""

import ipaddress
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from flotilla_pilot.compile import names
from flotilla_pilot.compile.endpoints import socket_address
from flotilla_pilot.compile.host_plans import domains
from flotilla_pilot.compile.intercepted_plan import networks_of
from flotilla_pilot.compile.traffic_policy import PortPolicy, port_policy
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.services import Service
from flotilla_pilot.testing.meshes import Mesh, make_node, make_proxy
from flotilla_pilot.testing.rows import Check, Skipped, play_table, skip
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import Subset, TrafficPolicy
from flotilla_shared.model.hosts import most_specific, resolve_short_name
from flotilla_shared.model.labels import selects
from flotilla_shared.model.protocols import Protocol, parse_protocol, protocol_of_service_port
from flotilla_shared.model.spiffe import in_trust_domains, parse_spiffe, spiffe_id

Pair = tuple[Any, Any]
ELSEWHERE = skip("held by the tables of what makes it")
OWN_FILTER = skip("for a filter that only Istio's own Envoy has")
GO = skip("a function that Python brings along")

# -- protocols, labels, identities


def call(function: Any) -> Check:
    """The first result of a function of the row's arguments."""

    def check(row: Any) -> Pair:
        return function(*row["input"].values()), row["result"][0]

    return check


def kubernetes_protocol(number: int, name: str, transport: str, application: str | None) -> str:
    return Protocol.UDP if transport == "UDP" else protocol_of_service_port(name, application or "", number)


def identity(row: Any) -> Pair:
    found = parse_spiffe(row["input"]["s"])
    wanted = row["result"][0]
    return tuple(found), (wanted["TrustDomain"], wanted["Namespace"], wanted["ServiceAccount"])


PROTOCOLS: dict[str, Check] = {
    "protocol.Instance.IsHTTP": call(lambda word: Protocol(word).is_http),
    "protocol.Parse": call(parse_protocol),
    "kube.ConvertProtocol": call(kubernetes_protocol),
}
LABELS: dict[str, Check] = {
    "labels.Instance.SubsetOf": call(lambda one, other: selects(one or {}, other or {})),
    "labels.Instance.Match": call(lambda one, other: bool(one) and selects(one, other or {})),
    "labels.Instance.Validate": skip("labels are judged by Galley"),
}
SPIFFE: dict[str, Check] = {
    "spiffe.genSpiffeURI": call(spiffe_id),
    "spiffe.MustGenSpiffeURI": call(lambda mesh, *parts: spiffe_id(mesh["trustDomain"], *parts)),
    "spiffe.ExpandWithTrustDomains": call(in_trust_domains),
    "spiffe.ParseIdentity": identity,
}

# -- pieces of resources


def entry(address: str = "10.0.0.1", spec: str = "") -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: e}}
spec:
  hosts: [a.example]
  addresses: ["{address}"]
  resolution: STATIC
  ports: [{{number: 3000, name: p, protocol: TCP}}]
{spec}"""


def the_service(text: str) -> Service:
    (service,) = Mesh(text).snapshot.services
    return service


def as_network(row: Any) -> Pair:
    """A network with bits beyond its length is the same network for Envoy."""
    (found,) = networks_of(the_service(entry(row["input"]["addr"]))) or [row["input"]["addr"]]
    wanted = row["result"][0]
    length = wanted.get("prefixLen", 0)
    return ipaddress.ip_network(found), ipaddress.ip_network(f"{wanted['addressPrefix']}/{length}", strict=False)


def locality_of_endpoint(row: Any) -> Pair:
    spec = f"  endpoints: [{{address: 10.1.0.1, locality: {row['input']['locality']}}}]\n"
    (cluster,) = Mesh(entry(spec=spec)).compile(make_proxy("p")).endpoints.values()
    return json_format.MessageToDict(cluster.endpoints[0].locality), row["result"][0]


def locality_of_proxy(row: Any) -> Pair:
    node = make_node("sidecar~10.0.0.1~p.default~default.svc.cluster.local")
    json_format.ParseDict(row["input"]["l"], node.locality)
    return Proxy.from_node(node).locality, row["result"][0]


def domain_of_address(host: str, port: int | None = None) -> str:
    """How a service's address stands among the domains of its virtual host."""
    found = domains(the_service(entry(host)), port or 3000, port is not None, "default", "cluster.local")
    return found[-1]


def config_metadata(row: Any) -> Pair:
    given = row["input"]["config"]
    kind = {"DestinationRule": "destination-rule", "VirtualService": "virtual-service"}[
        given["GroupVersionKind"]["Kind"]
    ]
    found = names.config_path(given["Namespace"], kind, given["Name"])
    return found, row["result"][0]["filterMetadata"]["istio"]["config"]


def settings_of_port(row: Any) -> Pair:
    """What of a policy and a subset's counts for one port; ports of policies that are asked for are read already."""
    given = row["input"]
    whole = json_format.ParseDict(given["original"] or {}, TrafficPolicy())
    subset = Subset(traffic_policy=json_format.ParseDict(given["subsetPolicy"] or {}, TrafficPolicy()))
    found = port_policy(whole, subset, (given["port"] or {}).get("Port", 0))
    wanted = json_format.ParseDict(row["result"][0], TrafficPolicy())
    held = {name: getattr(found, name) for name in PortPolicy.__slots__}
    stated = {name: value for name, value in held.items() if value is not None}
    asked = {field.name: value for field, value in wanted.ListFields()}
    if not asked.keys() <= held.keys():
        raise Skipped("a part of the policy is not read")
    return stated, asked


UTIL: dict[str, Check] = {
    "util.BuildAddress": lambda row: (
        json_format.MessageToDict(socket_address(row["input"]["bind"], row["input"]["port"])),
        row["result"][0],
    ),
    "util.ConvertAddressToCidr": as_network,
    "util.ConvertLocality": locality_of_endpoint,
    "util.LocalityToString": locality_of_proxy,
    "util.BuildConfigInfoMetadata": config_metadata,
    "util.AddConfigInfoMetadata": config_metadata,
    "util.IPv6Compliant": call(domain_of_address),
    "util.DomainName": call(domain_of_address),
    "util.MergeSubsetTrafficPolicy": settings_of_port,
    "util.IsAllowAnyOutbound": skip("what is asked is not said by the row"),
    "util.IsAllowAnyDynamicDNSOutbound": skip("what is asked is not said by the row"),
    "util.GetProxyHeadersFromProxyConfig": ELSEWHERE,
    "util.GetProxyHeaders": ELSEWHERE,
    "util.LocalityMatch": ELSEWHERE,
    "util.IsLocalityEmpty": ELSEWHERE,
    "util.SelectDNSLookupFamily": ELSEWHERE,
    "util.IsHTTPFilterChain": ELSEWHERE,
    "util.GetEndpointHost": ELSEWHERE,
    "util.AddALPNOverrideToMetadata": OWN_FILTER,
    "util.CloneClusterLoadAssignment": GO,
    "util.CidrRangeSliceEqual": GO,
    "util.ByteCount": GO,
    "util.MaybeBuildStatefulSessionFilterConfig": skip("persistent sessions are not offered"),
    "util.MeshNetworksToEnvoyInternalAddressConfig": skip("networks of the mesh are not offered"),
}

# -- names of hosts


def full_name(case: Any) -> Pair:
    meta = case.get("meta", {})
    return resolve_short_name(case["name"], meta.get("Namespace", ""), meta.get("Domain", "")), case["out"]


CONFIG: dict[str, Check] = {
    "TestResolveShortnameToFQDN": full_name,
    "TestMostSpecificHostMatch": lambda case: (most_specific(case["in"], case["needle"]) or "", case.get("want", "")),
}
TABLES: dict[str, dict[str, Check]] = {
    "unit/protocol": PROTOCOLS,
    "unit/labels": LABELS,
    "unit/spiffe": SPIFFE,
    "unit/networking-util": UTIL,
    "tables/model-config": CONFIG,
}
DIFFERENT: dict[str, str] = {}
"""By id."""


@pytest.mark.parametrize("table", TABLES)
def test_rows_of_the_table(table: str, vectors: Path) -> None:
    ran, wrong = play_table(vectors / "today" / f"{table}.jsonl", TABLES[table], DIFFERENT)
    assert ran > 10
    assert wrong == [], "\n".join(wrong)
