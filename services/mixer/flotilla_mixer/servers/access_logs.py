"""envoy.service.accesslog.v3.AccessLogService: each message of a proxy becomes one report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import grpc
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage, StreamAccessLogsResponse
from google.protobuf.message import DecodeError

from flotilla_mixer.attributes.connections import ConnectionTable
from flotilla_mixer.attributes.entry import Bag
from flotilla_mixer.attributes.http_entry import http_bag
from flotilla_mixer.attributes.tcp_entry import tcp_bags
from flotilla_mixer.attributes.trust import Direction, Disbelief, Trust, find_reporter
from flotilla_mixer.debug.tap import Tap
from flotilla_mixer.dispatch.report import ReportDispatcher
from flotilla_mixer.dispatch.table import DispatchTable
from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.servers.bounds import MOST_ENTRIES
from flotilla_mixer.servers.gate import Gate
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.serving import Peer, peer_of

SERVICE = "envoy.service.accesslog.v3.AccessLogService"
METHOD = "StreamAccessLogs"
DIRECTIONS: tuple[Direction, ...] = ("inbound", "outbound")

_log = get_logger(__name__)


class _Refused(Exception):
    """A stream that ends with this status."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code


class LogStream:
    """What is known of one stream: who sends it, since when, and which side of calls it tells of."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.began_ns = time.time_ns()
        self.direction: Direction | None = None

    def identify(self, message: Any) -> Direction:
        """The stream's direction, which only its first message says. Raises _Refused."""
        name = message.identifier.log_name
        if name in DIRECTIONS:
            self.direction = name
        if self.direction is None:
            text = f"the log name is {name!r}, and must be inbound or outbound in the first message"
            raise _Refused(grpc.StatusCode.INVALID_ARGUMENT, text)
        return self.direction


class AccessLogs:
    """The generic handler of log streams. `table` gives the newest dispatch table, or None until there is one."""

    def __init__(
        self,
        table: Callable[[], DispatchTable | None],
        dispatcher: ReportDispatcher,
        metrics: MixerMetrics,
        gate: Gate,
        tap: Tap | None = None,
    ) -> None:
        self._table = table
        self._tap = tap or Tap()
        self._dispatcher = dispatcher
        self._metrics = metrics
        self._gate = gate
        self._connections = ConnectionTable()
        metrics.connections.set_function(lambda: float(len(self._connections)))

    def handler(self) -> grpc.GenericRpcHandler:
        """What a server registers."""
        return grpc.method_handlers_generic_handler(
            SERVICE, {METHOD: grpc.stream_unary_rpc_method_handler(self._stream)}
        )

    async def _stream(self, _requests: object, context: Any) -> bytes:
        stream = LogStream(peer_of(context))
        self._metrics.streams.inc()
        try:
            self._table_or_refuse()
            while (message := await context.read()) is not grpc.aio.EOF:
                self.take(stream, message)
        except _Refused as refused:
            _log.warning("log stream refused", peer=stream.peer.address, error=str(refused))
            await context.abort(refused.code, str(refused))
        finally:
            self._metrics.streams.dec()
        return bytes(StreamAccessLogsResponse().SerializeToString())

    def _table_or_refuse(self) -> DispatchTable:
        table = self._table()
        if table is None:
            raise _Refused(grpc.StatusCode.UNAVAILABLE, "Mixer is not ready: it has no configuration yet")
        return table

    def take(self, stream: LogStream, message: bytes) -> None:
        """Report what a message says. One that is not believed is counted and dropped; the stream goes on, for the
        next configuration may know the workload.
        """
        table = self._table_or_refuse()
        try:
            content = StreamAccessLogsMessage.FromString(message)
        except DecodeError as error:
            raise _Refused(grpc.StatusCode.INVALID_ARGUMENT, "this is no StreamAccessLogsMessage") from error
        direction = stream.identify(content)
        entries = len(content.http_logs.log_entry) + len(content.tcp_logs.log_entry)
        if self._gate.sheds_entries(entries):
            return
        reporter = find_reporter(table.view, stream.peer.ip, stream.peer.identity)
        if reporter is None:
            self._metrics.disbelieve(Disbelief.REPORTER)
            self._metrics.refused_entries.inc(entries)
            return
        if entries > MOST_ENTRIES:
            self._metrics.refused_entries.inc(entries)
            raise _Refused(grpc.StatusCode.INVALID_ARGUMENT, f"a message has at most {MOST_ENTRIES} log entries")
        trust = Trust(table.view, reporter, self._metrics.disbelieve)
        http = list(self._http(content, direction, trust))
        for bag in http:
            table.configuration.apis.put(bag)
        bags = [*http, *self._tcp(content, direction, trust, stream)]
        if self._tap.open:
            for bag in bags:
                self._tap.report(table, reporter.namespace, bag)
        self._dispatcher.dispatch(table, bags, lambda _: reporter.namespace)

    def _http(self, content: Any, direction: Direction, trust: Trust) -> Iterable[Bag]:
        entries = content.http_logs.log_entry
        if entries:
            self._metrics.entries.labels("http").inc(len(entries))
        return [bag for entry in entries if (bag := http_bag(entry, direction, trust)) is not None]

    def _tcp(self, content: Any, direction: Direction, trust: Trust, stream: LogStream) -> Iterable[Bag]:
        entries = content.tcp_logs.log_entry
        if not entries:
            return []
        self._metrics.entries.labels("tcp").inc(len(entries))
        now = time.monotonic()
        return [
            bag
            for entry in entries
            for bag in tcp_bags(entry, direction, trust, self._connections, stream_began_ns=stream.began_ns, now=now)
        ]
