"""What is reported and asked: requests of productpage to reviews, each with a time, identifiers and trace of its own."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

from flotilla_mixer.testing.native import NativeClient
from flotilla_shared.model.expressions import Duration, Timestamp

ENTRIES = 100
"""Of a report."""
CODES = (200, 200, 200, 404, 503)
COMMON: dict[str, object] = {
    "context.protocol": "http",
    "context.reporter.kind": "inbound",
    "context.reporter.uid": "kubernetes://reviews-v1.default",
    "source.workload.name": "productpage-v1",
    "source.workload.namespace": "default",
    "source.uid": "kubernetes://productpage-v1.default",
    "source.ip": bytes((10, 0, 0, 7)),
    "destination.service.host": "reviews.default.svc.cluster.local",
    "destination.service.name": "reviews",
    "destination.service.namespace": "default",
    "destination.namespace": "default",
    "destination.workload.name": "reviews-v1",
    "destination.workload.namespace": "default",
    "destination.ip": bytes((10, 0, 0, 8)),
    "destination.port": 9080,
    "request.method": "GET",
    "request.path": "/reviews/0",
    "request.size": 0,
    "response.size": 950,
}
_CLIENT = NativeClient(222)
_NANOSECONDS, _MILLISECOND = 1_000_000_000, 1_000_000


class Entries:
    """Each request is numbered: `response.code`, `request.id`, `request.time`, `response.time`, `response.duration` and
    `request.headers` (x-request-id, x-b3-traceid, x-b3-spanid, x-b3-sampled) differ.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def report(self) -> bytes:
        """ENTRIES of them; all but the first say what differs, as a proxy does."""
        return _CLIENT.report_request(list(self._bags()), delta=True).SerializeToString()

    def _bags(self) -> Iterator[dict[str, object]]:
        now = time.time_ns()
        for number in itertools.islice(self._numbers, ENTRIES):
            took = (5 + number % 20) * _MILLISECOND
            begun = now - _NANOSECONDS + number % ENTRIES * _MILLISECOND
            yield COMMON | {
                "response.code": CODES[number % len(CODES)],
                "request.id": f"28f0304c-c1fe-4a9d-b291-{number:012x}",
                "request.time": Timestamp(begun),
                "response.time": Timestamp(begun + took),
                "response.duration": Duration(took),
                "request.headers": _headers(number),
            }

    def check(self, quota: str = "") -> bytes:
        """May this request be done? With the name of a quota, one of that is asked for too."""
        number = next(self._numbers)
        bag = COMMON | {"request.id": str(number), "request.time": Timestamp(time.time_ns())}
        quotas = {quota: (1, False)} if quota else None
        return _CLIENT.check_request(bag, quotas, f"call-{number}").SerializeToString()


def _headers(number: int) -> dict[str, str]:
    return {
        "x-request-id": f"28f0304c-c1fe-4a9d-b291-{number:012x}",
        "x-b3-traceid": f"{time.time_ns():016x}{number:016x}",
        "x-b3-spanid": f"{number:016x}",
        "x-b3-sampled": "1",
    }
