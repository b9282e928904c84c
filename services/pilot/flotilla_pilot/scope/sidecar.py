"""The Sidecar that speaks for a proxy, and what it lets the proxy see."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from flotilla_pilot.model.caller import A_SIDECAR, Caller, caller_of
from flotilla_pilot.model.frozen import FrozenMap
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.proxy_options import proxy_options
from flotilla_pilot.model.references import Reference, reference
from flotilla_pilot.model.route_rules import MESH_GATEWAY, RouteRules, RuleIndex
from flotilla_pilot.model.services import Service
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_pilot.model.visibility import visible
from flotilla_pilot.scope.addresses import AddressView, address_view
from flotilla_pilot.scope.imports import Import, lets_in, parse_imports
from flotilla_pilot.scope.outbound_policy import EgressProxy, allows_any, egress_proxy, resolves_names
from flotilla_pilot.scope.seen import Seen, destinations, narrowed
from flotilla_protos.istio.networking.v1alpha3.sidecar_pb2 import (
    CaptureMode,
    IstioEgressListener,
    IstioIngressListener,
    Sidecar,
)
from flotilla_shared.model.labels import selects
from flotilla_shared.model.objects import ConfigObject
from flotilla_shared.model.protocols import Protocol, parse_protocol

_EVERYTHING = (Import("*", "*"),)


@dataclass(frozen=True, slots=True, eq=False)
class Egress:
    """One way out: its port (0: every service port that no other way out has) and what it lets through.

    `bind` is empty where the configuration leaves the address open. `protocol` is None where none is stated.
    `routes` finds, among `rules`, those for a host.
    """

    port: int
    protocol: Protocol | None
    bind: str
    captured: bool
    services: tuple[Service, ...]
    rules: tuple[RouteRules, ...]
    routes: RuleIndex


@dataclass(frozen=True, slots=True, eq=False)
class SidecarScope:
    """What one class of sidecars sees. Proxies with an equal `outbound_key` may share it.

    `services` is by host, and holds what routes lead to besides what the ways out name; each has the ports by which
    it can be called.
    """

    namespace: str
    domain: str
    labels: FrozenMap
    binds: bool
    allow_any: bool
    egress_proxy: EgressProxy | None
    resolves_names: bool
    forwards_unknown: bool
    """Whether hosts that nobody declared are reached by their names, for want of an address that was dialled."""
    egress: tuple[Egress, ...]
    services: Mapping[str, Service]
    references: tuple[Reference, ...]
    mesh: MeshOptions
    """As these proxies have it."""
    caller: Caller = A_SIDECAR


def find_sidecar(snapshot: MeshSnapshot, proxy: Proxy) -> ConfigObject | None:
    """By workload selector (oldest), else the namespace's default, else the root namespace's."""
    own = snapshot.sidecars.get(proxy.namespace, ())
    for item in own:
        selector = item.spec.workload_selector.labels
        if selector and selects(selector, proxy.labels):
            return item
    for namespace in dict.fromkeys((proxy.namespace, snapshot.mesh.root_namespace)):
        for item in snapshot.sidecars.get(namespace, ()):
            if not item.spec.workload_selector.labels:
                return item
    return None


def asked_labels(snapshot: MeshSnapshot, proxy: Proxy) -> FrozenMap:
    """The labels of the proxy that some rule asks for: the only ones its outbound side depends on."""
    return FrozenMap({key: value for key, value in proxy.labels.items() if key in snapshot.label_keys})


def outbound_key(snapshot: MeshSnapshot, proxy: Proxy, sidecar: ConfigObject | None) -> tuple[object, ...]:
    """What the outbound side of a proxy depends on within one snapshot."""
    key = sidecar.key if sidecar is not None else None
    place = proxy.namespace, proxy.domain, proxy.interception_mode, _view(snapshot, proxy), caller_of(proxy)
    options = proxy_options(proxy, snapshot.mesh.proxy_default)
    return *place, key, asked_labels(snapshot, proxy), options


def sidecar_scope(snapshot: MeshSnapshot, proxy: Proxy, sidecar: ConfigObject | None) -> SidecarScope:
    """What `proxy` sees through `sidecar`; without one, everything that is exported to its namespace."""
    namespace = proxy.namespace
    exported = (each for each in snapshot.services if _exported(snapshot, each, namespace))
    everything = _view(snapshot, proxy).see(exported, snapshot.given_addresses)
    rules = [each for each in snapshot.route_rules if mesh_rules_visible(snapshot, each, namespace)]
    listeners = _listeners(sidecar)
    imports = [parse_imports(each.hosts) if each is not None else _EVERYTHING for each in listeners]
    wanted = [each for one in imports for each in one]
    chosen = _one_a_host(_let_in(wanted, everything, namespace), namespace)
    binds = not proxy.intercepts
    egress = tuple(
        _egress(listener, imported, chosen, rules, namespace, binds)
        for listener, imported in zip(listeners, imports, strict=True)
    )
    proxy_out = egress_proxy(snapshot, sidecar)
    return SidecarScope(
        namespace=namespace,
        domain=snapshot.mesh.domain,
        labels=asked_labels(snapshot, proxy),
        binds=binds,
        allow_any=allows_any(snapshot, sidecar),
        egress_proxy=proxy_out,
        resolves_names=not binds and resolves_names(snapshot, sidecar),
        forwards_unknown=binds and snapshot.settings.resolve_unknown_names,
        egress=egress,
        services=_with_destinations(chosen, egress, _one_a_host(everything, namespace), snapshot.aliases, proxy_out),
        references=(reference(sidecar),) if sidecar is not None else (),
        mesh=snapshot.mesh.of(proxy_options(proxy, snapshot.mesh.proxy_default)),
        caller=caller_of(proxy),
    )


def mesh_rules_visible(snapshot: MeshSnapshot, rules: RouteRules, namespace: str) -> bool:
    return MESH_GATEWAY in rules.gateways and visible(
        rules.spec.export_to, rules.namespace, namespace, snapshot.mesh.virtual_service_export
    )


def ingress_listeners(sidecar: ConfigObject | None) -> Sequence[IstioIngressListener]:
    return sidecar.spec.ingress if sidecar is not None else ()


def exported_services(snapshot: MeshSnapshot, namespace: str) -> dict[str, Service]:
    """Every service that `namespace` sees, by host, oldest first."""
    seen = (each for each in snapshot.services if _exported(snapshot, each, namespace))
    return _one_a_host(seen, namespace)


def _view(snapshot: MeshSnapshot, proxy: Proxy) -> AddressView:
    return address_view(proxy, for_all=snapshot.settings.gives_addresses)


def _exported(snapshot: MeshSnapshot, service: Service, namespace: str) -> bool:
    return visible(service.export_to, service.namespace, namespace, snapshot.mesh.service_export)


def _listeners(sidecar: ConfigObject | None) -> Iterable[IstioEgressListener | None]:
    spec: Sidecar | None = sidecar.spec if sidecar is not None else None
    return list(spec.egress) if spec is not None and spec.egress else [None]


def _let_in(imports: Iterable[Import], services: Iterable[Service], namespace: str) -> list[Service]:
    found = (each for each in services if lets_in(imports, each.namespace, each.host, namespace))
    return [_known_by(each, imports, namespace) if each.aliases else each for each in found]


def _known_by(service: Service, imports: Iterable[Import], namespace: str) -> Service:
    """The service under those of its other names that are let in too."""
    wanted = list(imports)
    kept = tuple(each for each in service.aliases if lets_in(wanted, each.reference[0].namespace, each.host, namespace))
    return service if kept == service.aliases else replace(service, aliases=kept)


def _egress(
    listener: IstioEgressListener | None,
    imports: tuple[Import, ...],
    services: Mapping[str, Service],
    rules: Iterable[RouteRules],
    namespace: str,
    binds: bool,
) -> Egress:
    port = listener.port.number if listener is not None else 0
    seen = tuple(each for each in rules if _rules_let_in(imports, each, namespace))
    return Egress(
        port=port,
        protocol=parse_protocol(listener.port.protocol) if listener is not None and listener.HasField("port") else None,
        bind=listener.bind if listener is not None else "",
        captured=not binds and (listener is None or listener.capture_mode != CaptureMode.NONE),
        services=tuple(_with_port(_let_in(imports, services.values(), namespace), listener)),
        rules=seen,
        routes=RuleIndex(seen),
    )


def _with_port(services: list[Service], listener: IstioEgressListener | None) -> Iterable[Service]:
    """A way out with a port has that port of services only; an explicit proxy takes calls for any."""
    if listener is None or not listener.port.number or parse_protocol(listener.port.protocol) is Protocol.HTTP_PROXY:
        return services
    return narrowed(services, (listener.port.number,))


def _rules_let_in(imports: tuple[Import, ...], rules: RouteRules, namespace: str) -> bool:
    return any(lets_in(imports, rules.namespace, host, namespace) for host in rules.hosts)


def _one_a_host(services: Iterable[Service], namespace: str) -> dict[str, Service]:
    """A host declared several times is the own namespace's, else Kubernetes', else the oldest's; oldest first."""
    chosen: dict[str, Service] = {}
    for service in services:
        first = chosen.setdefault(service.host, service)
        if _claim(service, namespace) > _claim(first, namespace):
            chosen[service.host] = service
    return chosen


def _claim(service: Service, namespace: str) -> tuple[bool, bool]:
    return service.namespace == namespace, service.is_native


def _with_destinations(
    chosen: Mapping[str, Service],
    egress: Iterable[Egress],
    everything: Mapping[str, Service],
    aliases: Mapping[str, str],
    proxy_out: EgressProxy | None,
) -> dict[str, Service]:
    """The services let in, and those that routes and the policy lead to: what is named is imported."""
    seen = Seen({**everything, **chosen})
    for each in egress:
        for service in each.services:
            seen.add(service.host, [port.number for port in service.ports])
    for each in egress:
        for rules in each.rules:
            for destination in destinations(rules):
                host = rules.full_host(destination.host)
                seen.add(aliases.get(host, host), [destination.port.number])
    if proxy_out is not None:
        seen.add(proxy_out.host, [proxy_out.port])
    return dict(sorted(seen.services().items(), key=lambda pair: pair[1].age))
