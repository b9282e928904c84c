"""gRPC calls by h2load, of nghttp2: a client in C that hardly costs anything beside a server in Python.

It calls with one message, as fast as it is answered or by the clock, and writes down when each call began and how long
it took; whether an answer was good only the server knows.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

MISSING = "h2load is not there: install nghttp2-client.\n"


def there() -> bool:
    return shutil.which("h2load") is not None


@dataclass(frozen=True)
class Answers:
    """What came back. Latencies in seconds, whatever was answered; `unanswered` calls got nothing."""

    latencies: tuple[float, ...]
    unanswered: int


@dataclass
class Load:
    """A load that runs. `rate` is calls a second in all, or None: as fast as `streams` of each connection allow."""

    method: str
    message: bytes
    seconds: float
    rate: float | None = None
    connections: int = 8
    streams: int = 100
    timeout: str = "1S"

    def start(self, folder: Path, address: str, name: str) -> None:
        body, self._log = folder / f"{name}.grpc", folder / f"{name}.log"
        body.write_bytes(struct.pack(">BI", 0, len(self.message)) + self.message)
        self._log.unlink(missing_ok=True)
        command = ["h2load", "-t", "1", "-c", str(self.connections), "-m", str(self.streams)]
        command += ["-D", f"{self.seconds:.0f}", "-d", str(body), f"--log-file={self._log}"]
        command += ["-H", "content-type: application/grpc", "-H", "te: trailers"]
        command += ["-H", f"grpc-timeout: {self.timeout}"]
        if self.rate is not None:
            command.append(f"--rps={max(1.0, self.rate / self.connections):.1f}")
        self._process = subprocess.Popen(
            [*command, f"http://{address}{self.method}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def end(self) -> Answers:
        """End it before its time. Blocks."""
        self._process.terminate()
        return self.wait()

    def wait(self) -> Answers:
        """Blocks until it has ended."""
        self._process.wait()
        lines = [line.split("\t") for line in self._log.read_text().splitlines()]
        good = tuple(int(took) / 1e6 for _, status, took in lines if status == "200")
        return Answers(good, len(lines) - len(good))
