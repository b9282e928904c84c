"""A proxy as a file describes it, or as the mesh's own objects do."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from envoy.config.core.v3.base_pb2 import Node

from flotilla_pilot.model.frozen import FrozenMap
from flotilla_pilot.model.proxy import ROUTER, SIDECAR, NodeRefused, Proxy
from flotilla_pilot.model.registry import workload_endpoint
from flotilla_pilot.model.services import Endpoint
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_shared.model import kinds
from flotilla_shared.model.labels import selects

_FIELDS = frozenset(
    ("type", "id", "ipAddresses", "dnsDomain", "namespace", "labels", "metadata", "serviceAccount", "locality")
) | {"istioVersion"}


def read_proxy(stated: Mapping[str, Any]) -> Proxy:
    """The proxy of `type`, `id`, `ipAddresses`, `namespace`, `labels` and so on; `metadata` is the node's, and beats them.

    Raises NodeRefused, a ValueError, which names the field.
    """
    unknown = sorted(set(stated) - _FIELDS)
    if unknown:
        raise NodeRefused(f"a proxy has no field {unknown[0]!r}; it has {', '.join(sorted(_FIELDS))}")
    addresses = stated.get("ipAddresses")
    if not isinstance(addresses, list) or not addresses:
        raise NodeRefused("a proxy needs ipAddresses, a list of its addresses")
    metadata = dict(stated.get("metadata") or {})
    namespace = str(metadata.get("NAMESPACE") or stated.get("namespace") or "default")
    # What follows the first dot of the id is not always the proxy's namespace.
    name = str(stated.get("id", "proxy")).partition(".")[0]
    domain = stated.get("dnsDomain") or f"{namespace}.svc.cluster.local"
    metadata.setdefault("LABELS", stated.get("labels") or {})
    metadata.setdefault("INSTANCE_IPS", ",".join(map(str, addresses)))
    metadata.setdefault("SERVICE_ACCOUNT", stated.get("serviceAccount", ""))
    node = Node(id=f"{stated.get('type', SIDECAR)}~{addresses[0]}~{name}.{namespace}~{domain}")
    node.metadata.update(metadata)
    locality = stated.get("locality") or {}
    node.locality.region = str(locality.get("region", ""))
    node.locality.zone = str(locality.get("zone", ""))
    node.locality.sub_zone = str(locality.get("subZone", ""))
    return Proxy.from_node(node)


class UnknownWorkload(LookupError):
    """No workload, or more than one, has the name; the text says which there are."""


def find_proxy(snapshot: MeshSnapshot, name: str, mode: str = "REDIRECT") -> Proxy:
    """The proxy of the workload `name` or `name.namespace`, by its WorkloadEntry or as the endpoint of a service.

    Of several replicas it is the first by address. Raises UnknownWorkload.
    """
    workload, _, namespace = name.partition(".")
    known = [each for each in dict.fromkeys(_workloads(snapshot)) if each.name]
    found = [each for each in known if each.name == workload and namespace in ("", each.namespace)]
    if not found:
        names = ", ".join(sorted({f"{each.name}.{each.namespace}" for each in known})) or "none"
        raise UnknownWorkload(f"there is no workload {name}; the configuration has {names}")
    namespaces = sorted({each.namespace for each in found})
    if len(namespaces) > 1:
        raise UnknownWorkload(f"workload {name} is in {' and '.join(namespaces)}; say {workload}.{namespaces[0]}")
    return proxy_of(snapshot, min(found, key=lambda each: each.address), mode)


def proxy_of(snapshot: MeshSnapshot, endpoint: Endpoint, mode: str = "REDIRECT") -> Proxy:
    """The proxy beside an endpoint; one that a Gateway selects is a gateway."""
    gateway = is_gateway(snapshot, endpoint.namespace, endpoint.labels)
    return Proxy(
        node_id=f"{endpoint.name}.{endpoint.namespace}",
        kind=ROUTER if gateway else SIDECAR,
        addresses=(endpoint.address,),
        name=endpoint.name,
        namespace=endpoint.namespace,
        labels=endpoint.labels,
        service_account=endpoint.service_account,
        interception_mode="NONE" if gateway else mode,
        network=endpoint.network,
        locality=endpoint.locality,
        domain=f"{endpoint.namespace}.svc.{snapshot.mesh.domain}",
        metadata=FrozenMap({"CLUSTER_ID": snapshot.settings.cluster_id}),
    )


def is_gateway(snapshot: MeshSnapshot, namespace: str, labels: Mapping[str, str]) -> bool:
    """Whether some Gateway is served by workloads with these labels."""
    return any(each.spec.selector and selects(each.spec.selector, labels) for each in snapshot.gateways)


def _workloads(snapshot: MeshSnapshot) -> Iterator[Endpoint]:
    entries = (each for key, each in sorted(snapshot.objects.items()) if key.collection == kinds.WORKLOAD_ENTRIES)
    yield from (workload_endpoint(each) for each in entries)
    yield from (each for service in snapshot.services for each in _endpoints(service))


def _endpoints(service: Any) -> Iterable[Endpoint]:
    return (*service.endpoints, *service.unready)
