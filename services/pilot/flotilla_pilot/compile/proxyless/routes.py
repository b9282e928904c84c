"""A virtual host as gRPC's libraries read it: without what they refuse a whole table for, or would misread."""

from typing import Any

from envoy.config.route.v3.route_pb2 import RouteConfiguration

from flotilla_pilot.compile import filters
from flotilla_pilot.compile.virtual_hosts import HostPart


def grpc_routes(name: str, part: HostPart) -> Any:
    """The table `name` of a finished virtual host.

    A filter of which there is none in the listener makes them refuse it; `timeout` they do not know but as
    `max_stream_duration`; a retry policy must have retries. Query parameters they cannot match, and they would
    take every call for such a route.
    """
    table = RouteConfiguration.FromString(part.wire)
    table.name = name
    for host in table.virtual_hosts:
        _keep_faults(host)
        kept = [each for each in host.routes if not each.match.query_parameters]
        for route in kept:
            _adapt(route)
        del host.routes[:]
        host.routes.extend(kept)
    return table


def _adapt(route: Any) -> None:
    _keep_faults(route)
    if not route.HasField("route"):
        return
    action = route.route
    for share in action.weighted_clusters.clusters:
        _keep_faults(share)
    if action.timeout.seconds or action.timeout.nanos:
        action.max_stream_duration.max_stream_duration.CopyFrom(action.timeout)
    if not action.retry_policy.num_retries.value:
        action.ClearField("retry_policy")


def _keep_faults(message: Any) -> None:
    for name in list(message.typed_per_filter_config):
        if name != filters.FAULT:
            del message.typed_per_filter_config[name]
