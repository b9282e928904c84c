"""A handler whose rows become spans, which wait for the server in the kit's queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from flotilla_mixer.adapters.zipkin.encoding import Encoding
from flotilla_mixer.adapters.zipkin.server import ZipkinServer
from flotilla_mixer.adapters.zipkin.spans import Manner, span_of
from flotilla_mixer.kit.adapter import Environment, ReportBatch
from flotilla_mixer.kit.delivery import DeliverySettings

MISFIT = "misfit"


class ZipkinHandler:
    """Spans are written as they come, so that what waits is known by its bytes."""

    def __init__(
        self,
        server: ZipkinServer,
        encoding: Encoding,
        manner: Manner,
        settings: DeliverySettings,
        environment: Environment,
    ) -> None:
        self._server = server
        self._write = encoding.one
        self._manner = manner
        self._environment = environment
        self._spans = environment.deliver(server.send, settings, size=len)

    def report(self, batches: Sequence[ReportBatch]) -> None:
        """Rows without ids, and those of traces that are not wanted, are counted and no mistake. Raises ValueError with
        what is wrong with rows that do not fit; the others are sent.
        """
        left_out: Counter[str] = Counter()
        wrong: list[str] = []
        self._spans.offer(list(self._written(batches, left_out, wrong)))
        for cause, number in left_out.items():
            self._environment.dropped(cause, number)
        if wrong:
            raise ValueError("; ".join(dict.fromkeys(wrong)))

    def _written(self, batches: Sequence[ReportBatch], left_out: Counter[str], wrong: list[str]) -> Iterator[bytes]:
        for batch in batches:
            for row in batch.rows:
                try:
                    found = span_of(batch.instance, row, self._manner)
                    if isinstance(found, str):
                        left_out[found] += 1
                    else:
                        yield self._write(found)
                except ValueError as error:
                    left_out[MISFIT] += 1
                    wrong.append(f"a row of {batch.instance.name} does not fit: {error}")

    async def close(self) -> None:
        await self._server.close()
