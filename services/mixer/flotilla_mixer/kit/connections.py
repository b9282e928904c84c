"""Connections to a backend over HTTP or HTTPS: one pool, opened when it is needed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import httpx

from flotilla_mixer.kit.counters import TIMEOUT, UNREACHABLE
from flotilla_mixer.kit.http import is_busy, post
from flotilla_mixer.kit.secrets import SecretError, SecretFile
from flotilla_mixer.kit.sending import SendError

TLS, SECRET = "tls", "secret"
MOST_CONNECTIONS = 4


class _Pool:
    """A client, and how many requests use it. One that is `given_up` is closed when the last of them ends."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.users = 0
        self.given_up = False


class Connections:
    """`ca_file` is PEM, empty for the system's authorities. After a connection failed the next one is made with the files as
    they are then, so certificates may be replaced. Proxies of the environment are not used. Several may post at once.
    """

    def __init__(self, ca_file: str = "", timeout_seconds: float = 10.0) -> None:
        self._ca_file = ca_file
        self._timeout = timeout_seconds
        self._pool: _Pool | None = None
        self._opening = asyncio.Lock()

    async def post(
        self,
        url: str,
        content: bytes,
        headers: Mapping[str, str],
        *,
        retried: Callable[[int], bool] = is_busy,
        wait_header: str = "retry-after",
    ) -> httpx.Response:
        """As kit.http's; raises SendError, to be tried again too where the files cannot be read."""
        pool = await self._open()
        pool.users += 1
        try:
            return await post(pool.client, url, content, headers, retried=retried, wait_header=wait_header)
        except SendError as error:
            if error.cause in (UNREACHABLE, TIMEOUT):
                self._give_up(pool)
            raise
        finally:
            pool.users -= 1
            await self._close_unused(pool)

    async def _open(self) -> _Pool:
        async with self._opening:
            if self._pool is None:
                self._pool = _Pool(await self._made())
            return self._pool

    async def _made(self) -> httpx.AsyncClient:
        try:
            context = await asyncio.to_thread(ssl.create_default_context, cafile=self._ca_file or None)
        except (OSError, ssl.SSLError) as error:
            text = f"the certificates of {self._ca_file or 'the system'} cannot be read: {error}"
            raise SendError(text, cause=TLS, retry=True) from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        limits = httpx.Limits(max_connections=MOST_CONNECTIONS, max_keepalive_connections=MOST_CONNECTIONS)
        return httpx.AsyncClient(verify=context, trust_env=False, timeout=self._timeout, limits=limits)

    def _give_up(self, pool: _Pool) -> None:
        pool.given_up = True
        if self._pool is pool:
            self._pool = None

    async def _close_unused(self, pool: _Pool) -> None:
        if pool.given_up and not pool.users:
            await pool.client.aclose()

    async def close(self) -> None:
        """When no request is under way. They are opened again if they are needed again."""
        pool = self._pool
        if pool is not None:
            self._give_up(pool)
            await self._close_unused(pool)


def is_http_url(text: str) -> bool:
    """An http or https URL with a host, and without a user or a password."""
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and (url.port or 1) > 0 and "@" not in url.netloc
    except ValueError:
        return False


def read_secret(secret: SecretFile) -> str:
    """What is in it now. Raises SendError, to be tried again, while there is nothing."""
    try:
        return secret.read()
    except SecretError as error:
        raise SendError(str(error), cause=SECRET, retry=True) from error
