"""When what is written: at each interval all label sets of a handler, as they are when their batch is sent.

What waits are label sets and not values, so there is nothing to lose: a receiver that was away gets the totals of now, in
which all is counted that came meanwhile. Nothing is written to a disk, and what waits is never more than there are label
sets. The next round begins when the one before has ended, however it ended.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from flotilla_mixer.adapters.prometheus.families import Family
from flotilla_mixer.adapters.prometheus.remote_write import wire
from flotilla_mixer.adapters.prometheus.remote_write.encoding import FamilyEncoder, Labels
from flotilla_mixer.adapters.prometheus.remote_write.receiver import Receiver
from flotilla_mixer.adapters.prometheus.remote_write.settings import RemoteWriteSettings
from flotilla_mixer.adapters.prometheus.series import Series
from flotilla_mixer.kit.adapter import Environment
from flotilla_mixer.kit.delivery import KILOBYTE, DeliverySettings
from flotilla_mixer.kit.sending import RetrySettings

METADATA_SECONDS = 60.0  # as often as Prometheus writes it
SAMPLE_BYTES = 40  # of a sample, beside its labels
# Label sets that wait are there anyway, and their number has a limit of its own: that of the store.
ANY_NUMBER = 1 << 62
SETTINGS = DeliverySettings(
    most_waiting=ANY_NUMBER,
    most_waiting_bytes=ANY_NUMBER,
    batch_entries=2_000,
    batch_bytes=512 * KILOBYTE,
    batch_seconds=0,
)


class Due(NamedTuple):
    """A label set that is to be written; `ended` says that it is to be written for the last time, without a value."""

    encoder: FamilyEncoder
    series: Series
    ended: bool = False


class Known:
    """A label set that was encoded. `written_at` is when it last arrived, in seconds since 1970."""

    __slots__ = ("encoder", "labels", "written_at")

    def __init__(self, encoder: FamilyEncoder, labels: Labels) -> None:
        self.encoder = encoder
        self.labels = labels
        self.written_at = 0.0


class RemoteWriter:
    """Writes the families of one handler. `ending` gives those that end with it, when it is closed."""

    def __init__(
        self,
        families: Sequence[Family],
        ending: Callable[[], Sequence[Family]],
        settings: RemoteWriteSettings,
        environment: Environment,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Raises SecretError for a file that handlers may not name."""
        self._families = [(family, FamilyEncoder(family.shape, settings.labels)) for family in families]
        self._ending = ending
        self._interval = settings.interval_seconds
        self._clock = clock
        self._known: dict[Series, Known] = {}
        self._described: dict[FamilyEncoder, float] = {}
        self._receiver = Receiver(settings, environment)
        # The client's own time limits come first: each is of one step of a request.
        retry = RetrySettings(send_seconds=3 * settings.timeout_seconds)
        self._due = environment.deliver(self._send, replace(SETTINGS, retry=retry), size=_size, last=self._last)
        environment.spawn(self._run(), "remote write")

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            await self._due.drained()
            self._due.offer(self._all())

    def _all(self) -> list[Due]:
        """What there is, and what has ended since it was written."""
        found = [Due(encoder, series) for family, encoder in self._families for series in family.series()]
        ended = [Due(known.encoder, series, ended=True) for series, known in self._known.items() if series.gone]
        return found + ended

    def _last(self) -> Iterable[Due]:
        """The last values, and that there will be no more, but where another handler goes on with a family."""
        ending = set(self._ending())
        found = self._all()
        for family, encoder in self._families:
            if family in ending:
                found += [Due(encoder, series, ended=True) for series in family.series()]
        return found

    async def _send(self, batch: Sequence[Due]) -> None:
        """Raises SendError. All of a batch is of one moment; what has ended has done so right after."""
        now = self._clock()
        when, after = wire.moment(int(now * 1000)), wire.moment(int(now * 1000) + 1)
        parts = [self._encoded(due, when, after) for due in batch]
        undescribed = {due.encoder for due in batch if self._described.get(due.encoder, 0.0) + METADATA_SECONDS <= now}
        await self._receiver.write(b"".join([*parts, *(encoder.metadata() for encoder in undescribed)]))
        self._described.update(dict.fromkeys(undescribed, now))
        for due in batch:
            if due.ended:
                self._known.pop(due.series, None)
            elif due.series in self._known:
                self._known[due.series].written_at = now

    def _encoded(self, due: Due, when: bytes, after: bytes) -> bytes:
        known = self._known.get(due.series)
        if known is None:
            known = Known(due.encoder, due.encoder.labels(due.series))
            self._known[due.series] = known
        if due.ended:
            return due.encoder.ended(known.labels, after)
        return due.encoder.encode(due.series, known.labels, when, known.written_at)

    async def close(self) -> None:
        await self._receiver.close()


def _size(due: Due) -> int:
    """About how many bytes it will be."""
    labels = len(due.series.label_text) + len(due.encoder.shape.name)
    return due.encoder.samples * (labels + SAMPLE_BYTES)
