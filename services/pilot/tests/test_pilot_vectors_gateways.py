"""Istio's own cases of hosts and gateways, rule by rule. What differs is listed with its reason."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format

from flotilla_pilot.compile.gateway_tls import gateway_server
from flotilla_pilot.model.gateway_servers import ends_https, ends_tcp, is_plain_http, is_tls, passes_through
from flotilla_pilot.scope.gateway import narrower, server_host
from flotilla_pilot.testing.dropped_paths import DROPPED
from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy
from flotilla_pilot.testing.rows import Check, Skipped, play_table, skip
from flotilla_protos.istio.networking.v1alpha3.gateway_pb2 import Server
from flotilla_shared.model.hosts import covers, matches, specificity

Pair = tuple[Any, Any]
PROXY = make_proxy("gate", 1, "router", namespace="testns", LABELS={"istio": "ingressgateway"})
BEHIND_SERVICES = ("targetPort overrides service port", "privileged port on unprivileged pod")
NO_SERVICES = "the services before the gateway, which say where it is to listen, are not in the row"
GATEWAY_API = skip("the Gateway API's gateways are not offered")
UNSHOWN = skip("what is asked is not said by the row")

# -- hosts (unit host)


def intersection(one: Iterable[str], other: list[str]) -> list[str]:
    """As a gateway forms it: of each pair the narrower."""
    found = (narrower(first, second) for first in one for second in other)
    return list(dict.fromkeys(each for each in found if each is not None))


def in_namespace(hosts: list[str], namespace: str) -> list[str]:
    pairs = (server_host(each, namespace) for each in hosts)
    return [host for owner, host in pairs if owner in ("*", namespace)]


def host(function: Any) -> Check:
    def check(row: Any) -> Pair:
        return function(*row["input"].values()), row["result"][0]

    return check


HOSTS: dict[str, Check] = {
    "host.Name.Matches": host(matches),
    "host.Name.SubsetOf": host(lambda inner, outer: covers(outer, inner)),
    "host.Names.Intersection": host(intersection),
    "host.NamesForNamespace": host(in_namespace),
    "host.MoreSpecific": host(lambda one, other: specificity(one) < specificity(other)),
}

# -- servers (unit gateway-server)


def server(function: Any) -> Check:
    def check(row: Any) -> Pair:
        return function(json_format.ParseDict(row["input"]["server"], Server())), row["result"][0]

    return check


SERVERS: dict[str, Check] = {
    "gateway.IsTLSServer": server(is_tls),
    "gateway.IsHTTPServer": server(lambda each: is_plain_http(each) or ends_https(each)),
    "gateway.IsHTTPSServerWithTLSTermination": server(ends_https),
    "gateway.IsPassThroughServer": server(passes_through),
    "gateway.IsTCPServerWithTLSTermination": server(ends_tcp),
    "gateway.IsEligibleForHTTP3Upgrade": skip("HTTP/3 is not offered"),
}

# -- whole gateways (tables model-gateway and core-gateway)


def compiled(given: Iterable[Any]) -> Compiled:
    """What a router gets of objects; every Gateway is its own, and every host that rules lead to is there."""
    documents, hosts = [], {}
    for number, each in enumerate(given):
        metadata = {"name": each["Meta"]["Name"], "namespace": each["Meta"].get("Namespace", "default")}
        metadata["creationTimestamp"] = f"2026-01-01T00:00:{number:02}Z"
        kind = each["Meta"].get("GroupVersionKind", {}).get("Kind", "Gateway")
        if kind not in ("Gateway", "VirtualService"):
            continue
        spec = {**each["Spec"]}
        spec.pop("selector", None)
        documents.append({"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec})
        hosts.update(dict.fromkeys(_destinations(spec)))
    return Mesh(yaml.safe_dump_all([*map(_service, sorted(hosts)), *documents])).compile(PROXY)


def _destinations(spec: Any) -> Iterable[str]:
    for kind in ("http", "tls", "tcp"):
        for route in spec.get(kind, ()):
            yield from (each["destination"]["host"] for each in route.get("route", ()))


def _service(name: str) -> Any:
    spec = {"hosts": [name], "resolution": "DNS", "ports": [{"number": 80, "name": "p", "protocol": "TCP"}]}
    metadata = {"name": name.replace("*", "all"), "namespace": "testns"}
    return {"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": metadata, "spec": spec}


def tables_of_merged(case: Any) -> Pair:
    """Which route tables there are; how servers are counted is Istio's own affair."""
    return sorted(compiled(case["gwConfig"]).routes), sorted(case["serversForRouteNum"])


def virtual_hosts(case: Any) -> Pair:
    """Domains, how many routes each host has, and whether it sends callers to TLS."""
    table = compiled([*case["gateways"], *case["virtualServices"]]).routes[case["routeName"]]
    found = {each.name: (list(each.domains), len(each.routes)) for each in table.virtual_hosts}
    wanted = {
        name: (domains, case.get("expectedHTTPRoutes", {}).get(name, 0))
        for name, domains in case["expectedVirtualHostsHostPortStrip"].items()
    }
    demands = {each.require_tls == each.ALL for each in table.virtual_hosts}
    return (found, demands), (wanted, {case.get("redirect", False)})


def listeners(case: Any) -> Pair:
    if case["name"] in BEHIND_SERVICES:
        raise Skipped(NO_SERVICES)
    made = compiled([*case["gateways"], *case.get("virtualServices", ())])
    return sorted(made.listeners), sorted(case["expectedListeners"])


def filters(case: Any) -> Pair:
    """The last network filter of each chain; what goes before it is not the gateway's."""
    chains = [chain for each in compiled(case["configs"]).listeners.values() for chain in each.filter_chains]
    wanted = [each["NetworkFilters"][-1] for each in case["expectedListener"]["FilterChains"]]
    return [chain.filters[-1].name for chain in chains], wanted


def no_overlap(case: Any) -> Pair:
    """No name is asked for twice on one listener: Envoy would refuse it."""
    if case["name"] in BEHIND_SERVICES:
        raise Skipped(NO_SERVICES)
    made = compiled([*case["gateways"], *case["virtualServices"]]).listeners.values()
    asked = [name for each in made for chain in each.filter_chains for name in chain.filter_chain_match.server_names]
    return len(asked), len(set(asked))


def context(case: Any) -> Pair:
    """Names of secrets and what is asked of clients. Secrets are the agent's to serve, whatever their name."""
    if "result" not in case:
        raise Skipped("no TLS is ended here")
    if case.get("transportProtocol"):
        raise Skipped("HTTP/3 is not offered")
    tls = json_format.ParseDict(case["server"], Server()).tls
    found = as_dict(gateway_server(tls, Mesh().snapshot.mesh))["typed_config"]
    wanted = as_dict(json_format.ParseDict(case["result"], _context(), ignore_unknown_fields=True))
    return context_outline(found, case), context_outline(wanted, case)


def _context() -> Any:
    from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import DownstreamTlsContext

    return DownstreamTlsContext()


def context_outline(tree: Any, case: Any) -> Any:
    common = tree["common_tls_context"]
    combined = common.get("combined_validation_context", {})
    asked = combined.get("default_validation_context", {})
    # Istio writes the path of what is revoked into the listener; here it is part of the authority's name, for the agent.
    authority, _, revoked = combined.get("validation_context_sds_secret_config", {}).get("name", "").partition("~")
    names = [
        each["matcher"]["exact"]
        for each in asked.get("match_typed_subject_alt_names", ())
        if "exact" in each["matcher"]
    ]
    names += [each["exact"] for each in asked.get("match_subject_alt_names", ())]
    return (
        [each for each in common["alpn_protocols"] if f'**.alpnProtocols="{each}"' not in DROPPED],
        [each["name"] for each in common["tls_certificate_sds_secret_configs"]],
        authority,
        revoked or asked.get("crl", {}).get("filename", ""),
        names,
        asked.get("verify_certificate_spki"),
        asked.get("verify_certificate_hash"),
        tree["require_client_certificate"],
    )


NOT_ASKED = skip("no field of a Gateway")
TABLES: dict[str, dict[str, Check]] = {
    "unit/host": HOSTS,
    "unit/gateway-server": SERVERS,
    "tables/model-gateway": {
        "TestMergeGateways": tables_of_merged,
        "TestFilterStrictGatewayMerging": GATEWAY_API,
        "TestParseGatewayRDSRouteName": skip("names of tables are made, and never read"),
    },
    "tables/core-gateway": {
        "TestBuildGatewayListenerTlsContext": context,
        "TestGatewayHTTPRouteConfig": virtual_hosts,
        "TestBuildGatewayListeners": listeners,
        "TestBuildGatewayListenersFilters": filters,
        "TestGatewayFilterChainSNIOverlap": no_overlap,
        "TestCreateGatewayHTTPFilterChainOpts": skip("what is passed on between functions of Istio's"),
        "TestGatewayHCMInternalAddressConfig": NOT_ASKED,
        "TestListenerTransportSocketConnectTimeoutForGateway": NOT_ASKED,
        "TestGatewayListenerConnectionSettings": NOT_ASKED,
    },
}
DIFFERENT: dict[str, str] = {
    "host/TestNameMatches_1__mixed_case": "the case of a host name does not count, as in DNS and in Envoy",
}
"""By id."""


@pytest.mark.parametrize("table", TABLES)
def test_rows_of_the_table(table: str, vectors: Path) -> None:
    ran, wrong = play_table(vectors / "today" / f"{table}.jsonl", TABLES[table], DIFFERENT)
    assert ran > 0
    assert wrong == [], "\n".join(wrong)
