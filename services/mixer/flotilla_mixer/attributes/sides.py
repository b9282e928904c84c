"""Both ends of a call that a client of the native API tells of, as far as it is believed (DESIGN section 3).

Its own end is the workload that it is. The other end is known by address and principal, as everywhere; that much a
client may say of its peer, and nothing else. An inbound client speaks for the services that select it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flotilla_mixer.attributes.parts import address_text, put_destination
from flotilla_mixer.attributes.request import ABSENT
from flotilla_mixer.attributes.trust import Direction, Disbelief, Trust
from flotilla_mixer.attributes.workloads import Workload
from flotilla_shared.model.static_attributes import HOST, OUTBOUND, STATIC_ATTRIBUTES

# What a message says of an attribute; ABSENT if nothing.
Peek = Callable[[str], object]
KIND = "context.reporter.kind"
# What a client says of its peer's connection, and of the port that was called.
_OF_A_PEER = ("ip", "port", "principal", "user")


def direction_of(peek: Peek) -> Direction:
    """Which side of the call the client is on; without a word it is the one that is called."""
    return "outbound" if peek(KIND) == OUTBOUND else "inbound"


def believed_sides(peek: Peek, trust: Trust, count: Callable[[Disbelief], None]) -> dict[str, object]:
    """All `source.` and `destination.` attributes that hold for this message."""
    direction = direction_of(peek)
    own, other = ("source", "destination") if direction == OUTBOUND else ("destination", "source")
    reporter = trust.reporter
    told = dict(_told(peek, other)) | dict(_told(peek, own, ("ip", "port")))
    peer = _peer(told, other, trust)
    if _differs(peek, own, reporter) or _differs(peek, other, peer):
        count(Disbelief.ATTRIBUTES)
    sides: dict[str, object] = told
    for side, workload in ((own, reporter), (other, peer)):
        if workload is not None and side == "source":
            sides |= workload.source
        elif workload is not None:
            put_destination(sides, workload)
    sides[f"{own}.principal"] = reporter.principal
    sides |= _service(peek, direction, trust, count)
    return sides


def _told(peek: Peek, side: str, names: tuple[str, ...] = _OF_A_PEER) -> list[tuple[str, object]]:
    found = ((f"{side}.{name}", peek(f"{side}.{name}")) for name in names)
    return [(name, value) for name, value in found if value is not ABSENT]


def _peer(told: Mapping[str, object], side: str, trust: Trust) -> Workload | None:
    address, principal = told.get(f"{side}.ip"), told.get(f"{side}.principal")
    if not isinstance(address, bytes):
        return None
    return trust.peer(address_text(address), principal if isinstance(principal, str) else "")


def _differs(peek: Peek, side: str, truth: Workload | None) -> bool:
    """Whether the client names another workload than the one that is believed to be at this end."""
    claimed = peek(f"{side}.uid")
    if claimed is ABSENT:
        return False
    return truth is None or truth.source["source.uid"] != claimed


def _service(
    peek: Peek, direction: Direction, trust: Trust, count: Callable[[Disbelief], None]
) -> Mapping[str, object]:
    """The attributes of the service that is called."""
    given = {name: value for name in STATIC_ATTRIBUTES if isinstance(value := peek(name), str)}
    if direction == OUTBOUND or not given:
        return given
    served = trust.view.served(str(given.get(HOST, "")), trust.reporter)
    if served is None or any(served.attributes.get(name) != value for name, value in given.items()):
        count(Disbelief.SERVICE)
    return served.attributes if served is not None else {}
