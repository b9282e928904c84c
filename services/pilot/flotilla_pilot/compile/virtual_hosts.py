"""Virtual hosts of a sidecar's outbound route tables."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from envoy.config.route.v3.route_components_pb2 import (
    DirectResponseAction,
    Route,
    RouteAction,
    RouteMatch,
    VirtualHost,
)
from google.protobuf.duration_pb2 import Duration

from flotilla_pilot.compile import mixer, names
from flotilla_pilot.compile.cache import ResourceCache
from flotilla_pilot.compile.destinations import Destinations
from flotilla_pilot.compile.matching import Client, any_request
from flotilla_pilot.compile.packing import serialized
from flotilla_pilot.compile.resource import length_delimited
from flotilla_pilot.compile.route_action import RouteTargets, find_targets
from flotilla_pilot.compile.routes import Translation, default_route, translate
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.references import Reference, keys
from flotilla_pilot.model.registry import is_ip
from flotilla_pilot.model.route_rules import RouteRules
from flotilla_pilot.model.services import Service
from flotilla_pilot.scope.sidecar import Egress
from flotilla_shared.model.hosts import covers, is_wildcard, local_name, short_names
from flotilla_shared.model.objects import ObjectKey, Problem
from flotilla_shared.model.problems import ProblemLog

_HTTP_PORT = 80
VIRTUAL_HOSTS = 2
"""The field of a RouteConfiguration that holds them."""

_BAD_GATEWAY = 502


@dataclass(frozen=True, slots=True, eq=False)
class HostPart:
    """A finished virtual host: its wire entry in a RouteConfiguration, and what it was made from."""

    wire: bytes
    depends_on: frozenset[ObjectKey]
    problems: dict[ObjectKey, tuple[Problem, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class HostPlan:
    """A virtual host to be made: whose name it is, on which port, and which rules route it."""

    host: str
    port: int
    domains: tuple[str, ...]
    rules: RouteRules | None
    service: Service | None


def plan_hosts(
    egress: Egress, ports: Iterable[tuple[Service, int]], *, port_in_domain: bool, namespace: str, domain: str
) -> list[HostPlan]:
    """The virtual hosts of one listener: its services, oldest first, then hosts that only rules know.

    `port_in_domain`: the listener takes requests for all ports, so that the port is part of the name.
    A domain goes to the first that claims it: Envoy refuses a whole table for a name given twice.
    """
    plans: list[HostPlan] = []
    taken = {"*"}
    pairs = list(ports)
    for service, number in pairs:
        claimed = domains(service, number, port_in_domain, namespace, domain)
        free = tuple(each for each in claimed if each.lower() not in taken)
        taken.update(each.lower() for each in free)
        if free:
            plans.append(HostPlan(service.host, number, free, egress.routes.find(service.host), service))
    serves_web = port_in_domain or any(number == _HTTP_PORT for _, number in pairs)
    if serves_web or egress.port == _HTTP_PORT:
        plans += _rule_hosts(egress, taken, port_in_domain)
    return plans


def _rule_hosts(egress: Egress, taken: set[str], port_in_domain: bool) -> Iterable[HostPlan]:
    """Hosts of VirtualServices that no service has: reached on port 80, as in Istio."""
    hosts = {service.host for service in egress.services}
    wildcards = [host for host in hosts if is_wildcard(host)]
    for rules in egress.rules:
        for host in rules.hosts:
            narrower = is_wildcard(host) and any(covers(host, each) for each in hosts)
            claimed = (host, f"{host}:{_HTTP_PORT}") if port_in_domain else (host,)
            if host in hosts or narrower or any(covers(each, host) for each in wildcards) or taken & set(claimed):
                continue
            taken.update(claimed)
            yield HostPlan(host, _HTTP_PORT, claimed, rules, None)


def domains(service: Service, port: int, port_in_domain: bool, namespace: str, domain: str) -> list[str]:
    found = [service.host]
    if service.host != "*" and not is_ip(service.host):
        found.append(f"{service.host}.")
    if not is_wildcard(service.host):
        short = local_name(service.host, namespace, domain)
        found += [*([short] if short else []), *short_names(service.host, domain)]
    if service.headless:
        found += [f"*.{each}" for each in found]
    found += [f"[{each}]" if ":" in each else each for each in service.addresses if is_ip(each)]
    if not port_in_domain:
        return found
    return [f"{each}:{port}" for each in found] + (found if port == _HTTP_PORT else [])


def host_part(plan: HostPlan, destinations: Destinations, cache: ResourceCache, namespace: str) -> HostPart:
    """The virtual host of `plan`, made at most once for equal inputs."""
    mesh = destinations.snapshot.mesh
    client = Client(plan.port, namespace, destinations.labels)
    targets = _targets(plan, destinations)
    references = _references(plan, targets)
    key = ("host", plan.host, plan.port, plan.domains, client, targets.key(), references, mesh.references)
    build = lambda: _build(plan, client, targets, destinations, (*references, *mesh.references))  # noqa: E731
    part: HostPart = cache.get(key, build)
    return part


def _routed(plan: HostPlan) -> bool:
    """Rules without any HTTP part (they route TCP or TLS) leave HTTP as it is."""
    return plan.rules is not None and bool(plan.rules.spec.http)


def _targets(plan: HostPlan, destinations: Destinations) -> RouteTargets:
    if plan.rules is not None and _routed(plan):
        rules = plan.rules
        return find_targets(rules, lambda destination: destinations.target(destination, rules, plan.port))
    if plan.service is None:
        return RouteTargets((), ())
    return RouteTargets(((destinations.of(plan.service, plan.port),),), ())


def _references(plan: HostPlan, targets: RouteTargets) -> tuple[Reference, ...]:
    found: dict[Reference, None] = {}
    if plan.service is not None:
        found.update(dict.fromkeys(plan.service.references))
    if plan.rules is not None:
        found.update(dict.fromkeys(plan.rules.references))
    for target in targets.all():
        found.update(dict.fromkeys(target.references))
    return tuple(found)


def _build(
    plan: HostPlan,
    client: Client,
    targets: RouteTargets,
    destinations: Destinations,
    references: tuple[Reference, ...],
) -> HostPart:
    log = ProblemLog()
    label = f"{plan.host}:{plan.port}"
    mesh = destinations.snapshot.mesh
    if plan.rules is not None and _routed(plan):
        routes = translate(Translation(plan.rules, client, targets, mesh, log))
    else:
        routes = [default_route(each, label, mesh) for each in targets.all()]
    host = VirtualHost(name=label, domains=plan.domains, routes=routes, include_request_attempt_count=True)
    return HostPart(wire_host(host), keys(references), log.found())


def wire_host(host: Any) -> bytes:
    """A virtual host as the entry of a RouteConfiguration: tables are such entries joined."""
    return length_delimited(VIRTUAL_HOSTS, serialized(host))


def resolving_host() -> Any:
    """Hosts that nobody declared are resolved by their names."""
    action = RouteAction(cluster=names.ALLOW_ANY_NAMES_CLUSTER, timeout=Duration())
    routes = [Route(name=names.ALLOW_ANY_NAMES, match=any_request(), route=action)]
    return VirtualHost(name=names.ALLOW_ANY_NAMES, domains=["*"], routes=routes, include_request_attempt_count=True)


def catch_all(allow_any: bool, binds: bool, mesh: MeshOptions, *, resolves_names: bool = False) -> Any:
    """What is asked of hosts that nobody declared: refused, or let through to where the name leads.

    `resolves_names`: by the name, not by the address that was dialled.
    """
    host = resolving_host() if resolves_names else _catch_all(allow_any, binds)
    name = names.PASSTHROUGH if allow_any else names.BLACK_HOLE
    for route in host.routes:
        mixer.add_static(route.metadata, mixer.nowhere(name, mesh))
    return host


def _catch_all(allow_any: bool, binds: bool) -> Any:
    if not allow_any:
        action = DirectResponseAction(status=_BAD_GATEWAY)
        routes = [Route(name=names.BLOCK_ALL, match=any_request(), direct_response=action)]
        return VirtualHost(name=names.BLOCK_ALL, domains=["*"], routes=routes)
    if not binds:
        action = RouteAction(cluster=names.PASSTHROUGH, timeout=Duration())
        routes = [Route(name=names.ALLOW_ANY, match=any_request(), route=action)]
        return VirtualHost(name=names.ALLOW_ANY, domains=["*"], routes=routes)
    return VirtualHost(name=names.ALLOW_ANY, domains=["*"], routes=_forwarding())


def _forwarding() -> list[Any]:
    tunnel = RouteAction.UpgradeConfig(upgrade_type="CONNECT", connect_config=RouteAction.UpgradeConfig.ConnectConfig())
    through = RouteAction(cluster=names.FORWARD_PROXY, timeout=Duration())
    connect = RouteAction(cluster=names.FORWARD_PROXY, timeout=Duration(), upgrade_configs=[tunnel])
    matcher = RouteMatch(connect_matcher=RouteMatch.ConnectMatcher())
    return [
        Route(name="connect", match=matcher, route=connect),
        Route(name=names.ALLOW_ANY, match=any_request(), route=through),
    ]
