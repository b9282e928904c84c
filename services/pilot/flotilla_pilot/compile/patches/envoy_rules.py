"""What Envoy refuses in single messages, wherever they stand, besides the limits that its API states.

The rules are those that patches break most; each is in Envoy's code, and was seen there.
"""

import ipaddress
from collections.abc import Callable, Iterator
from typing import Any

from envoy.extensions.clusters.dynamic_forward_proxy.v3.cluster_pb2 import ClusterConfig
from envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions
from google.protobuf.any_pb2 import Any as Packed

from flotilla_pilot.compile.regex import regex_fault
from flotilla_shared.model.envoy_values import ValueRefused, find_message

Check = Callable[[Any], str]
_HEADER_LISTS = ("request_headers_to_add", "response_headers_to_add")
_NAME_LISTS = ("request_headers_to_remove", "response_headers_to_remove")


def broken_rule(message: Any) -> str:
    """The first rule that `message`, or one in it, breaks; empty if none is known."""
    return next((text for each in _all(message) if (text := _check(each))), "")


def _check(message: Any) -> str:
    check = _CHECKS.get(message.DESCRIPTOR.full_name)
    return check(message) if check is not None else ""


def _all(message: Any) -> Iterator[Any]:
    """The message and all in it; those packed are unpacked where their type is known."""
    if isinstance(message, Packed):
        try:
            message = find_message(message.type_url.rpartition("/")[2]).FromString(message.value)
        except ValueRefused:
            return
    yield message
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.full_name.startswith("google.protobuf.Struct"):
            continue
        if field.message_type.GetOptions().map_entry:
            plain = field.message_type.fields_by_name["value"].message_type is None
            inner = [] if plain else [value[key] for key in sorted(value)]
        else:
            inner = list(value) if field.is_repeated else [value]
        for each in inner:
            yield from _all(each)


def _regex(matcher: Any) -> str:
    text = regex_fault(matcher.regex)
    return f"regex {matcher.regex!r} {text}" if text else ""


def _chain_match(match: Any) -> str:
    partial = [each for each in match.server_names if "*" in each.removeprefix("*.")]
    return f"server_names must not have {partial[0]!r}: a star stands for whole labels, before a dot" if partial else ""


def _server_tls(context: Any) -> str:
    stated = context.common_tls_context
    lists = stated.tls_certificates, stated.tls_certificate_sds_secret_configs
    single = "tls_certificate_provider_instance", "tls_certificate_certificate_provider_instance"
    found = any(lists) or any(stated.HasField(each) for each in (*single, "custom_tls_certificate_selector"))
    return "" if found else "common_tls_context must have a certificate: it serves TLS"


def _headers(place: Any) -> str:
    added = (each.header.key for name in _HEADER_LISTS for each in getattr(place, name))
    removed = (each for name in _NAME_LISTS for each in getattr(place, name))
    fixed = next((each for each in (*added, *removed) if each.startswith(":") or each.lower() == "host"), "")
    return f"headers must not name {fixed!r}, which a route cannot change" if fixed else ""


def _route_action(action: Any) -> str:
    rewrites = bool(action.prefix_rewrite), action.HasField("regex_rewrite"), action.HasField("path_rewrite_policy")
    return "prefix_rewrite, regex_rewrite and path_rewrite_policy exclude each other" if sum(rewrites) > 1 else ""


def _cluster(cluster: Any) -> str:
    return _balancing(cluster) or _forwarding(cluster) or _endpoints(cluster)


_FORWARDING = "envoy.clusters.dynamic_forward_proxy"
_PROVIDING = (_FORWARDING, "envoy.clusters.aggregate")
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def _forwarding(cluster: Any) -> str:
    """Where the caller names the host, its name must be asked for and verified; without options Envoy does so."""
    settings, held = ClusterConfig(), HttpProtocolOptions()
    if cluster.cluster_type.name != _FORWARDING or not cluster.cluster_type.typed_config.Unpack(settings):
        return ""
    if _HTTP_OPTIONS not in cluster.typed_extension_protocol_options:
        return ""
    cluster.typed_extension_protocol_options[_HTTP_OPTIONS].Unpack(held)
    named = held.upstream_http_protocol_options
    if settings.allow_insecure_cluster_options or (named.auto_sni and named.auto_san_validation):
        return ""
    return f"{_HTTP_OPTIONS} must have auto_sni and auto_san_validation where callers name the host"


def _balancing(cluster: Any) -> str:
    """Who chooses endpoints must be the cluster itself where it alone knows them, and nowhere else."""
    own = cluster.HasField("cluster_type")
    provides = cluster.cluster_type.name in _PROVIDING if own else cluster.type == cluster.ORIGINAL_DST
    provided = cluster.lb_policy == cluster.CLUSTER_PROVIDED
    if provides and not provided:
        return "lb_policy must be CLUSTER_PROVIDED for a cluster of this type"
    return (
        "lb_policy must not be CLUSTER_PROVIDED for a cluster of this type"
        if provided and not (provides or own)
        else ""
    )


def _endpoints(cluster: Any) -> str:
    addresses = [each.endpoint.address for part in cluster.load_assignment.endpoints for each in part.lb_endpoints]
    if cluster.HasField("cluster_type") or cluster.type not in (cluster.STATIC, cluster.LOGICAL_DNS):
        return ""
    if cluster.type == cluster.LOGICAL_DNS:
        return "" if len(addresses) == 1 else "load_assignment must have one endpoint: the type is LOGICAL_DNS"
    named = [each.socket_address.address for each in addresses if each.HasField("socket_address")]
    return next((f"load_assignment must have IP addresses, not {each!r}" for each in named if not is_address(each)), "")


def is_address(text: str) -> bool:
    """Whether it is an IP address, which Envoy wants wherever nothing resolves names."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


_ROUTE = "envoy.config.route.v3"
_CHECKS: dict[str, Check] = {
    "envoy.type.matcher.v3.RegexMatcher": _regex,
    "envoy.config.listener.v3.FilterChainMatch": _chain_match,
    "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext": _server_tls,
    f"{_ROUTE}.RouteConfiguration": _headers,
    f"{_ROUTE}.VirtualHost": _headers,
    f"{_ROUTE}.Route": _headers,
    f"{_ROUTE}.WeightedCluster.ClusterWeight": _headers,
    f"{_ROUTE}.RouteAction": _route_action,
    "envoy.config.cluster.v3.Cluster": _cluster,
}
