"""Putting changes to work when they have come to rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from flotilla_mixer.attributes.view import ClusterView
from flotilla_mixer.configuration.build import Collections, Configuration, build_configuration
from flotilla_mixer.configuration.last_good import LastGood
from flotilla_mixer.configuration.memory import Memory
from flotilla_mixer.configuration.options import Options
from flotilla_mixer.configuration.remote_handlers import nowhere
from flotilla_mixer.dispatch.table import DispatchTable
from flotilla_mixer.kit.adapter import Adapter
from flotilla_mixer.kit.remote import Connect
from flotilla_mixer.sources.cluster import ClusterWatch
from flotilla_mixer.sources.swap import Swap
from flotilla_shared.runtime.debounce import Debounce
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.streams.store import ObjectStore
from flotilla_shared.runtime.trace import HopRecorder

_log = get_logger(__name__)


class ConfigurationFollower:
    """Component. Builds a configuration off the loop and puts it in place.

    Nothing is built before every collection has come: a Mixer that knew a part of the rules would let pass what
    the others deny. Nor before the cluster's Pods and Services are known, where there is a cluster: it would refuse
    workloads that it must believe. A build that fails keeps the last table; an object that is at fault
    keeps its last good version.
    """

    def __init__(
        self,
        store: ObjectStore,
        debounce: Debounce,
        adapters: Mapping[str, Adapter],
        trust_domain: str,
        swap: Swap,
        recorder: HopRecorder,
        published: Callable[[DispatchTable], None],
        cluster: ClusterWatch | None = None,
        connect: Connect = nowhere,
        options: Options | None = None,
    ) -> None:
        self._store = store
        self._debounce = debounce
        self._adapters = adapters
        self._trust_domain = trust_domain
        self._swap = swap
        self._recorder = recorder
        self._published = published
        self._cluster = cluster
        self._connect = connect
        self._options = options or Options()
        self._last_good = LastGood()
        self._memory = Memory()
        self._tasks = Tasks("configuration")

    async def start(self) -> None:
        self._tasks.spawn(self._run(), "run")

    async def stop(self) -> None:
        await self._tasks.stop()

    async def _run(self) -> None:
        while True:
            await self._debounce.settled()
            if self._store.missing or (self._cluster is not None and not self._cluster.synced):
                continue
            try:
                configuration = await asyncio.to_thread(self._last_good.build, self._store.objects, self._build)
                self._take(configuration)
            except Exception:  # noqa: BLE001  # the next change may heal it, and must be heard
                _log.exception("building the configuration failed; the last one stays")

    def _build(self, collections: Collections) -> Configuration:
        return build_configuration(
            collections,
            self._adapters,
            self._trust_domain,
            self._view,
            self._connect,
            self._options,
            self._memory,
        )

    @property
    def _view(self) -> ClusterView | None:
        return self._cluster.view if self._cluster is not None else None

    def _take(self, configuration: Configuration) -> None:
        before = self._swap.table
        if before is not None and before.configuration.version == configuration.version:
            return
        known = before.configuration.objects if before is not None else {}
        table = self._swap.put(configuration)
        for key, item in configuration.objects.items():
            if key not in known or known[key].version != item.version:
                self._recorder.record("mixer.applied", key, item.version)
        for key in known:
            if key not in configuration.objects:
                self._recorder.record("mixer.applied", key, "", detail="removed")
        _log.info("configuration", version=configuration.version, rules=len(configuration.actions))
        self._published(table)
