"""Datadog's HTTP intake: which address takes what, how much at once, and in which form."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cramjam

from flotilla_mixer.kit.connections import Connections, read_secret
from flotilla_mixer.kit.secrets import SecretFile
from flotilla_mixer.kit.sending import SendError

SERIES_PATH, DISTRIBUTIONS_PATH, LOGS_PATH = "/api/v2/series", "/api/v1/distribution_points", "/api/v2/logs"
TYPES = {SERIES_PATH: "application/json", DISTRIBUTIONS_PATH: "text/json", LOGS_PATH: "application/json"}
# Datadog's limits of metrics, in bytes as they go out and as they are; of logs the second alone is given.
MOST_COMPRESSED, MOST_BYTES = 512_000, 5 * 1024 * 1024
RESET = "x-ratelimit-reset"  # seconds until more is taken
TIMEOUT, TOO_MANY, SERVER_ERRORS = 408, 429, 500
LARGE = 64 * 1024  # bytes that take longer to compress than others on the loop should wait
LEVEL = 1  # the quickest: a tenth of the bytes already

Encoder = Callable[[bytes], bytes]


def _zstd(content: bytes) -> bytes:
    found: Any = cramjam.zstd.compress(content)
    return bytes(found)


@dataclass(frozen=True, slots=True)
class Form:
    """How a body is compressed; `name` is its content-encoding, empty for none."""

    name: str = ""
    encode: Encoder = bytes


PLAIN = Form()
GZIP = Form("gzip", lambda content: gzip.compress(content, LEVEL, mtime=0))
ZSTD = Form("zstd1", _zstd)  # Datadog's own name of it
DEFLATE = Form("deflate", lambda content: zlib.compress(content, LEVEL))


def is_retried(status: int) -> bool:
    """408, 429 and any 5xx, as Datadog's own client has it."""
    return status in (TIMEOUT, TOO_MANY) or status >= SERVER_ERRORS


class Intake:
    """One address: a URL without a path, and one of the paths above. The key is read at each request."""

    def __init__(self, connections: Connections, url: str, path: str, key: SecretFile, form: Form) -> None:
        self._connections = connections
        self._url = url + path
        self._type = TYPES[path]
        self._key = key
        self._form = form

    async def post(self, content: bytes) -> None:
        """A body that is compressed already, by `form`. Raises SendError."""
        headers = {"content-type": self._type, "dd-api-key": read_secret(self._key), "user-agent": "flotilla-mixer"}
        if self._form.name:
            headers["content-encoding"] = self._form.name
        await self._connections.post(self._url, content, headers, retried=is_retried, wait_header=RESET)

    async def send(self, items: Sequence[Any], content_of: Callable[[Any], bytes], around: tuple[bytes, bytes]) -> None:
        """Items in as few bodies as the limits allow. Raises SendError with those that are left."""
        sent, contents = 0, [content_of(item) for item in items]
        if sum(map(len, contents)) > LARGE:
            bodies = await asyncio.to_thread(lambda: list(self.bodies(contents, around)))
        else:
            bodies = list(self.bodies(contents, around))
        for body, number in bodies:
            try:
                await self.post(body)
            except SendError as error:
                left = items[sent:] if error.retry else items[sent + number :]
                raise _with(error, left, items[sent : sent + number]) from error
            sent += number

    def bodies(self, contents: Sequence[bytes], around: tuple[bytes, bytes]) -> Iterator[tuple[bytes, int]]:
        """Bodies and how many items each has; none is over the limits but one whose only item is so by itself."""
        whole = b"".join((around[0], b",".join(contents), around[1]))
        body = self._form.encode(whole) if len(whole) <= MOST_BYTES or len(contents) == 1 else b""
        if body and (len(body) <= MOST_COMPRESSED or len(contents) == 1):
            yield body, len(contents)
            return
        half = len(contents) // 2
        yield from self.bodies(contents[:half], around)
        yield from self.bodies(contents[half:], around)


def _with(error: SendError, left: Sequence[Any], tried: Sequence[Any]) -> SendError:
    """The same with what is left. What was refused is not tried again, and what comes after it is."""
    if error.retry:
        return SendError(str(error), cause=error.cause, retry=True, after=error.after, left=left)
    return SendError(str(error), cause=error.cause, retry=True, left=left, refused={error.cause: tried})
