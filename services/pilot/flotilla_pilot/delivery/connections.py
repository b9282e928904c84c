"""The connected proxies, at most one stream a proxy; an application that speaks xDS itself has one a channel."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator

import grpc

from flotilla_pilot.delivery.connection import Connection
from flotilla_pilot.model.proxy import SIDECAR, Proxy
from flotilla_shared.runtime.logs import get_logger

PROBE_SECONDS = 3.0
MOST_CHANNELS = 1000
"""Streams of one application: more is a leak, not a mesh."""

_log = get_logger(__name__)


class DuplicateProxy(Exception):
    """Another stream, which lives, is this proxy or has its address; the text names it."""


class TooManyChannels(Exception):
    """An application has more streams open than any needs; the text says how many."""


class Connections:
    """All streams by what only one may claim: the node id, and for sidecars each of its addresses.

    A proxy that lost its connection without Pilot noticing must not be locked out by its own old stream. So the
    holder of a claim is asked for a sign of life first: a message that changes nothing and that Envoy answers
    at once. If it does not answer, its stream is closed and the claim passes on.

    Streams of one application share their claims: gRPC opens one for every channel.
    """

    def __init__(self, probe_seconds: float = PROBE_SECONDS) -> None:
        self._probe_seconds = probe_seconds
        self._open: dict[str, Connection] = {}
        self._claims: dict[str, Connection] = {}
        self._channels: defaultdict[str, list[Connection]] = defaultdict(list)
        self._on_leave: list[Callable[[Connection], None]] = []

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._open.values()))

    def __contains__(self, connection: object) -> bool:
        return isinstance(connection, Connection) and self._open.get(connection.name) is connection

    def of(self, proxy: str) -> Connection | None:
        """The connection of a node id, or of `name.namespace` as tools call a proxy."""
        for each in self._open.values():
            if proxy in (each.proxy.node_id, f"{each.proxy.name}.{each.proxy.namespace}"):
                return each
        return None

    def subscribe(self, on_leave: Callable[[Connection], None]) -> None:
        """Call back with every connection that has left."""
        self._on_leave.append(on_leave)

    async def join(self, connection: Connection) -> None:
        """Take a connection in, once it has no living rival. Raises DuplicateProxy and TooManyChannels."""
        while (rival := self._rival(connection)) is not None:
            if await self._lives(rival):
                raise DuplicateProxy(_sentence(connection, rival))
            _log.warning("stream replaced: its proxy no longer answers", proxy=rival.proxy.node_id, stream=rival.name)
            rival.close(grpc.StatusCode.ABORTED, "replaced by a newer stream of this proxy")
            self.leave(rival)
        if connection.proxy.proxyless:
            self._add_channel(connection)
        self._open[connection.name] = connection
        for claim in _claims(connection.proxy):
            self._claims[claim] = connection

    def leave(self, connection: Connection) -> None:
        """Give up what a connection claimed; harmless twice."""
        if self._open.pop(connection.name, None) is None:
            return
        heir = self._heir(connection)
        for claim in _claims(connection.proxy):
            if self._claims.get(claim) is connection:
                del self._claims[claim]
                if heir is not None:
                    self._claims[claim] = heir
        for callback in self._on_leave:
            callback(connection)

    def _rival(self, connection: Connection) -> Connection | None:
        holders = (self._claims[claim] for claim in _claims(connection.proxy) if claim in self._claims)
        return next((each for each in holders if not _one_application(connection, each)), None)

    def _add_channel(self, connection: Connection) -> None:
        channels = self._channels[connection.proxy.node_id]
        if len(channels) >= MOST_CHANNELS:
            raise TooManyChannels(
                f"application {connection.proxy.node_id!r} has {MOST_CHANNELS} streams open already, which is the most; "
                "close channels that it no longer needs"
            )
        channels.append(connection)

    def _heir(self, connection: Connection) -> Connection | None:
        """Another stream of the application that has left one."""
        if not connection.proxy.proxyless:
            return None
        channels = self._channels[connection.proxy.node_id]
        channels.remove(connection)
        if not channels:
            del self._channels[connection.proxy.node_id]
        return next((each for each in channels if each.proxy.addresses == connection.proxy.addresses), None)

    async def _lives(self, rival: Connection) -> bool:
        """Whether a stream is heard from within the time of a probe."""
        heard = rival.heard
        rival.ask_for_life()
        try:
            async with asyncio.timeout(self._probe_seconds):
                await rival.heard_or_ended(heard)
        except TimeoutError:
            return False
        return not rival.ended.is_set()


def _one_application(new: Connection, holder: Connection) -> bool:
    """Whether both are of one application: of an Envoy's two streams one is a mistake."""
    return new.proxy.proxyless and holder.proxy.proxyless and new.proxy.node_id == holder.proxy.node_id


def _claims(proxy: Proxy) -> list[str]:
    addresses = proxy.addresses if proxy.kind == SIDECAR else ()
    return [proxy.node_id, *(f"address {each}" for each in addresses)]


def _sentence(new: Connection, holder: Connection) -> str:
    shared = set(new.proxy.addresses) & set(holder.proxy.addresses)
    what = (
        f"is connected already, from {holder.peer.address}, as stream {holder.name}"
        if new.proxy.node_id == holder.proxy.node_id
        else f"has the address {', '.join(sorted(shared))}, which proxy {holder.proxy.node_id!r} has too, "
        f"connected from {holder.peer.address}"
    )
    return f"proxy {new.proxy.node_id!r} {what}; stop one of the two, or give one another address"
