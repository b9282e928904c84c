"""Galley's settings. Each has a default, a description and the variable FLOTILLA_GALLEY_<NAME>."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from flotilla_shared.runtime.settings import ServiceSettings


class GalleySettings(ServiceSettings):
    """What Galley can be told, beside what every service can."""

    config_dir: Path = Field(Path("config"), description="directory of YAML files with the configuration, watched")
    mesh_config_file: Path | None = Field(
        None, description="file of the mesh configuration, watched; none or missing means the defaults"
    )
    last_good_dir: Path = Field(Path("last-good"), description="folder where the last good configuration is kept")
    access_file: Path | None = Field(
        None, description="YAML list of {identity, collections}: who may have what; none means nobody"
    )
    mcp_port: int = Field(9901, ge=0, le=65535, description="port of MCP and of the status reports (mTLS)")
    debounce_seconds: float = Field(0.1, ge=0, le=10, description="quiet time after a change before it is published")
    debounce_max_seconds: float = Field(1.0, gt=0, le=60, description="longest time that changes are collected")
    mesh_config_map: str = Field(
        "", description="on Kubernetes: ConfigMap whose key mesh is the mesh configuration; empty: istio[-<revision>]"
    )
    admission_port: int = Field(
        9443, ge=0, le=65535, description="on Kubernetes: port of the admission webhook (HTTPS)"
    )
    admission_webhook_name: str = Field(
        "", description="on Kubernetes: ValidatingWebhookConfiguration to patch; empty: istio-galley[-<revision>]"
    )
    write_status: bool = Field(True, description="on Kubernetes: the leader writes the status of custom resources")
