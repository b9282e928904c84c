"""The custom resources of a cluster as a source: one reflector a kind, kinds that come and go included."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import msgspec

from flotilla_galley.snapshot.ledger import Reading
from flotilla_galley.sources.cluster_objects import (
    Concerns,
    CustomResource,
    lean,
    meaning,
    resources_of,
    source_object,
)
from flotilla_galley.sources.documents import SourceObject
from flotilla_galley.sources.verdicts import verdict_of
from flotilla_galley.validation.validate import Verdict
from flotilla_shared.model.kinds import WRITTEN, Kind
from flotilla_shared.model.objects import ObjectKey, Problem
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.metrics import NO_METRICS, KubeMetrics
from flotilla_shared.runtime.kube.objects import Named
from flotilla_shared.runtime.kube.reflector import Change, Reflector
from flotilla_shared.runtime.kube.resources import CRDS, Resource


@dataclass(frozen=True, slots=True)
class Judged:
    """One object as it was read: the verdict on it, and of which generation of which object that is."""

    kind: Kind
    meaning: tuple[Any, ...]
    source: SourceObject
    verdict: Verdict
    uid: str
    generation: int


@dataclass(eq=False)
class _Watched:
    """`touched` are the names that changed since the last reading, told on the loop and taken by the reader's thread."""

    kind: Kind
    reflector: Reflector[CustomResource]
    judged: dict[ObjectKey, Judged] = field(default_factory=dict)
    touched: set[tuple[str, str]] = field(default_factory=set)
    pairs: list[tuple[SourceObject, Verdict]] = field(default_factory=list)

    def take_touched(self) -> list[tuple[str, str]]:
        """One by one: what is added meanwhile is taken now or the next time, and never lost."""
        return [self.touched.pop() for _ in range(len(self.touched))]


class ClusterSource:
    """Component and Source. A CRD that is absent counts as read and empty, and is looked for again when CRDs change.

    `concerns(labels)` says whether an object is for this revision. `on_change` is called, on the loop, when something
    has changed that may have to be published: not for changes of status or bookkeeping alone. `on_object` is called for
    those, too.
    """

    def __init__(
        self,
        client: KubeClient,
        concerns: Concerns,
        on_change: Callable[[], None],
        *,
        on_object: Callable[[ObjectKey], None] = lambda key: None,
        metrics: KubeMetrics = NO_METRICS,
        kinds: tuple[Kind, ...] = WRITTEN,
    ) -> None:
        self._concerns = concerns
        self._on_change = on_change
        self._on_object = on_object
        self._fresh: list[ObjectKey] = []
        self._watched = {kind.collection: _Watched(kind, self._reflector(client, kind, metrics)) for kind in kinds}
        self._by_crd = {f"{each.kind.plural}.{each.kind.group}": each.reflector for each in self._watched.values()}
        self._crds = Reflector(
            client,
            CRDS,
            Named,
            on_change=self._crd_changed,
            metadata_only=True,
            prepare=_name_only,
            defined=lambda: True,
            metrics=metrics,
        )

    def _reflector(self, client: KubeClient, kind: Kind, metrics: KubeMetrics) -> Reflector[CustomResource]:
        return Reflector(
            client,
            resources_of(kind),
            CustomResource,
            on_change=partial(self._changed, kind.collection),
            prepare=lean,
            defined=partial(self._defined, f"{kind.plural}.{kind.group}"),
            metrics=metrics,
        )

    def _defined(self, crd: str) -> bool | None:
        """Whether a kind's definition is there, as last heard; None before that is known."""
        return ("", crd) in self._crds.objects if self._crds.synced else None

    async def start(self) -> None:
        """Begin; returns at once."""
        await self._crds.start()
        for each in self._watched.values():
            await each.reflector.start()

    async def stop(self) -> None:
        await asyncio.gather(self._crds.stop(), *(each.reflector.stop() for each in self._watched.values()))

    async def wait_synced(self) -> None:
        """Return when every kind has been listed, or is known not to be served."""
        for each in self._watched.values():
            await each.reflector.wait_synced()

    @property
    def missing(self) -> list[str]:
        """`resource: why` of each kind that has not been listed yet."""
        return [
            f"{each.reflector.resource}: {each.reflector.state}"
            for each in self._watched.values()
            if not each.reflector.synced
        ]

    def resource(self, collection: str) -> Resource | None:
        """Where the objects of a collection are read, and so written; None for a collection that is not read here."""
        watched = self._watched.get(collection)
        return watched.reflector.resource if watched is not None else None

    def state(self, collection: str) -> str:
        """How it stands with the watch of a collection, in a few words."""
        return self._watched[collection].reflector.state

    def held(self, key: ObjectKey) -> CustomResource | None:
        """An object as the API server has it now."""
        watched = self._watched.get(key.collection)
        return watched.reflector.objects.get((key.namespace, key.name)) if watched is not None else None

    def judgement(self, key: ObjectKey) -> Judged | None:
        """An object as it was last read."""
        watched = self._watched.get(key.collection)
        return watched.judged.get(key) if watched is not None else None

    def take_fresh(self) -> list[ObjectKey]:
        """The objects that were validated since this was last asked."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def judged(self) -> Iterator[Judged]:
        """Every object as it was last read."""
        for watched in self._watched.values():
            yield from watched.judged.values()

    def view(self) -> dict[str, object]:
        """The state of each kind's watch, for the introspection page."""
        return {
            str(each.reflector.resource): {
                "version": each.reflector.resource.version,
                "objects": len(each.judged),
                "state": each.reflector.state,
            }
            for each in self._watched.values()
        }

    def read(self) -> Reading:
        """All objects now; only those that changed are validated again. Never raises; may run in a thread."""
        objects: list[tuple[SourceObject, Verdict]] = []
        for watched in self._watched.values():
            # In this order: an object is at least as new as what told of it.
            touched, found = watched.take_touched(), watched.reflector.objects
            if touched:
                self._judge(watched, sorted(touched), found)
            objects += watched.pairs
        return Reading(tuple(objects))

    def _judge(
        self, watched: _Watched, touched: Sequence[tuple[str, str]], found: Mapping[tuple[str, str], CustomResource]
    ) -> None:
        judged = dict(watched.judged)
        for name in touched:
            key, item = ObjectKey(watched.kind.collection, *name), found.get(name)
            if item is None or not self._concerns(item.metadata.labels):
                judged.pop(key, None)
                continue
            known = judged.get(key)
            if known is None or known.meaning != meaning(item):
                judged[key] = judge(watched.kind, item)
                self._fresh.append(key)
        watched.judged = judged
        watched.pairs = [(each.source, each.verdict) for each in judged.values()]

    def _changed(self, collection: str, change: Change[CustomResource]) -> None:
        before, after = change.before, change.after
        self._watched[collection].touched.add(change.key)
        self._on_object(ObjectKey(collection, *change.key))
        if before is None or after is None or meaning(before) != meaning(after):
            self._on_change()

    def _crd_changed(self, change: Change[Named]) -> None:
        reflector = self._by_crd.get(change.key[1])
        if reflector is not None:
            reflector.look_again()


def judge(kind: Kind, item: CustomResource) -> Judged:
    """Validate one object. Never raises."""
    try:
        source = source_object(kind, item)
        verdict = verdict_of(source)
    except msgspec.DecodeError as error:
        source = source_object(kind, CustomResource(item.metadata))
        text = f"the spec cannot be read: {error}; write a mapping of fields"
        verdict = Verdict(None, (Problem("no-spec", "spec", text, file=source.file),))
    # The spec has become a message; its plain form is not kept.
    meta = item.metadata
    return Judged(kind, meaning(item), replace(source, spec={}), verdict, meta.uid, meta.generation)


def _name_only(item: Named) -> Named:
    meta = item.metadata
    return Named(type(meta)(name=meta.name, uid=meta.uid, resource_version=meta.resource_version))
