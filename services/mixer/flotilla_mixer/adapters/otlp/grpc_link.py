"""Requests over gRPC: one channel for all signals of a handler."""

from __future__ import annotations

from typing import Any

import grpc

from flotilla_mixer.adapters.otlp.answers import grpc_error
from flotilla_mixer.adapters.otlp.credentials import Certificates, Headers, Renewed
from flotilla_mixer.adapters.otlp.requests import USER_AGENT, Signal
from flotilla_mixer.adapters.otlp.settings import grpc_address, seconds
from flotilla_mixer.kit.adapter import Environment
from flotilla_mixer.kit.counters import UNREACHABLE
from flotilla_mixer.kit.sending import SendError
from flotilla_protos.flotilla.mixer.adapter.otlp.config_pb2 import Params

LARGEST_ANSWER = 256 * 1024
OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.service_config_disable_resolution", 1),
    ("grpc.max_receive_message_length", LARGEST_ANSWER),
    ("grpc.dns_min_time_between_resolutions_ms", 5_000),
    # The kit says when to try again; a connection is made when it does.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 5_000),  # so long may the making of a connection take
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.primary_user_agent", USER_AGENT),
    ("grpc.keepalive_time_ms", 300_000),
    ("grpc.keepalive_timeout_ms", 10_000),
)


class GrpcLink:
    """Nothing is dialled before the first request."""

    def __init__(self, params: Any, headers: Headers, environment: Environment) -> None:
        """Raises EndpointError and SecretError."""
        self.place = grpc_address(params)
        self._headers = headers
        self._timeout = seconds(params.timeout)
        gzip = params.compression == Params.GZIP
        self._compression = grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression
        self._plaintext = params.plaintext
        self._certificates = Certificates.of(params, environment)
        self._channels: Renewed[grpc.aio.Channel] = Renewed(self._certificates, self._channel, _close)

    async def export(self, signal: Signal, content: bytes) -> Any:
        """The collector's response. Raises SendError."""
        metadata = tuple(self._headers.read().items())
        async with self._channels.use() as channel:
            call: Any = channel.unary_unary(signal.method, response_deserializer=signal.response.FromString)
            try:
                return await call(content, timeout=self._timeout, metadata=metadata, compression=self._compression)
            except grpc.aio.AioRpcError as error:
                raise grpc_error(self.place, error) from error
            except grpc.aio.UsageError as error:
                raise SendError(f"the channel to {self.place} is closed", cause=UNREACHABLE, retry=True) from error

    async def _channel(self) -> grpc.aio.Channel:
        if self._plaintext:
            return grpc.aio.insecure_channel(self.place, options=OPTIONS)
        files = self._certificates
        credentials = grpc.ssl_channel_credentials(
            files.content(files.ca_file), files.content(files.key_file), files.content(files.certificate_file)
        )
        named = (("grpc.ssl_target_name_override", files.server_name),) if files.server_name else ()
        return grpc.aio.secure_channel(self.place, credentials, options=(*OPTIONS, *named))

    async def close(self) -> None:
        await self._channels.close()


async def _close(channel: grpc.aio.Channel) -> None:
    await channel.close()
