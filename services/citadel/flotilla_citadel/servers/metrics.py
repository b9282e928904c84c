"""Citadel's metrics, under Istio's names so that dashboards and alerts go on working.

The expiry gauges are computed when they are read. Beyond Istio's there is one, asked for by its users: when
Citadel's own serving certificate ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from flotilla_citadel.errors import (
    CallerRefused,
    CsrRefused,
    ImpersonationRefused,
    KeysUnavailable,
    LifetimeRefused,
    RequestRefused,
)
from flotilla_shared.runtime.metrics import ServiceMetrics

_AUTHENTICATION = (CallerRefused, ImpersonationRefused, KeysUnavailable)


class CitadelMetrics:
    """Counts what the certificate service does."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        counter = metrics.counter
        self._metrics = metrics
        self._requests = counter("citadel_server_csr_count", "CSRs received")
        self._unauthenticated = counter(
            "citadel_server_authentication_failure_count", "Requests whose caller could not be authenticated"
        )
        self._unparsed = counter("citadel_server_csr_parsing_err_count", "Requests whose CSR could not be read")
        self._unidentified = counter(
            "citadel_server_id_extraction_err_count",
            "Requests whose CSR asks for names that are not the caller's",
        )
        self._unsigned = counter("citadel_server_csr_sign_err_count", "Requests that were not signed", ["error"])
        self._issued = counter("citadel_server_success_cert_issuance_count", "Certificates issued")

    def requested(self) -> None:
        self._requests.inc()

    def signed(self) -> None:
        self._issued.inc()

    def failed(self, error: str) -> None:
        self._unsigned.labels(error).inc()

    def refused(self, refused: RequestRefused) -> None:
        """Count a refusal where Istio counts it."""
        if isinstance(refused, _AUTHENTICATION):
            self._unauthenticated.inc()
        elif isinstance(refused, CsrRefused) and not refused.parsed:
            self._unparsed.inc()
        elif isinstance(refused, CsrRefused) and refused.foreign_names:
            self._unidentified.inc()
        else:
            self.failed("ttl" if isinstance(refused, LifetimeRefused) else refused.reason)

    def expires(self, prefix: str, what: str, end: Callable[[], datetime | None]) -> None:
        """Two gauges, `<prefix>_expiry_timestamp` and `<prefix>_expiry_seconds`, of `end()` (-1 while there
        is none).
        """

        def timestamp() -> float:
            moment = end()
            return -1.0 if moment is None else moment.timestamp()

        def seconds() -> float:
            moment = end()
            return -1.0 if moment is None else moment.timestamp() - time.time()

        gauge = self._metrics.gauge
        gauge(f"{prefix}_expiry_timestamp", f"When {what} ends, in seconds since 1970").set_function(timestamp)
        gauge(f"{prefix}_expiry_seconds", f"How long {what} is still valid, in seconds").set_function(seconds)
