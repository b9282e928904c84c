"""Citadel's metrics, under Istio's names so that dashboards and alerts go on working.

The expiry gauges are computed when they are read. Beyond Istio's there is one, asked for by its users: when
Citadel's own serving certificate ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial

from flotilla_citadel.errors import (
    CallerRefused,
    CsrRefused,
    ImpersonationRefused,
    KeysUnavailable,
    LifetimeRefused,
    RequestRefused,
    ReviewUnavailable,
)
from flotilla_citadel.publish.distribution import RootDistribution
from flotilla_citadel.publish.namespaces import State
from flotilla_citadel.store.root_watch import RootWatch, SecretState
from flotilla_shared.runtime.metrics import ServiceMetrics

_AUTHENTICATION = (CallerRefused, ImpersonationRefused, KeysUnavailable, ReviewUnavailable)


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


class ClusterMetrics:
    """What only a Citadel on Kubernetes has to count."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        self._reviews = metrics.counter(
            "citadel_token_reviews_total", "Questions to the API server whether a token holds", ["result"]
        )
        for result in ("answered", "failed"):
            self._reviews.labels(result)
        self._review_seconds = metrics.histogram(
            "citadel_token_review_seconds",
            "Time until the API server said whether a token holds",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0),
        )
        self._namespaces = metrics.gauge(
            "citadel_root_namespaces", "Namespaces by how the root's ConfigMap stands in them", ["state"]
        )
        self._secret = metrics.gauge(
            "citadel_root_secret_in_trouble", "1 while the root's Secret is gone or holds something else"
        )
        self._leading = metrics.gauge("citadel_leader", "1 while this replica writes ConfigMaps")

    def reviewed(self, result: str, seconds: float) -> None:
        """One question: `answered` or `failed`."""
        self._reviews.labels(result).inc()
        self._review_seconds.observe(seconds)

    def follow(self, watch: RootWatch, distribution: RootDistribution) -> None:
        """Show how these stand whenever the page is asked for."""
        for state in State:
            self._namespaces.labels(state).set_function(partial(_count, distribution, state))
        self._secret.set_function(lambda: float(watch.state in (SecretState.CHANGED, SecretState.DELETED)))
        self._leading.set_function(lambda: float(distribution.leading))


def _count(distribution: RootDistribution, state: State) -> float:
    return float(distribution.standings.count(state))
