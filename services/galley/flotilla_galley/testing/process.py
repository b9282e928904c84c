"""Galley as a process of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
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

    def start(self, preexec: Callable[[], None] | None = None) -> subprocess.Popen[bytes]:
        """Begin; the caller ends it. `preexec` is run in the child before Galley is."""
        command = [sys.executable, "-m", "flotilla_galley", "serve", "--config", str(self.settings)]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL, preexec_fn=preexec)  # noqa: S603  # this interpreter

    async def get(self, path: str, port: int | None = None) -> httpx.Response:
        """The answer, as soon as the process gives one."""
        async with httpx.AsyncClient(trust_env=False) as client:
            while True:
                try:
                    return await client.get(f"http://127.0.0.1:{port or self.introspection}{path}")
                except httpx.HTTPError:
                    await asyncio.sleep(0.05)

    async def objects(self) -> dict[str, str]:
        """Name -> state of what is published, as soon as something is."""
        while True:
            status = (await self.get("/debug/status")).json()
            if status["collections"]:
                return {each["name"]: each["state"] for each in status["objects"]}
            await asyncio.sleep(0.05)
