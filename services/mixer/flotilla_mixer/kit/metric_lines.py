"""A handler that writes each row as a line of a datagram: what StatsD's and DogStatsD's have alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from flotilla_mixer.kit.adapter import Environment, ReportBatch
from flotilla_mixer.kit.delivery import DeliverySettings


class RowWriter(Protocol):
    """Writes the rows of one instance."""

    def line(self, row: Any) -> str:
        """The line of a row; empty when it is not to be sent. Raises ValueError for a row that does not fit."""
        ...


class Link(Protocol):
    """To a server of lines: kit.datagrams', or kit.framed's."""

    async def send(self, lines: Sequence[str]) -> None:
        """Raises SendError with the lines that have not gone out."""
        ...

    def close(self) -> None: ...


class MetricLines:
    """Rows become lines, which wait in the kit's queue. `writers` are by the full names of instances."""

    def __init__(
        self,
        writers: Mapping[str, RowWriter],
        link: Link,
        settings: DeliverySettings,
        environment: Environment,
    ) -> None:
        self._writers = writers
        self._link = link
        self._environment = environment
        self._lines = environment.deliver(link.send, settings, size=len)

    def report(self, batches: Sequence[ReportBatch]) -> None:
        """Raises ValueError with what is wrong with rows that do not fit; the others are sent."""
        wrong: list[str] = []
        self._lines.offer(list(self._written(batches, wrong)))
        if wrong:
            self._environment.dropped("misfit", len(wrong))
            raise ValueError("; ".join(dict.fromkeys(wrong)))

    def _written(self, batches: Sequence[ReportBatch], wrong: list[str]) -> Iterator[str]:
        """The lines to send; what is wrong with the other rows goes to `wrong`."""
        for batch in batches:
            writer = self._writers.get(batch.instance.name)
            if writer is None:
                continue
            for row in batch.rows:
                try:
                    line = writer.line(row)
                except ValueError as error:
                    wrong.append(str(error))
                else:
                    if line:
                        yield line

    def close(self) -> None:
        self._link.close()
