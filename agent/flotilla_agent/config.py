"""The agent's settings: what it serves all its workloads with, and the workloads."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Self

from flotilla_shared.runtime.settings import ProcessSettings
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

# The kernel takes paths of Unix sockets up to 107 bytes.
SOCKET_PATH_BYTES = 107


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CitadelConfig(_Part):
    """Where certificates are signed."""

    address: str = "127.0.0.13:8060"
    server_name: str = "istio-citadel.istio-system.svc"
    root_cert_file: Path = Path("root-cert.pem")


class PilotConfig(_Part):
    """Where Envoy gets its configuration, and who must answer there."""

    address: str = "127.0.0.12:15012"
    server_name: str = "istio-pilot.istio-system.svc"
    identity: str = "spiffe://cluster.local/ns/istio-system/sa/istio-pilot-service-account"

    @field_validator("address")
    @classmethod
    def _has_port(cls, address: str) -> str:
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError(f"{address!r} must be of the form address:port")
        return address


class WorkloadConfig(_Part):
    """One workload. `address` is its sidecar's; `application_address` is empty for a router."""

    name: str = Field(pattern=r"^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?$")
    namespace: str
    service_account: str
    kind: Literal["sidecar", "router"] = "sidecar"
    address: str
    application_address: str = ""
    labels: dict[str, str] = {}
    token_file: Path | None = None

    @field_validator("address")
    @classmethod
    def _is_ip(cls, address: str) -> str:
        ip_address(address)
        return address


class AgentSettings(ProcessSettings):
    """What the agent can be told."""

    run_dir: Path = Field(Path("run"), description="folder of the workloads' files: bootstrap, SDS socket, log")
    envoy: Path = Field(Path("envoy"), description="the Envoy program")
    trust_domain: str = Field("cluster.local", description="trust domain of the workloads' identities")
    citadel: CitadelConfig = Field(CitadelConfig(), description="where certificates are signed")
    pilot: PilotConfig = Field(PilotConfig(), description="where Envoy gets its configuration")
    control_socket: Path | None = Field(None, description="Unix socket of the control API; none: no control")
    certificate_ttl_seconds: int = Field(86400, gt=0, description="life asked for a workload's certificate")
    drain_seconds: float = Field(5, ge=0, le=3600, description="longest time that a stopping Envoy may finish calls")
    delta: bool = Field(True, description="ask Pilot for changes only (delta xDS), not for the state of the world")
    reconnect_max_seconds: float = Field(1, gt=0, description="longest wait of Envoy before it calls Pilot again")
    concurrency: int = Field(1, ge=1, description="Envoy's worker threads")
    workloads: tuple[WorkloadConfig, ...] = Field((), description="the workloads at the start")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        check_distinct(self.workloads)
        return self


def check_distinct(workloads: tuple[WorkloadConfig, ...]) -> None:
    """Raises ValueError where two workloads share a name or an address: one would answer for the other."""
    seen: dict[str, str] = {}
    for workload in workloads:
        for what, value in (("name", workload.name), ("address", workload.address)):
            first = seen.setdefault(f"{what} {value}", workload.name)
            if first != workload.name or (what == "name" and value in seen):
                raise ValueError(f"workloads {first} and {workload.name} have the same {what}, {value}")
        seen[workload.name] = workload.name
