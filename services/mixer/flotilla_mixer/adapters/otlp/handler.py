"""The handler: rows to log records, spans and sums, and requests of them to one collector."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from flotilla_mixer.adapters.otlp.answers import partial_success, rejected_error
from flotilla_mixer.adapters.otlp.logs import LogWriter
from flotilla_mixer.adapters.otlp.meter import Meter, MetricWriter
from flotilla_mixer.adapters.otlp.requests import Entry, Signal, encoded_request, entry_size
from flotilla_mixer.adapters.otlp.spans import Dropped, SpanWriter
from flotilla_mixer.adapters.otlp.streams import Series
from flotilla_mixer.kit.adapter import Environment, ReportBatch
from flotilla_mixer.kit.complaints import QUIET_SECONDS
from flotilla_mixer.kit.counters import CLOSED
from flotilla_mixer.kit.delivery import Delivery, DeliverySettings
from flotilla_mixer.kit.rounds import Rounds

MISFIT, CARDINALITY, WARNING = "misfit", "cardinality", "warning"


class Link(Protocol):
    """The way to a collector."""

    @property
    def place(self) -> str: ...

    async def export(self, signal: Signal, content: bytes) -> Any:
        """The response to an encoded request. Raises SendError."""
        ...

    async def close(self) -> None: ...


class Exporter:
    """Sends what is of one signal."""

    def __init__(self, signal: Signal, link: Link, environment: Environment) -> None:
        self._signal = signal
        self._link = link
        self._environment = environment
        self._warned: tuple[str, float] = ("", 0.0)

    async def send(self, entries: Sequence[Entry]) -> None:
        """Raises SendError. Which entries of a batch were rejected a collector does not say: the last ones are counted."""
        await self.export(encoded_request(entries), entries)

    async def export(self, content: bytes, items: Sequence[Any]) -> None:
        """A request of these items; the last ones go first when some are rejected."""
        response = await self._link.export(self._signal, content)
        found = partial_success(self._signal, response, len(items))
        if found is None:
            return
        if found.rejected:
            raise rejected_error(self._signal, found, len(items), items[len(items) - found.rejected :])
        self._warn(found.text)

    def _warn(self, text: str) -> None:
        """It comes with requests that are taken, maybe with each: the same is told once in ten seconds."""
        before, until = self._warned
        now = time.monotonic()
        if text != before or now >= until:
            self._warned = text, now + QUIET_SECONDS
            self._environment.complain(WARNING, "the collector has a warning", said=text, place=self._link.place)


class EntryQueue:
    """Log records or spans of a handler, which wait in the kit's queue."""

    def __init__(
        self,
        writers: Mapping[str, LogWriter | SpanWriter],
        exporter: Exporter,
        settings: DeliverySettings,
        environment: Environment,
    ) -> None:
        self._writers = writers
        self._environment = environment
        self._entries: Delivery[Entry] = environment.deliver(exporter.send, settings, entry_size)

    def take(self, batch: ReportBatch, wrong: list[str]) -> None:
        writer = self._writers.get(batch.instance.name)
        if writer is None:
            return
        found: list[Entry] = []
        dropped: dict[str, int] = {}
        for row in batch.rows:
            try:
                entry = writer.entry(row)
            except (ValueError, OverflowError) as error:
                wrong.append(f"{batch.instance.name}: {error}")
                continue
            if isinstance(entry, Dropped):
                dropped[entry.cause] = dropped.get(entry.cause, 0) + 1
            else:
                found.append(entry)
        self._entries.offer(found)
        for cause, number in dropped.items():
            self._environment.dropped(cause, number)


class Sums:
    """Metrics of a handler, which are added up between rounds."""

    def __init__(
        self,
        writers: Mapping[str, MetricWriter],
        meter: Meter,
        exporter: Exporter,
        settings: DeliverySettings,
        environment: Environment,
    ) -> None:
        self._writers = writers
        self._meter = meter
        self._exporter = exporter
        self._environment = environment
        self._rounds: Rounds[Series] = environment.rounds(meter, self._send, settings)

    def take(self, batch: ReportBatch, wrong: list[str]) -> None:
        writer = self._writers.get(batch.instance.name)
        if writer is None:
            return
        if self._rounds.closing:
            self._environment.dropped(CLOSED, len(batch.rows))
            return
        added, refused = writer.write(batch, wrong)
        self._rounds.added(added)
        if refused:
            self._environment.dropped(CARDINALITY, refused)
            text = "values are dropped: there are too many label sets"
            self._environment.complain(CARDINALITY, text, instance=batch.instance.name, values=refused)

    async def _send(self, items: Sequence[Series]) -> None:
        """Of those that are rejected the ones that stand for most rows are counted: the counter is never too low."""
        content = self._meter.request(items)
        await self._exporter.export(content, sorted(items, key=lambda each: each.under_way))


class OtlpHandler:
    """`parts` take rows of the instances that they know."""

    def __init__(self, parts: Sequence[EntryQueue | Sums], link: Link, environment: Environment) -> None:
        self._parts = parts
        self._link = link
        self._environment = environment

    def report(self, batches: Sequence[ReportBatch]) -> None:
        """Raises ValueError with what is wrong with rows that do not fit; the others are taken. Those are counted as
        `misfit`.
        """
        wrong: list[str] = []
        for batch in batches:
            for part in self._parts:
                part.take(batch, wrong)
        if wrong:
            self._environment.dropped(MISFIT, len(wrong))
            raise ValueError("; ".join(dict.fromkeys(wrong)))

    async def close(self) -> None:
        await self._link.close()
