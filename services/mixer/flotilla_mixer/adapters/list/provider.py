"""The list that a server provides, fetched again and again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import httpx

from flotilla_mixer.adapters.list.entries import Entries, entries_of, read_content
from flotilla_mixer.kit.adapter import Environment

TIMEOUT_SECONDS = 10.0
LONGEST_BYTES = 16 * 1024 * 1024


class Provider:
    """Keeps the newest list of a URL. `entries` is None before the first fetch, and when none has worked for `ttl`
    seconds; `error` says why the last one has not.
    """

    def __init__(
        self, url: str, kind: int, extra: list[str], refresh: float, ttl: float, environment: Environment
    ) -> None:
        self.entries: Entries | None = None
        self.error = "the list has not been fetched yet"
        self.fetched = asyncio.Event()
        self._url = url
        self._kind = kind
        self._extra = extra
        self._refresh = refresh
        self._ttl = ttl
        self._until = 0.0
        self._content = ""
        self._environment = environment

    async def run(self, client: Callable[[], httpx.AsyncClient] | None = None) -> None:
        """Fetch for ever."""
        async with client() if client else httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False) as http:
            while True:
                await self.fetch(http)
                await asyncio.sleep(self._refresh)

    async def fetch(self, http: httpx.AsyncClient) -> None:
        """Fetch once; what fails leaves the old list until it is too old. Its contents are read in the handler's thread: a
        list may be long.
        """
        try:
            await self._take(await _body(http, self._url))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            said = str(error) or type(error).__name__
            self.error = f"the list at {self._url} cannot be fetched: {said}"
            self._environment.complain("list", "a list cannot be fetched", url=self._url, error=said)
            if time.monotonic() >= self._until:
                self.entries, self._content = None, ""
        self.fetched.set()

    async def _take(self, content: str) -> None:
        """Raises ValueError for content that is no list."""
        if self.entries is None or content != self._content:
            self.entries = await self._environment.in_thread(self._entries, content)
            self._content = content
        self._until, self.error = time.monotonic() + self._ttl, ""
        self._environment.works_again("a list can be fetched again")

    def _entries(self, content: str) -> Entries:
        return entries_of(self._kind, [*read_content(self._kind, content), *self._extra])


async def _body(http: httpx.AsyncClient, url: str) -> str:
    """The text of the answer. Raises httpx.HTTPError, and ValueError for one that is no 200 or has no end."""
    async with http.stream("GET", url) as response:
        if response.status_code != httpx.codes.OK:
            raise ValueError(f"it answered {response.status_code}")
        body = b""
        async for part in response.aiter_bytes():
            body += part
            if len(body) > LONGEST_BYTES:
                raise ValueError(f"it is longer than {LONGEST_BYTES} bytes")
    return body.decode(errors="replace")
