"""Which fields and words Istio 1.4 had not yet, and where it took an empty item of a list."""

from __future__ import annotations

from collections.abc import Mapping

_NETWORKING = "istio.networking.v1alpha3."
_SECURITY = "istio.security.v1beta1."


def _named(package: str, table: Mapping[str, str]) -> dict[str, frozenset[str]]:
    return {package + name: frozenset(words.split()) for name, words in table.items()}


# Message -> fields that came later. A field of a message that is listed nowhere is of 1.4, or below one that is not.
LATER_FIELDS: Mapping[str, frozenset[str]] = _named(
    _NETWORKING,
    {
        "WorkloadEntry": "service_account",
        "HTTPRoute": "direct_response delegate mirrors mirror_percentage",
        "HTTPMatchRequest": "without_headers source_namespace stat_prefix",
        "L4MatchAttributes": "source_namespace",
        "TLSMatchAttributes": "source_namespace",
        "HTTPRedirect": "port derive_port scheme prefix_rewrite",
        "HTTPRewrite": "uri_regex_rewrite",
        "HTTPRetry": "retry_remote_localities retry_ignore_previous_hosts backoff",
        "CorsPolicy": "allow_origins unmatched_preflights",
        "DestinationRule": "workload_selector",
        "TrafficPolicy": "tunnel proxy_protocol retry_budget",
        "LoadBalancerSettings": "locality_lb_setting zone_aware_lb_setting warmup_duration_secs warmup",
        "LoadBalancerSettings.ConsistentHashLB": "http_query_parameter_name ring_hash maglev",
        "LoadBalancerSettings.ConsistentHashLB.HTTPCookie": "attributes",
        "ConnectionPoolSettings.TCPSettings": "max_connection_duration idle_timeout",
        "ConnectionPoolSettings.HTTPSettings": "use_client_protocol max_concurrent_streams http2_keep_alive",
        "OutlierDetection": "split_external_local_origin_errors consecutive_local_origin_failures"
        " consecutive_gateway_errors consecutive_5xx_errors outlier_detection_http_error_codes",
        "ClientTLSSettings": "credential_name insecure_skip_verify ca_crl",
        "Server": "name",
        "Port": "target_port",
        "SidecarPort": "target_port",
        "ServicePort": "target_port",
        "ServerTLSSettings": "ca_crl credential_names ca_cert_credential_name tls_certificates insecure_skip_verify",
        "Sidecar": "inbound_connection_pool",
        "IstioIngressListener": "tls connection_pool",
        "OutboundTrafficPolicy": "egress_proxy",
        "EnvoyFilter": "targetRefs priority",
        "EnvoyFilter.RouteConfigurationMatch.VirtualHostMatch": "domain_name",
        "EnvoyFilter.ListenerMatch": "listener_filter",
        "EnvoyFilter.ListenerMatch.FilterChainMatch": "destination_port",
        "EnvoyFilter.Patch": "filter_class",
        "EnvoyFilter.EnvoyConfigObjectMatch": "waypoint",
        "ServiceEntry": "workload_selector",
    },
) | _named(
    _SECURITY,
    {
        "AuthorizationPolicy": "targetRef targetRefs action provider",
        "Source": "not_principals not_request_principals not_namespaces service_accounts not_service_accounts"
        " not_ip_blocks remote_ip_blocks not_remote_ip_blocks trust_domains not_trust_domains",
        "Operation": "not_hosts not_ports not_methods not_paths",
        "Condition": "not_values",
    },
)
# Enum -> words that came later.
LATER_WORDS: Mapping[str, frozenset[str]] = _named(
    _NETWORKING,
    {
        "LoadBalancerSettings.SimpleLB": "UNSPECIFIED LEAST_REQUEST",
        "ServerTLSSettings.TLSmode": "OPTIONAL_MUTUAL",
        "EnvoyFilter.ApplyTo": "EXTENSION_CONFIG BOOTSTRAP LISTENER_FILTER",
        "EnvoyFilter.PatchContext": "WAYPOINT",
        "EnvoyFilter.Patch.Operation": "INSERT_FIRST REPLACE MERGE_AND_REPLACE_LIST",
        "ServiceEntry.Resolution": "DNS_ROUND_ROBIN DYNAMIC_DNS",
    },
)
# Message -> lists in which 1.4 passed over an item that is empty; elsewhere it refused it, or crashed.
EMPTY_ITEMS: Mapping[str, frozenset[str]] = (
    _named(_NETWORKING, {"HTTPRoute": "match", "VirtualService": "tls tcp"})
    | _named(_SECURITY, {"Rule": "from to"})
    | _named("istio.authentication.v1alpha1.", {"Policy": "peers", "TargetSelector": "ports"})
)
# The same of mappings.
EMPTY_ENTRIES: Mapping[str, frozenset[str]] = _named(_NETWORKING, {"HTTPMatchRequest": "query_params"}) | _named(
    "istio.mixer.v1.", {"Attributes": "attributes"}
)
