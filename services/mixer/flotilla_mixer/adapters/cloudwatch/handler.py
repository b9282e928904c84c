"""A configured adapter: rows of metrics into cells, rows of logs into events, both on their way to CloudWatch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flotilla_mixer.adapters.cloudwatch.calls import send_in_order
from flotilla_mixer.adapters.cloudwatch.cells import Cell, Cells, entries_of
from flotilla_mixer.adapters.cloudwatch.connection import Connection
from flotilla_mixer.adapters.cloudwatch.datums import MetricRequest
from flotilla_mixer.adapters.cloudwatch.datums import requests as metric_requests
from flotilla_mixer.adapters.cloudwatch.events import MOST_BYTES, MOST_EVENTS, Event, EventReader, LogRequest, rejected
from flotilla_mixer.adapters.cloudwatch.events import requests as log_requests
from flotilla_mixer.adapters.cloudwatch.series import SeriesReader
from flotilla_mixer.kit.adapter import Environment, ReportBatch
from flotilla_mixer.kit.counters import TIMEOUT
from flotilla_mixer.kit.delivery import DeliverySettings
from flotilla_mixer.kit.merging import MergeSettings
from flotilla_mixer.kit.sending import RetrySettings, SendError

NOT_FOUND = "not_found"
MOST_WAITING = 50_000  # log entries: ten seconds at 5,000 a second
CALL_TIMES = 4  # a call may take so many times the time limit: to connect, to get a token, to ask
# Every call has its own limit; a try of many calls must not be cut between them.
TRY_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class LogPlace:
    """Where events go, and what may be created if it is not there. `retention_days` of a new group; 0: for ever."""

    group: str
    stream: str
    may_create: bool = False
    with_group: bool = False
    retention_days: int = 0


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: how long values are merged, how long events wait for others, and of a call to CloudWatch."""

    metrics: float
    logs: float
    call: float


class CloudwatchHandler:
    """`series` and `events` are by the full names of instances."""

    def __init__(
        self,
        namespace: str,
        place: LogPlace,
        series: Mapping[str, SeriesReader],
        events: Mapping[str, EventReader],
        connection: Connection,
        pace: Pace,
        environment: Environment,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._namespace, self._place = namespace, place
        self._series, self._events = series, events
        self._connection, self._environment, self._clock = connection, environment, clock
        self._call_seconds = pace.call * CALL_TIMES
        self._cells = Cells()
        retry = RetrySettings(send_seconds=TRY_SECONDS)
        self._merging = environment.merge(
            self._cells.drain, self._send_cells, entries_of, MergeSettings(seconds=pace.metrics, retry=retry)
        )
        settings = DeliverySettings(
            most_waiting=MOST_WAITING,
            batch_entries=MOST_EVENTS,
            batch_bytes=MOST_BYTES,
            batch_seconds=pace.logs,
            retry=retry,
        )
        self._delivery = environment.deliver(self._send_events, settings, size=lambda event: event.size)

    def report(self, batches: Sequence[ReportBatch]) -> None:
        """Raises ValueError with what is wrong with rows that do not fit; the others are sent."""
        wrong: list[str] = []
        events: list[Event] = []
        for batch in batches:
            if batch.instance.name in self._series:
                self._merge(self._series[batch.instance.name], batch.rows, wrong)
            elif batch.instance.name in self._events:
                events.extend(self._read(self._events[batch.instance.name], batch.rows, wrong))
        if events:
            self._delivery.offer(events)
        if wrong:
            raise ValueError("; ".join(dict.fromkeys(wrong)))

    def close(self) -> None:
        """What was reported has been sent or counted."""
        self._connection.end()

    def _merge(self, reader: SeriesReader, rows: Sequence[Any], wrong: list[str]) -> None:
        if not self._merging.take(len(rows)):
            return
        now, add = self._clock(), self._cells.add
        for row in rows:
            try:
                series, value = reader.read(row)
            except (ValueError, TypeError) as error:
                self._merging.give_up("misfit", 1)
                wrong.append(f"a row has no value for CloudWatch: {error}")
                continue
            if not add(series, now, value):
                self._merging.give_up("cardinality", 1)
                self._environment.complain("cardinality", "there are too many series to be merged")

    def _read(self, reader: EventReader, rows: Sequence[Any], wrong: list[str]) -> Iterator[Event]:
        for row in rows:
            try:
                yield reader.read(row)
            except (ValueError, TypeError, OverflowError) as error:
                self._environment.dropped("misfit")
                wrong.append(f"a row is no event for CloudWatch: {error}")

    async def _send_cells(self, cells: Sequence[Cell]) -> None:
        await send_in_order(metric_requests(cells), self._put_metrics)

    async def _send_events(self, events: Sequence[Event]) -> None:
        await send_in_order(log_requests(events), self._put_events)

    async def _put_metrics(self, request: MetricRequest) -> Mapping[str, Sequence[Cell]]:
        await self._call(self._connection.put_metrics, self._namespace, request.datums)
        return {}

    async def _put_events(self, request: LogRequest) -> Mapping[str, Sequence[Event]]:
        place = self._place
        events = [{"timestamp": event.time, "message": event.message} for event in request.items]
        try:
            info = await self._call(self._connection.put_events, place.group, place.stream, events)
        except SendError as error:
            if error.cause != NOT_FOUND or not place.may_create:
                raise
            await self._call(
                self._connection.create,
                place.group,
                place.stream,
                with_group=place.with_group,
                retention_days=place.retention_days,
            )
            info = await self._call(self._connection.put_events, place.group, place.stream, events)
        return rejected(request.items, info)

    async def _call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """In the handler's thread. The SDK has limits for each step; the whole has one, too. Raises SendError."""
        try:
            async with asyncio.timeout(self._call_seconds):
                return await self._environment.in_thread(function, *args, **kwargs)
        except TimeoutError:
            text = f"a call took longer than {self._call_seconds:g} s"
            raise SendError(text, cause=TIMEOUT, retry=True) from None
