"""Mixer's settings. Each has a default, a description and the variable FLOTILLA_MIXER_<NAME>."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from flotilla_mixer.expressions.languages import Language
from flotilla_shared.runtime.front import FRONT_HELP, FrontChoice
from flotilla_shared.runtime.settings import ServiceSettings

SECRET_FOLDER = "/var/run/secrets/flotilla/adapters"  # noqa: S105  # a folder, where the chart mounts them


class MixerSettings(ServiceSettings):
    """What Mixer can be told, beside what every service can."""

    mixer_port: int = Field(
        15004, ge=0, le=65535, description="port of Checks, access logs and the native Mixer API (mTLS)"
    )
    front: FrontChoice = Field("auto", description=FRONT_HELP)
    plaintext: bool = Field(
        False,
        description="serve the native Mixer API without TLS on loopback, with attributes taken as given: for tests and mixc",
    )
    plaintext_port: int = Field(9091, ge=0, le=65535, description="port of the native API where plaintext is on")
    prometheus_port: int = Field(42422, ge=0, le=65535, description="port of the prometheus handler's /metrics")
    prometheus_series_limit: int = Field(
        20_000, ge=1, description="most label sets of all prometheus handlers; further ones are dropped and counted"
    )
    adapter_sessions: bool = Field(
        False,
        description="tell adapters out of process that are session based their parameters by a session; 1.4 told them nothing",
    )
    redis_address: str = Field(
        "", description="host:port of the Redis of redisquota handlers that name none; empty: localhost:6379"
    )
    redis_username: str = Field("", description="the user that Mixer is to that Redis; empty: its default user")
    redis_password_file: str = Field("", description="file with the password for that Redis; empty: none is given")
    secret_folders: tuple[str, ...] = Field(
        (SECRET_FOLDER,),
        description="folders below which handlers may name files with passwords, tokens and private keys; they use no other",
    )
    redis_tls: bool = Field(False, description="speak TLS with that Redis")
    redis_ca_file: str = Field("", description="authorities of that Redis's certificate; empty: the system's")
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
    use_adapter_crds: bool = Field(
        True, description="read handlers of the kinds of one adapter each (`kind: denier`), as Istio did before 1.1"
    )
    use_template_crds: bool = Field(
        True, description="read instances of the kinds of one template each (`kind: metric`), as Istio did before 1.1"
    )
    language: Language = Field(
        Language.CEXL,
        description="language of rules and instances without the annotation policy.istio.io/lang: CEXL, CEL or COMPAT",
    )
    rule_sampling: bool = Field(
        True, description="report only what a rule's `sampling` chooses; off: everything, as Istio 1.4 did"
    )
    separate_quota_calls: bool = Field(
        True,
        description="quota calls without a deduplication id count each by itself; off: as one another, as Istio 1.4 had it",
    )
    domain: str = Field("cluster.local", description="DNS domain of the cluster's Services, on platform kubernetes")
    debounce_seconds: float = Field(0.1, ge=0, le=10, description="quiet time after a change before it takes effect")
    debounce_max_seconds: float = Field(10.0, gt=0, le=60, description="longest time that changes are collected")
    flush_seconds: float = Field(
        5.0, ge=0, le=8, description="time in which a handler that is closed may send what waits; the rest is dropped"
    )
    loadshedding_mode: Literal["disabled", "logonly", "enforce"] = Field(
        "enforce",
        description="what happens to calls that are too many: nothing, a line in the log, or they are refused, reports first",
    )
    average_latency_threshold: float = Field(
        0.0, ge=0, description="mean seconds of a call above which calls are shed; 0: not by this"
    )
    latency_samples_per_second: float = Field(
        0.0, ge=0, description="calls a second whose time is looked at for the mean; 0: all"
    )
    latency_sample_halflife: float = Field(1.0, gt=0, description="seconds after which a call counts half in the mean")
    latency_enforcement_threshold: float = Field(
        100.0, ge=0, description="calls a second up to which nothing is shed for the mean's sake"
    )
    max_requests_per_second: float = Field(
        0.0, ge=0, description="Checks and entries of reports a second that are let in; 0: any number"
    )
    burst_size: int = Field(0, ge=0, description="Checks and entries that may come at once; 0: as many as in a second")
    report_lag_seconds: float = Field(
        0.02, gt=0, description="seconds that calls wait; when all wait longer, reports are shed"
    )
    check_lag_seconds: float = Field(
        0.25, gt=0, description="seconds that calls wait; when all wait longer, Checks are shed too"
    )
    longest_wait_seconds: float = Field(
        0.05,
        gt=0,
        description="front native: seconds after which a waiting call is refused, while all wait for nearly so long",
    )
    front_calls: int = Field(
        8192, ge=16, description="front native: calls of a method that may wait for their turn; more are refused"
    )
    waiting_calls: int = Field(
        256,
        ge=16,
        description="front grpc: calls that may wait where loads are shed: of more some are cancelled, of thrice as many all",
    )
    report_queue_entries: int = Field(
        20_000, ge=1, description="entries of reports of the native API that may wait; more are refused"
    )
    max_message_bytes: int = Field(4 * 1024 * 1024, ge=65536, description="longest message of a proxy")

    @model_validator(mode="after")
    def _debounce_fits(self) -> Self:
        if self.debounce_max_seconds < self.debounce_seconds:
            raise ValueError("debounce_max_seconds must not be below debounce_seconds")
        return self

    def server_name(self, service: str, given: str) -> str:
        """The DNS name that `service`'s certificate must carry; `given` is what the settings say."""
        return given or f"istio-{service}.{self.root_namespace}.svc"
