"""From configuration to the table that calls use, swapped so that no call is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from flotilla_mixer.attributes.view import MeshView
from flotilla_mixer.configuration.build import Configuration
from flotilla_mixer.configuration.written import as_written
from flotilla_mixer.dispatch.handlers import GRACE_SECONDS, BuiltHandler, BuiltHandlers, close_all
from flotilla_mixer.dispatch.table import DispatchTable
from flotilla_mixer.kit.counters import HandlerCounters
from flotilla_mixer.kit.secrets import ANY_FOLDER, SecretFolders
from flotilla_shared.model.objects import ObjectKey, Problem
from flotilla_shared.model.problems import ProblemLog
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.metrics import ServiceMetrics

LONGEST_SECONDS = 30.0  # a Check that is open for longer has lost its caller

_log = get_logger(__name__)


class Swap:
    """Component. Holds the newest table; `put` replaces it.

    A call keeps the table that it began with. A handler that only old tables use is closed when the last Check of all of
    them has been answered, and what it has to send is sent within the grace time, also when Mixer stops meanwhile.
    """

    def __init__(
        self,
        default_namespace: str,
        counters: HandlerCounters | None = None,
        grace_seconds: float = GRACE_SECONDS,
        secrets: SecretFolders = ANY_FOLDER,
    ) -> None:
        self.table: DispatchTable | None = None
        self._left: list[DispatchTable] = []  # tables that calls still use, though they are not the newest
        self.problems: Mapping[ObjectKey, tuple[Problem, ...]] = {}
        self._default_namespace = default_namespace
        self._grace_seconds = grace_seconds
        self._handlers = BuiltHandlers(counters or HandlerCounters(ServiceMetrics("mixer")), self._view, secrets)
        self._tasks = Tasks("swap")
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        pass

    def _view(self) -> MeshView:
        return self.table.view if self.table is not None else MeshView()

    async def stop(self) -> None:
        """Close every handler. Calls must have ended: those that have not are waited for no longer."""
        self._stopping.set()
        last, self._handlers.by_key = self._handlers.by_key, {}
        await asyncio.gather(self._tasks.finish(), close_all(last.values(), self._grace_seconds))

    def put(self, configuration: Configuration) -> DispatchTable:
        """Build the handlers that are new, and use the configuration from now on. On the loop."""
        found, of_building = ProblemLog(), ProblemLog()
        before, old = self.table, list(self._handlers.by_key.values())
        handlers = self._handlers.change(configuration.handlers, of_building)
        self.table = DispatchTable(configuration, handlers, self._default_namespace)
        found.merge(configuration.problems)
        found.merge(as_written(of_building.found()))
        self.problems = found.found()
        self._left = [table for table in (*self._left, before) if table is not None and table.open_calls]
        kept = {id(built) for built in handlers.values()}
        unused = [built for built in old if id(built) not in kept]
        if unused:
            self._tasks.spawn(self._retire(tuple(self._left), unused), "retire")
        return self.table

    async def _retire(self, tables: Iterable[DispatchTable], unused: Iterable[BuiltHandler]) -> None:
        """Close handlers when no open Check can reach them: any table before may refer to them. At Mixer's end at once."""
        waiting = [asyncio.ensure_future(table.idle.wait()) for table in tables]
        answered = asyncio.gather(*waiting)
        stopping = asyncio.ensure_future(self._stopping.wait())
        done, _ = await asyncio.wait((answered, stopping), timeout=LONGEST_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for each in (*waiting, stopping):
            each.cancel()
        await asyncio.gather(answered, stopping, return_exceptions=True)
        if not done:
            open_calls = sum(table.open_calls for table in tables)
            _log.warning("handlers are closed although Checks are open", checks=open_calls)
        await close_all(unused, self._grace_seconds)
