"""The access file, followed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from flotilla_galley.distribution.access import NOBODY, AccessFileError, AccessList, read_access_file
from flotilla_galley.distribution.distributor import Distributor
from flotilla_galley.sources.watching import changes
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger

_log = get_logger(__name__)


class AccessFile:
    """Component: follows the access file. A file that cannot be used changes nothing, and is said."""

    def __init__(self, file: Path | None, changed: Distributor) -> None:
        self.current: AccessList = NOBODY
        self._file = file
        self._changed = changed
        self._tasks = Tasks("access")
        self._stop = asyncio.Event()
        self._error = ""

    async def start(self) -> None:
        if self._file is None:
            _log.warning("no access file: nobody may have any configuration")
            return
        await self._read()
        self._tasks.spawn(self._follow(), "follow")

    async def stop(self) -> None:
        self._stop.set()
        await self._tasks.stop()

    async def _follow(self) -> None:
        assert self._file is not None
        async for _ in changes([self._file], self._stop):
            await self._read()

    async def _read(self) -> None:
        assert self._file is not None
        try:
            fresh = await asyncio.to_thread(read_access_file, self._file)
        except AccessFileError as error:
            if str(error) != self._error:
                _log.error("access file not usable; the last good one counts", error=str(error))
            self._error = str(error)
            return
        self._error = ""
        if fresh != self.current:
            if fresh.denied is not None:
                _log.warning("the access file is a black list: every other identity may have everything")
            self.current = fresh
            self._changed.notify()
