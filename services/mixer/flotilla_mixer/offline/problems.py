"""What Mixer would say of objects, without a Mixer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flotilla_mixer.configuration.build import COLLECTIONS, JUDGED, build_configuration
from flotilla_mixer.kit.catalogue import load_adapters
from flotilla_shared.model.objects import ConfigObject, ObjectKey, Problem


def problems_of(objects: Iterable[ConfigObject]) -> Mapping[ObjectKey, tuple[Problem, ...]]:
    """All problems of these objects together, as a Mixer with the adapters of this installation tells them. What only a
    running Mixer can know (a file that cannot be opened, a backend that is away) is not among them.
    """
    collections: dict[str, dict[ObjectKey, ConfigObject]] = {name: {} for name in COLLECTIONS}
    for item in objects:
        if item.key.collection in JUDGED:
            collections[item.key.collection][item.key] = item
    return build_configuration(collections, load_adapters(), "cluster.local").problems
