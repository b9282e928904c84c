"""gRPC servers: one component for every port of every service.

client_certificate   the port's TLS
"required"           grpcio's own, a certificate of the mesh's root is needed
"optional"           ended by `relay`: a certificate of the mesh's root, or none and a token
None                 none: a Unix socket (`uds`), or plaintext on loopback

A TCP port with batch functions is served by the native front where that is installed (front.py): it ends TLS of every
kind, and passes streams on to grpc.aio.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import grpc

from flotilla_shared.runtime.batches import BatchFunction, BatchHandlers, Call
from flotilla_shared.runtime.front import (
    FrontChoice,
    FrontServer,
    FrontSettings,
    Refusals,
    use_front,
)
from flotilla_shared.runtime.http import BindError
from flotilla_shared.runtime.identity import IdentitySource
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.open_calls import OpenCalls
from flotilla_shared.runtime.peers import Peer, caller_identity, peer_of
from flotilla_shared.runtime.relay import TlsRelay
from flotilla_shared.runtime.tallies import MethodTally, TallyBounds
from flotilla_shared.runtime.tls import KEEPALIVE, MESSAGE_BYTES, Option, server_credentials

__all__ = ["BatchFunction", "Call", "ClientCertificate", "GrpcServer", "Peer", "caller_identity", "peer_of"]

ClientCertificate = Literal["required", "optional"]
GRACE_SECONDS = 2.0
CLEAN_UP_SECONDS = 1.0

# The defaults of gRPC answer CANCELLED to some when thousands of Envoys come back at once.
WAITING_CALLS = 20_000
_log = get_logger(__name__)
NO_REFUSALS, NO_BOUNDS = Refusals(), TallyBounds()
OPTIONS: tuple[Option, ...] = (
    # Two servers on one port would both "work" and split its traffic.
    ("grpc.so_reuseport", 0),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    *KEEPALIVE,
)


class GrpcServer:
    """Component. `generic_handlers` serve streams, `batch` serves unary methods by full name; `watch` may put something
    around each of the former, and `tallies` count the calls of the latter, within `bounds`.

    `port` 0 takes any free one; `bound_port` says which, after start. Start waits for the identity.

    Calls that the loop has not taken yet wait in gRPC's core. From `waiting_calls` on some of the new ones are answered
    CANCELLED, and from three times that all: it costs the core hardly anything, where an answer of Python's costs as
    much as the call. In the native front `refusals` say what waits and what is answered UNAVAILABLE.
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
        waiting_calls: int = WAITING_CALLS,
        grace_seconds: float = GRACE_SECONDS,
        watch: Callable[[grpc.GenericRpcHandler], grpc.GenericRpcHandler] = lambda handler: handler,
        front: FrontChoice = "auto",
        refusals: Refusals = NO_REFUSALS,
        bounds: TallyBounds = NO_BOUNDS,
    ) -> None:
        """Raises FrontMissing, a ValueError, if the native front is wanted and not there."""
        if client_certificate is not None and identity is None:
            raise ValueError("a port with TLS needs an identity")
        self._address = address
        self._port = port
        self._identity = identity
        self._client_certificate = client_certificate
        self._uds = uds
        self._uds_mode = uds_mode
        self._calls = OpenCalls()
        self._functions = dict(batch or {})
        self._fronted = bool(batch) and uds is None and use_front(front)
        self._handlers = [self._calls.watch(watch(each)) for each in generic_handlers]
        self._batches = BatchHandlers({} if self._fronted else self._functions, self._calls, bounds)
        self._front_settings = FrontSettings(max_receive_bytes, refusals, bounds)
        self._limits: tuple[Option, ...] = (
            ("grpc.max_receive_message_length", max_receive_bytes),
            ("grpc.server.max_pending_requests", waiting_calls),
            ("grpc.server.max_pending_requests_hard_limit", 3 * waiting_calls),
        )
        self._grace_seconds = grace_seconds
        self._server: grpc.aio.Server | None = None
        self._relay: TlsRelay | None = None
        self._front: FrontServer | None = None
        self._folder: Path | None = None
        self.bound_port = 0

    async def start(self) -> None:
        """Listen; waits for the first certificate where TLS is served. Raises BindError."""
        if self._identity is not None:
            await self._identity.wait()
        await (self._start_fronted() if self._fronted else self._start_grpc())
        if self._functions and self._uds is None:
            _log.info("serving gRPC", port=self.bound_port, front="native" if self._fronted else "grpc")

    async def _start_grpc(self) -> None:
        self._server = self._grpc()
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

    async def _start_fronted(self) -> None:
        """The front on the port, and behind it grpc.aio where there are streams."""
        target = None
        if self._handlers:
            self._folder = Path(tempfile.mkdtemp(prefix="flotilla-"))  # of mode 0700
            target = self._folder / "grpc"
            self._server = self._grpc()
            self._bind_unix(target)
            await self._server.start()
        self._front = FrontServer(
            self._address,
            self._port,
            self._functions,
            self._front_settings,
            identity=self._identity if self._client_certificate else None,
            optional=self._client_certificate == "optional",
            target=target,
        )
        await self._front.start()
        self.bound_port = self._front.port

    def _grpc(self) -> grpc.aio.Server:
        server = grpc.aio.server(options=(*OPTIONS, *self._limits))
        # Asked one after the other for every call.
        server.add_generic_rpc_handlers((self._batches, *self._handlers))
        return server

    def tallies(self) -> Sequence[MethodTally]:
        """What has become of the calls of batch functions, by method; `watch` does not see those."""
        return self._batches.tallies() if self._front is None else self._front.tallies()

    async def stop(self) -> None:
        """Refuse new calls, let open ones end for the grace, then cancel them."""
        server, relay, front = self._server, self._relay, self._front
        self._server = self._relay = None
        async with asyncio.TaskGroup() as ending:
            if front is not None:
                ending.create_task(front.stop(self._grace_seconds))
            if server is not None:
                ending.create_task(server.stop(self._grace_seconds))
        if server is not None:
            await self._calls.ended(CLEAN_UP_SECONDS)
        if relay is not None:
            await relay.stop()
        if self._uds is not None:
            self._uds.unlink(missing_ok=True)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

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
