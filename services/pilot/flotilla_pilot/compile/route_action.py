"""Where a route sends its requests, and how."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from envoy.config.route.v3.route_components_pb2 import RouteAction, WeightedCluster
from envoy.type.matcher.v3.regex_pb2 import RegexMatchAndSubstitute, RegexMatcher
from google.protobuf.duration_pb2 import Duration
from google.protobuf.wrappers_pb2 import UInt32Value

from flotilla_pilot.compile import filters
from flotilla_pilot.compile.destinations import Target
from flotilla_pilot.compile.hashing import request_hash
from flotilla_pilot.compile.header_operations import RESERVED_HEADER, apply_headers, host_rewrite, stated_headers
from flotilla_pilot.compile.regex import regex_fault
from flotilla_pilot.compile.retries import retry_policy
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.route_rules import RouteRules
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import (
    Destination,
    HTTPRewrite,
    HTTPRoute,
    HTTPRouteDestination,
)

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


def find_targets(rules: RouteRules, find: Find) -> RouteTargets:
    http = rules.spec.http
    return RouteTargets(
        routes=tuple(tuple(find(each.destination) for each in one.route) for one in http),
        mirrors=tuple(tuple(find(each) for each, _ in mirror_shares(one)) for one in http),
    )


def timed(action: Any, limit: Duration) -> Any:
    """`action` with its limit, which is also the most that a gRPC client may ask for; 0 is none."""
    action.timeout.CopyFrom(limit)
    action.max_grpc_timeout.CopyFrom(limit)
    return action


def default_action(target: Target, mesh: MeshOptions) -> RouteAction:
    action = timed(RouteAction(cluster=target.cluster), Duration())
    _hash(action, [target])
    _retry(action, None, mesh, hashed=False)
    return action


def route_action(
    route: Any, http: HTTPRoute, index: int, targets: RouteTargets, mesh: MeshOptions
) -> list[tuple[str, str]]:
    """Fill `route.route` from a rule with destinations; headers of a single destination go on the route, behind its own.

    Answers with what Envoy would refuse and is left out: fields of the rule, and why.
    """
    chosen = weighted(targets.routes[index], http.route)
    action = timed(RouteAction(), http.timeout)
    target, destination = chosen[0]
    shared = len(http.route) > 1 and destination.weight > 0
    if not shared:
        action.cluster = target.cluster
        _apply_destination(route, action, destination)
    else:
        action.weighted_clusters.CopyFrom(WeightedCluster(clusters=[_share(*each) for each in chosen]))
    refused = [*_refused_headers(http), *_rewrite(action, http)]
    for (_, percentage), target in zip(mirror_shares(http), targets.mirrors[index], strict=True):
        policy = RouteAction.RequestMirrorPolicy(cluster=target.cluster, runtime_fraction=percentage)
        policy.trace_sampled.value = False
        policy.disable_shadow_host_suffix_append = True
        action.request_mirror_policies.append(policy)
    own = http.retries if http.HasField("retries") else None
    _hash(action, [target for target, _ in chosen])
    _retry(action, own, mesh, hashed=bool(action.hash_policy) and not shared)
    route.route.CopyFrom(action)
    return refused


def _refused_headers(http: HTTPRoute) -> Iterable[tuple[str, str]]:
    for number, destination in enumerate(http.route):
        for refused in apply_headers(WeightedCluster.ClusterWeight(), stated_headers(destination)):
            yield f"route[{number}].headers.{refused}", RESERVED_HEADER


def weighted(targets: Iterable[Target], destinations: Any) -> list[tuple[Target, HTTPRouteDestination]]:
    """The destinations that get requests: those with a weight, or the only one.

    Where none has a weight, the first stands for all: Envoy refuses a sum of 0.
    """
    pairs = list(zip(targets, destinations, strict=True))
    return [pair for pair in pairs if pair[1].weight > 0] or pairs[:1]


def _share(target: Target, destination: HTTPRouteDestination) -> Any:
    share = WeightedCluster.ClusterWeight(name=target.cluster, weight=UInt32Value(value=destination.weight))
    _apply_destination(share, share, destination)
    return share


def _apply_destination(headers_on: Any, host_on: Any, destination: HTTPRouteDestination) -> None:
    list(apply_headers(headers_on, stated_headers(destination)))
    _rewrite_host(host_on, host_rewrite(destination.headers))


def _rewrite(action: Any, http: HTTPRoute) -> Iterable[tuple[str, str]]:
    """Write the rewrite; yields what Envoy would refuse."""
    rewrite: HTTPRewrite = http.rewrite
    own = rewrite.uri_regex_rewrite
    if own.match:
        unfit = regex_fault(own.match)
        if unfit:
            yield "rewrite.uriRegexRewrite.match", f"{own.match!r} {unfit}; paths stay as they are"
        else:
            pattern = RegexMatcher(regex=own.match)
            action.regex_rewrite.CopyFrom(RegexMatchAndSubstitute(pattern=pattern, substitution=own.rewrite))
    elif rewrite.uri:
        action.prefix_rewrite = rewrite.uri
    _rewrite_host(action, rewrite.authority or host_rewrite(http.headers))


def _rewrite_host(action: Any, host: str) -> None:
    if host:
        action.host_rewrite_literal = host


def mirror_shares(http: HTTPRoute) -> list[tuple[Destination, Any]]:
    """Where copies go, with the share of requests that is copied (all, unless it is said); none where that is 0."""
    found = []
    if http.HasField("mirror"):
        whole = http.mirror_percent.value if http.HasField("mirror_percent") else 100
        stated = http.mirror_percentage if http.HasField("mirror_percentage") else None
        found.append((http.mirror, filters.fraction(stated, whole)))
    for mirror in http.mirrors:
        stated = mirror.percentage if mirror.HasField("percentage") else None
        found.append((mirror.destination, filters.fraction(stated, 100)))
    return [each for each in found if each[1].default_value.numerator]


def _hash(action: Any, targets: Iterable[Target]) -> None:
    hashes = (request_hash(target.hash) for target in targets if target.hash is not None)
    action.hash_policy.extend(each for each in hashes if each)


def _retry(action: Any, own: Any, mesh: MeshOptions, *, hashed: bool) -> None:
    """`hashed`: by a rule whose destinations are. Istio's routes without a rule look for another host all the same."""
    policy = retry_policy(own, mesh.default_retry, hashed=hashed)
    if policy is not None:
        action.retry_policy.CopyFrom(policy)
