"""Today's Istio's own tables of listeners, played row by row: what a proxy's listeners are made from, and what they hold."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format

from flotilla_pilot.compile.gateway_tls import gateway_server
from flotilla_pilot.testing.meshes import Compiled, as_dict
from flotilla_pilot.testing.recorded import compile_recorded, recorded_snapshot, registry_entries
from flotilla_pilot.testing.rows import Check, Skipped, play_table, skip
from flotilla_protos.istio.networking.v1alpha3.gateway_pb2 import ServerTLSSettings

Pair = tuple[Any, Any]
Documents = list[dict[str, Any]]
OWN = {"ENVOY_STATUS_PORT": 15021, "ENVOY_PROMETHEUS_PORT": 15090}
CALLER = {"type": "sidecar", "id": "app.test", "ipAddresses": ["1.1.1.1"], "namespace": "not-default", "labels": {}}
WORKLOAD = {**CALLER, "namespace": "default"}


def entries(services: Iterable[Mapping[str, Any]], instances: Iterable[Mapping[str, Any]] = ()) -> Documents:
    return registry_entries({"services": list(services), "instances": list(instances)}, CALLER)


def document(
    kind: str, namespace: str, spec: Mapping[str, Any], group: str = "networking.istio.io/v1"
) -> dict[str, Any]:
    return {"apiVersion": group, "kind": kind, "metadata": {"name": "own", "namespace": namespace}, "spec": dict(spec)}


def reserved(case: Any) -> Pair:
    """The ports that are listened on; the proxy tells those that its Envoy has."""
    sidecars = [document("Sidecar", "not-default", case["sidecar"]["Spec"])] if "sidecar" in case else []
    made = compile_recorded([*sidecars, *entries(case["services"])], None, {**CALLER, "metadata": OWN})
    ports = [each.address.socket_address.port_value for name, each in made.listeners.items() if name[0].isdigit()]
    return sorted(ports), sorted(case["expectedListener"])


def networks(case: Any) -> Pair:
    """The networks that chains ask for: the rule's, and the service's own where it is another."""
    service = {"Hostname": "test.com", "DefaultAddress": case["CIDR"], "Attributes": {"Namespace": "default"}}
    ports = [{"Name": "tcp", "Port": 8080, "Protocol": "TCP"}]
    route = {"destination": {"host": "test.org", "port": {"number": 80}}}
    rule = {"match": [{"destinationSubnets": ["10.10.0.0/24"], "port": 8080}], "route": [route]}
    rules = document("VirtualService", "default", {"hosts": ["test.com"], "tcp": [rule]})
    made = compile_recorded([rules, *entries([{**service, "Ports": ports}])], None, CALLER)
    chains = made.listeners["0.0.0.0_8080"].filter_chains
    found = [each.address_prefix for chain in chains for each in chain.filter_chain_match.prefix_ranges]
    return sorted(found), case["expectedChains"]


def headless(case: Any) -> Pair:
    """How many endpoints can be dialled: Istio has a listener for each, or if it is told to, a chain."""
    (service,) = case["services"]
    if service["Attributes"].get("LabelSelectors"):
        raise Skipped("the workloads that a ServiceEntry selects are not recorded")
    external = service["Attributes"]["ServiceRegistry"] != "Kubernetes"
    objects = entries(case["services"]) if external else list(kubernetes(service, case["instances"]))
    made = compile_recorded(objects, None, WORKLOAD)
    found = [each for each in made.listeners.values() if each.address.socket_address.port_value == 9999]
    return len(found), case.get("numFilterChainsOnListener", case.get("numListenersOnServicePort", 0))


def kubernetes(service: Mapping[str, Any], instances: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    """A Service without an address, and its endpoints as far as they are addresses."""
    (port,) = service["Ports"]
    name = "tcp" if port["Protocol"] == "TCP" else "any"
    metadata = {"name": "test", "namespace": "default"}
    spec = {"clusterIP": "None", "ports": [{"name": name, "port": port["Port"], "targetPort": port["Port"]}]}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
    addresses = [each["Endpoint"]["Addresses"][0] for each in instances]
    labels = {"kubernetes.io/service-name": "test"}
    yield {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**metadata, "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [each], "conditions": {"ready": True}} for each in addresses if each[0].isdigit()],
        "ports": [{"name": name, "port": port["Port"]}],
    }


def from_outside(case: Any) -> Pair:
    """Only IPv6 is listened on where the proxy has no other; this one is of both families."""
    made = compile_recorded(entries(case["services"], case["instances"]), None, CALLER)
    port = case["listenersOn"].rpartition("_")[2]
    return [name.rpartition("_")[2] for name in made.listeners if name.endswith(f"_{port}")], [port]


METADATA = {
    "HTTP10": "HTTP10",
    "InboundListenerExactBalance": "INBOUND_LISTENER_EXACT_BALANCE",
    "OutboundListenerExactBalance": "OUTBOUND_LISTENER_EXACT_BALANCE",
}


def ways_in(case: Any) -> Pair:
    """Port 8080 is entered by HTTP, with what the node asks for."""
    stated = case["p"]["Metadata"]
    metadata = {name: stated[field] for field, name in METADATA.items() if field in stated}
    proxy = {**CALLER, "ipAddresses": case["p"]["IPAddresses"], "metadata": metadata}
    here = {"Addresses": ["1.1.1.1"], "EndpointPort": 8080}
    instances = [{"Service": each, "ServicePort": each["Ports"][0], "Endpoint": here} for each in case["services"]]
    sidecars = [document("Sidecar", "not-default", each["Spec"]) for each in case.get("cfg", ())]
    made = compile_recorded([*sidecars, *entries(case["services"], instances)], None, proxy)
    listener = as_dict(made.listeners["virtualInbound"])
    managers = [manager for port, manager in managers_of(listener) if port == 8080]
    old = {each.get("http_protocol_options", {}).get("accept_http_10", False) for each in managers}
    found = len(managers), old, "connection_balance_config" in listener
    return found, (2, {"HTTP10" in stated}, "InboundListenerExactBalance" in stated)


def managers_of(listener: Mapping[str, Any]) -> Iterable[tuple[int, dict[str, Any]]]:
    for chain in listener["filter_chains"]:
        port = chain.get("filter_chain_match", {}).get("destination_port", 0)
        yield from ((port, each["typed_config"]) for each in chain["filters"] if each["name"].endswith("_manager"))


def redirected(case: Any) -> Pair:
    made = compile_recorded([], None, {**CALLER, "metadata": {"INTERCEPTION_MODE": case["mode"]}})
    return {each.transparent.value for each in made.listeners.values()}, {case["mode"] == "TPROXY"}


def traced(case: Any) -> Pair:
    """What Istio's own setting would change is without effect in all rows."""
    mesh = {"proxyHttpPort": 15007, "defaultConfig": {"tracing": case["in"]}}
    made = compile_recorded([], mesh, WORKLOAD)
    listener = json_format.MessageToDict(made.listeners["127.0.0.1_15007"])
    found = listener["filterChains"][0]["filters"][0]["typedConfig"]["tracing"]
    return by_tag(found), by_tag(case["out"])


def by_tag(tracing: Mapping[str, Any]) -> dict[str, Any]:
    return {**tracing, "customTags": {each["tag"]: each for each in tracing["customTags"]}}


def handshake(case: Any) -> Pair:
    if case.get("timeoutDisabled"):
        raise Skipped("the time for a handshake is no setting")
    made = compile_recorded(entries(case["services"]), None, CALLER)
    (chain,) = made.listeners["1.2.3.4_8080"].filter_chains
    return chain.transport_socket_connect_timeout.seconds, case["expectedTimeout"]


def served_tls(case: Any) -> Pair:
    common = tls_of(case["serverTLSSettings"], None)
    found = len(common["tls_certificate_sds_secret_configs"]), "combined_validation_context" in common
    return found, (case["expectedCertCount"], case.get("expectedValidation", False))


def tls_of(settings: Mapping[str, Any], mesh: Mapping[str, Any] | None) -> dict[str, Any]:
    options = recorded_snapshot([], mesh).mesh
    context = as_dict(gateway_server(json_format.ParseDict(settings, ServerTLSSettings()), options))
    found: dict[str, Any] = context["typed_config"]["common_tls_context"]
    return found


def tls_defaults(case: Any) -> Pair:
    found = tls_of({"mode": "SIMPLE", "credentialName": "c"}, {"tlsDefaults": case["tlsDefaults"]})["tls_params"]
    names = {"tls_minimum_protocol_version": "tlsMinimumProtocolVersion", "ecdh_curves": "ecdhCurves"}
    return {names.get(name, "cipherSuites"): each for name, each in found.items()}, case["expected"]


def inspected(case: Any) -> Pair:
    """For each port whether an inspector is off: of three services, and of one that nobody knows."""
    ports = {80: "HTTP", 81: "UnsupportedProtocol", 82: "TCP"}
    services = [
        {
            "Hostname": f"test{port}.com",
            "Attributes": {"Namespace": "default"},
            "Ports": [{"Name": "p", "Port": port, "Protocol": each}],
        }
        for port, each in ports.items()
    ]
    here = [
        {
            "Service": each,
            "ServicePort": each["Ports"][0],
            "Endpoint": {"Addresses": ["1.1.1.1"], "EndpointPort": each["Ports"][0]["Port"]},
        }
        for each in services
    ]
    policies = [each for each in yaml.safe_load_all(case.get("config", "")) if each]
    objects = registry_entries({"services": services, "instances": here}, WORKLOAD)
    made = compile_recorded([*policies, *objects], None, WORKLOAD)
    filters = {
        each["name"].rpartition(".")[2]: each for each in as_dict(made.listeners["virtualInbound"])["listener_filters"]
    }
    asked = {name: case.get(name) for name in ("http", "tls")}
    return {name: off(filters.get(f"{name}_inspector"), each) for name, each in asked.items()}, asked


def off(inspector: Mapping[str, Any] | None, ports: Mapping[str, Any] | None) -> dict[str, bool] | None:
    """One that is off for all the ports that are asked for is as good as none."""
    if inspector is None:
        return dict.fromkeys(ports, True) if ports else None
    return {port: is_off(inspector.get("filter_disabled", {}), int(port)) for port in ports or ()}


def is_off(rule: Mapping[str, Any], port: int) -> bool:
    if "not_match" in rule:
        return not is_off(rule["not_match"], port)
    if "or_match" in rule:
        return any(is_off(each, port) for each in rule["or_match"]["rules"])
    ports = rule.get("destination_port_range", {"start": 0, "end": 0})
    return bool(ports["start"] <= port < ports["end"])


def own_tls(case: Any) -> Pair:
    """Where mutual TLS is off for a port, the TLS that its Sidecar states is ended there."""
    spec = {**case["sidecarScope"]["sidecar"], "workloadSelector": {"labels": {"app": "a"}}}
    policy = {"selector": {"matchLabels": {"app": "a"}}, "portLevelMtls": {80: {"mode": "DISABLE"}}}
    objects = [
        document("Sidecar", "default", spec),
        document("PeerAuthentication", "default", policy, "security.istio.io/v1"),
    ]
    made = compile_recorded(objects, None, {**WORKLOAD, "labels": {"app": "a"}})
    return certificates(made), {"file-cert:cert.pem~privatekey.pem"}


def certificates(made: Compiled) -> set[str]:
    chains = [each for each in as_dict(made.listeners["virtualInbound"])["filter_chains"] if "transport_socket" in each]
    held = [each for each in chains if each.get("filter_chain_match", {}).get("destination_port") == 80]
    found = [each["transport_socket"]["typed_config"]["common_tls_context"] for each in held]
    return {one["name"] for each in found for one in each["tls_certificate_sds_secret_configs"]}


def connection_settings(case: Any) -> Pair:
    """What the row's name says: no defaults of the edge at sidecars, what is stated is, also over the mesh's own word."""
    mesh = {
        "proxyHttpPort": 15007,
        "defaultConfig": {"connectionSettings": case["cs"]},
        "pathNormalization": case.get("pathNormalize", {}),
    }
    made = compile_recorded([], mesh, WORKLOAD)
    ((_, manager),) = managers_of(as_dict(made.listeners["127.0.0.1_15007"]))
    stated = case["cs"].get("httpStreamIdleTimeout", "0s"), case["cs"].get("httpMergeSlashes", False)
    return (manager["stream_idle_timeout"], manager.get("merge_slashes", False)), stated


WAYPOINT = skip("waypoints are not offered")
NETWORKS = skip("networks of the mesh are not offered")
TABLES: dict[str, dict[str, Check]] = {
    "core-listener": {
        "TestOutboundListenerConflictWithReservedListener": reserved,
        "TestOutboundListenerTCPWithVS": networks,
        "TestOutboundListenerTCPWithVSExactBalance": networks,
        "TestOutboundListenerTCPWithVSEmptyRoute": skip("the row says nothing of what is expected"),
        "TestOutboundListenerForHeadlessServices": headless,
        "TestOutboundListenerForExternalServices": from_outside,
        "TestInboundHTTPListenerConfig": ways_in,
        "TestVirtualListeners_TrafficRedirectionEnabled": redirected,
        "TestHttpProxyListener_Tracing": traced,
        "TestListenerTransportSocketConnectTimeoutForSidecar": handshake,
        "TestBuildListenerTLSContext": served_tls,
        "TestApplyDownstreamTLSDefaults": tls_defaults,
    },
    "core-listener_builder": {
        "TestListenerBuilderPatchListeners": skip("the row tells neither the patches nor whole listeners"),
        "TestInboundListenerFilters": inspected,
        "TestSidecarInboundListenerFilters": own_tls,
        "TestHCMInternalAddressConfig": NETWORKS,
        "TestUseRemoteAddressInternalAddressConfig": NETWORKS,
        "TestWaypointInternalMultiNetworkAddresses": WAYPOINT,
        "TestBuildHTTPConnectionManagerWithConnectionSettings": connection_settings,
    },
    "core-listener_waypoint": {"TestXFCCIncludeClientIdentityEnabled": WAYPOINT},
}
CONFLICT = "tables/core-listener/TestOutboundListenerConflictWithReservedListener"
DIFFERENT: dict[str, str] = {
    f"{CONFLICT}/service_port_conflict_with_proxy_static_listener": "Envoy refuses two listeners at one address, be it of TCP",
}
"""By id."""
LEAST_ALIKE = 0.97


def test_rows_of_the_tables(vectors: Path) -> None:
    ran, wrong = 0, []
    for table, checks in TABLES.items():
        here, bad = play_table(vectors / "today" / "tables" / f"{table}.jsonl", checks, DIFFERENT)
        ran += here
        wrong += bad
    assert wrong == [], "\n".join(wrong)
    assert 1 - len(DIFFERENT) / ran >= LEAST_ALIKE


def test_tables_that_nobody_plays_are_not_there(vectors: Path) -> None:
    there = (vectors / "today" / "tables").glob("core-listener*.jsonl")
    assert {each.stem for each in there if each.stat().st_size} == set(TABLES)


@pytest.mark.parametrize("port", [15021, 15090])
def test_a_port_of_the_proxys_own_would_be_refused(port: int) -> None:
    """What the row that differs is about: nobody else may have it, whatever it speaks."""
    service = {
        "Hostname": "a.com",
        "Attributes": {"Namespace": "default"},
        "Ports": [{"Name": "p", "Port": port, "Protocol": "TCP"}],
    }
    made = compile_recorded(entries([service]), None, {**CALLER, "metadata": OWN})
    assert f"0.0.0.0_{port}" not in made.listeners
