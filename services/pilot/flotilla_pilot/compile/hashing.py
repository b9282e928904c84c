"""Consistent hashing: what of a request or connection is hashed."""

from typing import Any

from envoy.config.route.v3.route_components_pb2 import RouteAction
from envoy.type.v3.hash_policy_pb2 import HashPolicy

from flotilla_pilot.compile.destinations import Hash
from flotilla_pilot.compile.guard import fault

_Policy = RouteAction.HashPolicy


def request_hash(settings: Hash) -> Any | None:
    """The hash policy of a route to a destination with `settings`; None if they name nothing.

    A hash that breaks Envoy's limits is none: it would be on every route to the destination.
    """
    policy = _request_hash(settings)
    return policy if policy is None or fault(policy) is None else None


def _request_hash(settings: Hash) -> Any | None:
    kind = settings.WhichOneof("hash_key")
    if kind == "http_header_name" and settings.http_header_name:
        return _Policy(header=_Policy.Header(header_name=settings.http_header_name))
    if kind == "http_cookie" and settings.http_cookie.name:
        cookie = _Policy.Cookie(name=settings.http_cookie.name, path=settings.http_cookie.path)
        if settings.http_cookie.HasField("ttl"):
            cookie.ttl.CopyFrom(settings.http_cookie.ttl)
        for each in settings.http_cookie.attributes:
            cookie.attributes.add(name=each.name, value=each.value)
        return _Policy(cookie=cookie)
    if kind == "use_source_ip" and settings.use_source_ip:
        return _Policy(connection_properties=_Policy.ConnectionProperties(source_ip=True))
    if kind == "http_query_parameter_name" and settings.http_query_parameter_name:
        return _Policy(query_parameter=_Policy.QueryParameter(name=settings.http_query_parameter_name))
    return None


def connection_hash(settings: Hash | None) -> list[Any]:
    """The hash policies of a TCP proxy: a connection has nothing but its source."""
    if settings is None or not settings.use_source_ip:
        return []
    return [HashPolicy(source_ip=HashPolicy.SourceIp())]
