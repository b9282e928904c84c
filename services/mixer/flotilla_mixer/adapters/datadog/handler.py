"""A handler that merges metrics into points and sends these and logs to Datadog."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flotilla_mixer.adapters.datadog.intake import DISTRIBUTIONS_PATH, LOGS_PATH, SERIES_PATH, Intake
from flotilla_mixer.adapters.datadog.logs import LogWriter
from flotilla_mixer.adapters.datadog.points import Point
from flotilla_mixer.adapters.datadog.settings import DatadogSettings
from flotilla_mixer.adapters.datadog.values import Merged, Room
from flotilla_mixer.kit.adapter import Environment, ReportBatch
from flotilla_mixer.kit.connections import Connections
from flotilla_mixer.kit.counters import CLOSED
from flotilla_mixer.kit.delivery import MEGABYTE, DeliverySettings
from flotilla_mixer.kit.merging import MergeSettings
from flotilla_mixer.kit.secrets import SecretFile
from flotilla_mixer.kit.sending import RetrySettings, SendError

MISFIT = "misfit"
MOST_SERIES, MOST_VALUES = 10_000, 200_000  # of one round
LOGS_AT_ONCE = 1_000  # of one request: Datadog's limit
AROUND_POINTS, AROUND_LOGS = (b'{"series":[', b"]}"), (b"[", b"]")


class DatadogHandler:
    """`merged` and `writers` are by the full names of instances, of `metric` and of `logentry`."""

    def __init__(
        self,
        merged: Mapping[str, Merged],
        writers: Mapping[str, LogWriter],
        settings: DatadogSettings,
        connections: Connections,
        key: SecretFile,
        environment: Environment,
        clock: Callable[[], float] = time.time,
    ) -> None:
        forms = settings.forms
        self._merged, self._writers, self._environment = merged, writers, environment
        self._interval, self._clock, self._last = settings.interval, clock, 0
        self._room = Room(MOST_SERIES, MOST_VALUES)
        self._connections = connections
        self._series = Intake(connections, settings.metrics_url, SERIES_PATH, key, forms.series)
        self._distributions = Intake(connections, settings.metrics_url, DISTRIBUTIONS_PATH, key, forms.distributions)
        self._intake = Intake(connections, settings.logs_url, LOGS_PATH, key, forms.logs)
        # The client's own time limits come first: each is of one step of a request.
        retry = RetrySettings(send_seconds=6 * settings.timeout)
        self._points = environment.merge(
            self._drain, self._send_points, _number, MergeSettings(seconds=settings.interval, retry=retry)
        )
        kept = DeliverySettings(batch_entries=LOGS_AT_ONCE, batch_bytes=4 * MEGABYTE, retry=retry)
        self._logs = environment.deliver(self._send_logs, kept, size=len)

    def report(self, batches: Sequence[ReportBatch]) -> None:
        """Raises ValueError with what is wrong with rows that do not fit; the others are sent."""
        wrong: list[str] = []
        for batch in batches:
            if (merged := self._merged.get(batch.instance.name)) is not None:
                self._merge(merged, batch.rows, wrong)
            elif (writer := self._writers.get(batch.instance.name)) is not None:
                self._offer(writer, batch.rows, wrong)
        if wrong:
            self._environment.dropped(MISFIT, len(wrong))
            raise ValueError("; ".join(dict.fromkeys(wrong)))

    def _merge(self, merged: Merged, rows: Sequence[Any], wrong: list[str]) -> None:
        if not self._points.take(0):
            self._environment.dropped(CLOSED, len(rows))
            return
        fitting, refused = merged.merge(rows, self._room, wrong)
        self._points.take(fitting)
        for cause, number in refused.items():
            self._points.give_up(cause, number)
            text = f"entries are dropped: a round has at most {MOST_SERIES} series and {MOST_VALUES} values"
            self._environment.complain(cause, text, entries=number)

    def _offer(self, writer: LogWriter, rows: Sequence[Any], wrong: list[str]) -> None:
        contents = []
        for row in rows:
            try:
                contents.append(writer.content(row))
            except ValueError as error:
                wrong.append(str(error))
        self._logs.offer(contents)

    def _drain(self) -> list[Point]:
        """The points of a round, of a second that no round had before."""
        self._last = max(int(self._clock()), self._last + 1)
        self._room = Room(MOST_SERIES, MOST_VALUES)
        return [point for merged in self._merged.values() for point in merged.drain(self._last, self._interval)]

    async def _send_points(self, points: Sequence[Point]) -> None:
        """Raises SendError with those that are left."""
        series = [point for point in points if not point.is_distribution]
        distributions = [point for point in points if point.is_distribution]
        if series:
            try:
                await self._series.send(series, _content, AROUND_POINTS)
            except SendError as error:
                error.left = [*(error.left or ()), *distributions]
                raise
        if distributions:
            await self._distributions.send(distributions, _content, AROUND_POINTS)

    async def _send_logs(self, contents: Sequence[bytes]) -> None:
        await self._intake.send(contents, lambda content: content, AROUND_LOGS)

    async def close(self) -> None:
        await self._connections.close()


def _content(point: Point) -> bytes:
    return point.content


def _number(points: Sequence[Point]) -> int:
    return sum(point.number for point in points)
