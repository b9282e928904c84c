"""Filters as EnvoyFilters of before Istio 1.3 write them: a name, and what Envoy's API of that time (v2) takes for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from flotilla_protos.istio.networking.v1alpha3.envoy_filter_pb2 import EnvoyFilter
from flotilla_shared.model.envoy_values import ValueRefused, build_value

_EXTENSIONS = "type.googleapis.com/envoy.extensions.filters."
_HTTP: Mapping[str, str] = {
    "adaptive_concurrency": "AdaptiveConcurrency",
    "aws_lambda": "Config",
    "aws_request_signing": "AwsRequestSigning",
    "buffer": "Buffer",
    "cors": "Cors",
    "csrf": "CsrfPolicy",
    "dynamic_forward_proxy": "FilterConfig",
    "ext_authz": "ExtAuthz",
    "fault": "HTTPFault",
    "grpc_http1_bridge": "Config",
    "grpc_http1_reverse_bridge": "FilterConfig",
    "grpc_json_transcoder": "GrpcJsonTranscoder",
    "grpc_stats": "FilterConfig",
    "grpc_web": "GrpcWeb",
    "header_to_metadata": "Config",
    "health_check": "HealthCheck",
    "ip_tagging": "IPTagging",
    "jwt_authn": "JwtAuthentication",
    "lua": "Lua",
    "on_demand": "OnDemand",
    "original_src": "OriginalSrc",
    "ratelimit": "RateLimit",
    "rbac": "RBAC",
    "tap": "Tap",
    "wasm": "Wasm",
}
_NETWORK: Mapping[str, str] = {
    "direct_response": "Config",
    "echo": "Echo",
    "ext_authz": "ExtAuthz",
    "local_ratelimit": "LocalRateLimit",
    "mongo_proxy": "MongoProxy",
    "ratelimit": "RateLimit",
    "rbac": "RBAC",
    "redis_proxy": "RedisProxy",
    "sni_cluster": "SniCluster",
    "tcp_proxy": "TcpProxy",
    "thrift_proxy": "ThriftProxy",
    "wasm": "Wasm",
    "zookeeper_proxy": "ZooKeeperProxy",
}
_RENAMED = {"rate_limit": "ratelimit", "http_dynamo_filter": "dynamo"}
_ASKING = {"ext_authz": (), "ratelimit": ("rateLimitService", "rate_limit_service")}
"""Filters that ask a service, which may speak v2 unless v3 is stated, and within which field that stands."""


def build_filter(given: EnvoyFilter.Filter) -> Message:
    """The filter of today's API. Raises ValueRefused for one that today's Envoy has not, or takes otherwise."""
    http = given.filter_type == EnvoyFilter.Filter.HTTP
    family, known = ("http", _HTTP) if http else ("network", _NETWORK)
    short = _short_name(given.filter_name, family)
    if short not in known:
        text = (
            f"today's Envoy has no filter {given.filter_name!r} of this kind; write a patch with the type that it has"
        )
        raise ValueRefused(text)
    stated = json_format.MessageToDict(given.filter_config)
    config = {"@type": f"{_EXTENSIONS}{family}.{short}.v3.{known[short]}", **_as_today(short, stated)}
    value = Struct()
    value.update({"name": f"envoy.filters.{family}.{short}", "typed_config": config})
    return build_value(EnvoyFilter.HTTP_FILTER if http else EnvoyFilter.NETWORK_FILTER, value, strict=True)


def _short_name(name: str, family: str) -> str:
    """`lua` of `envoy.lua` and of `envoy.filters.http.lua`; empty for what is neither."""
    for prefix in (f"envoy.filters.{family}.", "envoy."):
        short = name.removeprefix(prefix)
        if short != name and "." not in short:
            return _RENAMED.get(short, short)
    return ""


def _as_today(short: str, config: dict[str, Any]) -> dict[str, Any]:
    """Where today's message says the same in another way."""
    config = {name: value for name, value in config.items() if name != "@type"}
    code = config.pop("inlineCode", config.pop("inline_code", None)) if short == "lua" else None
    if code is not None:
        config["default_source_code"] = {"inline_string": code}
    if short not in _ASKING:
        return config
    inner = next((config[name] for name in _ASKING[short] if isinstance(config.get(name), dict)), None)
    if not _ASKING[short] or inner is not None:
        (config if inner is None else inner)["transport_api_version"] = "V3"
    return config
