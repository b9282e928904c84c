"""Galley as a process of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import httpx

from flotilla_shared.testing.ports import free_port


class Process:
    """Galley over `folder`, with its own files in `place`; without a Citadel, so it has no certificate and serves no MCP."""

    def __init__(self, folder: Path, place: Path) -> None:
        self.monitoring, self.introspection = free_port(), free_port()
        self.settings = place / "galley.yaml"
        self.settings.write_text(
            json.dumps(
                {
                    "address": "127.0.0.1",
                    "config_dir": str(folder),
                    "last_good_dir": str(place / "last-good"),
                    "monitoring_port": self.monitoring,
                    "introspection_port": self.introspection,
                    "mcp_port": 0,
                    "citadel_address": f"127.0.0.1:{free_port()}",
                    "root_cert_file": str(place / "none"),
                    "token_file": str(place / "none"),
                }
            )
        )

    def start(self, *before: str) -> subprocess.Popen[bytes]:
        """Begin; the caller ends it. `before` is a program with arguments that becomes Galley."""
        command = [*before, sys.executable, "-m", "flotilla_galley", "serve", "--config", str(self.settings)]
        quiet = subprocess.DEVNULL
        self._running = subprocess.Popen(command, stdout=quiet, stderr=quiet)  # noqa: S603  # this interpreter
        return self._running

    async def get(self, path: str, port: int | None = None) -> httpx.Response:
        """The answer, as soon as the process gives one. Raises RuntimeError if it has ended."""
        async with httpx.AsyncClient(trust_env=False) as client:
            while True:
                try:
                    return await client.get(f"http://127.0.0.1:{port or self.introspection}{path}")
                except httpx.HTTPError:
                    if self._running.poll() is not None:
                        raise RuntimeError(f"Galley has ended with {self._running.returncode}") from None
                    await asyncio.sleep(0.05)

    async def objects(self) -> dict[str, str]:
        """Name -> state of what is published, as soon as something is."""
        while True:
            status = (await self.get("/debug/status")).json()
            if status["collections"]:
                return {each["name"]: each["state"] for each in status["objects"]}
            await asyncio.sleep(0.05)
