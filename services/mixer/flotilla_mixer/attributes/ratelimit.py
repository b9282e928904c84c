"""From a descriptor of Envoy's rate limit filter to a bag."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from flotilla_mixer.attributes.parts import put_destination
from flotilla_mixer.attributes.trust import Direction, Trust
from flotilla_shared.model.expressions import Timestamp

DOMAIN, DESCRIPTOR = "ratelimit.domain", "ratelimit.descriptor"
Bag = dict[str, object]


def caller_bag(domain: str, static: str, direction: Direction, trust: Trust) -> Bag:
    """What the descriptors of one call have in common. The filter says nothing of the request itself: what is known is the
    workload that asks, on its side of the call, and the service, where the proxy's configuration says it.
    """
    bag: Bag = {"context.reporter.kind": direction, "context.reporter.local": direction == "inbound", DOMAIN: domain}
    bag["context.time"] = bag["context.timestamp"] = Timestamp(time.time_ns())
    bag |= trust.static(static, direction)
    if direction == "outbound":
        bag |= trust.reporter.source
    else:
        put_destination(bag, trust.reporter)
    bag["context.reporter.uid"] = trust.reporter.source["source.uid"]
    return bag


def descriptor_of(entries: Iterable[Any]) -> dict[str, str]:
    """Entries by key; the values of one key that is there more than once stay in order, with commas between."""
    found: dict[str, str] = {}
    for entry in entries:
        before = found.get(entry.key)
        found[entry.key] = entry.value if before is None else f"{before},{entry.value}"
    return found
