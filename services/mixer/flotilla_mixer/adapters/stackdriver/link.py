"""One channel to one of Google's services, opened at the first call, and anew when credentials changed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc

from flotilla_mixer.adapters.stackdriver.access import CREDENTIALS, Access, Headers
from flotilla_mixer.adapters.stackdriver.outcomes import call_error
from flotilla_mixer.kit.datagrams import host_and_port
from flotilla_mixer.kit.sending import SendError

CALL_SECONDS = 10.0
HTTPS = 443
OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """`endpoint` is host:port, or empty for Google's own. `ca_certificates` is a file, or empty for those that gRPC has."""

    endpoint: str = ""
    plaintext: bool = False
    ca_certificates: str = ""


class Link:
    """`transport` is the class of Google's library that knows the service's host and scopes and makes its channels."""

    def __init__(self, transport: Any, settings: LinkSettings, access: Access) -> None:
        self._transport = transport
        self._settings = settings
        self._access = access
        self._channel: grpc.aio.Channel | None = None
        self._version = -1
        self._opening = asyncio.Lock()

    async def call(self, method: str, request: bytes, **routing: str) -> bytes:
        """A method by its whole name, and a request as bytes. `routing` are fields of it that Google's front ends look at.
        Raises CallError and SendError.
        """
        channel = await self._opened()
        headers = (*self._access.headers(), *_routing(routing))
        unary: Any = channel.unary_unary(method)
        try:
            answer = await unary(request, timeout=CALL_SECONDS, metadata=headers)
        except grpc.aio.AioRpcError as error:
            raise call_error(error) from None
        return bytes(answer)

    async def _opened(self) -> grpc.aio.Channel:
        async with self._opening:
            version = self._access.version()
            if self._channel is None or version != self._version:
                await self.close()
                self._channel = await self._open()
                self._version = version
            return self._channel

    async def _open(self) -> grpc.aio.Channel:
        settings = self._settings
        host, port = host_and_port(settings.endpoint or self._transport.DEFAULT_HOST, HTTPS)
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if settings.plaintext:
            return grpc.aio.insecure_channel(target, OPTIONS)
        tls = grpc.ssl_channel_credentials(_roots(settings.ca_certificates))
        credentials = await self._access.credentials(self._transport.AUTH_SCOPES)
        if credentials is None:
            return grpc.aio.secure_channel(target, tls, OPTIONS)
        found: grpc.aio.Channel = self._transport.create_channel(
            target, credentials=credentials, ssl_credentials=tls, options=OPTIONS
        )
        return found

    async def close(self) -> None:
        """Safe twice. The next call would open it again."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()


def _roots(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes() if path else None
    except OSError as error:
        text = f"caCertificates {path} cannot be read: {error.strerror or error}"
        raise SendError(text, cause=CREDENTIALS, retry=True) from error


def _routing(fields: dict[str, str]) -> Headers:
    """As the generated clients write it: which project a request is about, before it is read."""
    text = "&".join(f"{name}={quote(value)}" for name, value in fields.items())
    return (("x-goog-request-params", text),) if text else ()
