"""What makes equal inputs give the identical resource, in a snapshot and from one to the next."""

from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakValueDictionary

from flotilla_pilot.compile.resource import CompiledResource, make_resource
from flotilla_shared.model.objects import ObjectKey

Key = tuple[object, ...]


class ResourceCache:
    """Resources and parts by what they were made from.

    Two mechanisms. By input: `get` builds only for a key that neither this nor the last generation asked
    for. By content: `intern` gives the object of equal bytes and dependencies for as long as anybody holds
    it, so that a resource built anew, with the same outcome, is still the identical object.

    What depends on where endpoints are changes far more often than the rest, and has generations of its own.
    """

    def __init__(self) -> None:
        self._current: dict[Key, Any] = {}
        self._previous: dict[Key, Any] = {}
        self._current_endpoints: dict[Key, Any] = {}
        self._previous_endpoints: dict[Key, Any] = {}
        self._alive: WeakValueDictionary[Key, CompiledResource] = WeakValueDictionary()

    def next_generation(self, *, endpoints_only: bool = False) -> None:
        """Call once a snapshot: what two snapshots in a row did not ask for is forgotten.

        `endpoints_only`: nothing but endpoints is different, so the rest need not be asked for.
        """
        self._previous_endpoints, self._current_endpoints = self._current_endpoints, {}
        if not endpoints_only:
            self._previous, self._current = self._current, {}

    def get(self, key: Key, build: Callable[[], Any]) -> Any:
        return _get(key, build, self._current, self._previous)

    def get_endpoints(self, key: Key, build: Callable[[], Any]) -> Any:
        """As `get`, of what is made from endpoints."""
        return _get(key, build, self._current_endpoints, self._previous_endpoints)

    def intern(self, type_url: str, name: str, body: bytes, depends_on: Iterable[ObjectKey]) -> CompiledResource:
        dependencies = frozenset(depends_on)
        key = (type_url, name, body, dependencies)
        found = self._alive.get(key)
        if found is None:
            found = make_resource(type_url, name, body, dependencies)
            self._alive[key] = found
        return found


def _get(key: Key, build: Callable[[], Any], current: dict[Key, Any], previous: dict[Key, Any]) -> Any:
    found = current.get(key)
    if found is None:
        found = previous.get(key)
        if found is None:
            found = build()
        current[key] = found
    return found
