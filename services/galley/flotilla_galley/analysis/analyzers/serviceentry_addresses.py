"""ServiceEntries that only an address tells from others, and that have none."""

from __future__ import annotations

from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.fields import items
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_shared.model.kinds import MESH_CONFIG, SERVICE_ENTRIES

_CAPTURE = "ISTIO_META_DNS_CAPTURE"
_ALLOCATE = ("ISTIO_META_DNS_AUTO_ALLOCATE", "PILOT_ENABLE_IP_AUTOALLOCATE")


def look(entry: Resource, view: View) -> Iterator[Message]:
    """TCP carries no host name: without an address of its own, a call to the port may be for any of them."""
    if entry.spec.addresses or items(entry.value, "status", "addresses") or _allocated(view):
        return
    for index, port in enumerate(entry.spec.ports):
        if port.protocol.upper() in ("", "TCP"):
            yield tell("ServiceEntryAddressesRequired", entry, f"spec.ports[{index}]")


def _allocated(view: View) -> bool:
    """Whether proxies answer DNS, and give hosts addresses of their own."""
    metadata = view.mesh_config.default_config.proxy_metadata
    return metadata.get(_CAPTURE) == "true" and any(metadata.get(name) == "true" for name in _ALLOCATE)


ANALYZER = Analyzer(
    "serviceentry.Analyzer",
    "whether ServiceEntries of TCP have addresses",
    (SERVICE_ENTRIES, MESH_CONFIG),
    {SERVICE_ENTRIES: look},
)
