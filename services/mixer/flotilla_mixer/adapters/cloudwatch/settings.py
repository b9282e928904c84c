"""Where CloudWatch is, who Mixer is there, and how long it may take: what is known before anything is connected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flotilla_mixer.kit.adapter import Environment
from flotilla_mixer.kit.secrets import SecretFile

NANOSECONDS = 1_000_000_000
SESSION_NAME = "flotilla-mixer"


@dataclass(frozen=True, slots=True)
class CloudSettings:
    """Of one handler. Empty texts leave a choice to the SDK."""

    region: str = ""
    metrics_endpoint: str = ""
    logs_endpoint: str = ""
    sts_endpoint: str = ""
    secret_file: SecretFile | None = None
    token_file: SecretFile | None = None
    profile: str = ""
    role_arn: str = ""
    role_session_name: str = SESSION_NAME
    external_id: str = ""
    timeout: float = 5.0


def cloud_settings(params: Any, environment: Environment) -> CloudSettings:
    """Raises SecretError for files that handlers may not name."""
    given, places = params.credentials, params.endpoints
    return CloudSettings(
        region=params.region,
        metrics_endpoint=places.metrics,
        logs_endpoint=places.logs,
        sts_endpoint=places.sts,
        secret_file=environment.secret(given.secret_file) if given.secret_file else None,
        token_file=environment.secret(given.web_identity_token_file) if given.web_identity_token_file else None,
        profile=given.profile,
        role_arn=given.role_arn,
        role_session_name=given.role_session_name or SESSION_NAME,
        external_id=given.external_id,
        timeout=seconds(params.timeout),
    )


def seconds(duration: Any) -> float:
    """Of a google.protobuf.Duration."""
    return float(duration.seconds + duration.nanos / NANOSECONDS)
