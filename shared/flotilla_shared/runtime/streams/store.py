"""What Galley has said, by collection: immutable, replaced by every delta."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from flotilla_shared.model.objects import ConfigObject, Delta, ObjectKey
from flotilla_shared.runtime.streams.carrier import DeltaRefused
from flotilla_shared.runtime.trace import HopRecorder

Collection = Mapping[ObjectKey, ConfigObject]
EMPTY: Collection = MappingProxyType({})


class ObjectStore:
    """A DeltaConsumer. Nothing that was handed out ever changes: readers on other threads need no lock.

    `service` is whose store it is: it names the hops that are recorded, and the refusals.
    """

    def __init__(
        self, service: str, collections: Sequence[str], recorder: HopRecorder, on_change: Callable[[], None]
    ) -> None:
        self._service = service
        self.objects: Mapping[str, Collection] = MappingProxyType(dict.fromkeys(collections, EMPTY))
        self._recorder = recorder
        self._on_change = on_change
        self._synced: set[str] = set()

    @property
    def missing(self) -> tuple[str, ...]:
        """The collections of which nothing has come yet, not even that they are empty."""
        return tuple(name for name in self.objects if name not in self._synced)

    async def apply(self, delta: Delta) -> None:
        """Take a change. Raises DeltaRefused for a collection that was not asked for."""
        before = self.objects.get(delta.collection)
        if before is None:
            raise DeltaRefused(f"{self._service.capitalize()} does not use the collection {delta.collection!r}")
        after = {} if delta.full else dict(before)
        for key in delta.removed:
            after.pop(key, None)
        after.update((item.key, item) for item in delta.upserts)
        self._record(before, after)
        first = delta.collection not in self._synced
        self._synced.add(delta.collection)
        if first or after != before:
            self.objects = MappingProxyType({**self.objects, delta.collection: MappingProxyType(after)})
            self._on_change()

    def _record(self, before: Collection, after: Collection) -> None:
        for key, item in after.items():
            known = before.get(key)
            if known is None or known.version != item.version:
                self._recorder.record(f"{self._service}.received", key, item.version)
        for key in before:
            if key not in after:
                self._recorder.record(f"{self._service}.received", key, "", detail="removed")
