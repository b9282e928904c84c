"""The root in every namespace: watched by every replica, written by the one that leads."""

from __future__ import annotations

from collections.abc import Callable

from flotilla_citadel.publish.config_map import NAME, SKIPPED, Finding, Publication
from flotilla_citadel.publish.namespaces import Standing, Standings, State, failed, foreign, goes_away
from flotilla_citadel.publish.worklist import Worklist
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.errors import AlreadyExists, Conflict, KubeError
from flotilla_shared.runtime.kube.metrics import KubeMetrics
from flotilla_shared.runtime.kube.objects import ConfigMap, Namespace
from flotilla_shared.runtime.kube.reflector import Change, Reflector
from flotilla_shared.runtime.kube.resources import CONFIG_MAPS, NAMESPACES
from flotilla_shared.runtime.lifecycle import Lifecycle, Tasks
from flotilla_shared.runtime.logs import get_logger

_log = get_logger(__name__)
_SEEN = {
    Finding.PUBLISHED: Standing(State.PUBLISHED),
    Finding.SHARED: Standing(State.SHARED, "another one has published the same root"),
}


class RootDistribution:
    """Component. `lead` says who writes; `on_standing` hears of each namespace whose standing has changed.

    A namespace that is being deleted, or was in between, is nobody's problem and is not told.
    """

    def __init__(
        self,
        client: KubeClient,
        publication: Publication,
        *,
        metrics: KubeMetrics,
        on_standing: Callable[[str, Standing], None],
        worklist: Callable[..., Worklist] = Worklist,
    ) -> None:
        self.standings = Standings()
        self.leading = False
        self._client = client
        self._publication = publication
        self._on_standing = on_standing
        self._namespaces: dict[str, Namespace] = {}
        self._config_maps: dict[str, ConfigMap] = {}
        self._work = worklist(self._settle)
        self._tasks = Tasks("root distribution")
        self.watched_namespaces = Reflector(
            client, NAMESPACES, Namespace, on_change=self._namespace_changed, metrics=metrics
        )
        self.watched_config_maps = Reflector(
            client,
            CONFIG_MAPS,
            ConfigMap,
            field_selector=f"metadata.name={NAME}",
            on_change=self._config_map_changed,
            metrics=metrics,
        )
        self._parts = Lifecycle()
        self._parts.add(self._work, "worklist")
        self._parts.add(self.watched_namespaces, "namespaces")
        self._parts.add(self.watched_config_maps, "config maps")

    async def start(self) -> None:
        await self._parts.start()
        self._tasks.spawn(self._begin(), "begin")

    async def stop(self) -> None:
        await self._tasks.stop()
        await self._parts.stop()

    def lead(self, leading: bool) -> None:
        """Whether this replica writes, from now on."""
        self.leading = leading
        self._look_at_all()

    def view(self) -> dict[str, object]:
        return {"citadel_id": self._publication.citadel_id, "leader": self.leading, **self.standings.view()}

    @property
    def _synced(self) -> bool:
        return self.watched_namespaces.synced and self.watched_config_maps.synced

    async def _begin(self) -> None:
        await self.watched_namespaces.wait_synced()
        await self.watched_config_maps.wait_synced()
        self._look_at_all()

    def _look_at_all(self) -> None:
        """Nothing is judged before both lists are whole: what was not read yet is not absent."""
        if self._synced:
            self._work.add(self._namespaces)

    def _namespace_changed(self, change: Change[Namespace]) -> None:
        name = change.key[1]
        if change.after is None:
            self._namespaces.pop(name, None)
        else:
            self._namespaces[name] = change.after
        self._changed(name)

    def _config_map_changed(self, change: Change[ConfigMap]) -> None:
        namespace = change.key[0]
        if change.after is None:
            self._config_maps.pop(namespace, None)
        else:
            self._config_maps[namespace] = change.after
        self._changed(namespace)

    def _changed(self, namespace: str) -> None:
        if self._synced:
            self._work.add((namespace,))

    async def _settle(self, name: str) -> bool:
        """Bring one namespace in order as far as it is ours to do; whether it needs no other try."""
        namespace = self._namespaces.get(name)
        if namespace is None or namespace.metadata.deletion_timestamp is not None or name in SKIPPED:
            self.standings.remove(name)
            return True
        standing = self._seen(name)
        if standing is not None:
            self._stands(name, standing)
            return True
        if not self.leading:
            self._stands(name, Standing(State.WAITING, "the replica that leads has not written it yet"))
            return True
        return await self._write(name)

    def _seen(self, name: str) -> Standing | None:
        """How the namespace stands; None where something is to be written."""
        finding = self._publication.find(self._config_maps.get(name))
        return foreign(name) if finding is Finding.FOREIGN else _SEEN.get(finding)

    async def _write(self, name: str) -> bool:
        found = self._config_maps.get(name)
        try:
            if found is None:
                await self._client.create(CONFIG_MAPS.path(name), self._publication.manifest(name))
            else:
                await self._client.patch(CONFIG_MAPS.path(name, NAME), self._publication.repair(found))
        except (AlreadyExists, Conflict):
            return False  # the watch will show what somebody else wrote
        except KubeError as error:
            if goes_away(error):
                return True  # the watch will show that it is gone
            self._stands(name, failed(name, error))
            return False
        _log.info("root published", namespace=name, repaired=found is not None)
        self._stands(name, _SEEN[Finding.PUBLISHED])
        return True

    def _stands(self, name: str, standing: Standing) -> None:
        if self.standings.put(name, standing) != standing:
            self._on_standing(name, standing)
