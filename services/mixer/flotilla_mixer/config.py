"""Mixer's settings. Each has a default, a description and the variable FLOTILLA_MIXER_<NAME>."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from flotilla_shared.runtime.settings import ServiceSettings


class MixerSettings(ServiceSettings):
    """What Mixer can be told, beside what every service can."""

    mixer_port: int = Field(
        15004, ge=0, le=65535, description="port of Checks, access logs and the native Mixer API (mTLS)"
    )
    plaintext: bool = Field(
        False,
        description="serve the native Mixer API without TLS on loopback, with attributes taken as given: for tests and mixc",
    )
    plaintext_port: int = Field(9091, ge=0, le=65535, description="port of the native API where plaintext is on")
    prometheus_port: int = Field(42422, ge=0, le=65535, description="port of the prometheus handler's /metrics")
    prometheus_series_limit: int = Field(
        20_000, ge=1, description="most label sets of all prometheus handlers; further ones are dropped and counted"
    )
    galley_address: str = Field("127.0.0.11:9901", description="host:port of Galley's MCP and status reports")
    galley_server_name: str = Field(
        "", description="DNS name in Galley's certificate; empty: istio-galley.<root namespace>.svc"
    )
    citadel_server_name: str = Field(
        "", description="DNS name in Citadel's certificate; empty: istio-citadel.<root namespace>.svc"
    )
    default_namespace: str = Field(
        "", description="namespace whose rules hold for every workload; empty: the root namespace"
    )
    domain: str = Field("cluster.local", description="DNS domain of the cluster's Services, on platform kubernetes")
    debounce_seconds: float = Field(0.1, ge=0, le=10, description="quiet time after a change before it takes effect")
    debounce_max_seconds: float = Field(10.0, gt=0, le=60, description="longest time that changes are collected")
    max_message_bytes: int = Field(4 * 1024 * 1024, ge=65536, description="longest message of a proxy")

    @model_validator(mode="after")
    def _debounce_fits(self) -> Self:
        if self.debounce_max_seconds < self.debounce_seconds:
            raise ValueError("debounce_max_seconds must not be below debounce_seconds")
        return self

    def server_name(self, service: str, given: str) -> str:
        """The DNS name that `service`'s certificate must carry; `given` is what the settings say."""
        return given or f"istio-{service}.{self.root_namespace}.svc"
