"""Analysis of what Galley holds, for the status of the objects: by the leader, off the loop, never faster than asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from google.protobuf.json_format import MessageToDict

from flotilla_galley.analysis.analyzer import Analyzer
from flotilla_galley.analysis.message import Message
from flotilla_galley.analysis.reading import mesh_resource
from flotilla_galley.analysis.registry import chosen
from flotilla_galley.analysis.resource import Resource, ResourceKey
from flotilla_galley.analysis.resources import ResourceSet
from flotilla_galley.analysis.run import analyze
from flotilla_galley.sources.yaml_documents import YamlDocument
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_shared.model.kinds import MESH_CONFIG, WRITTEN, by_collection
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.metrics import ServiceMetrics

HELD = frozenset({MESH_CONFIG, *(kind.collection for kind in WRITTEN)})
# What validation finds is in the status anyway.
_VALIDATION = "schema."

_log = get_logger(__name__)


def analyzers_of_galley() -> tuple[Analyzer, ...]:
    """Those that need nothing but what Galley holds: it watches no Pods, Services or Secrets."""
    return tuple(each for each in chosen() if HELD.issuperset(each.reads) and not each.name.startswith(_VALIDATION))


class AnalysisMetrics:
    def __init__(self, metrics: ServiceMetrics) -> None:
        self.runs = metrics.counter("galley_analysis_runs_total", "Analyses of the configuration")
        self.messages = metrics.gauge("galley_analysis_messages", "Messages of the last analysis, by level", ["level"])
        self.failures = metrics.counter("galley_analysis_failures_total", "Calls in which an analyzer failed")


class Analyst:
    """Component. `touch` says that something has changed; while it leads, what is held is analyzed at most every
    `interval_seconds`. `on_change` is called, on the loop, with the objects of which something else is said than before.
    """

    def __init__(
        self,
        objects: Callable[[], Iterable[ConfigObject]],
        mesh: Callable[[], MeshConfig | None],
        on_change: Callable[[Iterable[ObjectKey]], None],
        metrics: AnalysisMetrics,
        interval_seconds: float,
    ) -> None:
        self._objects = objects
        self._mesh = mesh
        self._on_change = on_change
        self._metrics = metrics
        self._interval_seconds = interval_seconds
        self._analyzers = analyzers_of_galley()
        self._said: Mapping[ObjectKey, tuple[Message, ...]] = {}
        self._leading = False
        self._news = asyncio.Event()
        self._tasks = Tasks("analyst")

    async def start(self) -> None:
        """Begin; returns at once."""
        self._tasks.spawn(self._keep(), "keep")

    async def stop(self) -> None:
        await self._tasks.stop()

    def lead(self) -> None:
        self._leading = True
        self._news.set()

    def lose(self) -> None:
        """What was said stays until this one leads again: nobody writes it."""
        self._leading = False

    def touch(self) -> None:
        self._news.set()

    def of(self, key: ObjectKey) -> tuple[Message, ...]:
        """What the last analysis says of an object."""
        return self._said.get(key, ())

    def view(self) -> list[dict[str, str]]:
        """All messages, for the introspection page."""
        return [each.as_dict() for said in self._said.values() for each in said]

    async def _keep(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            if self._leading:
                await self._run()
            await asyncio.sleep(self._interval_seconds)

    async def _run(self) -> None:
        items, mesh = list(self._objects()), self._mesh()
        found = await asyncio.to_thread(lambda: analyze(_resources(items, mesh), self._analyzers))
        self._metrics.runs.inc()
        self._metrics.failures.inc(found.failures)
        for level in ("Error", "Warning", "Info"):
            self._metrics.messages.labels(level).set(sum(each.level.word == level for each in found.messages))
        before, self._said = self._said, _by_object(found.messages)
        changed = [key for key in {*before, *self._said} if _texts(before.get(key)) != _texts(self._said.get(key))]
        if changed:
            _log.info("analysis has changed", objects=len(changed), messages=len(found.messages))
            self._on_change(changed)


def _resources(items: Iterable[ConfigObject], mesh: MeshConfig | None) -> ResourceSet:
    found = [each for each in map(_resource, items) if each is not None]
    if mesh is not None:
        found.append(mesh_resource(MESH_CONFIG, YamlDocument(MessageToDict(mesh), 0), ""))
    return ResourceSet(found)


def _resource(item: ConfigObject) -> Resource | None:
    kind, key = by_collection(item.key.collection), item.key
    if kind is None:
        return None
    metadata = {"name": key.name, "labels": dict(item.labels), "annotations": dict(item.annotations)}
    place = ResourceKey(key.collection, key.namespace, key.name)
    return Resource(place, kind.kind, kind.group, kind.versions[0], {"metadata": metadata}, decoded=item.spec)


def _by_object(messages: Iterable[Message]) -> dict[ObjectKey, tuple[Message, ...]]:
    found: dict[ObjectKey, tuple[Message, ...]] = {}
    for each in messages:
        if each.resource is not None and each.resource.key.collection != MESH_CONFIG:
            key = ObjectKey(each.resource.key.collection, each.resource.namespace, each.resource.name)
            found[key] = (*found.get(key, ()), each)
    return found


def _texts(messages: tuple[Message, ...] | None) -> list[tuple[str, str]]:
    return [(each.code, each.text) for each in messages or ()]
