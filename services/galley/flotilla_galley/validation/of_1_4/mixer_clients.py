"""HTTPAPISpec (rule MX2 as Istio 1.4 has it, slip and all)."""

from __future__ import annotations

from flotilla_galley.validation import mixer_clients
from flotilla_galley.validation.checks import Report
from flotilla_protos.istio.mixer.v1.config.client.api_spec_pb2 import HTTPAPISpec


def http_api_spec(spec: HTTPAPISpec, report: Report, namespace: str) -> None:
    """Attributes were asked of the spec, once a pattern; those of patterns were not looked at."""
    bare = HTTPAPISpec()
    bare.CopyFrom(spec)
    for pattern in bare.patterns:
        pattern.ClearField("attributes")
    mixer_clients.http_api_spec(bare, report, namespace)
    if spec.patterns and not spec.attributes.attributes:
        report.at("attributes").wrong("there is none; Istio 1.4 takes no HTTPAPISpec without attributes of its own")
