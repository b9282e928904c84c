"""What brings a subscriber from what it holds to what is current, computed and encoded once for all who go that way."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property

from flotilla_galley.snapshot.encoded import ResourceBytes, field_bytes, text_field
from flotilla_galley.snapshot.snapshot import NOTHING, CollectionSnapshot
from flotilla_shared.model.kinds import MESH_CONFIG
from flotilla_shared.model.objects import ConfigObject, Delta, ObjectKey

Held = CollectionSnapshot | Mapping[str, str]
"""What a subscriber has: a state that was published, shared with all who have it, or names and versions."""

_RESOURCE_URL = text_field(1, "type.googleapis.com/istio.mcp.v1alpha1.Resource")
_INCREMENTAL = b"\x30\x01"  # field 6, true


class Offer:
    """A delta, the state that it leads to, and its bytes on the wire but for the nonce."""

    def __init__(self, delta: Delta, target: CollectionSnapshot, resources: ResourceBytes) -> None:
        self.delta = delta
        self.target = target
        self._resources = resources

    def mcp(self, nonce: str) -> bytes:
        """The bytes of an `istio.mcp.v1alpha1.Resources`."""
        return self._mcp + text_field(5, nonce) + (b"" if self.delta.full else _INCREMENTAL)

    def discovery(self, type_url: str, nonce: str) -> bytes:
        """The bytes of an `envoy.service.discovery.v3.DiscoveryResponse`; only for a full delta."""
        return self._discovery + text_field(4, type_url) + text_field(5, nonce)

    @cached_property
    def _mcp(self) -> bytes:
        delta, of = self.delta, self._resources.of
        parts = [text_field(1, delta.version), text_field(2, delta.collection)]
        parts += [field_bytes(3, of(item)) for item in delta.upserts]
        parts += [text_field(4, key.full_name) for key in delta.removed]
        return b"".join(parts)

    @cached_property
    def _discovery(self) -> bytes:
        """Each resource an Any of mcp.Resource, which istiod unpacks; the mesh configuration is the Any itself."""
        delta, of = self.delta, self._resources.of
        parts = [text_field(1, delta.version)]
        if delta.collection == MESH_CONFIG:
            parts += [field_bytes(2, _any(item.spec)) for item in delta.upserts]
        else:
            parts += [field_bytes(2, _RESOURCE_URL + field_bytes(2, of(item))) for item in delta.upserts]
        return b"".join(parts)


def _any(message: object) -> bytes:
    name = message.DESCRIPTOR.full_name  # type: ignore[attr-defined]
    content = message.SerializeToString(deterministic=True)  # type: ignore[attr-defined]
    return text_field(1, f"type.googleapis.com/{name}") + field_bytes(2, content)


class Offers:
    """Those that are asked for now: one for each way from a held state to a current one."""

    def __init__(self, resources: ResourceBytes) -> None:
        self._resources = resources
        self._made: dict[tuple[str, str | None], Offer] = {}

    def make(self, collection: str, current: CollectionSnapshot, held: Held, *, full: bool) -> Offer:
        """The offer for one who has `held`; `full` gives everything whatever is held."""
        if not isinstance(held, CollectionSnapshot) and not full:
            if held == current.versions:
                held = current
            elif held:
                return Offer(make_delta(collection, current, held, full=False), current, self._resources)
            else:
                held = NOTHING
        way = (collection, held.version if isinstance(held, CollectionSnapshot) and not full else None)
        known = self._made.get(way)
        if known is None or known.target is not current:
            known = Offer(make_delta(collection, current, held, full=full), current, self._resources)
            self._made[way] = known
        return known

    def forget(self, collections: Collection[str]) -> None:
        """These collections have changed: nobody goes to their old states any more."""
        self._made = {way: each for way, each in self._made.items() if way[0] not in collections}


def make_delta(collection: str, current: CollectionSnapshot, held: Held, *, full: bool) -> Delta:
    """From what is held to what is current; `full` gives everything whatever is held."""
    if full:
        return Delta(collection, current.version, tuple(current.items.values()), (), True)
    if isinstance(held, CollectionSnapshot):
        return _between(collection, held, current)
    upserts = tuple(item for key, item in current.items.items() if held.get(key.full_name) != item.version)
    gone = sorted(held.keys() - current.versions.keys())
    return Delta(collection, current.version, upserts, tuple(ObjectKey.parse(collection, name) for name in gone), False)


def _between(collection: str, held: CollectionSnapshot, current: CollectionSnapshot) -> Delta:
    """Of two published states: what is known to be the same in both is not looked at."""
    before, now = held.items, current.items
    next_to_it = current.before == held.version
    keys: Iterable[ObjectKey] = current.changed if next_to_it else now
    upserts = tuple(now[key] for key in keys if key in now and _differs(before.get(key), now[key]))
    removed = tuple(key for key in (current.changed if next_to_it else before) if key in before and key not in now)
    return Delta(collection, current.version, upserts, removed, False)


def _differs(before: ConfigObject | None, now: ConfigObject) -> bool:
    return before is not now and (before is None or before.version != now.version)
