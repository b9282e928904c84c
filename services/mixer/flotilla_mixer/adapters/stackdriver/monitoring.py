"""Series to Cloud Monitoring: one point of each in a round, 200 in a request, and what it says of those it does not take."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from flotilla_mixer.adapters.stackdriver.link import Link
from flotilla_mixer.adapters.stackdriver.outcomes import CallError, Code, detail
from flotilla_mixer.adapters.stackdriver.place import Places
from flotilla_mixer.adapters.stackdriver.series import MILLISECOND, Series, SeriesWriter
from flotilla_mixer.adapters.stackdriver.wire import field
from flotilla_mixer.kit.adapter import Environment, ReportBatch
from flotilla_mixer.kit.merging import MergeSettings
from flotilla_mixer.kit.sending import RetrySettings, SendError

CREATE = "/google.monitoring.v3.MetricService/CreateTimeSeries"
NAME, SERIES = 3, 2  # fields of its request
MOST_IN_REQUEST = 200
MOST_SERIES = 10_000
PUSH_SECONDS = 60.0
CARDINALITY, MISFIT = "cardinality", "misfit"
# What it says of parts of a request. The words are those of its answers; a cause that may pass is tried again.
CAUSES = (
    (re.compile(r"in order|older", re.I), "out_of_order", False),
    (re.compile(r"more frequently", re.I), "too_frequent", False),
    (re.compile(r"retry|internal error|unavailable|deadline", re.I), "busy", True),
)
_PLACES = re.compile(r"timeSeries\[([\d,\s-]+)\]")


class MetricReporter:
    """Merges rows, and sends what they came to every `seconds`. `writers` are by the full names of instances."""

    def __init__(
        self,
        writers: Mapping[str, SeriesWriter],
        link: Link,
        places: Places,
        summary: Any,
        seconds: float,
        environment: Environment,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._writers = writers
        self._link = link
        self._places = places
        self._summary = summary
        self._environment = environment
        self._clock = clock
        self._ended = 0  # of the round before (ns)
        settings = MergeSettings(seconds, MOST_IN_REQUEST, RetrySettings(send_seconds=15.0))
        self._merging = environment.merge(self._drain, self._send, rows_of, settings)

    def report(self, batches: Sequence[ReportBatch], wrong: list[str]) -> None:
        """What is wrong with rows goes to `wrong`, and the others are merged."""
        known = [
            (self._writers[batch.instance.name], batch) for batch in batches if batch.instance.name in self._writers
        ]
        if not self._merging.take(sum(len(batch.rows) for _, batch in known)):
            return
        now, misfits, refused = self._clock(), len(wrong), 0
        for writer, batch in known:
            room = MOST_SERIES - sum(len(each.cells) for each in self._writers.values())
            refused += writer.merge(batch, now, room, wrong)
        self._merging.give_up(MISFIT, len(wrong) - misfits)
        if refused:
            self._merging.give_up(CARDINALITY, refused)
            text = "values are dropped: there are too many series"
            self._environment.complain(CARDINALITY, text, most=MOST_SERIES, values=refused)

    def _drain(self) -> list[Series]:
        """A point begins a millisecond after the one before ended, and lasts one at least: so its kind has it."""
        after = self._ended + MILLISECOND
        self._ended = max(self._clock(), after + MILLISECOND)
        return [series for writer in self._writers.values() for series in writer.drain(after, self._ended)]

    async def _send(self, batch: Sequence[Series]) -> None:
        place = await self._places.find()
        name = f"projects/{place.project}"
        parts = [field(SERIES, series.writer.encode(series, place)) for series in batch]
        try:
            await self._link.call(CREATE, field(NAME, name.encode()) + b"".join(parts), name=name)
        except CallError as error:
            raise in_part(error, batch, self._summary) from None


def rows_of(batch: Sequence[Series]) -> int:
    return sum(series.rows for series in batch)


def in_part(error: CallError, batch: Sequence[Series], summary: Any) -> SendError:
    """What an answer says of the single series: those that it names were not written, the others were. An answer that
    names none is about all of them.
    """
    places = dict(_refused(error.said, len(batch)))
    told = detail(error.status, summary)
    if not places or (told is not None and told.success_point_count == 0 and len(places) < told.total_point_count):
        return error
    if error.code not in (Code.INVALID_ARGUMENT, Code.INTERNAL, Code.UNAVAILABLE, Code.NOT_FOUND):
        return error
    left = [batch[place] for place, (_, retry) in sorted(places.items()) if retry]
    refused: dict[str, list[Series]] = {}
    for place, (cause, retry) in sorted(places.items()):
        if not retry:
            refused.setdefault(cause, []).append(batch[place])
    return SendError(str(error), cause="busy" if left else error.cause, retry=bool(left), left=left, refused=refused)


def _refused(text: str, number: int) -> Iterator[tuple[int, tuple[str, bool]]]:
    """Places of series in a request of so many, with the cause and whether it may pass. An answer has parts with `;`
    between; each names series as `timeSeries[3,8-12]`, before or after its reason.
    """
    for part in text.split("; "):
        verdict = next(((cause, retry) for words, cause, retry in CAUSES if words.search(part)), ("invalid", False))
        for found in _PLACES.finditer(part):
            for each in found[1].split(","):
                first, _, last = each.strip().partition("-")
                if first.isdigit():
                    end = min(int(last) if last.isdigit() else int(first), number - 1)
                    yield from ((place, verdict) for place in range(int(first), end + 1))
