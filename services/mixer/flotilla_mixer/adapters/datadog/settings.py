"""Parameters of the datadog adapter as values."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any

from flotilla_mixer.adapters.datadog.intake import DEFLATE, GZIP, PLAIN, ZSTD, Form
from flotilla_protos.flotilla.mixer.adapter.datadog.config_pb2 import Params

DEFAULT_SITE, DEFAULT_PREFIX = "datadoghq.com", "istio."
INTERVAL_SECONDS, LONGEST_INTERVAL = 10, 600
TIMEOUT_SECONDS, LONGEST_TIMEOUT = 10.0, 60.0
NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Forms:
    """How bodies are compressed: each address takes other forms."""

    series: Form
    distributions: Form
    logs: Form


FORMS = {
    Params.GZIP: Forms(GZIP, DEFLATE, GZIP),
    Params.ZSTD: Forms(ZSTD, DEFLATE, GZIP),
    Params.NONE: Forms(PLAIN, PLAIN, PLAIN),
}


@dataclass(frozen=True, slots=True)
class DatadogSettings:
    """URLs are without a path."""

    metrics_url: str
    logs_url: str
    host: str
    interval: int
    timeout: float
    forms: Forms


def settings_of(params: Any) -> DatadogSettings:
    """Of parameters that nothing is wrong with. The host tells several Mixers apart: of two points of one series, host and
    second, Datadog keeps the last.
    """
    return DatadogSettings(
        (params.metrics_url or f"https://api.{params.site}").rstrip("/"),
        (params.logs_url or f"https://http-intake.logs.{params.site}").rstrip("/"),
        params.host or socket.gethostname(),
        round(seconds_of(params.interval)) or INTERVAL_SECONDS,
        seconds_of(params.timeout) or TIMEOUT_SECONDS,
        FORMS[params.compression],
    )


def seconds_of(duration: Any) -> float:
    return float(duration.seconds + duration.nanos / NANOSECONDS)
