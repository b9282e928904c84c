"""Headers that a route or one of its destinations sets, adds and removes (rule HR5), in both spellings of 1.4."""

from __future__ import annotations

from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.of_1_4.primitives import header_names
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import HTTPRoute, HTTPRouteDestination

# Fields that were out of date in 1.4 already, and worked.
OLD = (
    "append_headers",
    "append_request_headers",
    "append_response_headers",
    "remove_request_headers",
    "remove_response_headers",
)


def check_headers(holder: HTTPRoute | HTTPRouteDestination, report: Report) -> None:
    """A name must not be empty; that is all."""
    for side, operations in (("request", holder.headers.request), ("response", holder.headers.response)):
        for field in ("set", "add", "remove"):
            header_names(report.at("headers").at(side).at(field), sorted(getattr(operations, field)))
    for name in OLD:
        written = holder.DESCRIPTOR.fields_by_name.get(name)
        if written is not None:
            header_names(report.at(written.json_name), sorted(getattr(holder, name)))
