"""Clusters of services and rules as a table of cases writes them down."""

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf import json_format

from flotilla_pilot.compile.outbound_cluster import OutboundCluster
from flotilla_pilot.model.caller import A_SIDECAR, Caller, ClientFiles
from flotilla_pilot.model.frozen import FrozenMap
from flotilla_pilot.model.mesh import MeshSettings
from flotilla_pilot.testing.equal_forms import plain_cluster
from flotilla_pilot.testing.recorded import compile_recorded, json_resources, recorded_snapshot, registry_entries

PROXY = {"type": "sidecar", "id": "app.test", "ipAddresses": ["1.1.1.1"], "namespace": "default"}
PORT = 8080
Pair = tuple[Any, Any]
"""What is found, and what is wanted."""
HOST = "a.example.com"
NAME = f"outbound|{PORT}||{HOST}"
OWN_SETTING = "a setting of Istio's control plane, which Pilot has not"


def entry(host: str, protocol: str = "HTTP", **spec: Any) -> dict[str, Any]:
    """A ServiceEntry of one port."""
    ports = [{"number": PORT, "name": "default", "protocol": protocol}]
    ends = spec.pop("endpoints", [{"address": "10.1.1.1"}])
    stated = {"location": "MESH_INTERNAL", "resolution": "STATIC", **spec, "endpoints": ends}
    return _object("ServiceEntry", "a", {"hosts": [host], "ports": ports, **stated})


TAKING = {"address": "10.1.1.1", "labels": {"security.istio.io/tlsMode": "istio"}}
"""An endpoint that takes the mesh's TLS."""

_DISCOVERED: dict[int, dict[str, Any]] = {
    1: {"resolution": "DNS", "endpoints": [{"address": "b.example.com"}]},
    2: {"resolution": "DNS_ROUND_ROBIN", "endpoints": [{"address": "b.example.com"}]},
    4: {"resolution": "NONE", "endpoints": [TAKING]},
}


def discovered(kind: int) -> dict[str, Any]:
    """What a ServiceEntry has to say so that its cluster is of Envoy's type `kind`; by default it is EDS."""
    return _DISCOVERED.get(kind, {})


def rule(host: str, **policy: Any) -> dict[str, Any]:
    """A DestinationRule with this traffic policy."""
    return _object("DestinationRule", "a", {"host": host, "trafficPolicy": policy})


def _object(kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def stated_object(given: Mapping[str, Any]) -> dict[str, Any]:
    """An object of a table, which has it as `Meta` and `Spec`."""
    kind, meta = given["Meta"]["GroupVersionKind"], given["Meta"]
    document = _object(kind["Kind"], meta["Name"], given.get("Spec", {}))
    namespace = meta.get("Namespace", "default")
    metadata = {"name": meta["Name"], "namespace": namespace, "labels": meta.get("Labels") or {}}
    return {**document, "apiVersion": f"{kind['Group']}/{kind['Version']}", "metadata": metadata}


def clusters_of(
    documents: Iterable[Mapping[str, Any]],
    mesh: Mapping[str, Any] | None = None,
    proxy: Mapping[str, Any] = PROXY,
    settings: MeshSettings | None = None,
) -> dict[str, dict[str, Any]]:
    """All clusters of `proxy` by name as proto3 JSON, what may be said in two ways said in the older."""
    found = json_resources(compile_recorded(documents, mesh, proxy, settings))["clusters"]
    return {name: dict(plain_cluster(each)) for name, each in found.items()}


def registered(services: Iterable[Mapping[str, Any]], proxy: Mapping[str, Any] = PROXY) -> list[dict[str, Any]]:
    """ServiceEntries of services without instances."""
    return registry_entries({"services": list(services)}, proxy)


def proxy_of(stated: Mapping[str, Any]) -> dict[str, Any]:
    """A proxy as Istio's inner model has it."""
    metadata = {"NAMESPACE": stated.get("ConfigNamespace") or "default"}
    mode = (stated.get("Metadata") or {}).get("InterceptionMode")
    return {
        "type": stated.get("Type") or "sidecar",
        "id": "app.test",
        "ipAddresses": stated.get("IPAddresses") or ["1.1.1.1"],
        "namespace": metadata["NAMESPACE"],
        "metadata": {**metadata, **({"INTERCEPTION_MODE": mode} if mode else {})},
    }


def outbound_of(
    documents: Iterable[Mapping[str, Any]],
    mesh: Mapping[str, Any] | None = None,
    *,
    refuses_tls: bool = False,
    files: ClientFiles | None = None,
    labels: Mapping[str, str] | None = None,
) -> OutboundCluster:
    """The cluster of the only service's only port, as a sidecar sees it."""
    snapshot = recorded_snapshot(documents, mesh)
    (service,) = snapshot.services
    policy = snapshot.destination_rules.find(service.host, "default", "default", FrozenMap(labels or {}))
    caller = Caller(files=files) if files else A_SIDECAR
    return OutboundCluster(
        service, service.ports[0], "", policy, snapshot.mesh, binds=False, refuses_tls=refuses_tls, caller=caller
    )


def as_json(message: Any) -> Any:
    return json_format.MessageToDict(message)


def read(message: Any, tree: Any) -> Any:
    return json_format.ParseDict(tree or {}, message(), ignore_unknown_fields=True)


def mesh_of(tree: Mapping[str, Any] | None = None) -> Any:
    return recorded_snapshot([], tree).mesh


def outbound(host: str, *documents: Mapping[str, Any], mesh: Mapping[str, Any] | None = None, **more: Any) -> Any:
    return clusters_of(documents, mesh, **more)[f"outbound|{PORT}||{host}"]


def lacking(wanted: Any, found: Any, place: str = "") -> list[str]:
    """Where `found` has not what `wanted` has; lists are compared element by element."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return [text for name, each in wanted.items() for text in lacking(each, found.get(name), f"{place}.{name}")]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = enumerate(zip(wanted, found, strict=True))
        return [text for n, (left, right) in pairs for text in lacking(left, right, f"{place}[{n}]")]
    return [] if wanted == found else [f"{place}: {found!r} instead of {wanted!r}"]
