"""Spans to Cloud Trace: those of the traces that are sampled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from flotilla_mixer.adapters.stackdriver.link import Link
from flotilla_mixer.adapters.stackdriver.outcomes import CallError, Code
from flotilla_mixer.adapters.stackdriver.place import Places
from flotilla_mixer.adapters.stackdriver.spans import Span, SpanWriter, size_of
from flotilla_mixer.adapters.stackdriver.wire import field
from flotilla_mixer.kit.adapter import Environment, ReportBatch
from flotilla_mixer.kit.delivery import DeliverySettings
from flotilla_mixer.kit.sending import RetrySettings, SendError
from flotilla_mixer.kit.trace_context import wanted

WRITE = "/google.devtools.cloudtrace.v2.TraceService/BatchWriteSpans"
NAME, SPANS = 1, 2  # fields of its request
UNTRACED, UNSAMPLED, MISFIT = "untraced", "unsampled", "misfit"
INVALID = "invalid_argument"
MOST_HALVES = 40
SETTINGS = DeliverySettings(retry=RetrySettings(send_seconds=15.0))


class SpanReporter:
    """`writers` are by the full names of instances."""

    def __init__(
        self,
        writers: Mapping[str, SpanWriter],
        share: float,
        link: Link,
        places: Places,
        environment: Environment,
    ) -> None:
        self._writers = writers
        self._share = share
        self._link = link
        self._places = places
        self._environment = environment
        self._spans = environment.deliver(self._send, SETTINGS, size_of)

    def report(self, batches: Sequence[ReportBatch], wrong: list[str]) -> None:
        """Rows without IDs, and those of traces that are not wanted, are counted and no mistake; what is wrong with others
        goes to `wrong`.
        """
        left_out: Counter[str] = Counter()
        self._spans.offer(list(self._written(batches, left_out, wrong)))
        for cause, number in left_out.items():
            self._environment.dropped(cause, number)

    def _written(self, batches: Sequence[ReportBatch], left_out: Counter[str], wrong: list[str]) -> Iterator[Span]:
        for batch in batches:
            writer = self._writers.get(batch.instance.name)
            if writer is None:
                continue
            for row in batch.rows:
                try:
                    found = self._span(writer, row)
                except ValueError as error:
                    left_out[MISFIT] += 1
                    wrong.append(f"{batch.instance.name}: {error}")
                    continue
                if isinstance(found, str):
                    left_out[found] += 1
                else:
                    yield found

    def _span(self, writer: SpanWriter, row: Sequence[Any]) -> Span | str:
        """Why there is none, where there is none. Raises ValueError for a row that does not fit."""
        context = writer.context(row)
        if context is None:
            return UNTRACED
        return writer.span(row, context) if wanted(context, self._share) else UNSAMPLED

    async def _send(self, batch: Sequence[Span]) -> None:
        """Cloud Trace takes a request whole or not at all: one that it refuses is halved until it is known which spans
        are wrong, as far as MOST_HALVES calls tell.
        """
        place = await self._places.find()
        waiting: list[Sequence[Span]] = [batch]
        refused: list[Span] = []
        calls, said = 0, ""
        while waiting:
            part = waiting.pop()
            try:
                await self._write(f"projects/{place.project}", [span.encode(place) for span in part])
            except CallError as error:
                if error.code is not Code.INVALID_ARGUMENT:
                    raise _in_part(error, [*part, *chain.from_iterable(waiting)], refused) from None
                said = str(error)
                calls += 1
                half = len(part) // 2
                if half and calls < MOST_HALVES:
                    waiting += [part[half:], part[:half]]
                else:
                    refused.extend(part)
        if refused:
            raise SendError(said, cause=INVALID, refused={INVALID: refused})

    async def _write(self, name: str, spans: Sequence[bytes]) -> None:
        request = field(NAME, name.encode()) + b"".join(field(SPANS, span) for span in spans)
        await self._link.call(WRITE, request, name=name)


def _in_part(error: CallError, left: Sequence[Span], refused: Sequence[Span]) -> SendError:
    """What was written before the error is not written again."""
    if error.retry:
        causes = {INVALID: refused} if refused else None
        return SendError(str(error), cause=error.cause, retry=True, after=error.after, left=left, refused=causes)
    causes = {error.cause: left} | ({INVALID: refused} if refused else {})
    return SendError(str(error), cause=error.cause, refused=causes)
