"""Virtual hosts of a sidecar's outbound route tables."""

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
from flotilla_pilot.compile.destinations import Destinations, Target
from flotilla_pilot.compile.host_plans import HostPlan
from flotilla_pilot.compile.matching import Client, any_request
from flotilla_pilot.compile.packing import serialized
from flotilla_pilot.compile.resource import length_delimited
from flotilla_pilot.compile.route_action import RouteTargets, find_targets, timed
from flotilla_pilot.compile.routes import Translation, default_route, translate
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.references import Reference, keys
from flotilla_shared.model.objects import ObjectKey, Problem
from flotilla_shared.model.problems import ProblemLog

VIRTUAL_HOSTS = 2
"""The field of a RouteConfiguration that holds them."""

_BAD_GATEWAY = 502


@dataclass(frozen=True, slots=True, eq=False)
class HostPart:
    """A finished virtual host: its wire entry in a RouteConfiguration, and what it was made from."""

    wire: bytes
    depends_on: frozenset[ObjectKey]
    problems: dict[ObjectKey, tuple[Problem, ...]]


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


def _targets(plan: HostPlan, destinations: Destinations) -> RouteTargets:
    rules = plan.rules
    if rules is not None:
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
    if plan.rules is not None:
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
    action = timed(RouteAction(cluster=names.ALLOW_ANY_NAMES_CLUSTER), Duration())
    routes = [Route(name=names.ALLOW_ANY_NAMES, match=any_request(), route=action)]
    return _any_host(names.ALLOW_ANY_NAMES, routes)


def catch_all(beyond: Target, mesh: MeshOptions, *, forwards: bool, resolves_names: bool = False) -> Any:
    """What is asked of hosts that nobody declared: refused, let through to where the name leads, or sent `beyond`.

    `resolves_names`: by the name, not by the address that was dialled; `forwards`: since there is no such address.
    """
    host = resolving_host() if resolves_names else _catch_all(beyond.cluster, forwards)
    for route in host.routes:
        mixer.add_static(route.metadata, mixer.nowhere(beyond.cluster, mesh))
    return host


def _catch_all(cluster: str, forwards: bool) -> Any:
    if cluster == names.BLACK_HOLE:
        action = DirectResponseAction(status=_BAD_GATEWAY)
        routes = [Route(name=names.BLOCK_ALL, match=any_request(), direct_response=action)]
        return _any_host(names.BLOCK_ALL, routes)
    if not forwards or cluster != names.PASSTHROUGH:
        action = timed(RouteAction(cluster=cluster), Duration())
        routes = [Route(name=names.ALLOW_ANY, match=any_request(), route=action)]
        return _any_host(names.ALLOW_ANY, routes)
    return _any_host(names.ALLOW_ANY, _forwarding())


def _any_host(name: str, routes: list[Any]) -> Any:
    return VirtualHost(name=name, domains=["*"], routes=routes, include_request_attempt_count=True)


def _forwarding() -> list[Any]:
    tunnel = RouteAction.UpgradeConfig(upgrade_type="CONNECT", connect_config=RouteAction.UpgradeConfig.ConnectConfig())
    through = timed(RouteAction(cluster=names.FORWARD_PROXY), Duration())
    connect = timed(RouteAction(cluster=names.FORWARD_PROXY, upgrade_configs=[tunnel]), Duration())
    matcher = RouteMatch(connect_matcher=RouteMatch.ConnectMatcher())
    return [
        Route(name="connect", match=matcher, route=connect),
        Route(name=names.ALLOW_ANY, match=any_request(), route=through),
    ]
