"""A Prometheus of a test's own, on loopback, with its data in a folder that outlives it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from flotilla_shared.runtime.child import tied_command
from flotilla_shared.testing.ports import free_port

PROGRAM = "prometheus"
MISSING = "there is no prometheus: `apt-get install prometheus`"
READY = "Server is ready to receive web requests"
RECEIVER = ("--web.enable-remote-write-receiver", "--enable-feature=exemplar-storage")
AGENT = ("--enable-feature=agent,exemplar-storage",)


class PrometheusServer:
    """One process at a time on one port, which scrapes `targets` (host:port) every second. With `write_to` it is an agent, which
    stores nothing and writes there what it scrapes. It ends with the calling thread.
    """

    def __init__(
        self, folder: Path, targets: Sequence[str] = (), options: Sequence[str] = (), write_to: str = ""
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._targets = list(targets)
        self._options = AGENT if write_to else options
        self._write_to = write_to
        self._process: subprocess.Popen[str] | None = None
        self._reader: Thread | None = None

    def start(self) -> None:
        """Returns when it serves; RuntimeError with its own words when it ends before."""
        demand_prometheus()
        file = self._folder / "prometheus.json"  # JSON is YAML
        file.write_text(json.dumps(self._configuration()))
        place = "--storage.agent.path" if self._write_to else "--storage.tsdb.path"
        command = [PROGRAM, f"--config.file={file}", f"{place}={self._folder / 'data'}"]
        command += [f"--web.listen-address=127.0.0.1:{self.port}", *self._options]
        self._process = subprocess.Popen(  # noqa: S603
            tied_command(command, signal.SIGKILL), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            if READY in line:
                break
        else:
            raise RuntimeError("".join(said))
        self._reader = Thread(target=self._process.stdout.read)
        self._reader.start()

    def _configuration(self) -> dict[str, Any]:
        jobs = [{"job_name": "scraped", "static_configs": [{"targets": self._targets}]}] if self._targets else []
        found: dict[str, Any] = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs}
        if self._write_to:
            target = {"url": self._write_to, "send_exemplars": True, "metadata_config": {"send_interval": "1s"}}
            found["remote_write"] = [target]
        return found

    def stop(self) -> None:
        """As it ends by itself: what it has taken stays on the disk. Safe when it does not run."""
        if self._process is not None and self._reader is not None:
            assert self._process.stdout is not None
            self._process.terminate()
            self._process.wait()
            self._reader.join()
            self._process.stdout.close()
            self._process = self._reader = None

    @property
    def runs(self) -> bool:
        return self._process is not None

    def query(self, expression: str) -> dict[tuple[tuple[str, str], ...], float]:
        """An expression's value now, by labels, sorted, `__name__` among them."""
        found = self._get("query", query=expression)["result"]
        return {tuple(sorted(each["metric"].items())): float(each["value"][1]) for each in found}

    def value(self, expression: str) -> float | None:
        """The one value of an expression now; None for none and for many."""
        found = self.query(expression)
        return next(iter(found.values())) if len(found) == 1 else None

    def exemplars(self, expression: str) -> list[dict[str, Any]]:
        """Series with all their exemplars (RECEIVER among the options)."""
        found: list[dict[str, Any]] = self._get("query_exemplars", query=expression, start="0", end="4000000000")
        return found

    def _get(self, what: str, **params: str) -> Any:
        answer = httpx.get(f"{self.url}/api/v1/{what}", params=params, timeout=30, trust_env=False)
        return answer.raise_for_status().json()["data"]


def demand_prometheus() -> None:
    """Skips the test where the program is missing, which in CI is a failure."""
    if shutil.which(PROGRAM) is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(MISSING)
