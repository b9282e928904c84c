"""Discovery responses as bytes: finished parts, joined."""

from collections.abc import Iterable
from weakref import WeakKeyDictionary

from flotilla_pilot.compile.resource import CompiledResource, length_delimited

_delta_parts: "WeakKeyDictionary[CompiledResource, bytes]" = WeakKeyDictionary()


def sotw_response(type_url: str, version: str, nonce: str, resources: Iterable[CompiledResource]) -> bytes:
    """An `envoy.service.discovery.v3.DiscoveryResponse`."""
    return b"".join(
        (
            length_delimited(1, version.encode()),
            *(each.part for each in resources),
            length_delimited(4, type_url.encode()),
            length_delimited(5, nonce.encode()),
        )
    )


def delta_response(
    type_url: str, version: str, nonce: str, resources: Iterable[CompiledResource], removed: Iterable[str]
) -> bytes:
    """An `envoy.service.discovery.v3.DeltaDiscoveryResponse`; `version` is for people only."""
    return b"".join(
        (
            length_delimited(1, version.encode()),
            *(_delta_part(each) for each in resources),
            length_delimited(4, type_url.encode()),
            length_delimited(5, nonce.encode()),
            *(length_delimited(6, name.encode()) for name in removed),
        )
    )


def _delta_part(resource: CompiledResource) -> bytes:
    """The `resources` entry of a delta response, made once a resource and shared by all proxies.

    A state-of-the-world part is field 2 holding an Any, and so is the `resource` of a delta's Resource.
    """
    part = _delta_parts.get(resource)
    if part is None:
        version = length_delimited(1, resource.version.encode())
        part = length_delimited(2, version + resource.part + length_delimited(3, resource.name.encode()))
        _delta_parts[resource] = part
    return part
