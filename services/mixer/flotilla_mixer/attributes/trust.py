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
    """What one reporter is believed, under one view of the mesh. Made per message or call; cheap.

    `count` hears of everything that is not believed, each time. The entries of a message say the same again and again,
    so what was made of it is remembered for as long as this lives.
    """

    __slots__ = ("_count", "_peers", "_statics", "reporter", "view")

    def __init__(self, view: MeshView, reporter: Workload, count: Callable[[Disbelief], None]) -> None:
        self.view = view
        self.reporter = reporter
        self._count = count
        self._peers: dict[tuple[str, str], tuple[Workload | None, Disbelief | None]] = {}
        self._statics: dict[tuple[str, Direction], tuple[Attributes, Disbelief | None]] = {}

    def peer(self, address: str, principal: str) -> Workload | None:
        """The workload at the other end: `principal` is that of its certificate, or empty without mTLS."""
        judged = self._peers.get((address, principal))
        if judged is None:
            judged = self._peers[address, principal] = self._judge_peer(address, principal)
        found, disbelief = judged
        if disbelief is not None:
            self._count(disbelief)
        return found

    def _judge_peer(self, address: str, principal: str) -> tuple[Workload | None, Disbelief | None]:
        found = self.view.believed(address, principal) if principal else None
        return found, Disbelief.PEER if found is None and self.view.expected(address) else None

    def static(self, text: str, direction: Direction) -> Attributes:
        """The static attributes in this JSON that the reporter may claim."""
        judged = self._statics.get((text, direction))
        if judged is None:
            judged = self._statics[text, direction] = self._judge_static(text, direction)
        found, disbelief = judged
        if disbelief is not None:
            self._count(disbelief)
        return found

    def _judge_static(self, text: str, direction: Direction) -> tuple[Attributes, Disbelief | None]:
        given = read_static(text)
        if given is None:
            return NOTHING, Disbelief.STATIC
        if direction == OUTBOUND or not given:
            return given, None
        served = self.view.served(str(given.get(HOST, "")), self.reporter)
        disbelief = Disbelief.SERVICE if served is None or served.attributes != given else None
        return served.attributes if served is not None else NOTHING, disbelief


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
