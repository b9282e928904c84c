"""The bootstrap of one workload's Envoy: ADS from Pilot over mTLS, secrets from the agent, admin on its own address."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Any

from flotilla_agent.bootstrap.node import make_node
from flotilla_agent.bootstrap.secrets import SDS_CLUSTER, pilot_tls
from flotilla_agent.config import AgentSettings, PilotConfig, WorkloadConfig

ADMIN_PORT = 15000
PROMETHEUS_PORT = 15090
HEALTH_PORT = 15021
LOOPBACK = "127.0.0.1"
RECONNECT_BASE_SECONDS = 0.1
ADS_CLUSTER = "xds-grpc"
# Regular expressions larger than this are refused by Envoy; Pilot compiles with the same limit in mind.
RE2_PROGRAM_SIZE = 32768
_HTTP = "type.googleapis.com/envoy.extensions.filters"
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

Json = dict[str, Any]


def make_bootstrap(settings: AgentSettings, workload: WorkloadConfig, sds_socket: Path) -> Json:
    """Plain data, to be written as JSON. It holds no secret."""
    admin = _socket(workload.admin_address, ADMIN_PORT)
    return {
        "node": _node(workload, settings.domain),
        "admin": {"address": admin},
        "cluster_manager": _source(workload.source_address),
        "dynamic_resources": _dynamic(settings),
        "static_resources": {
            "clusters": [
                _pilot_cluster(settings.pilot),
                _cluster(SDS_CLUSTER, {"pipe": {"path": str(sds_socket)}}, typed_extension_protocol_options=_http2()),
                _cluster("prometheus_stats", admin),
                *([_cluster("agent", _socket(LOOPBACK, workload.status_port))] if workload.health_listener else []),
            ],
            "listeners": _listeners(workload),
        },
        "layered_runtime": {
            "layers": [{"name": "static", "static_layer": {"re2.max_program_size.error_level": RE2_PROGRAM_SIZE}}]
        },
        "overload_manager": {"resource_monitors": [_no_connection_limit()]},
    }


def _node(workload: WorkloadConfig, domain: str) -> Json:
    """With the ports at which Envoy itself answers, so that Pilot keeps them free."""
    node = make_node(workload, domain)
    own = {"ENVOY_PROMETHEUS_PORT": PROMETHEUS_PORT}
    if workload.health_listener:
        own["ENVOY_STATUS_PORT"] = HEALTH_PORT
    return {**node, "metadata": {**own, **node["metadata"]}}


def _source(address: str) -> Json:
    """So that callees and Pilot see the workload's address, and not 127.0.0.1 for all."""
    return {"upstream_bind_config": {"source_address": {"address": address, "port_value": 0}}} if address else {}


def _socket(address: str, port: int) -> Json:
    return {"socket_address": {"address": address, "port_value": port}}


def _no_connection_limit() -> Json:
    """Said aloud: Envoy warns where nothing is said."""
    name = "envoy.resource_monitors.global_downstream_max_connections"
    kind = "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
    config = {"@type": f"type.googleapis.com/{kind}", "max_active_downstream_connections": 2**31 - 1}
    return {"name": name, "typed_config": config}


def _cluster(name: str, address: Json, **more: Any) -> Json:
    endpoint = {"endpoint": {"address": address}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        **more,
    }


def _http2(**options: Json) -> Json:
    return {
        _HTTP_OPTIONS: {
            "@type": f"type.googleapis.com/{_HTTP_OPTIONS}",
            "explicit_http_config": {"http2_protocol_options": options},
        }
    }


def _pilot_cluster(pilot: PilotConfig) -> Json:
    host, _, port = pilot.address.rpartition(":")
    host = host.strip("[]")
    cluster = _cluster(
        ADS_CLUSTER,
        _socket(host, int(port)),
        upstream_connection_options={"tcp_keepalive": {"keepalive_time": 300}},
        # A Pilot that is gone without a word is noticed, and called again.
        typed_extension_protocol_options=_http2(connection_keepalive={"interval": "30s", "timeout": "10s"}),
        transport_socket=pilot_tls(pilot),
    )
    if _is_ip(host):
        return cluster
    return {
        **cluster,
        "type": "STRICT_DNS",
        "dns_lookup_family": "V4_PREFERRED",
    }


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _dynamic(settings: AgentSettings) -> Json:
    ads = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
    longest = settings.reconnect_max_seconds
    backoff = {"base_interval": f"{min(RECONNECT_BASE_SECONDS, longest)}s", "max_interval": f"{longest}s"}
    # The back-off stands inside envoy_grpc: beside it, it is taken and has no effect.
    grpc = {"cluster_name": ADS_CLUSTER, "retry_policy": {"retry_back_off": backoff}}
    return {
        "lds_config": ads,
        "cds_config": ads,
        "ads_config": {
            "api_type": "DELTA_GRPC" if settings.delta else "GRPC",
            "transport_api_version": "V3",
            "set_node_on_first_message_only": True,
            "grpc_services": [{"envoy_grpc": grpc}],
        },
    }


def _listeners(workload: WorkloadConfig) -> list[Json]:
    """Envoy's own statistics on 15090, without the rest of the admin port; in a pod the agent's word on 15021."""
    address = workload.public_address
    listeners = [_one_path_listener("prometheus", address, PROMETHEUS_PORT, "/stats/prometheus", "prometheus_stats")]
    if workload.health_listener:
        listeners.append(_one_path_listener("agent", address, HEALTH_PORT, "/healthz/ready", "agent"))
    return listeners


def _one_path_listener(name: str, address: str, port: int, path: str, cluster: str) -> Json:
    manager = {
        "@type": f"{_HTTP}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "stats" if name == "prometheus" else name,
        "http_filters": [
            {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{_HTTP}.http.router.v3.Router"}}
        ],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "backend",
                    "domains": ["*"],
                    "routes": [{"match": {"path": path}, "route": {"cluster": cluster}}],
                }
            ]
        },
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    return {
        "name": name,
        "address": _socket(address, port),
        # Two Envoys on one port are an error, not a coin toss.
        "enable_reuse_port": False,
        "filter_chains": [{"filters": filters}],
    }
