"""Metrics of the configuration source, under Istio 1.4's names.

1.4's label connectionID is not here: each connection would leave a series behind for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from flotilla_shared.runtime.metrics import ServiceMetrics

COMPONENT = "galley"
SIZES = tuple(4.0**power for power in range(15))  # 1 byte to 256 MiB


class DistributionMetrics:
    def __init__(self, metrics: ServiceMetrics) -> None:
        counter, gauge = metrics.counter, metrics.gauge
        self._clients = gauge("istio_mcp_clients_total", "Streams that are open", ["component"])
        self._sizes = metrics.histogram(
            "istio_mcp_message_sizes_bytes", "Sizes of responses", ["component", "collection"], SIZES
        )
        self._acks = counter("istio_mcp_request_acks_total", "Responses acknowledged", ["component", "collection"])
        self._nacks = counter("istio_mcp_request_nacks_total", "Responses refused", ["component", "collection", "code"])
        self._stale = counter(
            "istio_mcp_request_stale_nonces", "Requests that answer no open response", ["component", "collection"]
        )
        self._send = counter("istio_mcp_send_failures_total", "Failed sends", ["component", "code", "error"])
        self._receive = counter("istio_mcp_recv_failures_total", "Failed receives", ["component", "code", "error"])
        self._reconnections = counter("istio_mcp_reconnections", "Times that a sink was dialled again", ["component"])
        self._denied = counter("istio_mcp_unauthorized_peers", "Streams of callers that are not on the access list")
        self._clients.labels(COMPONENT).set(0)
        # A look-up by labels costs more than the counting: each is done once a collection.
        self._sent = cache(lambda collection: self._sizes.labels(COMPONENT, collection))
        self._acked = cache(lambda collection: self._acks.labels(COMPONENT, collection))

    @contextmanager
    def open(self) -> Iterator[None]:
        """While a stream is."""
        self._clients.labels(COMPONENT).inc()
        try:
            yield
        finally:
            self._clients.labels(COMPONENT).dec()

    def sent(self, collection: str, size: int) -> None:
        self._sent(collection).observe(size)

    def acked(self, collection: str) -> None:
        self._acked(collection).inc()

    def nacked(self, collection: str, code: int) -> None:
        self._nacks.labels(COMPONENT, collection, str(code)).inc()

    def stale(self, collection: str) -> None:
        self._stale.labels(COMPONENT, collection).inc()

    def failed_to_send(self, code: str) -> None:
        """`code` names a status; texts would make a series each, so `error` is what it is about."""
        self._send.labels(COMPONENT, code, "stream").inc()

    def failed_to_receive(self, code: str) -> None:
        self._receive.labels(COMPONENT, code, "request").inc()

    def reconnected(self) -> None:
        self._reconnections.labels(COMPONENT).inc()

    def unauthorized(self) -> None:
        self._denied.inc()
