"""What stays in effect while the newest version of an object is at fault.

Istio 1.4 dropped an update that it could not decode, so the version before it stayed; one that it could decode and that
was wrong took the object out of effect, and a rule that denied then denied nobody. Here the version before stays in
both cases, until a right one comes or the object is removed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from flotilla_mixer.configuration.build import JUDGED, Collections, Configuration
from flotilla_shared.model.objects import ConfigObject, ObjectKey, Problem

Objects = Mapping[ObjectKey, ConfigObject]


@dataclass(slots=True)
class LastGood:
    """Remembers the last version of each object that had no error. One build at a time."""

    _good: Objects

    def __init__(self) -> None:
        self._good = {}

    def build(self, collections: Collections, build: Callable[[Collections], Configuration]) -> Configuration:
        """The configuration of `collections`, with older versions in the place of what has errors.

        An older version that would have errors itself by now, since what it refers to is gone, is not taken. Problems
        and `objects` are those of the newest versions; `kept` says which of them are not in effect.
        """
        newest = found = build(collections)
        kept = {key: item for key, item in self._good.items() if _replaceable(newest, key, item)}
        while kept:
            found = build(_with(collections, kept))
            broken = [key for key in kept if _has_error(found, key)]
            if not broken:
                break
            for key in broken:
                del kept[key]
            found = newest
        self._remember(found, newest, kept)
        return found if not kept else _told(found, newest, kept)

    def _remember(self, found: Configuration, newest: Configuration, kept: Objects) -> None:
        """An object keeps its good version until a better one comes or it is removed."""
        good = {key: self._good[key] for key in newest.objects if key in self._good}
        fine = (key for key in newest.objects if key.collection in JUDGED and not _has_error(found, key))
        self._good = good | {key: newest.objects[key] for key in fine if key not in kept}


def _replaceable(newest: Configuration, key: ObjectKey, good: ConfigObject) -> bool:
    now = newest.objects.get(key)
    return now is not None and now.version != good.version and _has_error(newest, key)


def _has_error(configuration: Configuration, key: ObjectKey) -> bool:
    return any(each.severity == "error" for each in configuration.problems.get(key, ()))


def _with(collections: Collections, kept: Objects) -> Collections:
    changed = {name: dict(found) for name, found in collections.items()}
    for key, item in kept.items():
        changed[key.collection][key] = item
    return changed


def _told(found: Configuration, newest: Configuration, kept: Objects) -> Configuration:
    problems = {key: each for key, each in found.problems.items() if key not in kept}
    for key, item in kept.items():
        text = f"while it has errors, the version before ({item.version}) stays in effect."
        problems[key] = (*newest.problems[key], Problem("version-kept", "", text, "warning"))
    versions = {key: item.version for key, item in kept.items()}
    return replace(
        found, version=newest.version, objects=newest.objects, problems=dict(sorted(problems.items())), kept=versions
    )
