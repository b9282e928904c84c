"""A Zipkin server, as batches reach it: POST /api/v2/spans, with what it wants to see of who sends."""

from __future__ import annotations

import asyncio
import base64
import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flotilla_mixer.adapters.zipkin.encoding import Encoding
from flotilla_mixer.kit.connections import Connections, read_secret
from flotilla_mixer.kit.secrets import SecretFile

GZIP_LEVEL = 1  # spans repeat themselves: a higher one costs three times as much for a tenth of the size


@dataclass(frozen=True, slots=True)
class Login:
    """A user with a password, a token, or neither."""

    username: str = ""
    password: SecretFile | None = None
    token: SecretFile | None = None

    def headers(self) -> Mapping[str, str]:
        """Raises SendError."""
        if self.token is not None:
            return {"authorization": f"Bearer {read_secret(self.token)}"}
        if self.password is not None:
            pair = f"{self.username}:{read_secret(self.password)}".encode()
            return {"authorization": f"Basic {base64.b64encode(pair).decode()}"}
        return {}


class ZipkinServer:
    """Sends batches; those with more than `gzip_bytes` are compressed."""

    def __init__(self, url: str, encoding: Encoding, gzip_bytes: int, login: Login, ca_file: str) -> None:
        self._url = url
        self._encoding = encoding
        self._gzip_bytes = gzip_bytes
        self._login = login
        self._connections = Connections(ca_file)

    async def send(self, spans: Sequence[bytes]) -> None:
        """Raises SendError."""
        body, headers = self._encoding.many(spans), {"content-type": self._encoding.content_type}
        if len(body) > self._gzip_bytes:
            body = await asyncio.to_thread(gzip.compress, body, GZIP_LEVEL)
            headers["content-encoding"] = "gzip"
        await self._connections.post(self._url, body, {**headers, **self._login.headers()})

    async def close(self) -> None:
        await self._connections.close()
