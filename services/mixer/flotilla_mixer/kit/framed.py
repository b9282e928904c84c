"""Lines over a Unix stream socket, in frames: four bytes with the length, lowest first, and as many bytes of whole lines."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

from flotilla_mixer.kit.counters import UNREACHABLE
from flotilla_mixer.kit.datagrams import packed
from flotilla_mixer.kit.sending import SendError

UNIX_STREAM = "unixstream://"
LENGTH_BYTES = 4


class Framed:
    """A socket to `unixstream:///path`, opened when it is needed and opened anew after an error.

    A server that is slow makes the sender wait, and one that is away is noticed at once. What it had taken into its kernel's
    buffer and not read when it went is lost without a word: about 200 kB at most.
    """

    def __init__(self, address: str, most_bytes: int) -> None:
        """Raises ValueError for an address that is none."""
        self._path = address.removeprefix(UNIX_STREAM)
        if not address.startswith(UNIX_STREAM) or not self._path.startswith("/"):
            raise ValueError(f"{address!r} is no {UNIX_STREAM} with a whole path")
        self._address = address
        self._most = most_bytes
        self._socket: socket.socket | None = None

    async def send(self, lines: Sequence[str]) -> None:
        """Raises SendError with the lines that have not gone out. A frame that was begun and not ended is given up with its
        connection, so that the server never reads a part of one.
        """
        loop, sent = asyncio.get_running_loop(), 0
        try:
            link = await self._open()
            for content, count in packed(lines, self._most):
                await loop.sock_sendall(link, len(content).to_bytes(LENGTH_BYTES, "little") + content)
                sent += count
        except OSError as error:
            self.close()
            text = f"{self._address} takes no lines: {error.strerror or error}"
            raise SendError(text, cause=UNREACHABLE, retry=True, left=lines[sent:]) from error
        except BaseException:  # a time limit, or the end of the handler
            self.close()
            raise

    async def _open(self) -> socket.socket:
        if self._socket is not None:
            return self._socket
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(made, self._path)
        except BaseException:
            made.close()
            raise
        self._socket = made
        return made

    def close(self) -> None:
        """It is opened again if it is needed again."""
        found, self._socket = self._socket, None
        if found is not None:
            found.close()
