"""Cases that were recorded elsewhere: configuration, services and a proxy as they were written down, compiled."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from google.protobuf import json_format

from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.model.frozen import FrozenMap
from flotilla_pilot.model.place import Place
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.snapshot import COLLECTIONS, MeshSettings, MeshSnapshot
from flotilla_pilot.offline.kubernetes import is_kubernetes, snapshot_with
from flotilla_pilot.offline.proxies import read_proxy
from flotilla_pilot.scope.place import place_of
from flotilla_pilot.testing.meshes import MESSAGES, SHORT, Compiled, Objects, read_object

CREATED = "2026-01-01T00:00:00Z"
_BY_NAME = ("DNS", "DNS_ROUND_ROBIN")
_RESOLUTIONS = {0: "STATIC", 1: "DNS", 2: "NONE", 3: "DNS_ROUND_ROBIN", 5: "DYNAMIC_DNS"}


def compile_recorded(
    documents: Iterable[Mapping[str, Any]],
    mesh: Mapping[str, Any] | None,
    proxy: Mapping[str, Any],
    settings: MeshSettings | None = None,
) -> Compiled:
    """What `proxy` gets of `documents`, which may be Kubernetes' own too."""
    snapshot = recorded_snapshot(documents, mesh, settings)
    return Compiled(Compiler(locate=recorded_place).compile(snapshot, read_proxy(proxy)))


def recorded_place(snapshot: MeshSnapshot, proxy: Proxy) -> Place:
    """Where a proxy is that was written down: Istio gives labels and a node to those alone that connect to it."""
    labels = FrozenMap({name: proxy.labels.get(name, "") for name in snapshot.priority_labels})
    return replace(place_of(snapshot, proxy), node=proxy.metadata.get("NODE_NAME", ""), labels=labels)


def recorded_snapshot(
    documents: Iterable[Mapping[str, Any]],
    mesh: Mapping[str, Any] | None,
    settings: MeshSettings | None = None,
) -> MeshSnapshot:
    """The mesh of `documents`. Objects of one time of creation are equally old, as are those without."""
    stated = [_stamped(each) for each in documents]
    native = [each for each in stated if is_kubernetes(each)]
    objects: Objects = {name: {} for name in COLLECTIONS}
    own = sorted((e for e in stated if not is_kubernetes(e)), key=_time)
    times = sorted({_time(each) for each in own})
    described = [({"kind": "MeshConfig", "spec": _stated_mesh(mesh or {})}, 1)]
    for document, number in [*described, *((each, times.index(_time(each)) + 1) for each in own)]:
        item = read_object(document, number * 10**9)
        if item.key.collection in objects:
            objects[item.key.collection][item.key] = item
    return snapshot_with(objects, settings or MeshSettings(), native)


def _stated_mesh(mesh: Mapping[str, Any]) -> Mapping[str, Any]:
    """Null takes a default away: a locality setting is off then, and of durations that is what 0 says."""
    without: Mapping[str, Any] = {"localityLbSetting": {"enabled": False}, "dnsRefreshRate": "0s"}
    return {**mesh, **{name: value for name, value in without.items() if name in mesh and mesh[name] is None}}


def _time(document: Mapping[str, Any]) -> str:
    return str(document["metadata"]["creationTimestamp"])


def _stamped(document: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"namespace": "default", **document["metadata"]}
    metadata["creationTimestamp"] = metadata.get("creationTimestamp") or CREATED
    return {**document, "metadata": metadata}


def registry_entries(given: Mapping[str, Any], proxy: Mapping[str, Any]) -> list[dict[str, Any]]:
    """ServiceEntries that say what was put straight into a registry; every service once, with its instances.

    A registry tells of a proxy's instances wherever they are declared; ServiceEntries must be of its namespace for that.
    """
    services, instances = given.get("services") or [], given.get("instances") or []
    own = {each["Service"]["Hostname"] for each in instances if set(each["Endpoint"]["Addresses"]) & _addresses(proxy)}
    home = proxy.get("metadata", {}).get("NAMESPACE", proxy["namespace"])
    held: dict[str, dict[str, Any]] = {}
    ends: dict[str, dict[object, dict[str, Any]]] = {}
    for each in instances:
        service = each["Service"]
        held.setdefault(service["Hostname"], service)
        _add_endpoint(ends.setdefault(service["Hostname"], {}), each)
    held |= {each["Hostname"]: dict(each) for each in services}
    return [entry for number, each in enumerate(held.values()) for entry in _entries(number, each, ends, own, home)]


def _parts(service: Mapping[str, Any], ends: Iterable[dict[str, Any]]) -> list[tuple[Mapping[str, Any], Any]]:
    """The service with its endpoints; port by port where some endpoint has not all of its ports, so that it gets no others."""
    found, ports = list(ends), service.get("Ports", [])
    if all(port.get("Name", "") in each["ports"] for each in found for port in ports):
        return [(service, found)]
    return [({**service, "Ports": [port]}, [e for e in found if port.get("Name", "") in e["ports"]]) for port in ports]


def _addresses(proxy: Mapping[str, Any]) -> set[str]:
    return set(proxy["ipAddresses"])


def _add_endpoint(found: dict[object, dict[str, Any]], instance: Mapping[str, Any]) -> None:
    """Instances of one address, place and weight are one endpoint with several ports."""
    end, port = instance["Endpoint"], instance.get("ServicePort", {})
    address, weight, place = end["Addresses"][0], end.get("LbWeight", 0), end.get("Locality", {}).get("Label", "")
    stated = {"address": address, "ports": {}, "labels": {}, "weight": weight, "locality": place}
    entry = found.setdefault((address, weight, place), stated)
    entry["ports"][port.get("Name") or end.get("ServicePortName")] = end.get("EndpointPort", port.get("Port"))
    # What is dialled directly takes the mesh's TLS unless an instance says no; of others only those that say yes do.
    unstated = "istio" if _RESOLUTIONS[instance["Service"].get("Resolution", 0)] == "NONE" else "disabled"
    entry["labels"] = {**end.get("Labels", {}), "security.istio.io/tlsMode": end.get("TLSMode") or unstated}


def _entries(
    number: int, service: Mapping[str, Any], ends: Mapping[str, Mapping[object, Any]], own: set[str], home: str
) -> Iterator[dict[str, Any]]:
    """A service in its own namespace, and one of the proxy's in the proxy's namespace too."""
    host = service["Hostname"]
    namespace = service.get("Attributes", {}).get("Namespace", "default")
    for part, (one, found) in enumerate(_parts(service, ends.get(host, {}).values())):
        if host not in own or namespace != home:
            yield _entry(f"registry-{number:03}-{part}", one, list(found), "")
        if host in own:
            yield _entry(f"registry-{number:03}-{part}", one, list(found), home)


def _entry(name: str, service: Mapping[str, Any], ends: list[dict[str, Any]], home: str) -> dict[str, Any]:
    address = service.get("DefaultAddress", "")
    attributes = service.get("Attributes", {})
    spec: dict[str, Any] = {
        "hosts": [service["Hostname"]],
        "addresses": [address] if address not in ("", "0.0.0.0", "::") else [],  # noqa: S104
        "location": "MESH_EXTERNAL" if service.get("MeshExternal") else "MESH_INTERNAL",
        "resolution": _RESOLUTIONS[service.get("Resolution", 0)],
        "ports": [
            {"number": each["Port"], "name": each.get("Name", ""), "protocol": each.get("Protocol", "")}
            for each in service.get("Ports", [])
        ],
        "endpoints": [{**each, "ports": _listed(each, service)} for each in ends],
    }
    if not ends and spec["resolution"] in _BY_NAME:
        spec["workloadSelector"] = {"labels": {"instance-of": name}}  # nobody's: without it the host itself is called
    created = service.get("CreationTime") or CREATED
    metadata = {"name": name, "namespace": home or attributes.get("Namespace", "default"), "creationTimestamp": created}
    return {"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": metadata, "spec": spec}


def _listed(end: Mapping[str, Any], service: Mapping[str, Any]) -> dict[str, int]:
    names = {port.get("Name", "") for port in service.get("Ports", [])}
    return {name: number for name, number in end["ports"].items() if name in names}


def json_resources(compiled: Compiled) -> dict[str, dict[str, dict[str, Any]]]:
    """All resources by short type and name as proto3 JSON."""
    return {
        kind: {name: _form(type_url, each.body) for name, each in compiled.compiled.resources[type_url].items()}
        for kind, type_url in SHORT.items()
    }


_STAND_IN = re.compile(r'"registry-[0-9]+-[^";]*;[^"]*"')


@cache
def _form(type_url: str, body: bytes) -> dict[str, Any]:
    """Many proxies have equal resources, which are read once.

    Endpoints of a recorded registry have no names; those that stand in for them are taken out again.
    """
    text = json_format.MessageToJson(MESSAGES[type_url].FromString(body), indent=None)
    form: dict[str, Any] = json.loads(_STAND_IN.sub('";;;;"', text))
    return form


PORT_OF_FIXTURES = 8080


def unrecorded_instances(case: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Instances that a case was recorded with but does not tell of.

    Each service's first port leads to the proxy's port 8080 in them: where the answer has chains for that port, they
    were there.
    """
    given = case["input"]
    listeners = case["xds"].get("listeners", ())
    chains = [chain.get("filterChainMatch", {}) for each in listeners for chain in each.get("filterChains", ())]
    if given.get("instances") or not any(each.get("destinationPort") == PORT_OF_FIXTURES for each in chains):
        return []
    return [
        {
            "Service": each,
            "ServicePort": each["Ports"][0],
            "Endpoint": {"Addresses": case["proxy"]["ipAddresses"][:1], "EndpointPort": PORT_OF_FIXTURES},
        }
        for each in given.get("services") or ()
    ]


_DEFAULT_ENDPOINT = re.compile(r"defaultEndpoint_set_to_(.+)_(\d+)$")


def unrecorded_sidecars(case: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The Sidecar that a case was recorded with but does not tell of: where its name says the default endpoint of one.

    The port of its way in is that of the only cluster inbound.
    """
    stated = _DEFAULT_ENDPOINT.search(case["id"])
    if stated is None:
        return []
    host = stated[1].replace("_", "::")
    names = (each["name"].split("|") for each in case["xds"]["clusters"])
    ingress = [
        {
            "port": {"number": int(number), "name": "tcp", "protocol": "TCP"},
            "defaultEndpoint": f"[{host}]:{stated[2]}" if ":" in host else f"{host}:{stated[2]}",
        }
        for direction, number, *_ in (each for each in names if len(each) == 4)
        if direction == "inbound"
    ]
    metadata = {"name": "unrecorded", "namespace": case["proxy"]["namespace"]}
    return [
        {"apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": metadata, "spec": {"ingress": ingress}}
    ]
