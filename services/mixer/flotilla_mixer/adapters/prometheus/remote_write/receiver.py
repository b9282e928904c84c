"""Whom values are written to: a POST for each batch, by the specification of remote write 1.0."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import cramjam

from flotilla_mixer.adapters.prometheus.remote_write.settings import RemoteWriteSettings
from flotilla_mixer.kit.adapter import Environment
from flotilla_mixer.kit.connections import Connections, read_secret

TOO_MANY, SERVER_ERRORS = 429, 500
HEADERS = {
    "content-encoding": "snappy",
    "content-type": "application/x-protobuf",
    "x-prometheus-remote-write-version": "0.1.0",
    "user-agent": "flotilla-mixer",
}


def is_retried(status: int) -> bool:
    """Any 5xx, and 429; no other 4xx: a receiver that refuses a batch refuses it again."""
    return status >= SERVER_ERRORS or status == TOO_MANY


class Receiver:
    """A receiver of remote write. Secrets are read at each request."""

    def __init__(self, settings: RemoteWriteSettings, environment: Environment) -> None:
        """Raises SecretError for a file that handlers may not name."""
        self._settings = settings
        self._connections = Connections(settings.ca_file, settings.timeout_seconds)
        self._password = environment.secret(settings.password_file) if settings.password_file else None
        self._token = environment.secret(settings.token_file) if settings.token_file else None

    async def write(self, request: bytes) -> None:
        """A WriteRequest. Raises SendError."""
        compressed: Any = cramjam.snappy.compress_raw(request)
        headers = {**HEADERS, **self._settings.headers, **self._login()}
        await self._connections.post(self._settings.url, bytes(compressed), headers, retried=is_retried)

    def _login(self) -> Mapping[str, str]:
        if self._token is not None:
            return {"authorization": f"Bearer {read_secret(self._token)}"}
        if self._password is not None:
            pair = f"{self._settings.username}:{read_secret(self._password)}"
            return {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        return {}

    async def close(self) -> None:
        await self._connections.close()
