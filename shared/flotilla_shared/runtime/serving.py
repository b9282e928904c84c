"""gRPC servers: one component for every port of every service.

client_certificate   the port's TLS
"required"           grpcio's own, a certificate of the mesh's root is needed
"optional"           ended by `relay`: a certificate of the mesh's root, or none and a token
None                 none: a Unix socket (`uds`), or plaintext on loopback
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import grpc

from flotilla_shared.runtime.batches import BatchFunction, BatchHandlers, Call
from flotilla_shared.runtime.http import BindError
from flotilla_shared.runtime.identity import IdentitySource
from flotilla_shared.runtime.open_calls import OpenCalls
from flotilla_shared.runtime.peers import Peer, caller_identity, peer_of
from flotilla_shared.runtime.relay import TlsRelay
from flotilla_shared.runtime.tls import KEEPALIVE, MESSAGE_BYTES, Option, server_credentials

__all__ = ["BatchFunction", "Call", "ClientCertificate", "GrpcServer", "Peer", "caller_identity", "peer_of"]

ClientCertificate = Literal["required", "optional"]
GRACE_SECONDS = 2.0
CLEAN_UP_SECONDS = 1.0

OPTIONS: tuple[Option, ...] = (
    # The defaults answer CANCELLED to some when thousands of Envoys come back at once.
    ("grpc.server.max_pending_requests", 20_000),
    ("grpc.server.max_pending_requests_hard_limit", 40_000),
    # Two servers on one port would both "work" and split its traffic.
    ("grpc.so_reuseport", 0),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    *KEEPALIVE,
)


class GrpcServer:
    """Component. `generic_handlers` serve streams, `batch` serves unary methods by full name.

    `port` 0 takes any free one; `bound_port` says which, after start. Start waits for the identity.
    """

    def __init__(
        self,
        address: str = "",
        port: int = 0,
        *,
        identity: IdentitySource | None = None,
        client_certificate: ClientCertificate | None = None,
        uds: Path | None = None,
        uds_mode: int = 0o600,
        generic_handlers: Sequence[grpc.GenericRpcHandler] = (),
        batch: Mapping[str, BatchFunction] | None = None,
        max_receive_bytes: int = 4 * 1024 * 1024,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        if client_certificate is not None and identity is None:
            raise ValueError("a port with TLS needs an identity")
        self._address = address
        self._port = port
        self._identity = identity
        self._client_certificate = client_certificate
        self._uds = uds
        self._uds_mode = uds_mode
        self._calls = OpenCalls()
        self._handlers = [self._calls.watch(each) for each in (*generic_handlers, BatchHandlers(dict(batch or {})))]
        self._max_receive_bytes = max_receive_bytes
        self._grace_seconds = grace_seconds
        self._server: grpc.aio.Server | None = None
        self._relay: TlsRelay | None = None
        self.bound_port = 0

    async def start(self) -> None:
        """Listen; waits for the first certificate where TLS is served. Raises BindError."""
        if self._identity is not None:
            await self._identity.wait()
        options = (*OPTIONS, ("grpc.max_receive_message_length", self._max_receive_bytes))
        self._server = grpc.aio.server(options=options)
        self._server.add_generic_rpc_handlers(tuple(self._handlers))
        if self._client_certificate == "optional":
            assert self._identity is not None
            self._relay = TlsRelay(self._address, self._port, self._identity)
            self._bind_unix(self._relay.target)
            await self._server.start()
            await self._relay.start()
            self.bound_port = self._relay.port
            return
        if self._uds is not None:
            self._bind_unix(self._uds)
        else:
            self.bound_port = self._bind_tcp()
        await self._server.start()
        if self._uds is not None:
            self._uds.chmod(self._uds_mode)

    async def stop(self) -> None:
        """Refuse new calls, let open ones end for the grace, then cancel them."""
        server, relay = self._server, self._relay
        self._server = self._relay = None
        if server is not None:
            await server.stop(self._grace_seconds)
            await self._calls.ended(CLEAN_UP_SECONDS)
        if relay is not None:
            await relay.stop()
        if self._uds is not None:
            self._uds.unlink(missing_ok=True)

    def _bind_unix(self, path: Path) -> None:
        assert self._server is not None
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        self._server.add_insecure_port(f"unix:{path}")

    def _bind_tcp(self) -> int:
        assert self._server is not None
        where = f"{self._address}:{self._port}"
        try:
            if self._client_certificate is None:
                return int(self._server.add_insecure_port(where))
            assert self._identity is not None
            return int(self._server.add_secure_port(where, server_credentials(self._identity)))
        except RuntimeError as error:
            raise BindError(self._address, self._port, "the address is taken or not of this machine") from error
