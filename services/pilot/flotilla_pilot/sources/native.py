"""What the platform tells of by itself, as snapshots need it."""

from collections.abc import Callable
from typing import Protocol

from flotilla_pilot.compile.containment import Parts
from flotilla_pilot.model.snapshot import MeshSettings, Objects

Look = Callable[[Objects, MeshSettings], Parts]
"""Adds what the platform tells to configuration. Called on the compiling thread."""


class NativeMesh(Protocol):
    """Where services come from that nobody declares, and objects of the platform's own that count as configuration."""

    @property
    def missing(self) -> tuple[str, ...]:
        """What has not been read yet; while there is anything, no snapshot is built."""

    def look(self) -> Look:
        """What is there now. Called on the loop."""


class NoNativeMesh:
    """Of one machine: everything is declared by configuration."""

    missing: tuple[str, ...] = ()

    def look(self) -> Look:
        return Parts


NO_NATIVE_MESH = NoNativeMesh()
