"""Galley as a process under limits of the system, and hearing signals."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from flotilla_galley.testing.process import Process

ENTRY = (
    "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {{name: {name}}}\nspec: {{address: 1.2.3.4}}\n"
)
# No file may grow beyond so many bytes, less than any of last-good has: as on a disk that is full. By a program, since
# between fork and exec of a process with gRPC's threads no Python may run.
NO_ROOM = ("prlimit", "--fsize=64")


async def test_no_file_can_be_written(folder: Path, tmp_path: Path) -> None:
    """It publishes all the same, follows the folder, and leaves nothing half written behind."""
    (folder / "a.yaml").write_text(ENTRY.format(name="a"))
    process = Process(folder, tmp_path)
    running = process.start(*NO_ROOM)
    try:
        assert (await process.objects())["a"] == "published"
        ready = await process.get("/readyz", process.monitoring)
        assert ready.json()["conditions"]["configuration read"] == "met"
        (folder / "b.yaml").write_text(ENTRY.format(name="b"))
        while (await process.objects()).get("b") != "published":
            await asyncio.sleep(0.05)
        assert list((tmp_path / "last-good").iterdir()) == []
    finally:
        running.terminate()
        assert running.wait() == 0


async def test_a_signal_is_no_end(folder: Path, tmp_path: Path) -> None:
    (folder / "a.yaml").write_text(ENTRY.format(name="a"))
    process = Process(folder, tmp_path)
    running = process.start()
    try:
        assert (await process.objects())["a"] == "published"
        os.kill(running.pid, signal.SIGUSR1)
        (folder / "b.yaml").write_text(ENTRY.format(name="b"))
        while (await process.objects()).get("b") != "published":
            await asyncio.sleep(0.05)
        shown = (await process.get("/debug/sources")).json()
        assert shown == {str(folder): "2 files, 2 objects, 0 problems of files and documents"}
        assert running.poll() is None
    finally:
        running.terminate()
        assert running.wait() == 0
