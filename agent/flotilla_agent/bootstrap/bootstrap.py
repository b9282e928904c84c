"""The bootstrap of one workload's Envoy (reference: one-machine.md 5.3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flotilla_agent.bootstrap.node import make_node
from flotilla_agent.config import AgentSettings, WorkloadConfig

ADMIN_PORT = 15000
PROMETHEUS_PORT = 15090
_TYPE = "type.googleapis.com/envoy.extensions"
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_HTTP2 = {
    _HTTP_OPTIONS: {
        "@type": f"type.googleapis.com/{_HTTP_OPTIONS}",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}
_RECONNECT_BASE_SECONDS = 0.1

Json = dict[str, Any]


def make_bootstrap(settings: AgentSettings, workload: WorkloadConfig, sds_socket: Path) -> Json:
    """Plain data, to be written as JSON. ADS over mTLS with the certificate from SDS, admin on the own address."""
    return {
        "node": make_node(workload),
        "admin": {"address": _socket(workload.address, ADMIN_PORT)},
        "cluster_manager": {
            # So that the callee sees the workload's address and not 127.0.0.1.
            "upstream_bind_config": {"source_address": {"address": workload.address, "port_value": 0}}
        },
        "dynamic_resources": _dynamic(settings),
        "static_resources": {
            "clusters": [
                _pilot_cluster(settings),
                _pipe_cluster("sds-grpc", sds_socket),
                _cluster("prometheus_stats", _socket(workload.address, ADMIN_PORT)),
            ],
            "listeners": [_prometheus_listener(workload.address)],
        },
        "layered_runtime": {
            "layers": [
                {"name": "static", "static_layer": {"overload.global_downstream_max_connections": 2147483647}},
                {"name": "admin", "admin_layer": {}},
            ]
        },
    }


def _socket(address: str, port: int) -> Json:
    return {"socket_address": {"address": address, "port_value": port}}


def _cluster(name: str, address: Json, **more: Any) -> Json:
    endpoint = {"endpoint": {"address": address}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        **more,
    }


def _pipe_cluster(name: str, path: Path) -> Json:
    return _cluster(name, {"pipe": {"path": str(path)}}, typed_extension_protocol_options=_HTTP2)


def _pilot_cluster(settings: AgentSettings) -> Json:
    host, _, port = settings.pilot.address.rpartition(":")
    context = {
        "@type": f"{_TYPE}.transport_sockets.tls.v3.UpstreamTlsContext",
        "sni": settings.pilot.server_name,
        "common_tls_context": {
            "alpn_protocols": ["h2"],
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
            "tls_certificate_sds_secret_configs": [{"name": "default", "sds_config": _sds()}],
            "combined_validation_context": {
                "default_validation_context": {
                    "match_typed_subject_alt_names": [
                        {"san_type": "URI", "matcher": {"exact": settings.pilot.identity}}
                    ]
                },
                "validation_context_sds_secret_config": {"name": "ROOTCA", "sds_config": _sds()},
            },
        },
    }
    return _cluster(
        "xds-grpc",
        _socket(host.strip("[]"), int(port)),
        upstream_connection_options={"tcp_keepalive": {"keepalive_time": 300}},
        typed_extension_protocol_options={
            _HTTP_OPTIONS: {
                "@type": f"type.googleapis.com/{_HTTP_OPTIONS}",
                # A Pilot that is gone without a word is noticed, and another can be called.
                "explicit_http_config": {
                    "http2_protocol_options": {"connection_keepalive": {"interval": "30s", "timeout": "10s"}}
                },
            }
        },
        transport_socket={"name": "envoy.transport_sockets.tls", "typed_config": context},
    )


def _sds() -> Json:
    return {
        "resource_api_version": "V3",
        "initial_fetch_timeout": "0s",
        "api_config_source": {
            "api_type": "GRPC",
            "transport_api_version": "V3",
            "set_node_on_first_message_only": True,
            "grpc_services": [{"envoy_grpc": {"cluster_name": "sds-grpc"}}],
        },
    }


def _dynamic(settings: AgentSettings) -> Json:
    ads = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
    backoff = {
        "base_interval": f"{min(_RECONNECT_BASE_SECONDS, settings.reconnect_max_seconds)}s",
        "max_interval": f"{settings.reconnect_max_seconds}s",
    }
    return {
        "lds_config": ads,
        "cds_config": ads,
        "ads_config": {
            "api_type": "DELTA_GRPC" if settings.delta else "GRPC",
            "transport_api_version": "V3",
            "set_node_on_first_message_only": True,
            # Inside envoy_grpc: beside it the block is taken and has no effect.
            "grpc_services": [
                {"envoy_grpc": {"cluster_name": "xds-grpc", "retry_policy": {"retry_back_off": backoff}}}
            ],
        },
    }


def _prometheus_listener(address: str) -> Json:
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{_TYPE}.filters.http.router.v3.Router"},
    }
    route = {"match": {"path": "/stats/prometheus"}, "route": {"cluster": "prometheus_stats"}}
    manager = {
        "@type": f"{_TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "stats",
        "http_filters": [router],
        "route_config": {"virtual_hosts": [{"name": "backend", "domains": ["*"], "routes": [route]}]},
    }
    return {
        "name": "prometheus",
        "address": _socket(address, PROMETHEUS_PORT),
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }
