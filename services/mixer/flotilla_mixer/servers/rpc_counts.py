"""Calls of gRPC as OpenCensus counted them for 1.4's Mixer (`grpc_io_server_*`)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

import grpc
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from flotilla_shared.runtime.tallies import Distribution, MethodTally, TallyBounds

# The bounds of OpenCensus' views.
MILLISECONDS = (
    *(0.01, 0.05, 0.1, 0.3, 0.6, 0.8, 1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200),
    *(250, 300, 400, 500, 650, 800, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000),
)
BYTES = (1024, 2048, 4096, *(4**power for power in range(7, 17)))
BOUNDS = TallyBounds(MILLISECONDS, BYTES)  # of what a server counts
METHOD, STATUS = "grpc_server_method", "grpc_server_status"
PREFIX = "grpc_io_server"
Behaviour = Callable[[Any, Any], Awaitable[Any]]


class _OfMethod:
    """Calls of one method. A stream's bytes are not counted."""

    def __init__(self) -> None:
        self.completed: dict[str, int] = {}
        self.milliseconds = Distribution(MILLISECONDS)
        self.received, self.sent = Distribution(BYTES), Distribution(BYTES)

    def ended(self, status: str, seconds: float) -> None:
        self.completed[status] = self.completed.get(status, 0) + 1
        self.milliseconds.add(seconds * 1000)

    def add(self, tally: MethodTally) -> None:
        """What a front has counted."""
        for status, number in tally.completed.items():
            self.completed[status] = self.completed.get(status, 0) + number
        self.milliseconds.merge(*tally.milliseconds)
        self.received.merge(*tally.received)
        self.sent.merge(*tally.sent)

    def copy(self) -> _OfMethod:
        return deepcopy(self)


class RpcCounts(Collector):
    """Those of all servers of one Mixer."""

    completed = f"{PREFIX}_completed_rpcs"

    def __init__(self) -> None:
        self._methods: dict[str, _OfMethod] = {}
        self._fronts: list[Callable[[], Sequence[MethodTally]]] = []

    def also(self, tallies: Callable[[], Sequence[MethodTally]]) -> None:
        """Count what a server counts by itself, within BOUNDS, whenever the page is read."""
        self._fronts.append(tallies)

    def watch(self, handler: grpc.GenericRpcHandler) -> grpc.GenericRpcHandler:
        """The same handler of streams, whose calls are counted."""
        return _Watched(handler, self)

    def of(self, method: str) -> _OfMethod:
        """Those of a full method name."""
        return self._methods.setdefault(method.lstrip("/"), _OfMethod())

    def _all(self) -> dict[str, _OfMethod]:
        """Those that were watched, and those of fronts."""
        found = {name: each.copy() for name, each in self._methods.items()} if self._fronts else self._methods
        for tallies in self._fronts:
            for tally in tallies():
                found.setdefault(tally.method.lstrip("/"), _OfMethod()).add(tally)
        return found

    def collect(self) -> Iterator[Metric]:
        methods = self._all()
        completed = CounterMetricFamily(self.completed, "Calls that have ended", labels=[METHOD, STATUS])
        for method, found in methods.items():
            for status, number in found.completed.items():
                completed.add_metric([method, status], number)
        yield completed
        yield _histogram("server_latency", "Milliseconds that calls took", methods, lambda found: found.milliseconds)
        yield _histogram("received_bytes_per_rpc", "Bytes of requests", methods, lambda found: found.received)
        yield _histogram("sent_bytes_per_rpc", "Bytes of responses", methods, lambda found: found.sent)


def _histogram(
    name: str, text: str, methods: Mapping[str, _OfMethod], part: Callable[[_OfMethod], Distribution]
) -> Metric:
    family = HistogramMetricFamily(f"{PREFIX}_{name}", text, labels=[METHOD])
    for method, found in methods.items():
        family.add_metric([method], part(found).buckets(), part(found).total)
    return family


class _Watched(grpc.GenericRpcHandler):
    def __init__(self, handler: grpc.GenericRpcHandler, counts: RpcCounts) -> None:
        self._handler = handler
        self._counts = counts
        self._made: dict[str, Any] = {}

    def service(self, handler_call_details: Any) -> Any:
        method = handler_call_details.method
        if method not in self._made:
            found: Any = self._handler.service(handler_call_details)
            if found is None:
                return None
            self._made[method] = _counting(found, self._counts.of(method))
        return self._made[method]


def _counting(handler: Any, counts: _OfMethod) -> Any:
    return handler._replace(stream_unary=_timed(handler.stream_unary, counts))


def _timed(behaviour: Behaviour, counts: _OfMethod) -> Behaviour:
    async def call(request: Any, context: Any) -> Any:
        began, status = time.perf_counter(), "CANCELLED"
        try:
            response = await behaviour(request, context)
            status = "OK"
            return response
        except Exception:
            status = _code(context)
            raise
        finally:
            counts.ended(status, time.perf_counter() - began)

    return call


def _code(context: Any) -> str:
    """The code with which a call was ended, or UNKNOWN, which is what gRPC makes of an exception."""
    code = context.code()
    if isinstance(code, grpc.StatusCode):
        return str(code.name)
    return next((str(each.name) for each in grpc.StatusCode if each.value[0] == code and code), "UNKNOWN")
