"""Asks Galley, Pilot and Mixer for the hops that they recorded of an object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import httpx

from flotilla_cli.errors import Refused
from flotilla_shared.model.kinds import KINDS

if TYPE_CHECKING:
    from flotilla_cli.mesh import Mesh

INTROSPECTION_PORT = 9876


def recorded(mesh: Mesh, kind: str, namespace: str, name: str) -> list[Mapping[str, Any]]:
    """All hops of the object that they remember. A service that is away remembers nothing: its hops are
    missing.

    Raises Refused for a kind that does not exist.
    """
    query = {"collection": collection(kind), "namespace": namespace, "name": name}
    hops: list[Mapping[str, Any]] = []
    for service in ("galley", "pilot", "mixer"):
        url = f"http://{mesh.plan.addresses[service]}:{INTROSPECTION_PORT}/debug/trace"
        try:
            hops += mesh.ask(url, query)["hops"]
        except httpx.TransportError:
            continue
    return hops


def collection(kind: str) -> str:
    """The collection of a kind, by its name in any case."""
    for known in KINDS:
        if known.kind.lower() == kind.lower():
            return known.collection
    raise Refused(f"There is no kind {kind}.", "Such as VirtualService, DestinationRule, Gateway, ServiceEntry, rule.")
