"""From sources to subscribers: reads when something changed, decides, keeps, publishes."""

from __future__ import annotations

import asyncio
import time
from collections import ChainMap
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from flotilla_galley.distribution.distributor import Distributor
from flotilla_galley.snapshot.last_good import LastGood
from flotilla_galley.snapshot.ledger import Entry, Ledger, Reading, State
from flotilla_galley.snapshot.metrics import RuntimeMetrics
from flotilla_galley.snapshot.precedence import settled
from flotilla_galley.snapshot.snapshot import Snapshot, change_snapshot, make_snapshot
from flotilla_galley.sources.further import FurtherSource
from flotilla_galley.sources.watching import Named, changes
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_shared.model.kinds import MESH_CONFIG
from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.runtime.readiness import Condition
from flotilla_shared.runtime.trace import HopRecorder

_log = get_logger(__name__)
Entries = Mapping[ObjectKey, Entry]


class Source(Protocol):
    def read(self) -> Reading:
        """What it holds now. Blocks, and never raises."""
        ...


class Publisher:
    """Component. Publishes what was kept at once, then what the sources hold, and again whenever they change.

    They change when something below `watched` does, of which `told` hears first, or when `touch` is called. `begun` is waited
    for before the sources are read at all: until each of them is whole, what was kept is all that is published. Objects of
    `objects` count before those of the `further` sources of the same name, and among these the first.
    """

    def __init__(
        self,
        *,
        objects: Source,
        mesh: Source,
        further: Sequence[FurtherSource] = (),
        last_good: LastGood,
        distributor: Distributor,
        trace: HopRecorder,
        synced: Condition,
        quiet_seconds: float,
        longest_seconds: float,
        watched: Sequence[Path] = (),
        told: Callable[[Named], None] = lambda named: None,
        begun: Callable[[], Awaitable[None]] | None = None,
        metrics: RuntimeMetrics | None = None,
        on_problem: Callable[[int, int], None] = lambda refused, kept: None,
        on_loaded: Callable[[], None] = lambda: None,
        on_read: Callable[[], None] = lambda: None,
    ) -> None:
        self.objects = Ledger()
        self.mesh = Ledger()
        self.published = asyncio.Event()
        self.ledgers: list[Ledger] = []
        self._further = [Ledger() for _ in further]
        self._objects_source = objects
        self._mesh_source = mesh
        self._further_sources = list(further)
        self._watched = list(watched)
        self._told = told
        self._begun = begun
        self._last_good = last_good
        self._distributor = distributor
        self._trace = trace
        self._synced = synced
        self._quiet_seconds = quiet_seconds
        self._longest_seconds = longest_seconds
        self._metrics = metrics or RuntimeMetrics(ServiceMetrics("galley"))
        self._on_problem = on_problem
        self._on_loaded = on_loaded
        self._on_read = on_read
        self._tasks = Tasks("publisher")
        self._stop = asyncio.Event()
        self._seen = asyncio.Event()
        self._bad: dict[ObjectKey, Entry] = {}
        self._missed = False

    async def start(self) -> None:
        """Publish what there is; the sources are watched from here on."""
        await self._load()
        if self._watched:
            self._tasks.spawn(self._watch(), "watch")
        if self._begun is None:
            await self.read()
        elif any(ledger.entries for ledger in self.ledgers):
            await self._publish({}, self._entries(), None)
        self._tasks.spawn(self._follow(), "follow")

    async def _load(self) -> None:
        kept = await asyncio.to_thread(self._last_good.load)
        if kept.entries:
            left = dict(kept.entries)
            self.mesh = _taken(left, lambda entry: entry.key.collection == MESH_CONFIG)
            self._further = [_taken(left, source.owns) for source in self._further_sources]
            self.objects = Ledger(left)
            if self.objects.entries:
                self._on_loaded()
            _log.info("last good configuration loaded", objects=len(kept.entries))
        self._settle()

    def _settle(self) -> None:
        if not any(ledger.entries for ledger in self._further):
            self.ledgers = [self.mesh, self.objects, *self._further]  # which have no object in common
            return
        self.ledgers = settled([self.mesh, self.objects, *self._further])

    def touch(self) -> None:
        """A source has changed; on the loop."""
        self._metrics.event()
        self._seen.set()

    async def stop(self) -> None:
        self._stop.set()
        await self._tasks.stop()

    async def _watch(self) -> None:
        async for named in changes(self._watched, self._stop):
            self._told(named)
            self.touch()

    async def _follow(self) -> None:
        if self._begun is not None:
            await self._begun()
            await self._read_or_tell()
        while True:
            await self._seen.wait()
            await self._until_quiet()
            await self._read_or_tell()

    async def _read_or_tell(self) -> None:
        """What fails here is a fault of Galley's own; what was published stays, and the next change is read."""
        try:
            await self.read()
            self._missed = False
        except Exception:  # noqa: BLE001  # any: the next change has to be read
            self._missed = True
            _log.exception("the sources could not be read; what was published stays")

    async def _until_quiet(self) -> None:
        """Until nothing more has come for the quiet time, or the longest time is over."""
        end, resets = time.monotonic() + self._longest_seconds, -1
        while self._seen.is_set() and time.monotonic() < end:
            resets += 1
            self._seen.clear()
            await asyncio.sleep(self._quiet_seconds)
        self._metrics.waited(resets, quiet=not self._seen.is_set())
        self._seen.clear()

    async def read(self) -> None:
        """Read the sources once and publish what changed."""
        mesh, objects = await asyncio.gather(
            asyncio.to_thread(self._mesh_source.read), asyncio.to_thread(self._objects_source.read)
        )
        self._metrics.read()
        before = self._entries()
        self.mesh, self.objects = self.mesh.read(mesh), self.objects.read(objects)
        spec = next((item.spec for item in self.mesh.items), MeshConfig())
        for number, source in enumerate(self._further_sources):
            self._further[number] = self._further[number].read(await asyncio.to_thread(source.read, spec))
        self._settle()
        after, changed = self._entries(), self._changed()
        self._record("galley.read", before, after, changed)
        self._log_problems(after, changed)
        await self._publish(before, after, changed)
        self._on_read()

    def _entries(self) -> Entries:
        """What counts for each object: of two ledgers that have one, the later has it because the earlier has nothing of it."""
        return ChainMap(*(ledger.entries for ledger in reversed(self.ledgers)))  # type: ignore[arg-type]  # only read

    def _changed(self) -> frozenset[ObjectKey] | None:
        """The keys that the last reading changed in any source; None for all, and after a reading that came to nothing."""
        if self._missed:
            return None
        each = [ledger.changed for ledger in (self.mesh, self.objects, *self._further)]
        return None if None in each else frozenset().union(*(keys for keys in each if keys))

    async def _publish(self, before: Entries, after: Entries, changed: frozenset[ObjectKey] | None) -> None:
        old = self._distributor.snapshot
        snapshot = self._snapshot(old, after, changed)
        try:
            await asyncio.to_thread(self._last_good.save, snapshot, after, changed)
        except OSError as error:
            _log.error("last good configuration cannot be kept", error=str(error))
        if snapshot.changed_from(old):
            self._record("galley.published", before if old is not None else {}, after, changed if old else None)
            self._metrics.published(snapshot, old)
            self._distributor.publish(snapshot)
        self.published.set()
        self._synced.met()

    def _snapshot(self, old: Snapshot | None, after: Entries, changed: frozenset[ObjectKey] | None) -> Snapshot:
        if old is None or changed is None:
            return make_snapshot([item for ledger in self.ledgers for item in ledger.items], old)
        found = {key: after.get(key) for key in changed}
        return change_snapshot(old, {key: entry.item if entry is not None else None for key, entry in found.items()})

    def _record(self, hop: str, before: Entries, after: Entries, changed: frozenset[ObjectKey] | None) -> None:
        for key in after if changed is None else changed:
            entry, known = after.get(key), before.get(key)
            if entry is None or entry.item is None:
                continue
            if known is None or known.item is None or known.item != entry.item:
                self._trace.record(hop, key, entry.item.version, detail=entry.place)

    def _log_problems(self, after: Entries, changed: frozenset[ObjectKey] | None) -> None:
        """A line for each object that newly is not as its author wants it; none again while nothing changes."""
        known, self._bad = self._bad, {} if changed is None else dict(self._bad)
        for key in after if changed is None else changed:
            entry = after.get(key)
            if entry is None or entry.state is State.PUBLISHED:
                self._bad.pop(key, None)
                continue
            self._bad[key] = entry
            if key not in known or _texts(known[key]) != _texts(entry):
                _tell(entry)
        refused = sum(entry.state is State.REFUSED for entry in self._bad.values())
        self._on_problem(refused, len(self._bad) - refused)


def _texts(entry: Entry) -> tuple[str, ...]:
    return tuple(problem.text for problem in entry.problems)


def _tell(entry: Entry) -> None:
    for problem in entry.problems[:5]:
        _log.warning(
            "object not as written",
            object=str(entry.key),
            state=str(entry.state),
            field=problem.field,
            text=problem.text,
            file=problem.file,
            line=problem.line,
        )


def _taken(left: dict[ObjectKey, Entry], owns: Callable[[Entry], bool]) -> Ledger:
    """The entries that somebody owns, taken out of `left`."""
    own = {key: entry for key, entry in left.items() if owns(entry)}
    for key in own:
        del left[key]
    return Ledger(own)
