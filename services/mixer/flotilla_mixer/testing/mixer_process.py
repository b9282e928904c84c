"""A whole Mixer in a process of its own, for measurements and tests: its native API in plaintext, its Galley played inside.

    python -m flotilla_mixer.testing.mixer_process SETTINGS FILE...

SETTINGS is JSON, FILE the configuration in YAML. Prints the port of its native API. On its input it takes lines of
JSON: a text is YAML of objects that change, and is answered when they are in force; null asks for its metrics.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from prometheus_client.parser import text_string_to_metric_families

from flotilla_mixer.adapters.prometheus.adapter import Prometheus
from flotilla_mixer.adapters.prometheus.page import render
from flotilla_mixer.app import Mixer
from flotilla_mixer.config import MixerSettings
from flotilla_mixer.testing.running import NAME, Galley
from flotilla_shared.runtime.child import tied_command
from flotilla_shared.runtime.lifecycle import run_service
from flotilla_shared.runtime.logs import configure_logs
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

QUIET = {"plaintext": True, "plaintext_port": 0, "mixer_port": 0, "debounce_seconds": 0.0}
NOT_MEASURED = {"prometheus_port": 0, "monitoring_port": 0, "introspection_port": 0}


@dataclass
class MixerProcess:
    """A Mixer that runs. `address` is that of its native API."""

    pid: int
    address: str
    _input: IO[str]
    _output: IO[str]

    def change(self, text: str) -> None:
        """Put the objects of this YAML in the place of those of their names; in force when this returns. Blocks."""
        self._ask(text)

    def metrics(self) -> dict[str, float]:
        """Mixer's own and those on the prometheus handlers' page: each name with the sum of its series. Blocks."""
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(self._ask(None)):
            for sample in family.samples:
                found[sample.name] = found.get(sample.name, 0.0) + sample.value
        return found

    def _ask(self, what: str | None) -> str:
        self._input.write(json.dumps(what) + "\n")
        self._input.flush()
        said = self._output.readline()
        if not said:
            raise RuntimeError("Mixer has ended")
        return str(json.loads(said))


@contextmanager
def mixer_process(settings: dict[str, Any], *files: Path) -> Iterator[MixerProcess]:
    """One that runs; it ends with the calling thread. `settings` beside those that give it free ports."""
    command = [sys.executable, "-m", "flotilla_mixer.testing.mixer_process", json.dumps(settings), *map(str, files)]
    tied = tied_command(command, signal.SIGTERM)
    with subprocess.Popen(tied, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            yield MixerProcess(process.pid, f"127.0.0.1:{port}", process.stdin, process.stdout)
        finally:
            process.terminate()
            process.wait()


async def serve(settings: MixerSettings, texts: list[str]) -> int:
    authority, galley = CertificateAuthorityForTests(), Galley()
    authority.dns_names = (NAME,)
    mixer = Mixer(settings, signer=authority, source=galley, receiver=galley)
    running = asyncio.create_task(mixer.lifecycle.run())
    await _put(mixer, galley, texts)
    assert mixer.plaintext is not None
    print(mixer.plaintext.bound_port, flush=True)
    listening = asyncio.create_task(_listen(mixer, galley))
    code = await running
    listening.cancel()
    return code


async def _put(mixer: Mixer, galley: Galley, texts: list[str]) -> None:
    mixer.published.clear()
    galley.put(*texts)
    await mixer.published.wait()


async def _listen(mixer: Mixer, galley: Galley) -> None:
    reader, page = asyncio.StreamReader(), mixer.adapters["prometheus"]
    assert isinstance(page, Prometheus)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        text, said = json.loads(line), ""
        if text is None:
            said = (mixer.service_metrics.render() + render(page.store)).decode()
        else:
            mixer.published.clear()
            galley.change(text)
            await mixer.published.wait()
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    configure_logs("warning")
    given = MixerSettings(**{**QUIET, **NOT_MEASURED, **json.loads(sys.argv[1])})
    sys.exit(run_service(lambda: serve(given, [Path(file).read_text() for file in sys.argv[2:]])))
