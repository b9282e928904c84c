"""From configuration to the table that calls use, swapped so that no call is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from flotilla_mixer.attributes.view import MeshView
from flotilla_mixer.configuration.build import Configuration
from flotilla_mixer.dispatch.handlers import BuiltHandler, BuiltHandlers
from flotilla_mixer.dispatch.table import DispatchTable
from flotilla_shared.model.objects import ObjectKey, Problem
from flotilla_shared.model.problems import ProblemLog
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger

LONGEST_SECONDS = 30.0  # a Check that is open for longer has lost its caller

_log = get_logger(__name__)


class Swap:
    """Component. Holds the newest table; `put` replaces it.

    A call keeps the table that it began with. Handlers that only an old table uses are closed when its last
    Check has been answered.
    """

    def __init__(self, default_namespace: str) -> None:
        self.table: DispatchTable | None = None
        self.problems: Mapping[ObjectKey, tuple[Problem, ...]] = {}
        self._default_namespace = default_namespace
        self._handlers = BuiltHandlers(self._view)
        self._tasks = Tasks("swap")

    async def start(self) -> None:
        pass

    def _view(self) -> MeshView:
        return self.table.view if self.table is not None else MeshView()

    async def stop(self) -> None:
        """Close every handler. Calls must have ended."""
        await self._tasks.stop()
        for built in self._handlers.by_key.values():
            await built.close()
        self._handlers.by_key.clear()

    def put(self, configuration: Configuration) -> DispatchTable:
        """Build the handlers that are new, and use the configuration from now on. On the loop."""
        found = ProblemLog()
        found.merge(configuration.problems)
        before, old = self.table, list(self._handlers.by_key.values())
        handlers = self._handlers.change(configuration.handlers, found)
        self.table = DispatchTable(configuration, handlers, self._default_namespace)
        self.problems = found.found()
        unused = [built for built in old if built not in handlers.values()]
        if unused:
            self._tasks.spawn(self._retire(before, unused), "retire")
        return self.table

    async def _retire(self, table: DispatchTable | None, unused: Iterable[BuiltHandler]) -> None:
        """Close handlers when no open Check can reach them."""
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                if table is not None:
                    await table.idle.wait()
        except TimeoutError:
            _log.warning("handlers are closed although Checks are open", checks=table.open_calls if table else 0)
        finally:
            for built in unused:
                await built.close()
