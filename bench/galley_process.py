"""A whole Galley for the benchmark, and a server that only sends what it is told to.

    python -m bench.galley_process galley FOLDER DEBOUNCE_SECONDS
    python -m bench.galley_process noop FOLDER

Both make a certificate of a sink's in FOLDER and print their port when they are ready. Galley reads FOLDER/kubeconfig if there is
one, else FOLDER/config. The no-op server has a stream for each sink, reads what comes, and sends all of them the lines of
hexadecimal digits that it is given.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import grpc
import uvloop
import yaml

from bench.sinks import write_certificate
from flotilla_galley.app import Galley
from flotilla_galley.config import GalleySettings
from flotilla_galley.snapshot.encoded import text_field
from flotilla_galley.testing.wire import ACCOUNT, MCP, NAME, PILOT
from flotilla_protos.istio.mcp.v1alpha1.mcp_pb2 import RequestResources
from flotilla_shared.runtime.lifecycle import run_service
from flotilla_shared.runtime.logs import configure_logs
from flotilla_shared.runtime.serving import GrpcServer
from flotilla_shared.testing.certificates import CertificateAuthorityForTests


async def galley(folder: Path, debounce_seconds: float) -> int:
    authority = CertificateAuthorityForTests()
    authority.dns_names = (NAME,)
    write_certificate(folder, authority.certificate(PILOT))
    access = folder / "access" / "access.yaml"  # in a folder of its own: what is around it is watched too
    access.parent.mkdir(exist_ok=True)
    access.write_text(yaml.safe_dump([{"identity": PILOT, "collections": ["*"]}]))
    kubeconfig = folder / "kubeconfig"
    settings = GalleySettings(
        log_level="error",
        platform="kubernetes" if kubeconfig.exists() else "machine",
        kubeconfig=kubeconfig if kubeconfig.exists() else None,
        config_dir=folder / "config",
        last_good_dir=folder / "last-good",
        access_file=access,
        root_cert_file=folder / "root.pem",
        monitoring_port=0,
        introspection_port=0,
        mcp_port=0,
        admission_port=0,
        write_status=False,
        debounce_seconds=debounce_seconds,
    )
    configure_logs("error", "console")
    served = Galley(settings, signer=authority)
    await served.lifecycle.start()
    await served.publisher.published.wait()
    await served.readiness.wait()
    print(served.server.bound_port, flush=True)
    await asyncio.Event().wait()
    return 0


class Repeater(grpc.GenericRpcHandler):
    """Its streams send one first response, and then each line of the standard input."""

    def __init__(self) -> None:
        self._streams: dict[asyncio.Queue[bytes], None] = {}

    def service(self, handler_call_details: Any) -> Any:
        known = handler_call_details.method == MCP
        return grpc.stream_stream_rpc_method_handler(self._serve, RequestResources.FromString) if known else None

    def send(self, content: bytes) -> None:
        for each in self._streams:
            each.put_nowait(content)

    async def _serve(self, _: object, context: Any) -> None:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._streams[queue] = None
        reading = asyncio.create_task(self._read(context))
        nonce = 0
        queue.put_nowait(b"")
        while True:
            content = await queue.get()
            nonce += 1
            await context.write(content + text_field(5, str(nonce)))
        await reading

    async def _read(self, context: Any) -> None:
        while await context.read() is not grpc.aio.EOF:
            pass


async def noop(folder: Path) -> None:
    authority = CertificateAuthorityForTests()
    write_certificate(folder, authority.certificate(PILOT))
    repeater = Repeater()
    server = GrpcServer(
        "127.0.0.1",
        0,
        identity=authority.identity(ACCOUNT.format("galley"), NAME),
        client_certificate="required",
        generic_handlers=[repeater],
    )
    await server.start()
    print(server.bound_port, flush=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        repeater.send(bytes.fromhex(line.decode()))


if __name__ == "__main__":
    if sys.argv[1] == "galley":
        run_service(lambda: galley(Path(sys.argv[2]), float(sys.argv[3])))
    else:
        uvloop.run(noop(Path(sys.argv[2])))
