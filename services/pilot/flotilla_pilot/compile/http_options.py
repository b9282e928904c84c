"""How a cluster speaks HTTP to its endpoints."""

from dataclasses import dataclass
from typing import Any

from envoy.config.core.v3.protocol_pb2 import Http1ProtocolOptions, Http2ProtocolOptions
from envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions
from google.protobuf.duration_pb2 import Duration

from flotilla_pilot.compile.forwarding import FORWARDING
from flotilla_pilot.compile.outliers import error_matcher
from flotilla_pilot.compile.packing import pack
from flotilla_pilot.compile.traffic_policy import NOTHING_SAID, PortPolicy
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import ConnectionPoolSettings

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_NO_POOL = ConnectionPoolSettings()


@dataclass(frozen=True, slots=True)
class Speech:
    """What a cluster speaks apart from what its policy says."""

    http2: bool = False
    follows: bool = False
    """Requests go on in the protocol in which they came."""
    names_server: bool = False
    """TLS asks for the host that a request names."""
    checks_name: bool = False
    """And the certificate must have that name."""


_PLAIN = Speech()


def apply_http(cluster: Any, policy: PortPolicy, speech: Speech, idle: Duration | None = None) -> None:
    """Write it into `cluster`, if there is anything but plain HTTP/1.1. `idle`: the time after which Pilot itself
    wants unused connections closed."""
    if policy is NOTHING_SAID and speech == _PLAIN and idle is None:
        return
    options = HttpProtocolOptions()
    pool = policy.connection_pool or _NO_POOL
    _limit(options.common_http_protocol_options, pool, idle)
    _name_server(options, speech)
    matcher = error_matcher(policy.outlier_detection)
    if matcher is not None:
        options.outlier_detection.error_matcher.CopyFrom(matcher)
    follows = speech.follows or pool.http.use_client_protocol
    if not (options.ByteSize() or speech.http2 or follows):
        return
    if cluster.cluster_type.name == FORWARDING and not speech.names_server:
        # Envoy refuses such a cluster with options that do not bind its TLS to the name asked for.
        _name_server(options, Speech(names_server=True, checks_name=True))
    _state_protocol(options, pool.http, http2=speech.http2, follows=follows)
    cluster.typed_extension_protocol_options[HTTP_OPTIONS].CopyFrom(pack(options))


def _name_server(options: Any, speech: Speech) -> None:
    if speech.names_server:
        options.upstream_http_protocol_options.auto_sni = True
    if speech.checks_name:
        options.upstream_http_protocol_options.auto_san_validation = True


def _limit(common: Any, pool: ConnectionPoolSettings, idle: Duration | None) -> None:
    """Touch `common` only where something is stated. An idle time of HTTP goes before that of TCP."""
    if pool.http.max_requests_per_connection > 0:
        common.max_requests_per_connection.value = pool.http.max_requests_per_connection
    if pool.tcp.HasField("max_connection_duration"):
        common.max_connection_duration.CopyFrom(pool.tcp.max_connection_duration)
    for settings in (pool.http, pool.tcp):
        if settings.HasField("idle_timeout"):
            common.idle_timeout.CopyFrom(settings.idle_timeout)
            return
    if idle is not None:
        common.idle_timeout.CopyFrom(idle)


def _state_protocol(options: Any, http: ConnectionPoolSettings.HTTPSettings, *, http2: bool, follows: bool) -> None:
    if http2:
        options.explicit_http_config.http2_protocol_options.CopyFrom(_http2(http))
    elif follows:
        options.use_downstream_protocol_config.http_protocol_options.CopyFrom(Http1ProtocolOptions())
        options.use_downstream_protocol_config.http2_protocol_options.CopyFrom(Http2ProtocolOptions())
    else:
        options.explicit_http_config.http_protocol_options.SetInParent()


def _http2(http: ConnectionPoolSettings.HTTPSettings) -> Http2ProtocolOptions:
    options = Http2ProtocolOptions()
    if http.max_concurrent_streams > 0:
        options.max_concurrent_streams.value = http.max_concurrent_streams
    for name in ("interval", "timeout"):
        if http.http2_keep_alive.HasField(name):
            getattr(options.connection_keepalive, name).CopyFrom(getattr(http.http2_keep_alive, name))
    return options
