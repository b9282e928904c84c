"""The memquota adapter: parameters to limits, rows to grants (mixer.md 5.4)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any, ClassVar

from google.protobuf.duration_pb2 import Duration as DurationMessage
from google.protobuf.message import Message

from flotilla_mixer.adapters.memquota.deduplication import Deduplication, Granted
from flotilla_mixer.adapters.memquota.window import Cell, RollingWindow
from flotilla_mixer.kit.adapter import Environment, Fault, QuotaCall
from flotilla_mixer.kit.results import NO_OPINION, QuotaResult, Room
from flotilla_mixer.kit.text import reads_as, text_of
from flotilla_mixer.templates.catalogue import QUOTA
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.istio.mixer.adapter.memquota.config.config_pb2 import Params

NANOSECONDS = 1_000_000_000
TICKS_PER_SECOND = 10
CELLS_LIMIT = 100_000  # of all quotas of a handler: dimensions come from requests


class MemquotaHandler:
    """Counts in memory. `clock` gives seconds that only grow."""

    def __init__(self, params: Any, clock: Callable[[], float]) -> None:
        self._quotas = {quota.name: quota for quota in params.quotas}
        self._clock = clock
        self._seen = Deduplication(seconds_of(params.min_deduplication_duration))
        self._cells: dict[tuple[object, ...], RollingWindow | Cell] = {}

    def quota(self, calls: Sequence[QuotaCall]) -> None:
        for call in calls:
            try:
                call.answer(self._grant(call))
            except ValueError as error:  # dimensions that are not those of the instance
                call.fail(f"a quota cannot be counted: {error}")

    def close(self) -> None:
        self._cells.clear()

    def _grant(self, call: QuotaCall) -> QuotaResult:
        quota, now = self._quotas[call.instance.name], self._clock()
        if not call.amount and not call.tells:
            return NO_OPINION
        if call.deduplication_id:
            known = self._seen.find(call.deduplication_id, now)
            if known is not None:
                return QuotaResult(known.amount, max(0.0, known.until - now) if known.until else 0.0)
        dimensions = dict(zip(call.instance.names.get("dimensions", ()), call.row[0], strict=True))
        limit, seconds = limit_of(quota, dimensions)
        key = (call.instance.name, *(text_of(dimensions[name]) for name in sorted(dimensions)))
        cell = self._cell(key, limit, seconds, now)
        amount = _count(call, cell, now) if cell is not None else 0
        valid = seconds if amount > 0 and call.amount > 0 else 0.0
        if call.deduplication_id:
            self._seen.keep(call.deduplication_id, Granted(amount, now + valid if valid else 0.0), now)
        return QuotaResult(amount, valid, room=_room(cell, limit, seconds) if call.tells else None)

    def _cell(self, key: tuple[object, ...], limit: int, seconds: float, now: float) -> RollingWindow | Cell | None:
        """What counts for this key; None where no more keys can be counted, which refuses them."""
        found = self._cells.get(key)
        if found is None:
            if len(self._cells) >= CELLS_LIMIT:
                self._forget_idle(now)
            if len(self._cells) >= CELLS_LIMIT:
                return None
            found = RollingWindow(limit, ceil(seconds) * TICKS_PER_SECOND) if seconds > 0 else Cell(limit)
            self._cells[key] = found
        return found

    def _forget_idle(self, now: float) -> None:
        for key, cell in list(self._cells.items()):
            cell.advance(int(now * TICKS_PER_SECOND))
            if cell.idle:
                del self._cells[key]


def _count(call: QuotaCall, cell: RollingWindow | Cell, now: float) -> int:
    """Take what is wanted, or give it back."""
    ticks = now * TICKS_PER_SECOND
    tick = int(ticks)
    if call.amount < 0:
        return cell.release(-call.amount, tick)
    cell.advance(tick)
    amount = min(call.amount, cell.available) if call.best_effort else call.amount
    return amount if amount > 0 and cell.allocate(amount, tick, later=ticks > tick) else 0


def _room(cell: RollingWindow | Cell | None, limit: int, seconds: float) -> Room:
    """Where no more keys can be counted, nothing is left."""
    if cell is None:
        return Room(limit, 0, seconds, seconds)
    return Room(limit, cell.available, seconds, cell.resets_in() / TICKS_PER_SECOND)


def limit_of(quota: Any, dimensions: Mapping[str, object]) -> tuple[int, float]:
    """The amount and the seconds of the first override that fits, or the quota's own. A dimension that the instance
    does not have counts as empty.
    """
    for override in quota.overrides:
        if all(reads_as(text, dimensions.get(name)) for name, text in override.dimensions.items()):
            return override.max_amount, seconds_of(override.valid_duration)
    return quota.max_amount, seconds_of(quota.valid_duration)


def seconds_of(duration: Any) -> float:
    """Of a google.protobuf.Duration."""
    return float(duration.seconds + duration.nanos / NANOSECONDS)


class Memquota:
    """The adapter. `clock` is Python's monotonic one but in tests."""

    name: ClassVar[str] = "memquota"
    folder: ClassVar[Path] = Path(__file__).parent
    templates: ClassVar[frozenset[str]] = frozenset((QUOTA.name,))

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock

    def defaults(self) -> Message:
        return Params(min_deduplication_duration=DurationMessage(seconds=1))

    def validate(self, params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]:
        if seconds_of(params.min_deduplication_duration) <= 0:
            yield Fault("spec.params.minDeduplicationDuration", "the time of deduplication must be longer than 0.")
        names: set[str] = set()
        for number, quota in enumerate(params.quotas):
            yield from _wrong_quota(f"spec.params.quotas[{number}]", quota)
            if quota.name in names:
                yield Fault(f"spec.params.quotas[{number}].name", f"there are two quotas named {quota.name}.")
            names.add(quota.name)
        known = {quota.name for quota in params.quotas}
        for spec in instances:
            if spec.name not in known:
                text = f"a rule asks for {spec.name}, and no quota has that name."
                yield Fault("spec.params.quotas", text)

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> MemquotaHandler:
        return MemquotaHandler(params, self._clock)


def _wrong_quota(path: str, quota: Any) -> Iterable[Fault]:
    if not quota.name:
        yield Fault(f"{path}.name", "a quota needs the full name of its instance, such as calls.instance.default.")
    for where, each in ((path, quota), *((f"{path}.overrides[{n}]", o) for n, o in enumerate(quota.overrides))):
        if each.max_amount < 0:
            yield Fault(f"{where}.maxAmount", f"{each.max_amount} is no limit: it must not be negative.")
        if seconds_of(each.valid_duration) < 0:
            yield Fault(f"{where}.validDuration", "a window must not be negative; 0 means until it is given back.")
