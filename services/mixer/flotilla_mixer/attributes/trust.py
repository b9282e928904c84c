"""What is believed: who reports, who the peer is, and which static attributes a reporter may claim.

The rules are DESIGN's, section 3: the reporter is the workload at the connection's address, if the connection's
certificate is its own; a peer likewise; an inbound reporter speaks for the services that select it. What is
claimed beyond that is dropped and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

import orjson

from flotilla_mixer.attributes.view import MeshView
from flotilla_mixer.attributes.workloads import SPIFFE, Workload
from flotilla_shared.model.static_attributes import HOST, OUTBOUND, STATIC_ATTRIBUTES

Direction = Literal["inbound", "outbound"]
Attributes = Mapping[str, object]
NOTHING: Attributes = MappingProxyType({})
MEMO_SIZE = 10_000


class Disbelief(StrEnum):
    """Why something was not believed; the label of the counter."""

    REPORTER = "reporter"  # the caller is no workload at its address with its certificate
    PEER = "peer"  # a workload is known at the peer's address, and the certificate is another's
    STATIC = "static"  # a static attribute that is none, or is not text
    ATTRIBUTES = "attributes"  # a client of the native API names another workload as its own, or a peer by itself
    SERVICE = "service"  # an inbound reporter speaks for a service that does not select it


def bare(uri: str) -> str:
    """A principal as 1.4 wrote it."""
    return uri.removeprefix(SPIFFE)


def find_reporter(view: MeshView, address: str, identity: str | None) -> Workload | None:
    """The workload that calls: `address` without port, `identity` the URI in its certificate."""
    return view.believed(address, bare(identity)) if identity else None


class Trust:
    """What one reporter is believed, under one view of the mesh. Made per stream or call; cheap.

    `count` hears of everything that is not believed.
    """

    def __init__(self, view: MeshView, reporter: Workload, count: Callable[[Disbelief], None]) -> None:
        self.view = view
        self.reporter = reporter
        self._count = count

    def peer(self, address: str, principal: str) -> Workload | None:
        """The workload at the other end: `principal` is that of its certificate, or empty without mTLS."""
        found = self.view.believed(address, principal) if principal else None
        if found is None and self.view.expected(address):
            self._count(Disbelief.PEER)
        return found

    def static(self, text: str, direction: Direction) -> Attributes:
        """The static attributes in this JSON that the reporter may claim."""
        given = read_static(text)
        if given is None:
            self._count(Disbelief.STATIC)
            return NOTHING
        if direction == OUTBOUND or not given:
            return given
        served = self.view.served(str(given.get(HOST, "")), self.reporter)
        if served is None or served.attributes != given:
            self._count(Disbelief.SERVICE)
        return served.attributes if served is not None else NOTHING


_read: dict[str, Attributes | None] = {}


def read_static(text: str) -> Attributes | None:
    """The static attributes of a JSON text; None if it is none, or holds anything else. Remembered."""
    if text in ("", "-"):
        return NOTHING
    try:
        return _read[text]
    except KeyError:
        if len(_read) >= MEMO_SIZE:
            _read.clear()
        found = _read[text] = _parse_static(text)
        return found


def _parse_static(text: str) -> Attributes | None:
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(content, dict) or not content.keys() <= STATIC_ATTRIBUTES:
        return None
    if not all(isinstance(value, str) for value in content.values()):
        return None
    return MappingProxyType(content)
