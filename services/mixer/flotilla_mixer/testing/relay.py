"""A process that stands before a server: ended, nobody reaches the server, which goes on.

python -m flotilla_mixer.testing.relay PORT SERVER_PORT
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from contextlib import suppress

from flotilla_shared.runtime.child import tied_command

CHUNK = 65_536


class Relay:
    """Takes connections on a port of loopback and hands on what comes to another. It ends with the calling thread."""

    def __init__(self, port: int, server_port: int) -> None:
        self._command = [sys.executable, "-m", "flotilla_mixer.testing.relay", str(port), str(server_port)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it takes connections."""
        command = tied_command(self._command, signal.SIGKILL)
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise RuntimeError("the relay cannot listen")

    def stop(self) -> None:
        """At once. Safe when it does not run."""
        if self._process is not None:
            assert self._process.stdout is not None
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._process = None


async def _hand_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while content := await source.read(CHUNK):
            target.write(content)
            await target.drain()
    target.close()


async def _serve(port: int, server_port: int) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", server_port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_hand_on(reader, back), _hand_on(there, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", port)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(*map(int, sys.argv[1:])))
