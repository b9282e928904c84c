"""What is wrong with parameters that all of Google's services share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from flotilla_mixer.kit.adapter import Fault
from flotilla_mixer.kit.datagrams import host_and_port

SHORTEST_SECONDS = 5  # Cloud Monitoring takes a point of a series no more often
_PROJECT = re.compile(r"[a-z0-9][a-z0-9.:-]{0,99}\Z")
_ENDPOINTS = {"endpoint": "endpoint", "logging_endpoint": "loggingEndpoint", "trace_endpoint": "traceEndpoint"}
_CREDENTIALS = {
    "api_key": "apiKey",
    "api_key_path": "apiKeyPath",
    "service_account_path": "serviceAccountPath",
}


def link_faults(params: Any) -> Iterable[Fault]:
    for name, shown in _ENDPOINTS.items():
        if getattr(params, name):
            yield from _wrong_endpoint(f"spec.params.{shown}", getattr(params, name))
    if params.project_id and not _PROJECT.match(params.project_id):
        text = f"{params.project_id!r} is no project's ID: lower case letters, digits and hyphens."
        yield Fault("spec.params.projectId", text)
    if params.plaintext:
        yield from _wrong_plaintext(params)
    yield from _wrong_interval(params.push_interval)
    if not 0 <= params.trace.sample_probability <= 1:
        text = f"the share of traces is from 0 to 1, and not {params.trace.sample_probability:g}."
        yield Fault("spec.params.trace.sampleProbability", text)


def _wrong_endpoint(path: str, endpoint: str) -> Iterable[Fault]:
    try:
        host_and_port(endpoint, 443)
    except ValueError:
        yield Fault(path, f"{endpoint!r} is no address: host:port, such as restricted.googleapis.com:443.")


def _wrong_plaintext(params: Any) -> Iterable[Fault]:
    if not params.endpoint:
        yield Fault("spec.params.plaintext", "Google takes TLS alone; name the endpoint that takes plaintext.")
    if params.ca_certificates:
        yield Fault("spec.params.caCertificates", "plaintext has no certificates; remove one of the two.")
    shown = _CREDENTIALS.get(params.WhichOneof("creds") or "")
    if shown:
        yield Fault(f"spec.params.{shown}", "no credentials go over plaintext; remove one of the two.")


def _wrong_interval(interval: Any) -> Iterable[Fault]:
    seconds = interval.seconds + interval.nanos / 1e9
    if seconds < 0 or 0 < seconds < SHORTEST_SECONDS:
        text = (
            f"values are pushed every {SHORTEST_SECONDS} seconds at most, as Cloud Monitoring takes them; 0 means 60."
        )
        yield Fault("spec.params.pushInterval", text)
