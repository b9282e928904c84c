"""Galley's settings. Each has a default, a description and the variable FLOTILLA_GALLEY_<NAME>."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from flotilla_galley.transforms.derive import Options
from flotilla_galley.transforms.kubernetes import DISCOVERY_KINDS, INGRESS_KINDS
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
    mcp_max_streams: int = Field(4096, ge=1, description="configuration streams at once, MCP and ADS together")
    mcp_streams_per_second: float = Field(100, gt=0, description="new streams a second, beyond as many at once")
    mcp_requests_per_second: float = Field(
        100, gt=0, description="requests a second of one stream, beyond 500 at once; who asks faster waits alone"
    )
    mcp_max_request_bytes: int = Field(
        16 * 1024 * 1024,
        ge=65536,
        description="largest request or status report; a request names what its sender holds",
    )
    sink_address: str = Field(
        "", description="host:port of an MCP sink that Galley dials (ResourceSink), and gives everything; empty: none"
    )
    sink_server_name: str = Field(
        "", description="DNS name that the certificate of the sink must have; empty: the host of sink_address"
    )
    sink_auth_mode: Literal["mtls", "none"] = Field(
        "mtls", description="mtls, with Galley's own certificate, or none: no TLS at all"
    )
    sink_metadata: tuple[str, ...] = Field((), description="key=value pairs, sent to the sink as gRPC metadata")
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
    cluster_config_dir: Path | None = Field(
        None,
        description="on Kubernetes: directory of YAML files beside the custom resources, watched; these count before it",
    )
    domain: str = Field(
        "cluster.local", description="DNS domain of the hosts of Services, in what is made of Ingresses"
    )
    convert_ingresses: bool = Field(
        False, description="make Gateways and VirtualServices of Ingresses, by Istio 1.4's rules"
    )
    synthetic_service_entries: bool = Field(
        False, description="make ServiceEntries of Services and their endpoints, as Istio 1.4, and distribute Services"
    )
    foreign_pilot: bool = Field(
        False,
        description="on Kubernetes: a Pilot that does not watch Services itself, such as Istio 1.4's, is served here",
    )
    write_status: bool = Field(True, description="on Kubernetes: the leader writes the status of custom resources")
    enable_analysis: bool = Field(
        False, description="on Kubernetes: what analyzers say of a custom resource is written into its status, too"
    )
    analysis_interval_seconds: float = Field(10.0, ge=1, le=3600, description="shortest time between two analyses")

    @property
    def transforms(self) -> Options:
        """What is made of Kubernetes' own objects."""
        return Options(self.convert_ingresses, self.synthetic_service_entries, self.domain)

    @property
    def kubernetes_kinds(self) -> frozenset[str]:
        """The kinds of Kubernetes that this needs."""
        ingresses = INGRESS_KINDS if self.convert_ingresses else frozenset[str]()
        return ingresses | (DISCOVERY_KINDS if self.synthetic_service_entries else frozenset())
