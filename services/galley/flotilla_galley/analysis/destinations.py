"""Where the routes of a VirtualService lead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import Destination, HTTPRoute, VirtualService


@dataclass(frozen=True, slots=True)
class NamedDestination:
    """A destination and where it stands in the object. `mirror`: it gets copies."""

    destination: Destination
    field: str
    mirror: bool = False


def destinations(spec: VirtualService) -> Iterator[NamedDestination]:
    """All destinations that are written, in order."""
    kinds: tuple[tuple[str, Any], ...] = (("http", spec.http), ("tls", spec.tls), ("tcp", spec.tcp))
    for kind, routes in kinds:
        for index, route in enumerate(routes):
            for place, target in enumerate(route.route):
                if target.HasField("destination"):
                    yield NamedDestination(target.destination, f"spec.{kind}[{index}].route[{place}].destination")
            if isinstance(route, HTTPRoute):
                yield from _mirrors(route, f"spec.http[{index}]")


def _mirrors(route: HTTPRoute, path: str) -> Iterator[NamedDestination]:
    if route.HasField("mirror"):
        yield NamedDestination(route.mirror, f"{path}.mirror", mirror=True)
    for place, mirror in enumerate(route.mirrors):
        if mirror.HasField("destination"):
            yield NamedDestination(mirror.destination, f"{path}.mirrors[{place}].destination", mirror=True)
