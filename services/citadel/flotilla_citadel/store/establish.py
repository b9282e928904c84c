"""Having a root: the stored one, or a new one, and never two of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from flotilla_citadel.ca.root import Root, RootPem, read_root
from flotilla_citadel.errors import StartRefused

VANISHED = "the root vanished right after it was stored: is something removing it?"


class RootStore(Protocol):
    """Keeps one root. Several Citadels may share one store."""

    place: str  # for people: where the root is kept

    def load(self) -> RootPem | None:
        """The stored root, None if there is none. Raises StartRefused for one that must not be used."""

    def create(self, pem: RootPem) -> bool:
        """Store `pem` if there is no root, whole or not at all. False: somebody else was first."""


class SharedRootStore(Protocol):
    """A RootStore that is asked over a network. What the network does wrong it raises as it comes."""

    place: str

    async def load(self) -> RootPem | None: ...

    async def create(self, pem: RootPem) -> bool: ...


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
    return _read(store.place, pem, now, "mend the files, or move them away"), created


async def establish_shared_root(
    store: SharedRootStore, make: Callable[[], RootPem], now: datetime
) -> tuple[Root, bool]:
    """As `establish_root`, from a store that replicas on other machines share."""
    try:
        pem = await store.load()
        created = False
        if pem is None:
            created = await store.create(make())
            pem = await store.load()
    except StartRefused as error:
        raise _refusal(store.place, error, "mend the Secret, or delete it") from error
    return _read(store.place, pem, now, "mend the Secret, or delete it"), created


def _read(place: str, pem: RootPem | None, now: datetime, mend: str) -> Root:
    if pem is None:
        raise StartRefused(f"{place}: {VANISHED}")
    try:
        return read_root(pem, now)
    except StartRefused as error:
        raise _refusal(place, error, mend) from error


def _refusal(place: str, error: StartRefused, mend: str) -> StartRefused:
    return StartRefused(f"{place}: {error}. Citadel never replaces a root: {mend} to begin a new mesh with a new root")
