"""A client on a connection of its own, with TLS or without: it says a line, or asks for a page."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Talk:
    """A connection, and who showed a certificate on it: the last part of its SPIFFE ID, "" without TLS."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def server(self) -> str:
        shown = self.writer.get_extra_info("peercert") or {}
        names = [value for kind, value in shown.get("subjectAltName", ()) if kind == "URI"]
        return names[0].rpartition("/")[2] if names else ""

    async def say(self, line: str) -> str:
        """The line that comes back; "" where the connection ends instead."""
        try:
            self.writer.write(f"{line}\n".encode())
            return (await self.reader.readline()).decode().strip()
        except ConnectionError:
            return ""

    async def get(self, host: str, *headers: str) -> tuple[int, str]:
        """Status, and the name of the application that answered or the `location`. Raises ConnectionError."""
        self.writer.write("\r\n".join((f"GET / HTTP/1.1\r\nhost: {host}", *headers, "\r\n")).encode())
        try:
            first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            found = dict(each.split(": ", 1) for each in lines if each)
            body = await self.reader.readexactly(int(found.get("content-length", "0")))
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError from error
        name = json.loads(body)["name"] if body.startswith(b"{") else ""
        return int(first.split(" ")[1]), name or found.get("location", "")


@asynccontextmanager
async def connected(
    port: int, tls: ssl.SSLContext | None = None, sni: str = "", source: str = "127.0.0.1"
) -> AsyncIterator[Talk]:
    """From the address `source`. Raises OSError (ssl.SSLError is one) where the server does not want it."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=tls, server_hostname=sni or None, local_addr=(source, 0)
    )
    try:
        yield Talk(reader, writer)
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def page(port: int, host: str, tls: ssl.SSLContext | None = None, sni: str = "") -> str:
    """What a client gets: `status name`, `by server` where TLS says who that was; or REFUSED."""
    try:
        async with connected(port, tls, (sni or host) if tls else "") as talk:
            status, name = await talk.get(host)
            return " ".join((str(status), *filter(None, [name, talk.server and f"by {talk.server}"])))
    except OSError:
        return REFUSED
