"""The mesh configuration: one YAML document, from a file or from a ConfigMap, over defaults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flotilla_galley.snapshot.ledger import Reading
from flotilla_galley.sources.documents import SourceObject
from flotilla_galley.sources.folder import read_text
from flotilla_galley.sources.verdicts import verdict_of
from flotilla_galley.sources.yaml_documents import YamlDocument, YamlError, read_documents
from flotilla_galley.validation.mesh_config import MESH_DEFAULTS
from flotilla_shared.model.kinds import MESH_CONFIG, MESH_CONFIG_NAME, by_collection
from flotilla_shared.model.objects import ObjectKey, Problem
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.metrics import NO_METRICS, KubeMetrics
from flotilla_shared.runtime.kube.objects import ConfigMap
from flotilla_shared.runtime.kube.reflector import Reflector
from flotilla_shared.runtime.kube.resources import CONFIG_MAPS

# The key of the ConfigMap, as Istio's.
CONFIG_MAP_KEY = "mesh"


class MeshSource:
    """The mesh configuration's file; a missing one means the defaults. `read` blocks."""

    def __init__(self, file: Path | None, root_namespace: str) -> None:
        self.file = file
        self._root_namespace = root_namespace

    def read(self) -> Reading:
        """The one object. Never raises."""
        if self.file is None:
            return mesh_reading("defaults", "", self._root_namespace)
        try:
            return mesh_reading(str(self.file), read_text(self.file), self._root_namespace)
        except FileNotFoundError:
            return mesh_reading(str(self.file), "", self._root_namespace)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            text = f"the mesh configuration cannot be read: {reason}; the last good one stays"
            return _lost(str(self.file), 0, text)


class MeshConfigMap:
    """Component and Source. Key `mesh` of a ConfigMap; a missing one means the defaults."""

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        name: str,
        root_namespace: str,
        on_change: Callable[[], None],
        *,
        metrics: KubeMetrics = NO_METRICS,
    ) -> None:
        self._key = (namespace, name)
        self._root_namespace = root_namespace
        self._reflector = Reflector(
            client,
            CONFIG_MAPS,
            ConfigMap,
            namespace=namespace,
            field_selector=f"metadata.name={name}",
            on_change=lambda change: on_change(),
            metrics=metrics,
        )

    async def start(self) -> None:
        """Begin; returns at once."""
        await self._reflector.start()

    async def stop(self) -> None:
        await self._reflector.stop()

    async def wait_synced(self) -> None:
        """Return when it is known whether there is one."""
        await self._reflector.wait_synced()

    @property
    def missing(self) -> list[str]:
        """Why it is not known yet."""
        return [] if self._reflector.synced else [f"ConfigMap {'/'.join(self._key)}: {self._reflector.state}"]

    def read(self) -> Reading:
        """The one object. Never raises."""
        found = self._reflector.objects.get(self._key)
        data = (found.data or {}) if found is not None else {}
        return mesh_reading(f"ConfigMap/{'/'.join(self._key)}", data.get(CONFIG_MAP_KEY, ""), self._root_namespace)


def mesh_reading(place: str, text: str, root_namespace: str) -> Reading:
    """A mesh configuration from its text; `place` is where it is written. Never raises."""
    documents = list(read_documents(text))
    if len(documents) > 1:
        return _lost(
            place, documents[1].line, "the mesh configuration has more than one document; the last good one stays"
        )
    only = documents[0] if documents else YamlDocument({}, 1)
    if isinstance(only, YamlError):
        return _lost(place, only.line, f"the mesh configuration is not YAML: {only.text}; the last good one stays")
    if not isinstance(only.value, dict):
        return _lost(place, only.line, "the mesh configuration must be a mapping of fields; the last good one stays")
    return _reading(place, only, root_namespace)


def _lost(place: str, line: int, text: str) -> Reading:
    return Reading(problems=(Problem("mesh-unreadable", "", text, file=place, line=line),), lost=True)


def _reading(place: str, document: YamlDocument, root_namespace: str) -> Reading:
    """The document is the spec itself, so its paths are shown with `spec.` in front, as an object's are."""
    kind = by_collection(MESH_CONFIG)
    assert kind is not None
    lines = {f"spec.{path}" if path else "spec": line for path, line in document.lines.items()}
    shifted = YamlDocument(document.value, document.line, lines)
    key = ObjectKey(MESH_CONFIG, root_namespace, MESH_CONFIG_NAME)
    source = SourceObject(kind, key, {**MESH_DEFAULTS, **document.value}, {}, {}, 0, place, shifted)
    return Reading(((source, verdict_of(source)),))
