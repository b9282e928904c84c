"""The mesh at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass

from flotilla_shared.model.objects import ConfigObject, ObjectKey, Problem


@dataclass(frozen=True, slots=True)
class MeshSettings:
    """What Pilot's own settings say of the mesh; the mesh configuration may override the first two."""

    trust_domain: str = "cluster.local"
    root_namespace: str = "istio-system"
    domain: str = "cluster.local"


@dataclass(frozen=True, slots=True)
class MeshSnapshot:
    """The mesh at one moment: immutable, shared by all compilations until the next one."""

    version: str
    settings: MeshSettings
    objects: Mapping[ObjectKey, ConfigObject]
    problems: Mapping[ObjectKey, tuple[Problem, ...]]


def build_snapshot(
    objects: Mapping[str, Mapping[ObjectKey, ConfigObject]], settings: MeshSettings
) -> MeshSnapshot:
    """The snapshot of `objects` (by collection). Never raises for a configuration: see `problems`."""
    flat = {key: item for held in objects.values() for key, item in held.items()}
    version = str(hash(tuple(sorted((key, item.version) for key, item in flat.items()))))
    return MeshSnapshot(version, settings, flat, {})
