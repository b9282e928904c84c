"""What a gRPC library reads where GRPC_XDS_BOOTSTRAP says: Pilot's place, the node, the certificates' files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flotilla_agent.bootstrap.node import make_node
from flotilla_agent.config import AgentSettings, WorkloadConfig
from flotilla_agent.proxyless.certificate_files import CHAIN, KEY, ROOTS

FILE = "grpc-bootstrap.json"
LONGEST_REFRESH_SECONDS = 900
SERVER_TEMPLATE = "xds.istio.io/grpc/lds/inbound/%s"


def make_grpc_bootstrap(
    settings: AgentSettings, workload: WorkloadConfig, folder: Path, socket: Path
) -> dict[str, Any]:
    """Plain data. `insecure` is the Unix socket's: nothing leaves the machine by it.

    The files are read again at least twice between a renewal, at half of a certificate's life, and its end.
    """
    refresh = max(1, min(LONGEST_REFRESH_SECONDS, settings.certificate_ttl_seconds // 4))
    files = {"certificate_file": CHAIN, "private_key_file": KEY, "ca_certificate_file": ROOTS}
    watched = {field: str(folder / name) for field, name in files.items()}
    return {
        "xds_servers": [
            {
                "server_uri": f"unix://{socket}",
                "channel_creds": [{"type": "insecure"}],
                "server_features": ["xds_v3"],
            }
        ],
        "node": make_node(workload, settings.domain),
        "certificate_providers": {
            "default": {"plugin_name": "file_watcher", "config": {**watched, "refresh_interval": f"{refresh}s"}}
        },
        "server_listener_resource_name_template": SERVER_TEMPLATE,
    }


def write_grpc_bootstrap(folder: Path, content: dict[str, Any]) -> Path:
    """Gives the file's path. Raises OSError."""
    path = folder / FILE
    path.write_text(json.dumps(content, indent=2) + "\n")
    return path
