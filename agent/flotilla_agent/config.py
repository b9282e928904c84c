"""The agent's settings: what it serves all its workloads with, and the workloads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from flotilla_agent.sds.socket_path import check_socket_path, sds_socket
from flotilla_shared.runtime.settings import ProcessSettings


def _place(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} must be of the form host:port")
    return text


def _ip(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(f"{text!r} is no IP address") from None


Place = Annotated[str, AfterValidator(_place)]
Ip = Annotated[str, AfterValidator(_ip)]
STATUS_PORT = 15020
# Names become folders and parts of the node's id, so they hold neither / nor ~.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?$", max_length=253)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CitadelConfig(_Part):
    """Where certificates are signed, and how it is known."""

    address: Place = "127.0.0.13:8060"
    server_name: str = "istio-citadel.istio-system.svc"
    root_cert_file: Path = Path("root-cert.pem")


class PilotConfig(_Part):
    """Where Envoy gets its configuration, and who must answer there."""

    address: Place = "127.0.0.12:15012"
    server_name: str = "istio-pilot.istio-system.svc"
    identity: str = "spiffe://cluster.local/ns/istio-system/sa/istio-pilot-service-account"


class WorkloadConfig(_Part):
    """One workload. `address` is its Envoy's; `application_address` is empty for a router. A `grpc` workload has no
    Envoy: its application's library speaks xDS itself, and `address` is the application's.
    """

    name: Name
    namespace: Name
    service_account: Name
    kind: Literal["sidecar", "router", "grpc"] = "sidecar"
    address: Ip
    application_address: Ip | Literal[""] = ""
    labels: dict[str, str] = {}
    token_file: Path | None = None

    # What follows is the same for every workload of a machine, and otherwise in a pod (flotilla_agent.pod.workload).

    @property
    def folder(self) -> str:
        """Below the agent's run folder."""
        return self.name

    @property
    def admin_address(self) -> str:
        """Where Envoy's admin port is bound."""
        return self.address

    @property
    def public_address(self) -> str:
        """Where the ports are bound at which others ask: status, Prometheus."""
        return self.address

    @property
    def status_port(self) -> int:
        return STATUS_PORT

    @property
    def health_listener(self) -> bool:
        """Whether Envoy answers /healthz/ready on 15021 too, with what the agent says."""
        return False

    @property
    def source_address(self) -> str:
        """From which Envoy calls; empty for what the kernel chooses."""
        return self.address

    @property
    def own_addresses(self) -> tuple[str, ...]:
        """The workload's own, the application's first."""
        return tuple(each for each in (self.application_address, self.address) if each)

    @property
    def shared_with_group(self) -> bool:
        """Whether the group may read the folder's files and open its sockets, not the owner alone."""
        return False

    @property
    def node_metadata(self) -> Mapping[str, Any]:
        """What the node says beyond what every workload has."""
        generator = {"GENERATOR": "grpc"} if self.kind == "grpc" else {}
        return {"INTERCEPTION_MODE": "NONE", **generator}


class AgentSettings(ProcessSettings):
    """What the agent can be told."""

    run_dir: Path = Field(Path("run"), description="folder of the workloads' files: bootstrap, SDS socket, log")
    envoy: Path = Field(Path("envoy"), description="the Envoy program")
    trust_domain: str = Field("cluster.local", description="trust domain of the workloads' identities")
    domain: str = Field("cluster.local", description="DNS domain in the node ids")
    citadel: CitadelConfig = Field(CitadelConfig(), description="where certificates are signed")
    pilot: PilotConfig = Field(PilotConfig(), description="where Envoy gets its configuration")
    control_socket: Path | None = Field(None, description="Unix socket of the control API; none: no control")
    certificate_ttl_seconds: int = Field(86400, gt=0, description="life asked for a workload's certificate")
    drain_seconds: float = Field(5, ge=0, le=3600, description="longest time that a stopping Envoy may finish calls")
    drain_least_seconds: float = Field(
        0, ge=0, le=3600, description="shortest time: while callers still learn that it leaves, new connections come"
    )
    delta: bool = Field(True, description="ask Pilot for changes only (delta xDS), not for the state of the world")
    reconnect_max_seconds: float = Field(
        1, gt=0, description="longest wait of Envoy before it calls Pilot again; a fleet needs 30, one machine 1"
    )
    bootstrap_seconds: float = Field(
        3, ge=0, le=60, description="longest wait for Pilot's patches of the bootstrap, before Envoy starts; 0: none"
    )
    listener_drain_seconds: int = Field(
        45,
        ge=1,
        le=3600,
        description="longest time that calls under way have when their listener is changed or removed",
    )
    concurrency: int = Field(1, ge=1, description="Envoy's worker threads")
    envoy_log_level: Literal["trace", "debug", "info", "warning", "error", "critical", "off"] = Field(
        "warning", description="what Envoy writes to its log"
    )
    envoy_component_log_level: str = Field(
        "",
        pattern=r"^([a-z_0-9]+:[a-z]+(,[a-z_0-9]+:[a-z]+)*)?$",
        description="levels of Envoy's parts: `misc:error,...`",
    )
    workloads: tuple[WorkloadConfig, ...] = Field((), description="the workloads at the start")

    @model_validator(mode="after")
    def _workloads_fit(self) -> Self:
        check_distinct(self.workloads)
        for workload in self.workloads:
            check_socket_path(sds_socket(self.run_dir, workload.folder))
        if self.control_socket is not None:
            check_socket_path(self.control_socket)
        return self


def check_distinct(workloads: Iterable[WorkloadConfig]) -> None:
    """Raises ValueError where two workloads share a name or an address: one would answer for the other."""
    names: dict[str, str] = {}
    addresses: dict[str, str] = {}
    for each in workloads:
        if each.name in names:
            raise ValueError(f"two workloads have the name {each.name}")
        if each.address in addresses:
            raise ValueError(
                f"workloads {addresses[each.address]} and {each.name} have the same address, {each.address}"
            )
        names[each.name] = addresses[each.address] = each.name
