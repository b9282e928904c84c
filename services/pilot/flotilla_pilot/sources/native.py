"""Services that the platform tells of by itself, as snapshots need them."""

from collections.abc import Callable, Sequence
from typing import Protocol

from flotilla_pilot.model.services import Service


class NativeServices(Protocol):
    """Where such services come from."""

    @property
    def missing(self) -> tuple[str, ...]:
        """What has not been read yet; while there is anything, no snapshot is built."""

    def look(self) -> Callable[[], Sequence[Service]]:
        """What is there now. Called on the loop; the result is called on the compiling thread."""


class NoNativeServices:
    """Of one machine: everything is declared by configuration."""

    missing: tuple[str, ...] = ()

    def look(self) -> Callable[[], Sequence[Service]]:
        return tuple


NO_NATIVE_SERVICES = NoNativeServices()
