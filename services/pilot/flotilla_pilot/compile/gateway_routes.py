"""The routes of one VirtualService at a gateway, finished once for all hosts that it is for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flotilla_pilot.compile.cache import ResourceCache
from flotilla_pilot.compile.matching import Client
from flotilla_pilot.compile.packing import serialized
from flotilla_pilot.compile.resource import length_delimited
from flotilla_pilot.compile.route_action import RouteTargets
from flotilla_pilot.compile.routes import Translation, takes_everything, translate
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.route_rules import RouteRules
from flotilla_shared.model.objects import ObjectKey, Problem
from flotilla_shared.model.problems import ProblemLog

_ROUTES = 3


@dataclass(frozen=True, slots=True)
class WireRoute:
    """A route as the entry of a VirtualHost, and whether no request passes it by."""

    wire: bytes
    takes_everything: bool


@dataclass(frozen=True, slots=True, eq=False)
class WireRoutes:
    """In the order of the rules, with what is wrong with them."""

    routes: tuple[WireRoute, ...]
    problems: Mapping[ObjectKey, tuple[Problem, ...]]


def finished(route: Any) -> WireRoute:
    return WireRoute(length_delimited(_ROUTES, serialized(route)), takes_everything(route))


def catch_alls_last(routes: Iterable[WireRoute]) -> list[WireRoute]:
    """Routes of several VirtualServices in one virtual host: what takes everything must not hide the rest."""
    return sorted(routes, key=lambda route: route.takes_everything)


def wire_routes(
    rules: RouteRules, client: Client, targets: RouteTargets, mesh: MeshOptions, cache: ResourceCache
) -> WireRoutes:
    """The routes of `rules` for `client`, made at most once for equal inputs."""
    key = ("gateway routes", rules.references, client, targets.key(), mesh.references)

    def build() -> WireRoutes:
        log = ProblemLog()
        routes = translate(Translation(rules, client, targets, mesh, log))
        return WireRoutes(tuple(finished(each) for each in routes), log.found())

    found: WireRoutes = cache.get(key, build)
    return found
