"""What Envoy itself thinks of a bootstrap, before one is started with it."""

from __future__ import annotations

import asyncio
import re
import tempfile
from pathlib import Path

import orjson

from flotilla_agent.bootstrap.bootstrap import Json
from flotilla_agent.envoy.log import worst_of

SECONDS = 20.0
_LIMIT = re.compile(r"^: (Proto constraint validation failed \(.*\))$", re.MULTILINE)


async def fault_of_bootstrap(envoy: Path, bootstrap: Json, folder: Path) -> str:
    """Why Envoy would not start with it, in its own words; empty if it would. Raises OSError."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix="proposed-", suffix=".json") as file:
        file.write(orjson.dumps(bootstrap))
        file.flush()
        arguments = ("--mode", "validate", "-c", file.name, "--log-level", "warning", "--skip-deprecated-logs")
        process = await asyncio.create_subprocess_exec(
            envoy, *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(SECONDS):
                _, said = await process.communicate()
        except TimeoutError:
            return f"it has not been checked within {SECONDS:g} s"
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    return said_of(said.decode("utf-8", "replace"), file.name) if process.returncode else ""


def said_of(log: str, file: str) -> str:
    """The reason. Where a limit of a field is broken, Envoy writes the whole message before it."""
    broken = _LIMIT.search(log)
    if broken is not None:
        return broken[1]
    return worst_of(log.splitlines()).partition(f"'{file}': ")[2] or worst_of(log.splitlines())
