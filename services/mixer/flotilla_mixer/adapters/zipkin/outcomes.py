"""What an HTTP status means for a span: 1.4's codes, which are gRPC's by name."""

from __future__ import annotations

from collections.abc import Mapping

OK, UNKNOWN = "OK", "UNKNOWN"
_NAMES: Mapping[int, str] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
STATUS_CODE, DESCRIPTION, ERROR = "http.status_code", "opencensus.status_description", "error"


def outcome_of(status: int) -> str:
    """Its name: OK from 200 to 399."""
    return _NAMES.get(status) or (OK if 200 <= status < 400 else UNKNOWN)
