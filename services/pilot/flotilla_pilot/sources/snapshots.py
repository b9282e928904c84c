"""From objects to published snapshots."""

from collections.abc import Callable

from flotilla_pilot.delivery.compiling import CompilingThread
from flotilla_pilot.delivery.publication import Publication, changed_objects
from flotilla_pilot.model.snapshot import MeshSettings, MeshSnapshot
from flotilla_pilot.sources.native import NO_NATIVE_MESH, NativeMesh
from flotilla_shared.runtime.debounce import Debounce
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.streams.store import ObjectStore
from flotilla_shared.runtime.trace import HopRecorder

_log = get_logger(__name__)


class SnapshotBuilder:
    """Component. Builds a snapshot when changes have come to rest, and publishes it if it differs.

    Nothing is built before every collection has come, and all that the platform tells: a proxy that is told of a
    part of the mesh would drop the rest. A build that fails keeps the last snapshot.
    """

    def __init__(
        self,
        store: ObjectStore,
        debounce: Debounce,
        thread: CompilingThread,
        settings: MeshSettings,
        recorder: HopRecorder,
        publish: Callable[[Publication], None],
        on_failure: Callable[[], None] = lambda: None,
        native: NativeMesh = NO_NATIVE_MESH,
    ) -> None:
        self._store = store
        self._debounce = debounce
        self._thread = thread
        self._settings = settings
        self._recorder = recorder
        self._publish = publish
        self._on_failure = on_failure
        self._native = native
        self._tasks = Tasks("snapshots")
        self._last: MeshSnapshot | None = None

    async def start(self) -> None:
        self._tasks.spawn(self._run(), "run")

    async def stop(self) -> None:
        await self._tasks.stop()

    async def _run(self) -> None:
        while True:
            since = await self._debounce.settled()
            if self._store.missing or self._native.missing:
                continue
            try:
                snapshot = await self._thread.build(self._store.objects, self._settings, self._native.look())
            except Exception:  # noqa: BLE001  # the next change may heal it, and must be heard
                _log.exception("building the snapshot failed; the last one stays")
                self._on_failure()
                continue
            self._take(snapshot, since)

    def _take(self, snapshot: MeshSnapshot, since: float) -> None:
        if self._last is not None and self._last.version == snapshot.version:
            return
        changed = changed_objects(self._last, snapshot)
        self._last = snapshot
        for key in changed:
            item = snapshot.objects.get(key)
            self._recorder.record("pilot.compiled", key, item.version if item is not None else "")
        _log.info("snapshot", version=snapshot.version, objects=len(snapshot.objects), changed=len(changed))
        self._publish(Publication(snapshot, changed, since))
