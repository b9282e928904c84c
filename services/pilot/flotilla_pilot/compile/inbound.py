"""A sidecar's inbound side: the listeners of its Sidecar's ingress, guarded as PeerAuthentication says."""

from typing import Any

from envoy.config.core.v3.base_pb2 import TrafficDirection
from envoy.config.listener.v3.listener_pb2 import Listener

from flotilla_pilot.compile import mixer
from flotilla_pilot.compile.accepting import ACCEPTED_AT_ONCE, balance, limit_buffers
from flotilla_pilot.compile.access_log import unmatched_logs
from flotilla_pilot.compile.applications import application, sound_application
from flotilla_pilot.compile.cache import ResourceCache
from flotilla_pilot.compile.collection import Collected
from flotilla_pilot.compile.endpoints import UNIX, socket_address
from flotilla_pilot.compile.entrance import Entrance, entrance_chain, static
from flotilla_pilot.compile.gateway_tls import gateway_server, socket_fault
from flotilla_pilot.compile.inbound_clusters import inbound
from flotilla_pilot.compile.inspectors import inbound_inspectors
from flotilla_pilot.compile.listener_plan import is_place, is_port
from flotilla_pilot.compile.packing import serialized
from flotilla_pilot.compile.resource import CLUSTER, LISTENER
from flotilla_pilot.compile.special_clusters import inbound_passthrough
from flotilla_pilot.compile.virtual_inbound import add_virtual_inbound
from flotilla_pilot.model.authentication import PeerMode
from flotilla_pilot.model.caller import Families, caller_of
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.proxy_options import FIRST_UNPRIVILEGED, proxy_options
from flotilla_pilot.model.references import keys, reference
from flotilla_pilot.model.registry import is_ip
from flotilla_pilot.model.snapshot import MeshSnapshot, Served
from flotilla_pilot.scope.sidecar import ingress_listeners
from flotilla_protos.istio.networking.v1alpha3.sidecar_pb2 import CaptureMode, IstioIngressListener
from flotilla_shared.model.objects import ConfigObject
from flotilla_shared.model.protocols import parse_protocol

_ANY = ("0.0.0.0", "::")  # noqa: S104
_LOOPBACK = ("127.0.0.1", "::1")


def compile_inbound(
    snapshot: MeshSnapshot, proxy: Proxy, sidecar: ConfigObject | None, cache: ResourceCache
) -> Collected:
    """Everything inbound of one proxy.

    The ingress of its Sidecar says where to enter. Where connections are intercepted, what it does not bind itself
    enters by one listener, and without an ingress the services that the workload serves say by which ports.
    """
    found = Collected(cache)
    taken: set[tuple[str, int]] = set()
    inside: list[Entrance] = []
    stated = ingress_listeners(sidecar)
    mesh = snapshot.mesh.of(proxy_options(proxy, snapshot.mesh.proxy_default)) if stated else snapshot.mesh
    for index, ingress in enumerate(stated):
        entrance = _entrance(ingress, sidecar, proxy, snapshot)
        place = entrance.address, entrance.port
        wrong = _fault(ingress, entrance, place in taken, mesh)
        if wrong is None and not _is_intercepted(ingress, proxy):
            wrong = _fault_of_port(entrance.port, proxy, mesh)
        if wrong is not None:
            if sidecar is not None:
                field, code, text = wrong
                found.log.error(sidecar.key, code, f"spec.ingress[{index}]{field}", text)
            continue
        taken.add(place)
        if _is_intercepted(ingress, proxy):
            inside.append(entrance)
        else:
            _add(found, snapshot, mesh, proxy, sidecar, entrance, cache)
    if proxy.intercepts:
        add_virtual_inbound(found, snapshot, proxy, sidecar, inside, cache)
    elif not snapshot.settings.resolve_unknown_names:
        onward = inbound_passthrough(snapshot.mesh, caller_of(proxy).families)
        found.intern(CLUSTER, onward.name, serialized(onward), keys(snapshot.mesh.references))
    return found


def _is_intercepted(ingress: IstioIngressListener, proxy: Proxy) -> bool:
    return proxy.intercepts and ingress.capture_mode != CaptureMode.NONE


def _fault(
    ingress: IstioIngressListener, entrance: Entrance, taken: bool, mesh: MeshOptions
) -> tuple[str, str, str] | None:
    """Why there cannot be such a listener: the field in it, a code and a sentence; None if there can."""
    place = f"{entrance.address}:{entrance.port}"
    if not (is_place(ingress.bind, entrance.port) and is_port(entrance.port)):
        return "", "bad-address", f"{place} is no place to listen on; bind must be an IP address"
    if taken:
        return "", "listener-taken", f"{place} has a listener already; give this one a bind of its own"
    if entrance.target and not (
        entrance.target.startswith(UNIX) or (is_ip(entrance.target) and is_port(entrance.target_port))
    ):
        return ".defaultEndpoint", "bad-address", f"{ingress.default_endpoint!r} must be an IP address and a port"
    broken = socket_fault(gateway_server(entrance.tls, mesh)) if entrance.tls is not None else None
    if broken is not None:
        return ".tls", "refused-by-envoy", f"Envoy's {broken[0]} {broken[1]}; this way in is left out"
    return None


def _fault_of_port(port: int, proxy: Proxy, mesh: MeshOptions) -> tuple[str, str, str] | None:
    """Why the proxy itself cannot listen on it, as `_fault` says it."""
    if proxy.intercepts and mesh.proxy.reserves(port):
        return ".port", "port-reserved", f"port {port} is one of the proxy's own; enter the workload by another"
    if not mesh.proxy.may_bind(port):
        text = f"a proxy without rights cannot listen on {port}; use a port from {FIRST_UNPRIVILEGED} on"
        return ".port", "bad-address", text
    return None


def _entrance(
    ingress: IstioIngressListener, sidecar: ConfigObject | None, proxy: Proxy, snapshot: MeshSnapshot
) -> Entrance:
    address, port = _application(ingress.default_endpoint, ingress.port.number, proxy)
    if _is_intercepted(ingress, proxy) and not ingress.default_endpoint:
        address = ""  # where the caller meant to go
    return Entrance(
        address=ingress.bind or proxy.addresses[0],
        port=ingress.port.number,
        protocol=parse_protocol(ingress.port.protocol),
        target=address,
        target_port=port,
        served=_served(ingress, proxy, snapshot) if snapshot.mesh.mixer.servers else None,
        declared_by=f"{sidecar.key.name}.{sidecar.key.namespace}" if sidecar is not None else "",
        tls=ingress.tls if ingress.HasField("tls") and snapshot.settings.sidecar_ingress_tls else None,
    )


def _served(ingress: IstioIngressListener, proxy: Proxy, snapshot: MeshSnapshot) -> Served | None:
    """The oldest service with an endpoint of this proxy behind the port."""
    for address in dict.fromkeys((ingress.bind, *proxy.addresses)):
        for service, endpoint in snapshot.serving.get(address, ()):
            if any(endpoint.port_for(port) == ingress.port.number for port in service.ports):
                return service, endpoint
    return None


def _application(endpoint: str, port: int, proxy: Proxy) -> tuple[str, int]:
    """Where the application is: a Unix socket, loopback, or (0.0.0.0, or unset) an address of the proxy's own.

    Loopback and the own address are taken in the version of IP that is asked for, if the workload has it.
    """
    if endpoint.startswith(UNIX):
        return endpoint, 0
    host, _, number = endpoint.rpartition(":")
    where = int(number) if number.isdigit() else port
    host = host.strip("[]")
    if not host:
        return proxy.addresses[0], where
    if host in _LOOPBACK:
        return _loopback(host, proxy), where
    return _own_address(host, proxy) if host in _ANY else host, where


def _loopback(host: str, proxy: Proxy) -> str:
    families = caller_of(proxy).families
    if families is Families.BOTH:
        return host
    return "::1" if families is Families.V6 else "127.0.0.1"


def _own_address(host: str, proxy: Proxy) -> str:
    """The first of its version; loopback of that version where the workload has none."""
    fitting = (each for each in proxy.addresses if (":" in each) == (":" in host))
    return next(fitting, "::1" if ":" in host else "127.0.0.1")


def _add(
    found: Collected,
    snapshot: MeshSnapshot,
    mesh: MeshOptions,
    proxy: Proxy,
    sidecar: ConfigObject | None,
    entrance: Entrance,
    cache: ResourceCache,
) -> None:
    asked = snapshot.peer_mode(proxy.namespace, proxy.labels, proxy.addresses, entrance.port)
    wanted = application(entrance, snapshot, proxy, sidecar, caller_of(proxy))
    behind = sound_application(wanted, sidecar, cache, found.log)
    stated = (*((reference(sidecar),) if sidecar is not None else ()), *mesh.references)
    found.intern(CLUSTER, behind.name, serialized(inbound(behind)), keys((*stated, *behind.references)))
    listener = _listener(entrance, asked, mesh)
    served = [found for each in entrance.served or () for found in each.references]
    found.intern(LISTENER, listener.name, serialized(listener), keys((*stated, *asked.references, *served)))


def _listener(entrance: Entrance, asked: PeerMode, mesh: MeshOptions) -> Any:
    held = [entrance_chain(each, entrance, mesh, entrance.listener) for each in entrance.chains(asked.mode)]
    listener = Listener(
        name=entrance.listener,
        address=socket_address(entrance.address, entrance.port),
        traffic_direction=TrafficDirection.INBOUND,
        listener_filters=inbound_inspectors(each.filter_chain_match for each in held),
        listener_filters_timeout=mesh.detection_timeout,
        continue_on_listener_filters_timeout=True,
        access_log=unmatched_logs(mesh),
        max_connections_to_accept_per_socket_event=ACCEPTED_AT_ONCE,
        filter_chains=held,
    )
    balance(listener, asked=mesh.proxy.balances_in)
    limit_buffers(listener, mesh)
    mixer.add_static(listener.metadata, static(entrance, mesh))
    return listener
