"""A server that does what every such server must and nothing more: the limit for a Check and for a log entry.

    python -m bench.noop FRONT [ROOT_PEM CHAIN_PEM KEY_PEM]

TLS with client certificates, or plaintext without files; the same transport, the same methods, constant answers. FRONT is
auto, grpc or native. Prints its port.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import grpc

from flotilla_shared.runtime.front import FrontChoice
from flotilla_shared.runtime.identity import Certificate
from flotilla_shared.runtime.logs import configure_logs
from flotilla_shared.runtime.serving import Call, GrpcServer
from flotilla_shared.testing.certificates import StaticIdentity

CHECK = "/envoy.service.auth.v3.Authorization/Check"
NATIVE_CHECK, NATIVE_REPORT = "/istio.mixer.v1.Mixer/Check", "/istio.mixer.v1.Mixer/Report"
LOGS = "envoy.service.accesslog.v3.AccessLogService"


def check(calls: Sequence[Call]) -> None:
    for call in calls:
        call.answer(b"")


async def take(_: object, context: Any) -> bytes:
    while await context.read() is not grpc.aio.EOF:
        pass
    return b""


def server(front: FrontChoice, files: Sequence[Path]) -> GrpcServer:
    logs = grpc.method_handlers_generic_handler(LOGS, {"StreamAccessLogs": grpc.stream_unary_rpc_method_handler(take)})
    batch = dict.fromkeys((CHECK, NATIVE_CHECK, NATIVE_REPORT), check)
    if not files:
        return GrpcServer("127.0.0.1", 0, batch=batch, front=front)
    root, chain, key = (file.read_bytes() for file in files)
    now = datetime.now(UTC)
    identity = StaticIdentity(Certificate(key, chain, root, "", now, now, 0))
    return GrpcServer(
        "127.0.0.1",
        0,
        identity=identity,
        client_certificate="required",
        generic_handlers=[logs],
        batch=batch,
        front=front,
    )


async def serve(front: FrontChoice, files: Sequence[Path]) -> None:
    started = server(front, files)
    await started.start()
    print(started.bound_port, flush=True)
    await asyncio.Event().wait()


@contextmanager
def noop_process(*files: Path, front: FrontChoice = "auto") -> Iterator[tuple[int, int]]:
    """One that runs: its process id and port."""
    command = [sys.executable, "-m", "bench.noop", front, *map(str, files)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    import uvloop

    configure_logs("warning")
    uvloop.run(serve(cast("FrontChoice", sys.argv[1]), [Path(file) for file in sys.argv[2:]]))
