"""Metrics of the MCP source, under Istio 1.4's names."""

from __future__ import annotations

from flotilla_shared.runtime.metrics import ServiceMetrics


class DistributionMetrics:
    def __init__(self, metrics: ServiceMetrics) -> None:
        counter, gauge = metrics.counter, metrics.gauge
        self._clients = gauge("istio_mcp_clients_total", "Subscribers with an open stream")
        self._sent = counter("istio_mcp_message_sizes_sent_count", "Responses sent", ["collection"])
        self._acks = counter("istio_mcp_request_acks_total", "Responses that were acknowledged", ["collection"])
        self._nacks = counter("istio_mcp_request_nacks_total", "Responses that were refused", ["collection", "code"])
        self._stale = counter("istio_mcp_request_stale_nonces", "Requests that answer no open response", ["collection"])
        self._denied = counter("istio_mcp_unauthorized_peers", "Streams of callers that are not on the access list")

    def opened(self, number: int) -> None:
        self._clients.inc(number)

    def sent(self, collection: str) -> None:
        self._sent.labels(collection).inc()

    def acked(self, collection: str) -> None:
        self._acks.labels(collection).inc()

    def nacked(self, collection: str, code: int) -> None:
        self._nacks.labels(collection, str(code)).inc()

    def stale(self, collection: str) -> None:
        self._stale.labels(collection).inc()

    def unauthorized(self) -> None:
        self._denied.inc()
