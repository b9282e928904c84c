"""The connected proxies, at most one stream a proxy."""

import asyncio
from collections.abc import Callable, Iterator

import grpc

from flotilla_pilot.delivery.connection import Connection
from flotilla_pilot.model.proxy import SIDECAR, Proxy
from flotilla_shared.runtime.logs import get_logger

PROBE_SECONDS = 3.0

_log = get_logger(__name__)


class DuplicateProxy(Exception):
    """Another stream, which lives, is this proxy or has its address; the text names it."""


class Connections:
    """All streams by what only one may claim: the node id, and for sidecars each of its addresses.

    A proxy that lost its connection without Pilot noticing must not be locked out by its own old stream. So the
    holder of a claim is asked for a sign of life first: a message that changes nothing and that Envoy answers
    at once. If it does not answer, its stream is closed and the claim passes on.
    """

    def __init__(self, probe_seconds: float = PROBE_SECONDS) -> None:
        self._probe_seconds = probe_seconds
        self._open: dict[str, Connection] = {}
        self._claims: dict[str, Connection] = {}
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
        """Take a connection in, once it has no living rival. Raises DuplicateProxy."""
        while (rival := self._rival(connection)) is not None:
            if await self._lives(rival):
                raise DuplicateProxy(_sentence(connection, rival))
            _log.warning("stream replaced: its proxy no longer answers", proxy=rival.proxy.node_id, stream=rival.name)
            rival.close(grpc.StatusCode.ABORTED, "replaced by a newer stream of this proxy")
            self.leave(rival)
        self._open[connection.name] = connection
        for claim in _claims(connection.proxy):
            self._claims[claim] = connection

    def leave(self, connection: Connection) -> None:
        """Give up what a connection claimed; harmless twice."""
        if self._open.pop(connection.name, None) is None:
            return
        for claim in _claims(connection.proxy):
            if self._claims.get(claim) is connection:
                del self._claims[claim]
        for callback in self._on_leave:
            callback(connection)

    def _rival(self, connection: Connection) -> Connection | None:
        return next(
            (self._claims[claim] for claim in _claims(connection.proxy) if claim in self._claims),
            None,
        )

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
