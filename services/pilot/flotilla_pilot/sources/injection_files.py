"""The two keys of ConfigMap `istio-sidecar-injector` as files, followed while they change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from flotilla_pilot.injection.errors import InjectionRefused
from flotilla_pilot.injection.settings import InjectionConfig, InjectionValues, read_config, read_values
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger

KEYS = ("config", "values")
LARGEST_BYTES = 4 * 1024 * 1024  # a ConfigMap has 1 MiB
# The kubelet brings a changed ConfigMap within a minute; looking at two small files costs nothing.
LOOK_SECONDS = 1.0

_log = get_logger(__name__)
Taken = Callable[[InjectionConfig, InjectionValues], None]


class InjectionFiles:
    """Component. Calls `on_change` with what the files say, at the start and after each change.

    Files that are not there stand for the defaults. Those that cannot be used leave the last good ones in effect, and are
    told in `problem`; so are they at the start, when there is nothing before them.
    """

    def __init__(self, folder: Path, on_change: Taken, on_problem: Callable[[str], None]) -> None:
        self.problem = ""
        self._folder = folder
        self._on_change = on_change
        self._on_problem = on_problem
        self._last: tuple[str, ...] | None = None
        self._tasks = Tasks("injection files")

    async def start(self) -> None:
        await self.look()
        self._tasks.spawn(self._follow(), "follow")

    async def stop(self) -> None:
        await self._tasks.stop()

    async def look(self) -> None:
        """Read them now."""
        try:
            found = await asyncio.to_thread(self._read)
        except OSError as error:
            self._tell(f"{error.filename} cannot be read: {error.strerror}")
            return
        if found == self._last:
            return
        self._last = found
        try:
            config, values = read_config(found[0]), read_values(found[1])
        except InjectionRefused as error:
            self._tell(str(error))
            return
        self._tell("")
        self._on_change(config, values)

    def _read(self) -> tuple[str, ...]:
        return tuple(self._one(self._folder / key) for key in KEYS)

    def _one(self, file: Path) -> str:
        try:
            with file.open("rb") as opened:
                return opened.read(LARGEST_BYTES).decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def _tell(self, problem: str) -> None:
        if problem == self.problem:
            return
        self.problem = problem
        if problem:
            _log.error("the injector's configuration cannot be used", folder=str(self._folder), problem=problem)
        self._on_problem(problem)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()
