"""Parameters of remote write as values, and what is wrong with them."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flotilla_mixer.adapters.prometheus.names import LABEL_NAME
from flotilla_mixer.kit.adapter import Fault
from flotilla_mixer.kit.connections import is_http_url

INTERVAL_SECONDS, SHORTEST_INTERVAL, LONGEST_INTERVAL = 15.0, 1.0, 240.0
TIMEOUT_SECONDS, LONGEST_TIMEOUT = 10.0, 60.0
JOB = "mixer"
NANOSECONDS = 1_000_000_000
PATH = "spec.params.remoteWrite"
OWN_HEADERS = frozenset(
    (
        "authorization",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "x-prometheus-remote-write-version",
    )
)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*\Z")


@dataclass(frozen=True, slots=True)
class RemoteWriteSettings:
    """`labels` are those of all series. Files are empty where there is none."""

    url: str
    interval_seconds: float
    timeout_seconds: float
    labels: Mapping[str, str]
    headers: Mapping[str, str]
    username: str
    password_file: str
    token_file: str
    ca_file: str


def settings_of(params: Any) -> RemoteWriteSettings:
    """Of parameters that nothing is wrong with. `job` and `instance` tell several Mixers apart, as they do for what is
    scraped: without them their series would be one.
    """
    labels = {"job": JOB, "instance": socket.gethostname(), **params.external_labels}
    return RemoteWriteSettings(
        params.url,
        _seconds(params.interval) or INTERVAL_SECONDS,
        _seconds(params.timeout) or TIMEOUT_SECONDS,
        {name: value for name, value in labels.items() if value},
        dict(params.headers),
        params.username,
        params.password_file,
        params.bearer_token_file,
        params.ca_file,
    )


def wrong_settings(params: Any) -> Iterable[Fault]:
    if not is_http_url(params.url):
        text = f"{_shown(params.url)} is no http or https URL with a host, such as http://prometheus:9090/api/v1/write."
        yield Fault(f"{PATH}.url", text)
    yield from _wrong_times(params)
    yield from _wrong_names(params)
    yield from _wrong_login(params)


def _wrong_times(params: Any) -> Iterable[Fault]:
    interval = _seconds(params.interval)
    if interval and not SHORTEST_INTERVAL <= interval <= LONGEST_INTERVAL:
        text = (
            f"values are written every {SHORTEST_INTERVAL:g} to {LONGEST_INTERVAL:g} s: after five minutes without one"
        )
        yield Fault(f"{PATH}.interval", f"{text} Prometheus takes a series for ended.")
    if not 0 <= _seconds(params.timeout) <= LONGEST_TIMEOUT:
        yield Fault(f"{PATH}.timeout", f"an answer is waited for at most {LONGEST_TIMEOUT:g} s.")


def _wrong_names(params: Any) -> Iterable[Fault]:
    for name in sorted(params.external_labels):
        if not LABEL_NAME.match(name) or name.startswith("__") or name == "le":
            text = (
                f"{name!r} is no name of a label: letters, digits and underscores, not two of these first, and not le."
            )
            yield Fault(f"{PATH}.externalLabels", text)
    for name, value in sorted(params.headers.items()):
        if name.lower() in OWN_HEADERS:
            yield Fault(f"{PATH}.headers", f"the header {name} is set by the adapter, by its other parameters.")
        elif not _HEADER_NAME.match(name) or not _HEADER_VALUE.match(value):
            yield Fault(
                f"{PATH}.headers", f"{name!r} is no header of HTTP, or its value has more than plain characters."
            )


def _wrong_login(params: Any) -> Iterable[Fault]:
    if bool(params.username) != bool(params.password_file):
        yield Fault(f"{PATH}.passwordFile", "username and passwordFile belong together; write both or none.")
    if params.username and params.bearer_token_file:
        yield Fault(f"{PATH}.bearerTokenFile", "there is a username too, and a receiver takes one of them; remove one.")
    if ":" in params.username or not _HEADER_VALUE.match(params.username):
        yield Fault(f"{PATH}.username", "the name of a user has plain characters, and no colon.")
    if params.ca_file and not params.url.startswith("https:"):
        yield Fault(f"{PATH}.caFile", "certificates are for an https URL; write one, or no caFile.")


def _shown(url: str) -> str:
    """Without what may be a password."""
    return repr(url) if "@" not in url else "a URL with a user (username and passwordFile are for it)"


def _seconds(duration: Any) -> float:
    return float(duration.seconds + duration.nanos / NANOSECONDS)
