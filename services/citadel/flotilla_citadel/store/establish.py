"""Having a root: the stored one, or a new one, and never two of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from flotilla_citadel.ca.root import Root, RootPem, read_root
from flotilla_citadel.errors import StartRefused


class RootStore(Protocol):
    """Keeps one root. Several Citadels may share one store."""

    place: str  # for people: where the root is kept

    def load(self) -> RootPem | None:
        """The stored root, None if there is none. Raises StartRefused for one that must not be used."""

    def create(self, pem: RootPem) -> bool:
        """Store `pem` if there is no root, whole or not at all. False: somebody else was first."""


def establish_root(store: RootStore, make: Callable[[], RootPem], now: datetime) -> tuple[Root, bool]:
    """The root of `store` and whether this call created it.

    What is used is always what was read back, so that of two Citadels that start on an empty store at the
    same moment both sign with the root of the one that was first. Raises StartRefused; a stored root is never
    replaced.
    """
    pem = store.load()
    created = False
    if pem is None:
        created = store.create(make())
        pem = store.load()
    if pem is None:
        raise StartRefused(f"{store.place}: the root vanished right after it was stored: is something removing it?")
    try:
        return read_root(pem, now), created
    except StartRefused as error:
        raise StartRefused(
            f"{store.place}: {error}. Citadel never replaces a root: mend the files, or move them away to "
            "begin a new mesh with a new root"
        ) from error
