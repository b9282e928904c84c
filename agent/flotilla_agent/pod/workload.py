"""The workload of a pod: how it differs from one of a machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from flotilla_agent.config import STATUS_PORT, Ip, WorkloadConfig

# The writable folder of the pod belongs to root; ours is below it.
FOLDER, GRPC_FOLDER = "envoy", "grpc"
LOOPBACK = "127.0.0.1"


class PodWorkload(WorkloadConfig):
    """`address` is the pod's first address, `addresses` are all. Envoy is alone in the pod: its admin port is on
    loopback, and what others ask is on every address.
    """

    addresses: tuple[Ip, ...]
    status: int = Field(STATUS_PORT, gt=0, le=65535)
    metadata: dict[str, Any] = Field({})

    @property
    def folder(self) -> str:
        return GRPC_FOLDER if self.kind == "grpc" else FOLDER

    @property
    def admin_address(self) -> str:
        return LOOPBACK

    @property
    def public_address(self) -> str:
        return "::" if any(":" in each for each in self.addresses) else "0.0.0.0"  # noqa: S104  # a pod's own network

    @property
    def status_port(self) -> int:
        return self.status

    @property
    def health_listener(self) -> bool:
        return True

    @property
    def source_address(self) -> str:
        return ""

    @property
    def own_addresses(self) -> tuple[str, ...]:
        return self.addresses

    @property
    def shared_with_group(self) -> bool:
        """Without an Envoy the files are the application's, which runs as another user of the pod's group."""
        return self.kind == "grpc"

    @property
    def node_metadata(self) -> Mapping[str, Any]:
        return self.metadata
