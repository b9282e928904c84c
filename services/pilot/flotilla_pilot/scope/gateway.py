"""The Gateways that a router serves, merged by address and port."""

from collections.abc import Iterable
from dataclasses import dataclass

from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.references import Reference, reference
from flotilla_pilot.model.route_rules import RouteRules
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
    """One server of one Gateway, with the VirtualServices bound to that Gateway."""

    server: Server
    index: int
    gateway: ConfigObject
    rules: tuple[RouteRules, ...]

    @property
    def reference(self) -> Reference:
        return reference(self.gateway)

    @property
    def field(self) -> str:
        return f"spec.servers[{self.index}]"


@dataclass(frozen=True, slots=True, eq=False)
class GatewayScope:
    """What one class of routers serves: servers by (bind, port), oldest Gateway first."""

    namespace: str
    domain: str
    servers: dict[tuple[str, int], tuple[BoundServer, ...]]
    services: dict[str, Service]


def gateway_key(snapshot: MeshSnapshot, proxy: Proxy) -> tuple[object, ...]:
    """What everything of a router depends on within one snapshot."""
    gateways = tuple(item.key for item in _selected(snapshot, proxy))
    return proxy.kind, proxy.namespace, proxy.domain, proxy.interception_mode, proxy.labels, gateways


def gateway_scope(snapshot: MeshSnapshot, proxy: Proxy) -> GatewayScope:
    servers: dict[tuple[str, int], list[BoundServer]] = {}
    for item in _selected(snapshot, proxy):
        rules = tuple(_bound(snapshot, item))
        spec: Gateway = item.spec
        for index, server in enumerate(spec.servers):
            bound = BoundServer(server, index, item, rules)
            servers.setdefault((server.bind or "0.0.0.0", server.port.number), []).append(bound)  # noqa: S104
    return GatewayScope(
        namespace=proxy.namespace,
        domain=snapshot.mesh.domain,
        servers={place: tuple(bound) for place, bound in sorted(servers.items())},
        services=exported_services(snapshot, proxy.namespace),
    )


def _selected(snapshot: MeshSnapshot, proxy: Proxy) -> Iterable[ConfigObject]:
    return [item for item in snapshot.gateways if selects(item.spec.selector, proxy.labels)]


def _bound(snapshot: MeshSnapshot, gateway: ConfigObject) -> Iterable[RouteRules]:
    name = gateway.key.full_name
    for rules in snapshot.route_rules:
        default = snapshot.mesh.virtual_service_export
        if name in rules.gateways and visible(rules.spec.export_to, rules.namespace, gateway.key.namespace, default):
            yield rules


def served_hosts(bound: BoundServer, rules: RouteRules) -> Iterable[str]:
    """The hosts that `rules` get at the server: of two that overlap, the narrower one."""
    for text in bound.server.hosts:
        namespace, slash, wanted = text.lower().partition("/")
        namespace, wanted = (namespace, wanted) if slash else ("*", namespace)
        owner = bound.gateway.key.namespace if namespace == "." else namespace
        if owner not in ("*", rules.namespace):
            continue
        for host in rules.hosts:
            if covers(wanted, host):
                yield host
            elif covers(host, wanted):
                yield wanted
