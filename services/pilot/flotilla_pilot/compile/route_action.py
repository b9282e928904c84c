"""Where a route sends its requests, and how."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from envoy.config.route.v3.route_components_pb2 import RouteAction, WeightedCluster
from envoy.type.matcher.v3.regex_pb2 import RegexMatchAndSubstitute, RegexMatcher
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import (
    Destination,
    HTTPRewrite,
    HTTPRoute,
    HTTPRouteDestination,
)
from google.protobuf.duration_pb2 import Duration
from google.protobuf.wrappers_pb2 import UInt32Value

from flotilla_pilot.compile import filters
from flotilla_pilot.compile.destinations import Target
from flotilla_pilot.compile.hashing import request_hash
from flotilla_pilot.compile.header_operations import apply_headers, host_rewrite
from flotilla_pilot.compile.regex import regex_fault
from flotilla_pilot.compile.retries import retry_policy
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.route_rules import RouteRules

Find = Callable[[Destination], Target]


@dataclass(frozen=True, slots=True, eq=False)
class RouteTargets:
    """The targets of all HTTP destinations of one VirtualService, found beforehand."""

    routes: tuple[tuple[Target, ...], ...]
    mirrors: tuple[tuple[Target, ...], ...]

    def all(self) -> Iterable[Target]:
        for group in (*self.routes, *self.mirrors):
            yield from group

    def key(self) -> tuple[object, ...]:
        """Equal keys lead equally."""
        return tuple((each.cluster, each.references) for each in self.all())

    def single(self, index: int, http: HTTPRoute) -> Target | None:
        used = [target for target, _ in weighted(self.routes[index], http.route)]
        return used[0] if len(used) == 1 else None


def find_targets(rules: RouteRules, find: Find) -> RouteTargets:
    http = rules.spec.http
    return RouteTargets(
        routes=tuple(tuple(find(each.destination) for each in one.route) for one in http),
        mirrors=tuple(tuple(find(each) for each, _ in _mirrors(one)) for one in http),
    )


def default_action(target: Target, mesh: MeshOptions) -> RouteAction:
    action = RouteAction(cluster=target.cluster, timeout=Duration())
    _retry_and_hash(action, None, mesh, [target])
    return action


def route_action(route: Any, http: HTTPRoute, index: int, targets: RouteTargets, mesh: MeshOptions) -> None:
    """Fill `route.route` from a rule with destinations; headers of a single destination go on the route."""
    chosen = weighted(targets.routes[index], http.route)
    action = RouteAction(timeout=http.timeout)
    if len(chosen) == 1:
        target, destination = chosen[0]
        action.cluster = target.cluster
        list(apply_headers(route, destination.headers))
        _rewrite_host(action, host_rewrite(destination.headers))
    else:
        action.weighted_clusters.CopyFrom(WeightedCluster(clusters=[_share(*each) for each in chosen]))
    _rewrite(action, http)
    for (_, percentage), target in zip(_mirrors(http), targets.mirrors[index], strict=True):
        policy = RouteAction.RequestMirrorPolicy(cluster=target.cluster, runtime_fraction=percentage)
        action.request_mirror_policies.append(policy)
    own = http.retries if http.HasField("retries") else None
    _retry_and_hash(action, own, mesh, [target for target, _ in chosen])
    route.route.CopyFrom(action)


def weighted(targets: Iterable[Target], destinations: Any) -> list[tuple[Target, HTTPRouteDestination]]:
    """The destinations that get requests: those with a weight, or the only one.

    Where none has a weight, the first stands for all: Envoy refuses a sum of 0.
    """
    pairs = list(zip(targets, destinations, strict=True))
    return [pair for pair in pairs if pair[1].weight > 0] or pairs[:1]


def _share(target: Target, destination: HTTPRouteDestination) -> Any:
    share = WeightedCluster.ClusterWeight(name=target.cluster, weight=UInt32Value(value=destination.weight))
    list(apply_headers(share, destination.headers))
    host = host_rewrite(destination.headers)
    if host:
        share.host_rewrite_literal = host
    return share


def _rewrite(action: Any, http: HTTPRoute) -> None:
    rewrite: HTTPRewrite = http.rewrite
    if rewrite.uri:
        action.prefix_rewrite = rewrite.uri
    elif rewrite.uri_regex_rewrite.match and not regex_fault(rewrite.uri_regex_rewrite.match):
        action.regex_rewrite.CopyFrom(
            RegexMatchAndSubstitute(
                pattern=RegexMatcher(regex=rewrite.uri_regex_rewrite.match),
                substitution=rewrite.uri_regex_rewrite.rewrite,
            )
        )
    _rewrite_host(action, rewrite.authority or host_rewrite(http.headers))


def _rewrite_host(action: Any, host: str) -> None:
    if host:
        action.host_rewrite_literal = host


def _mirrors(http: HTTPRoute) -> list[tuple[Destination, Any]]:
    """Where copies go, with the share of requests that is copied (all, unless it is said)."""
    found = []
    if http.HasField("mirror"):
        whole = http.mirror_percent.value if http.HasField("mirror_percent") else 100
        stated = http.mirror_percentage if http.HasField("mirror_percentage") else None
        found.append((http.mirror, filters.fraction(stated, whole)))
    for mirror in http.mirrors:
        stated = mirror.percentage if mirror.HasField("percentage") else None
        found.append((mirror.destination, filters.fraction(stated, 100)))
    return found


def _retry_and_hash(action: Any, own: Any, mesh: MeshOptions, targets: Iterable[Target]) -> None:
    policy = retry_policy(own, mesh.default_retry)
    if policy is not None:
        action.retry_policy.CopyFrom(policy)
    hashes = (request_hash(target.hash) for target in targets if target.hash is not None)
    action.hash_policy.extend(list({each.SerializeToString(): each for each in hashes if each}.values()))
