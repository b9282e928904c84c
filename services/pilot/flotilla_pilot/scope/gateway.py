"""The Gateways that a router serves, merged by address and port."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flotilla_pilot.model.caller import caller_of
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.proxy_options import proxy_options
from flotilla_pilot.model.references import Reference, reference
from flotilla_pilot.model.route_rules import RouteRules, names_of_gateway
from flotilla_pilot.model.services import Service
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_pilot.model.visibility import visible
from flotilla_pilot.scope.sidecar import exported_services
from flotilla_protos.istio.networking.v1alpha3.gateway_pb2 import Gateway, Server
from flotilla_shared.model.hosts import covers
from flotilla_shared.model.labels import selects
from flotilla_shared.model.objects import ConfigObject


@dataclass(frozen=True, slots=True, eq=False)
class BoundServer:
    """One server of one Gateway, with the VirtualServices bound to that Gateway.

    `behind` are the services that send the server's port to the port that it is listened for on.
    """

    server: Server
    index: int
    gateway: ConfigObject
    rules: tuple[RouteRules, ...]
    behind: tuple[Reference, ...] = ()

    @property
    def port(self) -> int:
        """The port that clients know, and that rules ask for."""
        return self.server.port.number

    @property
    def reference(self) -> Reference:
        return reference(self.gateway)

    @property
    def field(self) -> str:
        return f"spec.servers[{self.index}]"


@dataclass(frozen=True, slots=True, eq=False)
class GatewayScope:
    """What one class of routers serves: servers by the address and port to listen on, oldest Gateway first."""

    namespace: str
    domain: str
    servers: dict[tuple[str, int], tuple[BoundServer, ...]]
    services: dict[str, Service]
    mesh: MeshOptions
    """As these routers have it."""


def gateway_key(snapshot: MeshSnapshot, proxy: Proxy) -> tuple[object, ...]:
    """What everything of a router depends on within one snapshot."""
    gateways = tuple(item.key for item in _selected(snapshot, proxy))
    targets = tuple(sorted((port, *found) for port, found in _targets(snapshot, proxy).items()))
    return (
        caller_of(proxy),
        targets,
        proxy.kind,
        proxy.namespace,
        proxy.domain,
        proxy.interception_mode,
        proxy.labels,
        gateways,
        proxy_options(proxy, snapshot.mesh.proxy_default),
    )


def gateway_scope(snapshot: MeshSnapshot, proxy: Proxy) -> GatewayScope:
    servers: dict[tuple[str, int], list[BoundServer]] = {}
    sockets: dict[str, int] = {}
    targets = _targets(snapshot, proxy)
    by_gateway = _by_gateway(snapshot)
    for item in _selected(snapshot, proxy):
        rules = tuple(_bound(snapshot, item, proxy.namespace, by_gateway))
        spec: Gateway = item.spec
        for index, server in enumerate(spec.servers):
            for port, behind in _places(server.port.number, targets, proxy):
                bound = BoundServer(server, index, item, rules, behind)
                # A socket in the file system has no ports: the first server's stands for all.
                known = sockets.setdefault(server.bind, port) if server.bind.startswith("unix://") else port
                servers.setdefault((server.bind or proxy.any_address, known), []).append(bound)
    return GatewayScope(
        namespace=proxy.namespace,
        domain=snapshot.mesh.domain,
        servers={place: tuple(bound) for place, bound in sorted(servers.items())},
        services=exported_services(snapshot, proxy.namespace),
        mesh=snapshot.mesh.of(proxy_options(proxy, snapshot.mesh.proxy_default)),
    )


Targets = dict[int, tuple[tuple[int, Reference], ...]]
"""Ports of services that this router is behind: each with the router's own ports, and who says so."""

AS_STATED = "experimental.istio.io/disable-gateway-port-translation"
"""Label of a service whose ports do not say where a gateway behind it listens."""


def _targets(snapshot: MeshSnapshot, proxy: Proxy) -> Targets:
    found: dict[int, dict[tuple[int, Reference], None]] = {}
    for address in dict.fromkeys(proxy.addresses):
        for service, endpoint in snapshot.serving.get(address, ()):
            if service.source.labels.get(AS_STATED) == "true":
                continue
            for port in service.ports if service.namespace == proxy.namespace else ():
                target = endpoint.port_for(port)
                if target:
                    found.setdefault(port.number, {})[target, service.references[0]] = None
    return {port: tuple(each) for port, each in found.items()}


def _places(port: int, targets: Targets, proxy: Proxy) -> Iterable[tuple[int, tuple[Reference, ...]]]:
    """The ports to listen on for a server's port: where a service sends it, else that port itself.

    Without rights there is no listening below 1024, and Envoy would refuse to try.
    """
    places: dict[int, list[Reference]] = {}
    for target, by in targets.get(port, ()):
        places.setdefault(target, []).append(by)
    if places:
        return [(target, tuple(by)) for target, by in places.items()]
    return [(port, ())] if proxy_options(proxy, b"").may_bind(port) else []


def _selected(snapshot: MeshSnapshot, proxy: Proxy) -> Iterable[ConfigObject]:
    return [item for item in snapshot.gateways if selects(item.spec.selector, proxy.labels)]


def _by_gateway(snapshot: MeshSnapshot) -> dict[str, list[RouteRules]]:
    """The VirtualServices that name each Gateway."""
    found: dict[str, list[RouteRules]] = {}
    for rules in snapshot.route_rules:
        for name in rules.gateways:
            found.setdefault(name, []).append(rules)
    return found


def _bound(
    snapshot: MeshSnapshot, gateway: ConfigObject, namespace: str, by_gateway: Mapping[str, list[RouteRules]]
) -> Iterable[RouteRules]:
    """The rules of the gateway that routers of `namespace` see: what counts is where the router runs."""
    default = snapshot.mesh.virtual_service_export
    named = names_of_gateway(gateway.key.full_name)
    for rules in (each for name in named for each in by_gateway.get(name, ())):
        if visible(rules.spec.export_to, rules.namespace, namespace, default):
            yield rules


def narrower(one: str, other: str) -> str | None:
    """Of two hosts the one within the other; None if they are apart."""
    if covers(one, other):
        return other
    return one if covers(other, one) else None


def server_host(text: str, gateway_namespace: str) -> tuple[str, str]:
    """Whose VirtualServices a server's host takes, a namespace or `*` for everybody's, and the host itself."""
    namespace, slash, host = text.lower().partition("/")
    if not slash:
        return "*", namespace
    return (gateway_namespace if namespace == "." else namespace), host


def served_rules(bound: BoundServer) -> list[RouteRules]:
    """The VirtualServices that get any host at the server."""
    return [rules for rules in bound.rules if any(True for _ in served_hosts(bound, rules))]


def served_hosts(bound: BoundServer, rules: RouteRules) -> Iterable[str]:
    """The hosts that `rules` get at the server: of two that overlap, the narrower one."""
    for text in bound.server.hosts:
        owner, wanted = server_host(text, bound.gateway.key.namespace)
        if owner in ("*", rules.namespace):
            yield from (shared for host in rules.hosts if (shared := narrower(wanted, host)) is not None)
