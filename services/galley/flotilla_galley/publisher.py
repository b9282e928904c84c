"""From sources to subscribers: reads when something changed, decides, keeps, publishes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

from flotilla_galley.distribution.distributor import Distributor
from flotilla_galley.snapshot.last_good import LastGood
from flotilla_galley.snapshot.ledger import Entry, Ledger, Reading, State
from flotilla_galley.snapshot.precedence import settled
from flotilla_galley.snapshot.snapshot import make_snapshot
from flotilla_galley.sources.further import FurtherSource
from flotilla_galley.sources.watching import changes
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_shared.model.kinds import MESH_CONFIG
from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.readiness import Condition
from flotilla_shared.runtime.trace import HopRecorder

_log = get_logger(__name__)


class Source(Protocol):
    def read(self) -> Reading:
        """What it holds now. Blocks, and never raises."""
        ...


class Publisher:
    """Component. Publishes what was kept at once, then what the sources hold, and again whenever they change.

    They change when something below `watched` does, or when `touch` is called. `begun` is waited for before the sources are
    read at all: until each of them is whole, what was kept is all that is published. Objects of `objects` count before
    those of the `further` sources of the same name, and among these the first.
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
        begun: Callable[[], Awaitable[None]] | None = None,
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
        self._begun = begun
        self._last_good = last_good
        self._distributor = distributor
        self._trace = trace
        self._synced = synced
        self._quiet_seconds = quiet_seconds
        self._longest_seconds = longest_seconds
        self._on_problem = on_problem
        self._on_loaded = on_loaded
        self._on_read = on_read
        self._tasks = Tasks("publisher")
        self._stop = asyncio.Event()
        self._seen = asyncio.Event()
        self._refused: dict[ObjectKey, tuple[str, ...]] = {}

    async def start(self) -> None:
        """Publish what there is; the sources are watched from here on."""
        await self._load()
        if self._watched:
            self._tasks.spawn(self._watch(), "watch")
        if self._begun is None:
            await self.read()
        elif any(ledger.entries for ledger in self.ledgers):
            await self._publish({}, self._entries())
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
        self.ledgers = settled([self.mesh, self.objects, *self._further])

    def touch(self) -> None:
        """A source has changed; on the loop."""
        self._seen.set()

    async def stop(self) -> None:
        self._stop.set()
        await self._tasks.stop()

    async def _watch(self) -> None:
        async for _ in changes(self._watched, self._stop):
            self._seen.set()

    async def _follow(self) -> None:
        if self._begun is not None:
            await self._begun()
            await self.read()
        while True:
            await self._seen.wait()
            await self._until_quiet()
            await self.read()

    async def _until_quiet(self) -> None:
        """Until nothing more has come for the quiet time, or the longest time is over."""
        end = time.monotonic() + self._longest_seconds
        while self._seen.is_set() and time.monotonic() < end:
            self._seen.clear()
            await asyncio.sleep(self._quiet_seconds)
        self._seen.clear()

    async def read(self) -> None:
        """Read the sources once and publish what changed."""
        mesh, objects = await asyncio.gather(
            asyncio.to_thread(self._mesh_source.read), asyncio.to_thread(self._objects_source.read)
        )
        before = self._entries()
        self.mesh, self.objects = self.mesh.read(mesh), self.objects.read(objects)
        spec = next((item.spec for item in self.mesh.items), MeshConfig())
        for number, source in enumerate(self._further_sources):
            self._further[number] = self._further[number].read(await asyncio.to_thread(source.read, spec))
        self._settle()
        after = self._entries()
        self._record("galley.read", before, after)
        self._log_problems(after)
        await self._publish(before, after)
        self._on_read()

    def _entries(self) -> dict[ObjectKey, Entry]:
        return {key: entry for ledger in self.ledgers for key, entry in ledger.entries.items()}

    async def _publish(self, before: dict[ObjectKey, Entry], after: dict[ObjectKey, Entry]) -> None:
        old = self._distributor.snapshot
        items = [item for ledger in self.ledgers for item in ledger.items]
        snapshot = make_snapshot(items, old)
        try:
            await asyncio.to_thread(self._last_good.save, snapshot, after)
        except OSError as error:
            _log.error("last good configuration cannot be kept", error=str(error))
        if old is None or any(snapshot.collections[name] is not each for name, each in old.collections.items()):
            self._record("galley.published", before if old is not None else {}, after)
            self._distributor.publish(snapshot)
        self.published.set()
        self._synced.met()

    def _record(self, hop: str, before: dict[ObjectKey, Entry], after: dict[ObjectKey, Entry]) -> None:
        for key, entry in after.items():
            known = before.get(key)
            if entry.item is not None and (known is None or known.item is None or known.item != entry.item):
                self._trace.record(hop, key, entry.item.version, detail=entry.place)

    def _log_problems(self, after: dict[ObjectKey, Entry]) -> None:
        """A line for each object that newly is not as its author wants it; none again while nothing changes."""
        bad = {key: entry for key, entry in after.items() if entry.state is not State.PUBLISHED}
        texts = {key: tuple(problem.text for problem in entry.problems) for key, entry in bad.items()}
        for key, entry in bad.items():
            if self._refused.get(key) != texts[key]:
                for problem in entry.problems[:5]:
                    _log.warning(
                        "object not as written",
                        object=str(key),
                        state=str(entry.state),
                        field=problem.field,
                        text=problem.text,
                        file=problem.file,
                        line=problem.line,
                    )
        self._refused = texts
        refused = sum(entry.state is State.REFUSED for entry in bad.values())
        self._on_problem(refused, len(bad) - refused)


def _taken(left: dict[ObjectKey, Entry], owns: Callable[[Entry], bool]) -> Ledger:
    """The entries that somebody owns, taken out of `left`."""
    own = {key: entry for key, entry in left.items() if owns(entry)}
    for key in own:
        del left[key]
    return Ledger(own)
