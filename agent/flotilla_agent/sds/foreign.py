"""Secrets that are not the workload's own: who has them, and what the SDS server asks of him."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from flotilla_agent.sds.secrets import VersionedSecret


class ForeignSecrets(Protocol):
    """On the loop alone."""

    @property
    def current(self) -> Mapping[str, VersionedSecret]:
        """What there is now, by the names under which Envoy asks."""
        ...

    def serves(self, name: str) -> bool:
        """Whether a secret of this name may come; what may not is refused."""
        ...

    def want(self, name: str) -> None:
        """Somebody waits for it; it comes, and is kept current, as soon as it is there. Only what it `serves`."""
        ...

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back after each change of `current`; gives the function that ends it."""
        ...


class NoForeignSecrets:
    """A workload that has its own alone."""

    @property
    def current(self) -> Mapping[str, VersionedSecret]:
        return {}

    def serves(self, name: str) -> bool:
        return False

    def want(self, name: str) -> None:
        """Never asked: it serves none."""

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        return lambda: None


class SeveralSecrets:
    """ForeignSecrets of several kinds; each name is one's."""

    def __init__(self, *kinds: ForeignSecrets) -> None:
        self._kinds = kinds

    @property
    def current(self) -> Mapping[str, VersionedSecret]:
        return {name: each for kind in self._kinds for name, each in kind.current.items()}

    def serves(self, name: str) -> bool:
        return any(each.serves(name) for each in self._kinds)

    def want(self, name: str) -> None:
        next(each for each in self._kinds if each.serves(name)).want(name)

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        leaving = [each.subscribe(callback) for each in self._kinds]

        def leave() -> None:
            for each in leaving:
                each()

        return leave
