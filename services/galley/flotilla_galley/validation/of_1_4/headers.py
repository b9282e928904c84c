"""Headers that a route or one of its destinations sets, adds and removes (rule HR5), in both spellings of 1.4."""

from __future__ import annotations

from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.of_1_4.primitives import header_name
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import HTTPRoute, HTTPRouteDestination

# Fields that were out of date in 1.4 already, and worked: as written, and as the messages name them.
_OF_BOTH = {
    "appendRequestHeaders": "append_request_headers",
    "appendResponseHeaders": "append_response_headers",
    "removeRequestHeaders": "remove_request_headers",
    "removeResponseHeaders": "remove_response_headers",
}
OLD = {HTTPRoute: _OF_BOTH | {"appendHeaders": "append_headers"}, HTTPRouteDestination: _OF_BOTH}


def check_headers(holder: HTTPRoute | HTTPRouteDestination, report: Report) -> None:
    """A name must not be empty; that is all."""
    for side in ("request", "response"):
        operations = getattr(holder.headers, side)
        for field in ("set", "add", "remove"):
            if "" in getattr(operations, field):
                report.at("headers").at(side).at(field).wrong(header_name(""))
    for field, name in OLD[type(holder)].items():
        if "" in getattr(holder, name):
            report.at(field).wrong(header_name(""))
