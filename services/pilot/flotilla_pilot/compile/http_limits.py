"""What a connection manager grants its callers: times, streams, windows, and which paths and headers are taken as they are.

The mesh states `pathNormalization` for all, and `connectionSettings` in its ProxyConfig or a node in its own. A router of
the profile EDGE has what Envoy's documentation advises at the edge where nothing else is stated.
"""

from functools import lru_cache
from typing import Any

from envoy.config.core.v3.protocol_pb2 import HttpProtocolOptions
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from google.protobuf.duration_pb2 import Duration
from google.protobuf.wrappers_pb2 import BoolValue, Int32Value

from flotilla_pilot.compile.guard import fault
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_protos.istio.mesh.v1alpha1.proxy_pb2 import ProxyConfig

Settings = ProxyConfig.ConnectionSettings
_Path = MeshConfig.ProxyPathNormalization

EDGE = Settings(
    listener_per_connection_buffer_limit_bytes=Int32Value(value=32768),
    http_idle_timeout=Duration(seconds=3600),
    http_request_timeout=Duration(seconds=300),
    http_stream_idle_timeout=Duration(seconds=300),
    http_max_concurrent_streams=Int32Value(value=100),
    http2_initial_stream_window_size=Int32Value(value=65536),
    http2_initial_connection_window_size=Int32Value(value=1048576),
    http_headers_with_underscores_action=Settings.HEADERS_WITH_UNDERSCORES_REJECT_REQUEST,
    http_merge_slashes=BoolValue(value=True),
    http_path_with_escaped_slashes_action=Settings.UNESCAPE_AND_REDIRECT,
)

_TIMES = {
    "http_drain_timeout": "drain_timeout",
    "http_request_timeout": "request_timeout",
    "http_request_headers_timeout": "request_headers_timeout",
    "http_stream_idle_timeout": "stream_idle_timeout",
}
_COMMON_TIMES = {
    "http_idle_timeout": "idle_timeout",
    "http_max_connection_duration": "max_connection_duration",
    "http_max_stream_duration": "max_stream_duration",
}
_WINDOWS = {
    "http_max_concurrent_streams": "max_concurrent_streams",
    "http2_initial_stream_window_size": "initial_stream_window_size",
    "http2_initial_connection_window_size": "initial_connection_window_size",
}


def stated_settings(mesh: MeshOptions, *, router: bool) -> Settings:
    """Those of this class of proxies; the profile counts at routers alone. Shared: never change them."""
    return _settings(mesh.proxy.config, router)


@lru_cache(maxsize=256)
def _settings(config: bytes, router: bool) -> Settings:
    stated = ProxyConfig.FromString(config).connection_settings
    if router and stated.profile == Settings.EDGE:
        stated = _over(EDGE, stated)
    return stated if _is_sound(stated) else Settings()


def _over(base: Settings, own: Settings) -> Settings:
    """`base` with what `own` states in its place, be it false or 0."""
    found = Settings()
    found.CopyFrom(base)
    for field, _ in own.ListFields():
        found.ClearField(field.name)
    found.MergeFrom(own)
    return found


def _is_sound(settings: Settings) -> bool:
    """Whether Envoy takes them: one that it does not would lose every listener."""
    manager = HttpConnectionManager(stat_prefix="sound", route_config=RouteConfiguration())
    _write(manager, settings)
    return fault(manager) is None


def limit(manager: Any, mesh: MeshOptions, *, router: bool) -> None:
    """Write them into a connection manager."""
    _normalize(manager, mesh.path_normalization)
    _write(manager, stated_settings(mesh, router=router))


def _normalize(manager: Any, wanted: int) -> None:
    manager.normalize_path.value = wanted != _Path.NONE
    manager.merge_slashes = wanted in (_Path.MERGE_SLASHES, _Path.DECODE_AND_MERGE_SLASHES)
    if wanted == _Path.DECODE_AND_MERGE_SLASHES:
        manager.path_with_escaped_slashes_action = HttpConnectionManager.UNESCAPE_AND_FORWARD


def _write(manager: Any, settings: Settings) -> None:
    for stated, field in _TIMES.items():
        if settings.HasField(stated):
            getattr(manager, field).CopyFrom(getattr(settings, stated))
    for stated, field in _COMMON_TIMES.items():
        if settings.HasField(stated):
            getattr(manager.common_http_protocol_options, field).CopyFrom(getattr(settings, stated))
    for stated, field in _WINDOWS.items():
        if settings.HasField(stated) and getattr(settings, stated).value > 0:
            getattr(manager.http2_protocol_options, field).value = getattr(settings, stated).value
    if settings.http_headers_with_underscores_action:
        action = settings.http_headers_with_underscores_action - 1
        options: HttpProtocolOptions = manager.common_http_protocol_options
        options.headers_with_underscores_action = action
    if settings.HasField("http_merge_slashes"):
        manager.merge_slashes = settings.http_merge_slashes.value
    if settings.http_path_with_escaped_slashes_action:
        manager.path_with_escaped_slashes_action = settings.http_path_with_escaped_slashes_action
