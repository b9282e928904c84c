"""Lines in datagrams, to a server that may be away, come back, or move to another address."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from flotilla_mixer.kit.counters import UNREACHABLE
from flotilla_mixer.kit.sending import SendError

DEFAULT_BYTES = 512  # of a datagram, as 1.4's: it passes every network in one piece
LONGEST_ADDRESS = 300
MOST_BYTES = 65_507  # of any datagram over IPv4
LOOK_UP_SECONDS = 60.0  # a name may lead elsewhere after this time
# A server takes what its kernel has kept for it, about 200 kB: more at once would be lost there. One that has just come
# back has much to do, and what has waited for it is given to it slowly.
PACE_BYTES, PACE_SECONDS = 32 * 1024, 0.005
CAREFUL_SECONDS, CAREFUL_PACE_SECONDS = 3.0, 0.05


UNIX = "unix://"
UNIX_SOCKETS = (UNIX, "unixgram://")


class Datagrams:
    """A socket to `host:port`, or to `unix:///path` and `unixgram:///path`, which are the same. It is opened when it is
    needed, and anew after an error.

    UDP has no answers. What is known of a server that is away is what the network says: on the same machine at once and of
    each datagram, elsewhere later or never. What it says before the next datagram goes out is heard.
    """

    def __init__(self, address: str, default_port: int, most_bytes: int) -> None:
        """Raises ValueError for an address that is none."""
        self._address = address
        self._path = path_of(address)
        self._host, self._port = ("", 0) if self._path else host_and_port(address, default_port)
        self._most = most_bytes
        self._socket: socket.socket | None = None
        self._until = 0.0
        self._since_pause = 0
        self._was_away = False
        self._careful_until = 0.0

    async def send(self, lines: Sequence[str]) -> None:
        """Raises SendError with the lines that have not gone out."""
        sent = 0
        try:
            link = await self._open()
            for datagram, count in packed(lines, self._most):
                await self._pace(len(datagram))
                link.send(datagram)
                if error := link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    raise OSError(error, "the server is away")  # as when `send` says it
                sent += count
                self._is_there()
        except OSError as error:
            self.close()
            self._was_away = True
            text = f"{self._address} takes no datagrams: {error.strerror or error}"
            raise SendError(text, cause=UNREACHABLE, retry=True, left=lines[sent:]) from error

    def _is_there(self) -> None:
        if self._was_away:
            self._was_away = False
            self._careful_until = asyncio.get_running_loop().time() + CAREFUL_SECONDS

    async def _pace(self, length: int) -> None:
        self._since_pause += max(length, DEFAULT_BYTES)
        if self._since_pause > PACE_BYTES:
            self._since_pause = 0
            careful = asyncio.get_running_loop().time() < self._careful_until
            await asyncio.sleep(CAREFUL_PACE_SECONDS if careful else PACE_SECONDS)

    async def _open(self) -> socket.socket:
        """The socket, connected; the name is looked up again once in a while. Raises OSError."""
        loop = asyncio.get_running_loop()
        if self._socket is not None and loop.time() < self._until:
            return self._socket
        self.close()
        made, address = await self._made()
        try:
            made.setblocking(False)
            made.connect(address)
        except OSError:
            made.close()
            raise
        self._socket, self._until = made, loop.time() + LOOK_UP_SECONDS
        return made

    async def _made(self) -> tuple[socket.socket, Any]:
        """A socket, and whom to connect it to."""
        if self._path:
            return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), self._path
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)
        family, kind, protocol, _, address = found[0]
        return socket.socket(family, kind, protocol), address

    def close(self) -> None:
        """It is opened again if it is needed again."""
        found, self._socket = self._socket, None
        if found is not None:
            found.close()


def path_of(address: str) -> str:
    """The path of a Unix socket; empty for another address."""
    found = next((each for each in UNIX_SOCKETS if address.startswith(each)), "")
    return address.removeprefix(found) if found else ""


def host_and_port(text: str, default_port: int) -> tuple[str, int]:
    """Of `host:port`, `[::1]:8125` or a host alone. Raises ValueError."""
    found = urlsplit(f"//{text}")
    if not found.hostname or found.netloc != text or found.username is not None or len(text) > LONGEST_ADDRESS:
        raise ValueError(f"{text!r} is no host:port")
    return found.hostname, found.port if found.port is not None else default_port


def packed(lines: Sequence[str], most: int) -> Iterator[tuple[bytes, int]]:
    """Datagrams of whole lines, and how many are in each; none longer than `most` but one line that is so by itself."""
    parts: list[bytes] = []
    length = 0
    for line in lines:
        content = line.encode()
        if parts and length + len(content) - 1 > most:
            yield b"".join(parts).rstrip(b"\n"), len(parts)
            parts, length = [], 0
        parts.append(content)
        length += len(content)
    if parts:
        yield b"".join(parts).rstrip(b"\n"), len(parts)
