"""Which requests are traced, and what their traces tell (ADR 0100).

Nobody is sent traces by this: a tracer is its own setting. What is decided here travels in `x-request-id`, so that
proxies that do have one trace the same requests.
"""

from collections.abc import Iterable
from functools import lru_cache

from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from envoy.type.metadata.v3.metadata_pb2 import MetadataKey, MetadataKind
from envoy.type.tracing.v3.custom_tag_pb2 import CustomTag

from flotilla_pilot.compile.guard import fault
from flotilla_pilot.model.proxy_options import ProxyOptions
from flotilla_protos.istio.mesh.v1alpha1.proxy_pb2 import ProxyConfig, Tracing

DEFAULT_PERCENT = 1.0
_UNKNOWN = "unknown"
_POLICY_FILTER = "envoy.filters.http.rbac"
_DRY_RUN = "istio.authorization.dry_run"


@lru_cache(maxsize=256)
def tracing(options: ProxyOptions) -> HttpConnectionManager.Tracing:
    """The block of a connection manager. Shared: copy it, never change it."""
    stated = ProxyConfig.FromString(options.config).tracing
    found = HttpConnectionManager.Tracing(custom_tags=sorted(_tags(options, stated), key=lambda each: each.tag))
    found.client_sampling.value = 100
    found.random_sampling.value = _percent(stated)
    found.overall_sampling.value = 100
    if stated.max_path_tag_length:
        found.max_path_tag_length.value = stated.max_path_tag_length
    return found


def _percent(stated: Tracing) -> float:
    """Of requests that come without a decision; what is no share is the default, as unset is."""
    return stated.sampling if 0 < stated.sampling <= 100 else DEFAULT_PERCENT


def _tags(options: ProxyOptions, stated: Tracing) -> Iterable[CustomTag]:
    if not stated.HasField("enable_istio_tags") or stated.enable_istio_tags.value:
        yield from _own_tags(options)
    for name in sorted(stated.custom_tags):
        tag = _custom(name, stated.custom_tags[name])
        if fault(tag) is None:
            yield tag


def _own_tags(options: ProxyOptions) -> Iterable[CustomTag]:
    """Whose request it was, and what policies that are only tried out would have said of it."""
    for action in ("allow", "deny"):
        yield _tried(f"{action}_policy.name", f"istio_dry_run_{action}_shadow_effective_policy_id")
        yield _tried(f"{action}_policy.result", f"istio_dry_run_{action}_shadow_engine_result")
    literals = {
        "canonical_revision": "latest",
        "canonical_service": _UNKNOWN,
        "cluster_id": options.cluster_id or _UNKNOWN,
        "mesh_id": options.mesh_id or _UNKNOWN,
        "namespace": options.namespace,
    }
    for name, value in literals.items():
        if value:
            yield CustomTag(tag=f"istio.{name}", literal=CustomTag.Literal(value=value))


def _tried(name: str, key: str) -> CustomTag:
    tag = CustomTag(tag=f"{_DRY_RUN}.{name}")
    tag.metadata.kind.request.CopyFrom(MetadataKind.Request())
    tag.metadata.metadata_key.CopyFrom(MetadataKey(key=_POLICY_FILTER, path=[MetadataKey.PathSegment(key=key)]))
    return tag


def _custom(name: str, stated: Tracing.CustomTag) -> CustomTag:
    tag = CustomTag(tag=name)
    if stated.HasField("environment"):
        tag.environment.name, tag.environment.default_value = stated.environment.name, stated.environment.default_value
    elif stated.HasField("header"):
        tag.request_header.name, tag.request_header.default_value = stated.header.name, stated.header.default_value
    else:
        tag.literal.value = stated.literal.value
    return tag
