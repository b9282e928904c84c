"""A backend that is written in Python, in a process of its own, so that it shares no loop and no lock with the load.

    python -m flotilla_mixer.testing.outages.served MODULE:CLASS ARGUMENTS

makes the object on a loop of its own and answers lines of JSON, [NAME, ARGUMENT...]: a method is called, and awaited if it
is a coroutine; anything else is looked up. The answer is a line too: {"found": ...}, or {"error": ...}
with the text of an exception.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

from flotilla_shared.runtime.child import tied_command


class Served:
    """The object from outside; everything blocks. It runs from `open` to `close`, and ends with the calling thread.

    `place` is `module:Class`, or `module:function` that gives the object, in `folder` if it is no part of a package; its
    arguments are values of JSON.
    """

    def __init__(self, place: str, folder: Path | None = None, **arguments: Any) -> None:
        self._command = [sys.executable, "-m", __name__, place, json.dumps(arguments)]
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None

    def open(self) -> None:
        """Make the object. Safe twice."""
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603  # this very module
                tied_command(self._command, signal.SIGTERM),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=self._folder,
            )

    def ask(self, name: str, *arguments: Any) -> Any:
        """A method's answer, or an attribute, as JSON has it. RuntimeError with the exception's text, or if it has ended."""
        self.open()
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        said = json.loads(line) if line else {"error": "the process has ended"}
        if "error" in said:
            raise RuntimeError(f"{self._command[3]}, {name}: {said['error']}")
        return said["found"]

    def close(self) -> None:
        """Safe twice."""
        process, self._process = self._process, None
        if process is not None:
            with process:
                process.terminate()


async def _serve(place: str, arguments: dict[str, Any], lines: IO[bytes]) -> None:
    module, _, name = place.partition(":")
    served = getattr(importlib.import_module(module), name)(**arguments)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), lines)
    while line := await reader.readline():
        print(await _answer(served, *json.loads(line)), flush=True)


async def _answer(served: Any, name: str, *arguments: Any) -> str:
    try:
        found = getattr(served, name)
        if callable(found):
            found = found(*arguments)
        if inspect.isawaitable(found):
            found = await found
        return json.dumps({"found": found})
    except Exception as error:  # noqa: BLE001  # told to whoever asked
        return json.dumps({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], json.loads(sys.argv[2]), sys.stdin.buffer))
