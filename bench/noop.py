"""A server that does what every such server must and nothing more: the limit for a Check and for a log entry.

    python -m bench.noop ROOT_PEM CHAIN_PEM KEY_PEM

TLS with client certificates, the same transport, the same methods, constant answers. Prints its port.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc

from flotilla_shared.runtime.identity import Certificate
from flotilla_shared.runtime.serving import Call, GrpcServer
from flotilla_shared.testing.certificates import StaticIdentity

CHECK = "/envoy.service.auth.v3.Authorization/Check"
LOGS = "envoy.service.accesslog.v3.AccessLogService"


def check(calls: Sequence[Call]) -> None:
    for call in calls:
        call.answer(b"")


async def take(_: object, context: Any) -> bytes:
    while await context.read() is not grpc.aio.EOF:
        pass
    return b""


async def serve(root: Path, chain: Path, key: Path) -> None:
    now = datetime.now(UTC)
    certificate = Certificate(key.read_bytes(), chain.read_bytes(), root.read_bytes(), "", now, now, 0)
    logs = grpc.method_handlers_generic_handler(LOGS, {"StreamAccessLogs": grpc.stream_unary_rpc_method_handler(take)})
    server = GrpcServer(
        "127.0.0.1",
        0,
        identity=StaticIdentity(certificate),
        client_certificate="required",
        generic_handlers=[logs],
        batch={CHECK: check},
    )
    await server.start()
    print(server.bound_port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(*map(Path, sys.argv[1:4])))
