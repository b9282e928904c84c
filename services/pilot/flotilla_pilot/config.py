"""Pilot's settings. Each has a default, a description and the variable FLOTILLA_PILOT_<NAME>."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from flotilla_pilot.model.mesh import MeshSettings
from flotilla_shared.runtime.settings import ServiceSettings


class PilotSettings(ServiceSettings):
    """What Pilot can be told, beside what every service can."""

    xds_port: int = Field(15012, ge=0, le=65535, description="port of ADS for proxies (TLS)")
    debug_port: int = Field(8080, ge=0, le=65535, description="port of /ready and /debug, on loopback only")
    galley_address: str = Field("127.0.0.11:9901", description="host:port of Galley's MCP and status reports")
    galley_server_name: str = Field(
        "", description="DNS name in Galley's certificate; empty: istio-galley.<root namespace>.svc"
    )
    citadel_server_name: str = Field(
        "", description="DNS name in Citadel's certificate; empty: istio-citadel.<root namespace>.svc"
    )
    cluster_id: str = Field("Kubernetes", description="name of this cluster, on platform kubernetes")
    domain: str = Field("cluster.local", description="DNS domain of short host names")
    dual_stack: bool = Field(
        False, description="workloads of IPv4 and IPv6 resolve names in both, and applications are dialled in both"
    )
    resolve_unknown_names: bool = Field(
        True,
        description="without interception, hosts that nobody declared are reached by their names; false: as in Istio, "
        "they are sent to where the connection was meant to go, which is nowhere if nothing redirects",
    )
    resolve_external_names: bool = Field(
        True,
        description="an ExternalName Service that names no service of the mesh is resolved by Envoy, so that meshes with "
        "REGISTRY_ONLY can call it; false: as in Istio, it is not known",
    )
    debounce_seconds: float = Field(0.1, ge=0, le=10, description="quiet time after a change before it is compiled")
    debounce_max_seconds: float = Field(10.0, gt=0, le=60, description="longest time that changes are collected")
    send_timeout_seconds: float = Field(
        30.0, gt=0, description="a stream whose proxy has read nothing for so long is closed"
    )
    warming_seconds: float = Field(
        1.0,
        ge=0,
        description="longest time that routes wait for the endpoints of new clusters, and removals for routes",
    )
    probe_seconds: float = Field(
        3.0, gt=0, description="time in which a connected proxy must answer when another stream claims to be it"
    )
    injection_port: int = Field(
        15017, ge=0, le=65535, description="port of the injection webhook (TLS), on platform kubernetes"
    )
    injection_dir: Path = Field(
        Path("/etc/istio/inject"),
        description="folder with the files `config` and `values` of ConfigMap istio-sidecar-injector, followed as they change",
    )
    injection_webhook_name: str = Field(
        "",
        description="MutatingWebhookConfiguration whose caBundle Pilot keeps; empty: istio-sidecar-injector[-<revision>]",
    )
    native_sidecars: bool = Field(
        False,
        description="inject the proxy as an init container that goes on (Kubernetes 1.29 and newer); a pod's annotation wins",
    )
    max_request_bytes: int = Field(4 * 1024 * 1024, ge=65536, description="longest request of a proxy")

    @model_validator(mode="after")
    def _debounce_fits(self) -> Self:
        if self.debounce_max_seconds < self.debounce_seconds:
            raise ValueError("debounce_max_seconds must not be below debounce_seconds")
        return self

    def of_mesh(self) -> dict[str, Any]:
        """What of them MeshSettings have."""
        return self.model_dump(include={each.name for each in fields(MeshSettings)} & set(type(self).model_fields))

    def server_name(self, service: str, given: str) -> str:
        """The DNS name that `service`'s certificate must carry; `given` is what the settings say."""
        return given or f"istio-{service}.{self.root_namespace}.svc"
