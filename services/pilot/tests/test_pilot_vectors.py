"""Istio's own cases: where calls land, and small meshes compiled. What differs is listed with its reason."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format

from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.testing.calls import Call, Player
from flotilla_pilot.testing.meshes import Compiled, Mesh, make_node

CREATED = "2026-01-01T00:00:00Z"
NO_SERVICE = (
    "a route to a host that no service has is answered 503 by BlackHoleCluster, not by a cluster that is not there"
)
NOT_YET = "not offered yet: "
EVERY_PORT = "a Sidecar's egress port chooses listeners; the clusters of a service that is let in are all made"
OWN_NUMBER = "Istio's cluster for a Service port without targetPort is inbound|0||; here it has the port's number"
EXTERNAL_NAME = "an ExternalName Service is resolved under its external name; Istio sends it on as if it were unknown"
OWN_TLS = "where mutual TLS is switched off, a chain asks nothing of TLS, which is then the application's own"


def tell(table: str, counts: Counter[str], different: Counter[str]) -> None:
    print(f"{table}: {counts['ran']} ran, {counts['skipped']} skipped, {sum(different.values())} differ")
    for reason, number in sorted(different.items()):
        print(f"  {number} {reason}")


def compile_for(documents: Iterable[dict[str, Any]], mesh: dict[str, Any] | None, proxy: dict[str, Any]) -> Compiled:
    stated = [{"kind": "MeshConfig", "spec": mesh or {}}, *documents]
    for each in stated[1:]:
        each["metadata"].setdefault("creationTimestamp", CREATED)
        each["metadata"].setdefault("namespace", "default")
    addresses = proxy["ipAddresses"]
    name = proxy["id"].partition(".")[0]  # the namespace in it is not always the proxy's
    namespace = proxy.get("metadata", {}).get("NAMESPACE", proxy["namespace"])
    node_id = f"{proxy['type']}~{addresses[0]}~{name}.{namespace}~{proxy['dnsDomain']}"
    metadata = {
        "LABELS": proxy.get("labels") or {},
        "INSTANCE_IPS": ",".join(addresses),
        "SERVICE_ACCOUNT": proxy.get("serviceAccount", ""),
    }
    return Mesh(yaml.safe_dump_all(stated)).compile(Proxy.from_node(make_node(node_id, **metadata)))


# -- simulation

CALLS_DIFFERENT = {
    "simulation/TestGateway": NO_SERVICE,
    "simulation/TestHTTPGateway_httpsRedirect_on_https": NO_SERVICE,
    "simulation/TestTLSRouteTermination": NO_SERVICE,
    "simulation/TestTargetPort": NO_SERVICE,
    "simulation/TestDisablePortTranslation": NOT_YET + "Services whose label switches the translation of ports off",
    "simulation/TestInboundSidecarTLSModes": NOT_YET + "TLS of a Sidecar's ingress",
    "simulation/TestPassthroughTraffic_ALLOW_ANY_DYNAMIC_DNS": NOT_YET + "the mesh's mode ALLOW_ANY_DYNAMIC_DNS",
    "simulation/TestServiceEntryDuplicatedHostname": NOT_YET + "addresses that Istio gives a ServiceEntry by itself",
}
"""By the beginning of a case's name."""


def simulated(folder: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """Every environment, with why it is skipped (empty: it is played)."""
    for file in sorted(folder.glob("*.json")):
        case = json.loads(file.read_text())
        kinds = {each["kind"] for found in case["input"].get("kubernetes", {}).values() for each in found}
        yield case, "Ingress is not read" if "Ingress" in kinds else ""


def call_of(given: dict[str, Any]) -> Call:
    call, effective = given["call"], given["effective"]
    return Call(
        address=call.get("address", effective["address"]),
        port=call["port"],
        protocol=call.get("protocol", "tcp"),
        tls="tls" if call.get("sni") else effective["tls"],  # a name can only be asked for in TLS
        sni=call.get("sni") or effective.get("sni", ""),
        alpn=call.get("alpn") or effective.get("alpn", ""),
        host=call.get("hostHeader", ""),
        path=effective.get("path", "/"),
        inbound=call.get("callMode") == "inbound",
    )


def fault(given: dict[str, Any], found: dict[str, str]) -> str:
    """What of the answer is not as wanted."""
    wanted = {name: value for name, value in given["want"].items() if name != "strict"}
    asked = {name: found.get(name, "") for name in wanted}
    if asked != wanted:
        return f"wanted {wanted}, found {found}"
    if given["want"].get("strict") and set(found) - set(wanted):
        return f"wanted nothing but {wanted}, found {found}"
    return ""


def test_where_calls_land(vectors: Path) -> None:
    counts: Counter[str] = Counter()
    different: Counter[str] = Counter()
    wrong = []
    for case, skipped in simulated(vectors / "today" / "simulation"):
        if skipped or case["input"].get("services"):
            counts["skipped"] += len(case["calls"])
            different[f"(skipped) {skipped}"] += 0
            continue
        documents = [*case["input"]["configs"], *(o for f in case["input"].get("kubernetes", {}).values() for o in f)]
        compiled = compile_for(documents, case["input"].get("meshConfig"), case["proxy"])
        player = Player(compiled, redirects=case["proxy"]["type"] == "sidecar")
        for each in case["calls"]:
            counts["ran"] += 1
            text = "" if each.get("skip") else fault(each, player.play(call_of(each)))
            reason = next((why for start, why in CALLS_DIFFERENT.items() if each["id"].startswith(start)), "")
            if text and reason:
                different[reason] += 1
            elif text:
                wrong.append((each["id"], each.get("name"), text))
    tell("today/simulation", counts, different)
    assert counts["ran"] > 100
    assert wrong == [], "\n".join(map(str, wrong))


# -- golden


GOLDEN_DIFFERENT = {
    "ef-cluster-merge": NOT_YET + "EnvoyFilter",
    "ef-route": NOT_YET + "EnvoyFilter",
    "k8s-external-name": EXTERNAL_NAME,
    "k8s-own-auto-protocol": OWN_NUMBER,
    "pa-inherit": OWN_TLS,
    "se-dynamic-dns": NOT_YET + "TLS to names that are resolved when they are asked for",
    "sidecar-egress-bind": EVERY_PORT,
    "sidecar-egress-port": EVERY_PORT,
}


def snake(tree: Any) -> Any:
    """JSON names of fields as protobuf has them."""
    if isinstance(tree, dict):
        return {
            name if "@" in name else re.sub("([A-Z])", r"_\1", name).lower(): snake(each) for name, each in tree.items()
        }
    return [snake(each) for each in tree] if isinstance(tree, list) else tree


def chain_outline(chain: dict[str, Any]) -> tuple[Any, ...]:
    match, last = chain.get("filter_chain_match", {}), chain["filters"][-1]["typed_config"]
    target = last.get("cluster") or last.get("weighted_clusters") or last.get("rds", {}).get("route_config_name")
    return (
        match.get("destination_port"),
        match.get("transport_protocol") if not match.get("server_names") else "",
        tuple(sorted(set(match.get("application_protocols", ())) - {"http/1.0"})),
        tuple(match.get("server_names", ())),
        str(match.get("prefix_ranges", "")),
        str(target or table_outline(last["route_config"])),
        "transport_socket" in chain,
    )


def listener_outline(listener: dict[str, Any]) -> Any:
    last = listener.get("default_filter_chain")
    chains = sorted(map(chain_outline, listener.get("filter_chains", [])), key=str)
    bound = listener.get("bind_to_port", True), listener.get("use_original_dst", False)
    return bound, chains, chain_outline(last) if last else None


def table_outline(table: dict[str, Any]) -> Any:
    return sorted(
        (host["name"], tuple(host["domains"]), tuple(map(route_outline, host.get("routes", []))))
        for host in table.get("virtual_hosts", [])
    )


def route_outline(route: dict[str, Any]) -> Any:
    action = route.get("route", {})
    match = {name: route["match"][name] for name in ("prefix", "path") if name in route["match"]}
    target = str(action.get("cluster") or action.get("weighted_clusters", {}).get("clusters"))[:200]
    return str(match), target, retries_outline(action.get("retry_policy", {}))


def retries_outline(policy: dict[str, Any]) -> Any:
    names = "retry_on", "num_retries", "per_try_timeout", "retriable_status_codes", "host_selection_retry_max_attempts"
    return [str(policy.get(name)) for name in names], len(policy.get("retry_host_predicate", ()))


def cluster_outline(cluster: dict[str, Any]) -> Any:
    names = "lb_policy", "upstream_bind_config", "connect_timeout"
    return (
        *(str(cluster.get(name)) for name in names),
        "transport_socket" in cluster,
        "transport_socket_matches" in cluster,
    )


def assignment_outline(assignment: dict[str, Any]) -> Any:
    return sorted(
        str(end["endpoint"]["address"]["socket_address"])
        for place in assignment.get("endpoints", [])
        for end in place.get("lb_endpoints", [])
    )


OUTLINES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "listeners": listener_outline,
    "routes": table_outline,
    "clusters": cluster_outline,
    "endpoints": assignment_outline,
}


def faults(folder: Path) -> list[str]:
    documents = [each for each in yaml.safe_load_all((folder / "config.yaml").read_text()) if each]
    mesh = folder / "mesh.yaml"
    proxy = yaml.safe_load((folder / "proxy.yaml").read_text())
    compiled = compile_for(documents, yaml.safe_load(mesh.read_text()) if mesh.exists() else None, proxy)
    tree, found = compiled.tree(), []
    for kind, outline in OUTLINES.items():
        wanted = {
            each.get("name") or each["cluster_name"]: outline(each)
            for each in snake(json.loads((folder / "expected" / f"{kind}.json").read_text()))
        }
        made = {name: outline(each) for name, each in tree[kind].items()}
        only_used = proxy["type"] == "router" and kind in ("clusters", "endpoints")
        for name in sorted(set(wanted) | set(made)):
            if name not in made and not only_used:
                found.append(f"{kind} {name}: missing")
            elif name in made and wanted.get(name) != made[name]:
                found.append(f"{kind} {name}: wanted {wanted.get(name)}, made {made[name]}")
    return found


def test_small_meshes(vectors: Path) -> None:
    counts: Counter[str] = Counter()
    different: Counter[str] = Counter()
    wrong = []
    for folder in sorted((vectors / "today" / "golden").iterdir()):
        try:
            found = faults(folder)
        except json_format.ParseError as error:
            counts["skipped"] += 1
            different[f"(skipped) this library reads no such duration: {str(error)[-60:]}"] += 0
            continue
        counts["ran"] += 1
        reason = GOLDEN_DIFFERENT.get(folder.name, "")
        if found and reason:
            different[reason] += 1
        elif found or reason:
            wrong.append((folder.name, found))
    tell("today/golden", counts, different)
    assert counts["ran"] > 50
    assert wrong == [], "\n".join(map(str, wrong))


@pytest.mark.parametrize(
    "name", ["k8s-port-protocols", "k8s-headless", "k8s-auto-protocol", "se-tcp-cidr", "vs-tls-sni"]
)
def test_envoy_takes_the_small_meshes(name: str, vectors: Path, validate: Callable[[Compiled], None]) -> None:
    folder = vectors / "today" / "golden" / name
    documents = [each for each in yaml.safe_load_all((folder / "config.yaml").read_text()) if each]
    validate(compile_for(documents, None, yaml.safe_load((folder / "proxy.yaml").read_text())))
