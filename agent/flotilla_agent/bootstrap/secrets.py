"""How Envoy gets its secrets from the agent, and how it calls Pilot with them."""

from __future__ import annotations

from typing import Any

from flotilla_agent.config import PilotConfig
from flotilla_agent.sds.secrets import DEFAULT, ROOT

SDS_CLUSTER = "sds-grpc"

Json = dict[str, Any]


def pilot_tls(pilot: PilotConfig) -> Json:
    """The transport socket to Pilot: mTLS, and nobody is believed but who has Pilot's identity."""
    name = {"san_type": "URI", "matcher": {"exact": pilot.identity}}
    context = {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "sni": pilot.server_name,
        "common_tls_context": {
            "alpn_protocols": ["h2"],
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
            "tls_certificate_sds_secret_configs": [{"name": DEFAULT, "sds_config": _sds()}],
            "combined_validation_context": {
                "default_validation_context": {"match_typed_subject_alt_names": [name]},
                "validation_context_sds_secret_config": {"name": ROOT, "sds_config": _sds()},
            },
        },
    }
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def _sds() -> Json:
    """Pilot writes the same block into its resources, so each secret is fetched once."""
    return {
        "resource_api_version": "V3",
        # Wait for the certificate for as long as it takes, and serve nothing before.
        "initial_fetch_timeout": "0s",
        "api_config_source": {
            "api_type": "GRPC",
            "transport_api_version": "V3",
            "set_node_on_first_message_only": True,
            "grpc_services": [{"envoy_grpc": {"cluster_name": SDS_CLUSTER}}],
        },
    }
