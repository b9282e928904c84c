"""Limits of a proxy's connections in the mesh configuration (rule MC8 of Istio's validation)."""

from __future__ import annotations

from flotilla_galley.validation.checks import Report
from flotilla_protos.istio.mesh.v1alpha1.proxy_pb2 import ProxyConfig

# The least window of HTTP/2 that Envoy takes.
LEAST_WINDOW = 65_535
_WINDOWS = ("http2_initial_stream_window_size", "http2_initial_connection_window_size")


def check_connections(settings: ProxyConfig.ConnectionSettings, report: Report) -> None:
    """Numbers and times are not below 0, windows not below HTTP/2's own."""
    for field, value in settings.ListFields():
        if field.message_type is None:
            continue
        where = report.at(field.json_name)
        if field.message_type.full_name == "google.protobuf.Duration":
            where.wrong("" if value.ToNanoseconds() >= 0 else "it is below 0")
        elif field.name in _WINDOWS:
            where.wrong("" if value.value >= LEAST_WINDOW else f"{value.value} is below {LEAST_WINDOW}")
        elif value.value < 0:
            where.wrong(f"{value.value} is below 0")
