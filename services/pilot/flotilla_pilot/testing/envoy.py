"""Asking the real Envoy whether it takes what is compiled."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.base_pb2 import Node
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from google.protobuf import json_format

from flotilla_pilot.compile.regex import PROGRAM_LIMIT
from flotilla_pilot.testing.meshes import Compiled


def static_bootstrap(compiled: Compiled, node: Node) -> Bootstrap:
    """All resources of a proxy in one file: tables in their listeners, assignments in their clusters."""
    bootstrap = Bootstrap(node=node)
    layer = bootstrap.layered_runtime.layers.add(name="static").static_layer
    layer.update({"re2.max_program_size.error_level": PROGRAM_LIMIT})
    bootstrap.static_resources.clusters.add(name="sds-grpc", type=Cluster.STATIC).connect_timeout.seconds = 1
    assignments = compiled.endpoints
    for cluster in compiled.clusters.values():
        if cluster.name in assignments:
            cluster.type = Cluster.STATIC
            cluster.load_assignment.CopyFrom(assignments[cluster.name])
            cluster.ClearField("eds_cluster_config")
        bootstrap.static_resources.clusters.append(cluster)
    for listener in compiled.listeners.values():
        for chain in listener.filter_chains:
            for each in chain.filters:
                _inline(each, compiled.routes)
        bootstrap.static_resources.listeners.append(listener)
    return bootstrap


def _inline(each: Any, tables: Mapping[str, Any]) -> None:
    manager = HttpConnectionManager()
    if each.typed_config.Unpack(manager) and manager.HasField("rds"):
        manager.route_config.CopyFrom(tables[manager.rds.route_config_name])
        each.typed_config.Pack(manager)


def envoy_binary() -> Path | None:
    stated = os.environ.get("FLOTILLA_ENVOY")
    candidates = [Path(stated)] if stated else [Path(sys.prefix) / "envoy" / "bin" / "envoy"]
    found = next((each for each in candidates if each.is_file()), None)
    return found or (Path(which) if (which := shutil.which("envoy")) else None)


KEPT_THOUGH_AGED = "RouteAction.max_grpc_timeout"
"""The one deprecated field that routes have: nothing newer does the same (docs/adr/0112)."""


def refusal(binary: Path, compiled: Compiled, folder: Path) -> str:
    """What Envoy has against everything of a proxy; empty if it takes it without a warning of age.

    `folder` is where the bootstrap is written, and what the configuration names without a whole path (access logs).
    """
    path = folder.absolute() / "bootstrap.json"
    node = Node(id="sidecar~127.0.1.1~a.default~default.svc.cluster.local", cluster="test")
    path.write_text(json_format.MessageToJson(static_bootstrap(compiled, node)))
    command = [str(binary.absolute()), "--mode", "validate", "-c", str(path), "--disable-hot-restart", "-l", "warning"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    aged = [line for line in ended.stderr.splitlines() if "deprecated" in line and KEPT_THOUGH_AGED not in line]
    return ended.stderr + ended.stdout if ended.returncode or aged else ""
