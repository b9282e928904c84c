"""The objects of one kind as the API server holds them, kept current: list, watch, and again.

1. List in pages, give what differs from what was known, remember the list's resourceVersion.
2. Watch from it, with bookmarks; every event and bookmark moves the point from which a lost watch goes on.
3. Too old a point (410), or any other ERROR event: list again, deletes included. No answer, or 5xx: wait with jitter, go on.
4. A kind that is not served is read as empty, unless its definition is known to stand: then the server only starts.
   It is asked for again; a right that is missing leaves what was known.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, TypeVar

from flotilla_shared.runtime.backoff import Backoff
from flotilla_shared.runtime.kube.client import JSON, KubeClient, Params
from flotilla_shared.runtime.kube.errors import Forbidden, Gone, KubeError, NotFound, Unauthorized, Unreachable
from flotilla_shared.runtime.kube.metrics import NO_METRICS, KubeMetrics
from flotilla_shared.runtime.kube.resources import Resource
from flotilla_shared.runtime.kube.wire import Decoder, Described, Event, WatchError, lines
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger

PAGE = 500
WATCH_SECONDS = (240, 300)
# The server ends a watch by itself; silence for this much longer means that it is gone.
SILENCE_SECONDS = 15.0
ABSENT_SECONDS = 20.0
DEFINED_FACTOR = 15  # so much rarer is a kind looked for whose definition is watched, too
METADATA_ONLY = "application/json;as=PartialObjectMetadata{list};g=meta.k8s.io;v=v1"

_log = get_logger(__name__)
T = TypeVar("T", bound=Described)
Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """One object that came (`before` is None), changed, or went (`after` is None). `key` is (namespace, name)."""

    key: Name
    before: T | None
    after: T | None


def _as_it_is(item: T) -> T:
    return item


class Reflector(Generic[T]):
    """Component. `resource` may be several versions of one kind, best first: the first that is served is read.

    `decode` is a KubeStruct with what is wanted of an object; `prepare` may make it smaller before it is kept.
    `on_change` hears of every change, on the loop, after `objects` has it; it must not raise. `metadata_only` asks the
    server for metadata alone (`decode` Named). `defined`: whether the kind's definition is there, None if nobody knows.
    """

    def __init__(
        self,
        client: KubeClient,
        resource: Resource | Sequence[Resource],
        decode: type[T],
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        on_change: Callable[[Change[T]], None] | None = None,
        prepare: Callable[[T], T] = _as_it_is,
        metadata_only: bool = False,
        defined: Callable[[], bool | None] = lambda: None,
        metrics: KubeMetrics = NO_METRICS,
        backoff: Backoff | None = None,
        absent_seconds: float = ABSENT_SECONDS,
        watch_seconds: tuple[float, float] = WATCH_SECONDS,
    ) -> None:
        self._client = client
        self._versions = [resource] if isinstance(resource, Resource) else list(resource)
        self.resource = self._versions[0]
        self._namespace = namespace
        self._selectors = {"labelSelector": label_selector, "fieldSelector": field_selector}
        self._on_change = on_change
        self._prepare = prepare
        self._metadata_only = metadata_only
        self._defined = defined
        self._metrics = metrics.of(str(self.resource))
        self._decoder: Decoder[T] = Decoder(decode, self._bad)
        self._backoff = backoff or Backoff(first=0.2, cap=10.0)
        self._absent_seconds = absent_seconds
        self._watch_seconds = watch_seconds
        self._objects: dict[Name, T] = {}
        self._lent = False
        self._point = ""
        self._synced = asyncio.Event()
        self._again = asyncio.Event()
        self._tasks = Tasks(f"reflector:{self.resource}")
        self.state = "not listed yet"

    @property
    def synced(self) -> bool:
        """Whether there has been a whole list. Once true it stays: what is known goes on while the server is away."""
        return self._synced.is_set()

    @property
    def objects(self) -> Mapping[Name, T]:
        """(namespace, name) -> object, as of now; what was given out never changes."""
        self._lent = True
        return MappingProxyType(self._objects)

    async def wait_synced(self) -> None:
        await self._synced.wait()

    def look_again(self) -> None:
        """Do not wait for the next try: something is known to have changed (a CRD came, a right was given)."""
        self._again.set()

    async def start(self) -> None:
        """Begin; returns at once. `wait_synced` for the first list."""
        self._tasks.spawn(self._keep(), "keep")

    async def stop(self) -> None:
        await self._tasks.stop()

    async def _keep(self) -> None:
        while True:
            try:
                await self._list_and_watch()
            except NotFound as error:
                self._point = ""
                if self._objects and self._defined():
                    await self._failed(error, "not served though it is defined")
                else:
                    await self._absent()
            except (Gone, WatchError) as error:
                self._point = ""
                await self._failed(error, "the watch must begin anew")
            except (Forbidden, Unauthorized) as error:
                await self._failed(error, "forbidden")
            except Unreachable as error:
                await self._failed(error, "no connection")
            except KubeError as error:
                await self._failed(error, "the API server fails")

    async def _list_and_watch(self) -> None:
        if not self._point:
            await self._list()
        began = time.monotonic()
        await self._watch()
        if time.monotonic() - began < 1.0:
            await self._pause(self._backoff.next())  # a server that ends every watch at once

    async def _list(self) -> None:
        """Find the version that is served and take its list. Raises NotFound where none is."""
        for number, resource in enumerate(self._versions, 1):
            try:
                found, self._point = await self._all_pages(resource)
            except NotFound:
                if number == len(self._versions):
                    raise
            else:
                self.resource = resource
                break
        self._metrics.listed(len(found))
        self._replace(found)
        self._now("synced")

    async def _all_pages(self, resource: Resource) -> tuple[dict[Name, T], str]:
        try:
            return await self._pages(resource, PAGE)
        except Gone:  # a list that took longer than the server keeps its past: all at once then
            return await self._pages(resource, 0)

    async def _pages(self, resource: Resource, size: int) -> tuple[dict[Name, T], str]:
        found: dict[Name, T] = {}
        token = ""
        while True:
            params = self._params() | ({"limit": size} if size else {}) | ({"continue": token} if token else {})
            body = await self._client.request("GET", self._path(resource), params=params, accept=self._accept("List"))
            page = self._decoder.page(body)
            for item in page.items:
                found[(item.metadata.namespace, item.metadata.name)] = self._prepare(item)
            token = page.continue_token
            if not token:
                return found, page.version

    def _path(self, resource: Resource) -> str:
        return resource.path(self._namespace)

    def _params(self) -> dict[str, str | int]:
        return {name: value for name, value in self._selectors.items() if value}

    def _accept(self, form: str) -> str:
        return METADATA_ONLY.format(list=form) if self._metadata_only else JSON

    async def _watch(self) -> None:
        """Follow until the server ends it; raises KubeError."""
        seconds = random.uniform(*self._watch_seconds)  # noqa: S311  # spreading, not secrecy
        params: Params = self._params() | {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._point,
            "timeoutSeconds": max(1, round(seconds)),
        }
        silence = seconds + SILENCE_SECONDS
        path = self._path(self.resource)
        async with self._client.stream(path, params=params, accept=self._accept(""), read_seconds=silence) as chunks:
            self._now("synced")
            async for line in lines(chunks):
                event = self._decoder.event(line)
                if event is not None:
                    self._take(event)

    def _take(self, event: Event[T]) -> None:
        self._backoff.reset()
        self._metrics.event(event.type)
        item = event.object
        if item is not None:
            key = (item.metadata.namespace, item.metadata.name)
            self._set(key, None if event.type == "DELETED" else self._prepare(item))
        self._point = event.version or self._point

    def _replace(self, found: dict[Name, T]) -> None:
        for key in [key for key in self._objects if key not in found]:
            self._set(key, None)
        for key, item in found.items():
            self._set(key, item)

    def _set(self, key: Name, after: T | None) -> None:
        before = self._objects.get(key)
        if before is not None and after is not None and _same(before, after):
            return
        if before is None and after is None:
            return
        if self._lent:
            self._objects, self._lent = dict(self._objects), False
        if after is None:
            del self._objects[key]
        else:
            self._objects[key] = after
        if self._on_change is not None:
            self._tell(Change(key, before, after))

    def _tell(self, change: Change[T]) -> None:
        assert self._on_change is not None
        try:
            self._on_change(change)
        except Exception:  # noqa: BLE001  # the next change must still be heard
            _log.exception("a change was not taken", resource=str(self.resource), object=change.key)

    async def _absent(self) -> None:
        """The kind is not served: that is empty, until it is."""
        self._replace({})
        self._now("synced: the API server does not serve it")
        heard = self._defined() is False  # then `look_again` is called when it comes
        await self._pause(self._absent_seconds * (DEFINED_FACTOR if heard else 1))

    def _now(self, state: str) -> None:
        if state != self.state:
            level = _log.debug if state == "synced" else _log.info
            level("watching" if state == "synced" else state, resource=str(self.resource))
        self.state = state
        self._metrics.synced(True)
        self._synced.set()

    async def _failed(self, error: KubeError, what: str) -> None:
        self._metrics.failed(error.reason or str(error.status))
        state = f"{what}: {error}"
        if state != self.state:
            _log.warning(what, resource=str(self.resource), error=str(error), status=error.status)
        self.state = state
        self._metrics.synced(False)
        await self._pause(max(self._backoff.next(), error.retry_after))

    async def _pause(self, seconds: float) -> None:
        """Wait, or until `look_again`."""
        try:
            async with asyncio.timeout(seconds):
                await self._again.wait()
        except TimeoutError:
            pass
        self._again.clear()

    def _bad(self, text: str) -> None:
        self._metrics.failed("Undecodable")
        _log.warning("an object cannot be decoded and is left out", resource=str(self.resource), error=text)


def _same(before: Described, after: Described) -> bool:
    """The API server gives a changed object another version; one that was made anew has another uid, too."""
    old, new = before.metadata, after.metadata
    return bool(new.resource_version) and (old.resource_version, old.uid) == (new.resource_version, new.uid)


def unsynced(reflectors: Sequence[Reflector[T]]) -> Iterator[str]:
    """`resource: why` of those that have not been listed yet, for readiness."""
    return (f"{each.resource}: {each.state}" for each in reflectors if not each.synced)
