"""What files a folder has, with the folders below it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from flotilla_shared.model.objects import Problem

SUFFIXES = (".yaml", ".yml")
DANGLING = "it is a link to what is not there"
# Kubernetes' link: a mounted ConfigMap or Secret is changed by swapping it.
SWAPPED = "..data"
DEEPEST = 16


@dataclass
class Listing:
    """`names` of YAML files, relative to the folder; links are followed, names with a leading dot are left out.

    `linked` says whether anything is a link: then a file may change without that its name is heard of. `swaps` are links that are
    swapped when a folder changes, and where each leads.
    """

    names: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    swaps: dict[Path, str] = field(default_factory=dict)
    linked: bool = False


def list_folder(folder: Path) -> Listing:
    """Raises OSError when the folder cannot be listed; what cannot be below it is among the problems. Blocking."""
    found = Listing()
    _add(found, str(folder), "", 0)
    found.names.sort()
    return found


def _add(found: Listing, place: str, prefix: str, depth: int) -> None:
    try:
        with os.scandir(place) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except OSError as error:
        if not prefix:
            raise
        if not isinstance(error, FileNotFoundError):  # else removed since it was seen
            found.problems.append(_lost(prefix[:-1], error.strerror))
        return
    for entry in entries:
        if entry.name == SWAPPED:
            found.swaps[Path(entry.path)] = target(Path(entry.path))
            found.linked = True
        if not entry.name.startswith("."):
            _entry(found, entry, f"{prefix}{entry.name}", depth)


def _entry(found: Listing, entry: os.DirEntry[str], name: str, depth: int) -> None:
    linked = entry.is_symlink()
    found.linked = found.linked or linked
    if _is_folder(entry):
        if depth <= DEEPEST:  # else a link that leads back up
            _add(found, entry.path, f"{name}/", depth + 1)
    elif name.endswith(SUFFIXES):
        found.names.append(name)
    elif linked and not os.path.exists(entry.path):
        # It may have been a folder; one with the name of a YAML file is told when it is read.
        found.problems.append(_lost(name, DANGLING))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def target(link: Path) -> str:
    """Where a link leads; empty for what is none."""
    try:
        return str(link.readlink())
    except OSError:
        return ""


def _lost(name: str, reason: str | None) -> Problem:
    text = f"the folder cannot be read: {reason}; what it held before stays as it was"
    return Problem("directory-unreadable", "", text, file=name)
