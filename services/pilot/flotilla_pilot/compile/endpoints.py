"""Endpoints: ClusterLoadAssignments, and the same inside a cluster that resolves names itself."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from envoy.config.core.v3.address_pb2 import Address, Pipe, SocketAddress
from envoy.config.core.v3.base_pb2 import Locality, Metadata
from envoy.config.core.v3.health_check_pb2 import UNHEALTHY, UNKNOWN
from envoy.config.endpoint.v3.endpoint_components_pb2 import Endpoint as EnvoyEndpoint
from envoy.config.endpoint.v3.endpoint_components_pb2 import LbEndpoint, LocalityLbEndpoints
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from google.protobuf.struct_pb2 import Struct
from google.protobuf.wrappers_pb2 import UInt32Value

from flotilla_pilot.compile.packing import embedded, serialized
from flotilla_pilot.compile.priorities import Group, Member
from flotilla_pilot.model.authentication import DISABLE
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.place import Parts, parts
from flotilla_pilot.model.references import Reference
from flotilla_pilot.model.services import TLS_ISTIO, Endpoint, Health, Service, ServicePort
from flotilla_pilot.model.snapshot import MeshSnapshot

UNIX = "unix://"
_LOCALITY = ClusterLoadAssignment.ENDPOINTS_FIELD_NUMBER
_ENDPOINT = LocalityLbEndpoints.LB_ENDPOINTS_FIELD_NUMBER


def socket_address(address: str, port: int) -> Address:
    """An address as Envoy writes it; a path, with or without `unix://`, is a pipe, and has no port."""
    if address.startswith((UNIX, "/")):
        return Address(pipe=Pipe(path=address.removeprefix(UNIX)))
    return Address(socket_address=SocketAddress(address=address, port_value=port))


def load_assignment(name: str, groups: Iterable[Group], port: ServicePort, mesh: MeshOptions) -> ClusterLoadAssignment:
    """The assignment `name` of these groups of endpoints."""
    body = assembled(name, groups, lambda member: endpoint_body(*member, port, mesh))
    return ClusterLoadAssignment.FromString(body)


def assembled(name: str, groups: Iterable[Group], body_of: Callable[[Member], bytes]) -> bytes:
    """The same, serialised, of endpoints that are: `body_of` gives each as an LbEndpoint's bytes."""
    localities = (
        _locality(each) + b"".join(embedded(_ENDPOINT, body_of(one)) for one in each.members) for each in groups
    )
    head = serialized(ClusterLoadAssignment(cluster_name=name))
    return head + b"".join(embedded(_LOCALITY, each) for each in localities)


def has_port(endpoint: Endpoint, port: ServicePort) -> bool:
    """Whether the endpoint serves `port` on a port that exists: Envoy refuses everything beside one that does not."""
    return 0 < endpoint.port_for(port) < 1 << 16


def with_tls_modes(
    endpoints: Iterable[Endpoint], service: Service, port: ServicePort, snapshot: MeshSnapshot
) -> tuple[list[tuple[Endpoint, bool]], tuple[Reference, ...]]:
    """Each endpoint with whether it takes the mesh's TLS: it has a proxy, and no policy switches TLS off.

    With the references of everything that was asked. An endpoint whose port is none is left out: Envoy
    would refuse the whole assignment.
    """
    references: dict[Reference, None] = dict.fromkeys(service.references)
    answer = []
    for endpoint in endpoints:
        if not has_port(endpoint, port):
            continue
        references.update(dict.fromkeys(endpoint.references))
        mutual = endpoint.tls_mode == TLS_ISTIO and not service.external
        if mutual:
            asked = snapshot.peer_mode(
                endpoint.namespace, endpoint.labels, (endpoint.address,), endpoint.port_for(port)
            )
            references.update(dict.fromkeys(asked.references))
            mutual = asked.mode != DISABLE
        answer.append((endpoint, mutual))
    return answer, tuple(references)


def _locality(group: Group) -> bytes:
    """A LocalityLbEndpoints without its endpoints."""
    return _place(parts(group.locality), group.weight or 0, group.priority)


@lru_cache(4096)
def _place(locality: Parts, weight: int, priority: int) -> bytes:
    region, zone, sub_zone = locality
    return serialized(
        LocalityLbEndpoints(
            locality=Locality(region=region, zone=zone, sub_zone=sub_zone),
            load_balancing_weight=UInt32Value(value=weight) if weight else None,
            priority=priority,
        )
    )


def endpoint_body(endpoint: Endpoint, mutual: bool, port: ServicePort, mesh: MeshOptions) -> bytes:
    """One endpoint as an LbEndpoint's bytes; `mutual`: it takes the mesh's TLS."""
    address = socket_address(endpoint.address, endpoint.port_for(port))
    named = endpoint.name or endpoint.declared_as
    return serialized(
        LbEndpoint(
            endpoint=EnvoyEndpoint(address=address),
            health_status=UNHEALTHY if endpoint.health is Health.UNHEALTHY else UNKNOWN,
            load_balancing_weight=UInt32Value(value=endpoint.weight),
            metadata=_metadata(workload_name(endpoint, mesh.cluster_id) if named else "", mutual),
        )
    )


@lru_cache(4096)
def _metadata(workload: str, mutual: bool) -> Metadata:
    """Remembered: the endpoints of a workload have the same, and such messages are slow to make."""
    fields: dict[str, Any] = {}
    if mutual:
        fields["envoy.transport_socket_match"] = _struct({"tlsMode": TLS_ISTIO})
    if workload:
        fields["istio"] = _struct({"workload": workload})
    return Metadata(filter_metadata=fields)


def workload_name(endpoint: Endpoint, cluster: str) -> str:
    """`name;namespace;canonical name;canonical revision;cluster`, as Istio's telemetry reads it."""
    labels = endpoint.labels
    name = endpoint.name or endpoint.declared_as
    canonical = _first(labels, "service.istio.io/canonical-name", "app.kubernetes.io/name", "app") or name
    revision = _first(labels, "service.istio.io/canonical-revision", "app.kubernetes.io/version", "version")
    return f"{name};{endpoint.namespace};{canonical};{revision};{cluster}"


def _first(labels: Any, *names: str) -> str:
    return next((labels[name] for name in names if labels.get(name)), "")


def _struct(fields: dict[str, str]) -> Struct:
    struct = Struct()
    struct.update(fields)
    return struct
