"""Citadel's settings. Each has a default, a description and the variable FLOTILLA_CITADEL_<NAME>."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from flotilla_shared.runtime.front import FRONT_HELP, FrontChoice
from flotilla_shared.runtime.settings import ServiceSettings

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(value: object) -> object:
    """`24h`, `90d`, `1h30m` or a number of seconds, as a timedelta; anything else is left for pydantic to
    refuse.
    """
    if isinstance(value, bool):
        raise ValueError("a duration is needed, such as 24h or 90d")  # noqa: TRY004  # pydantic wants ValueError
    if isinstance(value, int | float):
        return timedelta(seconds=value)
    if isinstance(value, str) and re.fullmatch(r"(\d+[smhd])+|\d+", value):
        parts = re.findall(r"(\d+)([smhd]?)", value)
        return timedelta(seconds=sum(int(number) * _UNITS[unit or "s"] for number, unit in parts))
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(lambda life: f"{int(life.total_seconds())}s", return_type=str),
]


def _control_plane() -> dict[str, list[str]]:
    return {
        "istio-citadel-service-account": ["istio-citadel"],
        "istio-galley-service-account": ["istio-galley"],
        "istio-pilot-service-account": ["istio-pilot"],
        "istio-mixer-service-account": ["istio-mixer", "istio-policy", "istio-telemetry"],
    }


class CitadelSettings(ServiceSettings):
    """What Citadel can be told, beside what every service can."""

    port: int = Field(8060, ge=0, le=65535, description="port of the certificate service (0: any free one)")
    front: FrontChoice = Field("auto", description=FRONT_HELP)
    store_dir: Path = Field(Path("citadel"), description="folder with the root's certificate and private key (0600)")
    publish_root_file: Path | None = Field(
        None, description="file to write the root certificate to; default root-cert.pem in store_dir"
    )
    oidc_issuer: str = Field("", description="issuer (iss) of the tokens that are accepted; empty: no tokens")
    oidc_jwks_file: Path | None = Field(
        None, description="JWKS file with that issuer's public keys, followed when it changes"
    )
    oidc_audiences: tuple[str, ...] = Field(
        ("istio-ca",), min_length=1, description="a token must be for one of these audiences (aud)"
    )
    token_audiences: tuple[str, ...] = Field(
        ("istio-ca",),
        min_length=1,
        description="on platform kubernetes: a service account's token must be for one of these audiences",
    )
    token_review_cache_seconds: float = Field(
        60.0,
        ge=0,
        le=3600,
        description="on platform kubernetes: how long the API server's word that a token holds is remembered",
    )
    default_ttl: Duration = Field(timedelta(hours=24), description="life of a certificate when none is asked for")
    max_ttl: Duration = Field(timedelta(days=90), description="longest life that may be asked for")
    domain: str = Field("cluster.local", description="DNS domain of the granted names")
    granted_services: dict[str, list[str]] = Field(
        default_factory=_control_plane,
        description="service account in the root namespace -> services whose names its certificates carry",
    )

    @property
    def root_file(self) -> Path:
        """Where the root is published."""
        return self.publish_root_file or self.store_dir / "root-cert.pem"

    @model_validator(mode="after")
    def _lives_fit(self) -> Self:
        if not timedelta(0) < self.default_ttl <= self.max_ttl:
            raise ValueError("default_ttl must be above zero and not above max_ttl")
        if self.certificate_ttl_seconds > self.max_ttl.total_seconds():
            raise ValueError("certificate_ttl_seconds must not be above max_ttl")
        return self

    @model_validator(mode="after")
    def _tokens_fit(self) -> Self:
        if bool(self.oidc_issuer) != bool(self.oidc_jwks_file):
            raise ValueError("oidc_issuer and oidc_jwks_file belong together: give both, or neither for no tokens")
        return self
