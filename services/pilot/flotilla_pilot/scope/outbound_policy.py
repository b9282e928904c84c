"""What a sidecar may call that nobody declares: the Sidecar's `outboundTrafficPolicy`, else the mesh's."""

from dataclasses import dataclass

from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_protos.istio.networking.v1alpha3.sidecar_pb2 import OutboundTrafficPolicy
from flotilla_shared.model.hosts import resolve_short_name
from flotilla_shared.model.objects import ConfigObject


@dataclass(frozen=True, slots=True)
class EgressProxy:
    """Through whom such calls go out: a service, its port and perhaps a subset of it."""

    host: str
    port: int
    subset: str


def allows_any(snapshot: MeshSnapshot, sidecar: ConfigObject | None) -> bool:
    stated = _stated(sidecar)
    return snapshot.mesh.allow_any if stated is None else stated.mode == OutboundTrafficPolicy.ALLOW_ANY


def resolves_names(snapshot: MeshSnapshot, sidecar: ConfigObject | None) -> bool:
    """Whether such a call goes where its name leads, not to the address that was dialled: the mesh's alone."""
    return snapshot.mesh.resolves_names and _stated(sidecar) is None


def egress_proxy(snapshot: MeshSnapshot, sidecar: ConfigObject | None) -> EgressProxy | None:
    """Short names are of the Sidecar's namespace."""
    stated = _stated(sidecar)
    if sidecar is None or stated is None or not stated.HasField("egress_proxy"):
        return None
    proxy = stated.egress_proxy
    host = resolve_short_name(proxy.host, sidecar.key.namespace, snapshot.mesh.domain).lower()
    return EgressProxy(snapshot.aliases.get(host, host), proxy.port.number, proxy.subset)


def _stated(sidecar: ConfigObject | None) -> OutboundTrafficPolicy | None:
    if sidecar is None or not sidecar.spec.HasField("outbound_traffic_policy"):
        return None
    stated: OutboundTrafficPolicy = sidecar.spec.outbound_traffic_policy
    return stated
