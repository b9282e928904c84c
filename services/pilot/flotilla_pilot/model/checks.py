"""What only the whole mesh shows: names that lead nowhere, and claims that another object won.

Nothing here changes what is compiled; the compiler leads what goes nowhere to a 503 by itself.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from flotilla_pilot.model.aliases import hosts_of_aliases
from flotilla_pilot.model.destination_rules import rule_host
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.policy_checks import check_policies
from flotilla_pilot.model.references import oldest_first
from flotilla_pilot.model.route_rules import MESH_GATEWAY, Place, RouteRules, names_of_gateway
from flotilla_pilot.model.services import Service
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import Destination
from flotilla_shared.model import kinds
from flotilla_shared.model.hosts import covers, is_wildcard, matches
from flotilla_shared.model.objects import ConfigObject
from flotilla_shared.model.problems import ProblemLog

Held = Mapping[str, list[ConfigObject]]
Hosts = dict[str, list[Service]]


def check(
    held: Held,
    services: tuple[Service, ...],
    rules: tuple[RouteRules, ...],
    mesh: MeshOptions,
    log: ProblemLog,
) -> None:
    hosts: Hosts = {}
    for service in services:
        hosts.setdefault(service.host, []).append(service)
    _check_hosts(hosts, log)
    hosts |= {alias: hosts[host] for alias, host in hosts_of_aliases(services).items()}
    subsets = _subsets(held, hosts, mesh, log)
    gateways = {name for item in held[kinds.GATEWAYS] for name in names_of_gateway(item.key.full_name)}
    for each in rules:
        _check_gateways(each, gateways, log)
        for place, destination in _destinations(each):
            _check_destination(each, place, destination, hosts, subsets, log)
    _check_claims(rules, log)
    _check_single(held[kinds.SIDECARS], lambda item: not item.spec.workload_selector.labels, log)
    _check_single(held[kinds.PEER_AUTHENTICATIONS], lambda item: not item.spec.selector.match_labels, log)
    _check_single(held[kinds.POLICIES], lambda item: not item.spec.targets, log)
    _check_single(held[kinds.MESH_POLICIES], lambda item: not item.spec.targets, log)
    check_policies((*held[kinds.POLICIES], *held[kinds.MESH_POLICIES]), log)


def _check_hosts(hosts: Hosts, log: ProblemLog) -> None:
    for host, services in hosts.items():
        by_namespace: dict[str, Service] = {}
        for service in services:
            first = by_namespace.setdefault(service.namespace, _winner(services, service.namespace))
            if first is not service:
                log.error(
                    service.source.key,
                    "host-taken",
                    "spec.hosts",
                    f"{host} is already declared by {_described(first)}; declare a host once in a namespace",
                )


def _winner(services: list[Service], namespace: str) -> Service:
    """Kubernetes' own, else the oldest; `services` come oldest first."""
    own = [each for each in services if each.namespace == namespace]
    return next((each for each in own if each.is_native), own[0])


def _described(service: Service) -> str:
    if service.is_native:
        return f"the Service {service.source.key.full_name}"
    return f"the older ServiceEntry {service.source.key.full_name}"


def _subsets(held: Held, hosts: Hosts, mesh: MeshOptions, log: ProblemLog) -> dict[str, set[str]]:
    """The subsets of each host named by a rule; reports hosts of no service and subsets named twice."""
    found: dict[str, set[str]] = {}
    owners: dict[tuple[str, str, str], ConfigObject] = {}
    wild = [host for host in hosts if is_wildcard(host)]
    for item in oldest_first(held[kinds.DESTINATION_RULES]):
        host = rule_host(item, mesh.domain)
        if host not in hosts and not any(matches(host, each) for each in (hosts if is_wildcard(host) else wild)):
            log.warning(
                item.key,
                "unknown-host",
                "spec.host",
                f"no service has the host {host}, so nothing uses this rule",
            )
        for index, subset in enumerate(item.spec.subsets):
            owner = owners.setdefault((item.key.namespace, host, subset.name), item)
            if owner is not item:
                log.error(
                    item.key,
                    "subset-taken",
                    f"spec.subsets[{index}].name",
                    f"subset {subset.name!r} of {host} is already defined by DestinationRule "
                    f"{owner.key.full_name}, which is older; that one counts",
                )
            found.setdefault(host, set()).add(subset.name)
    return found


def _check_gateways(rules: RouteRules, gateways: set[str], log: ProblemLog) -> None:
    for index, gateway in enumerate(rules.spec.gateways):
        name = rules.full_gateway(gateway)
        if name != MESH_GATEWAY and name not in gateways:
            log.error(
                rules.item.key,
                "unknown-gateway",
                f"spec.gateways[{index}]",
                f"there is no Gateway {name}; without it this VirtualService does not reach that way in",
            )


def _destinations(rules: RouteRules) -> Iterator[tuple[Place, Destination]]:
    for kind in ("tls", "tcp"):
        for index, route in enumerate(getattr(rules.spec, kind)):
            for number, target in enumerate(route.route):
                yield Place(rules.item.key, f"spec.{kind}[{index}].route[{number}].destination"), target.destination
    for place, http in zip(rules.places, rules.spec.http, strict=True):
        for number, target in enumerate(http.route):
            yield replace(place, field=f"{place.field}.route[{number}].destination"), target.destination
        if http.HasField("mirror"):
            yield replace(place, field=f"{place.field}.mirror"), http.mirror
        for number, mirror in enumerate(http.mirrors):
            yield replace(place, field=f"{place.field}.mirrors[{number}].destination"), mirror.destination


def _check_destination(
    rules: RouteRules,
    place: Place,
    destination: Destination,
    hosts: Hosts,
    subsets: Mapping[str, set[str]],
    log: ProblemLog,
) -> None:
    host = rules.full_host(destination.host)
    services = hosts.get(host)
    key, field = place.key, place.field
    if services is None:
        log.error(key, "unknown-host", f"{field}.host", f"no service has the host {host}; calls are answered 503")
        return
    ports = {port.number for service in services for port in service.ports}
    if destination.port.number and destination.port.number not in ports:
        known = ", ".join(str(number) for number in sorted(ports)) or "none"
        log.error(
            key,
            "unknown-port",
            f"{field}.port.number",
            f"{host} has no port {destination.port.number} (it has {known}); calls are answered 503",
        )
    if destination.subset and destination.subset not in _named(host, subsets):
        known = ", ".join(sorted(_named(host, subsets))) or "none"
        log.error(
            key,
            "unknown-subset",
            f"{field}.subset",
            f"no DestinationRule defines subset {destination.subset!r} of {host} (known: {known}); "
            "calls are answered 503",
        )


def _named(host: str, subsets: Mapping[str, set[str]]) -> set[str]:
    """The subsets of a host, by rules for it and by rules for a wildcard that covers it."""
    wide = (names for pattern, names in subsets.items() if is_wildcard(pattern) and covers(pattern, host))
    return subsets.get(host, set()).union(*wide)


def _check_claims(rules: Iterable[RouteRules], log: ProblemLog) -> None:
    """Within the mesh only the oldest VirtualService for a host counts; at gateways they are merged."""
    owners: dict[tuple[str, str], RouteRules] = {}
    for each in rules:
        if MESH_GATEWAY not in each.gateways:
            continue
        for index, host in enumerate(each.hosts):
            owner = owners.setdefault((each.namespace, host), each)
            if owner is not each:
                log.error(
                    each.item.key,
                    "host-taken",
                    f"spec.hosts[{index}]",
                    f"{host} is already routed by VirtualService {owner.item.key.full_name}, which is older; "
                    "inside the mesh only that one counts",
                )


def _check_single(items: Iterable[ConfigObject], is_general: Callable[[ConfigObject], bool], log: ProblemLog) -> None:
    owners: dict[str, ConfigObject] = {}
    for item in oldest_first(each for each in items if is_general(each)):
        owner = owners.setdefault(item.key.namespace, item)
        if owner is not item:
            log.error(
                item.key,
                "default-taken",
                "spec",
                f"{owner.key.full_name} already applies to the whole namespace and is older; that one counts",
            )
