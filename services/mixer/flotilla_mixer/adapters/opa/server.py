"""An OPA that runs as a server, asked by its Data API (POST /v1/data/<path>)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from flotilla_mixer.adapters.opa.asking import Answer, decided
from flotilla_mixer.kit.secrets import SecretError, SecretFile

LONGEST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """`url` is all of it, the policy's path with it. Files are PEM, empty where there is none."""

    url: str
    ca_certificates: str
    client_certificate: str
    private_key: str
    timeout_seconds: float
    max_open_calls: int


class ServerPolicy:
    """Asks a server, over connections that are kept. What it cannot be asked about is an answer with the reason.

    After a connection failed the next one is made with the files as they are then, so certificates may be replaced.
    """

    def __init__(self, settings: ServerSettings, token: SecretFile | None) -> None:
        self._settings = settings
        self._token = token
        self._open = asyncio.Semaphore(settings.max_open_calls)
        self._client: httpx.AsyncClient | None = None

    async def ask(self, inputs: Sequence[dict[str, Any]]) -> Sequence[Answer]:
        return await asyncio.gather(*(self._bounded(each) for each in inputs))

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _bounded(self, document: dict[str, Any]) -> Answer:
        async with self._open:
            try:
                async with asyncio.timeout(self._settings.timeout_seconds):
                    return await self._one(document)
            except TimeoutError:
                return f"no answer of {self._settings.url} within {self._settings.timeout_seconds:g} s"
            except (httpx.HTTPError, OSError, SecretError, ssl.SSLError) as error:
                await self.close()
                return f"{self._settings.url} cannot be asked: {str(error) or type(error).__name__}"

    async def _one(self, document: dict[str, Any]) -> Answer:
        headers = {"content-type": "application/json"}
        if self._token is not None:
            headers["authorization"] = f"Bearer {self._token.read()}"
        if self._client is None:
            self._client = self._connected()
        content = orjson.dumps({"input": document})
        async with self._client.stream("POST", self._settings.url, content=content, headers=headers) as response:
            body = b""
            async for part in response.aiter_bytes():
                body += part
                if len(body) > LONGEST_BYTES:
                    return f"the answer of {self._settings.url} is longer than {LONGEST_BYTES} bytes"
        return _read(response.status_code, body, self._settings.url)

    def _connected(self) -> httpx.AsyncClient:
        """Raises OSError for files that cannot be read."""
        settings = self._settings
        limits = httpx.Limits(
            max_connections=settings.max_open_calls, max_keepalive_connections=settings.max_open_calls
        )
        return httpx.AsyncClient(
            verify=_context(settings) if settings.url.startswith("https:") else False,
            trust_env=False,
            timeout=settings.timeout_seconds,
            limits=limits,
        )


def _context(settings: ServerSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ca_certificates or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.client_certificate:
        context.load_cert_chain(settings.client_certificate, settings.private_key or None)
    return context


def _read(status: int, body: bytes, url: str) -> Answer:
    if status != httpx.codes.OK:
        return f"{url} answered {status}"
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return f"the answer of {url} is no JSON"
    if not isinstance(found, dict):
        return f"the answer of {url} is no JSON object"
    return decided([found["result"]] if "result" in found else [])
