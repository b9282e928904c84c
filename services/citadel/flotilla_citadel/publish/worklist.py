"""Names that wait to be worked on: each once, never twice at a time, and again later where it failed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from flotilla_shared.runtime.backoff import Backoff
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger

WORKERS = 4

_log = get_logger(__name__)


class Worklist:
    """Component. `work` gets a name and says whether it is done; one that is not (or raises) is tried again, ever later.

    A name that is added while it is worked on is worked on once more.
    """

    def __init__(
        self,
        work: Callable[[str], Awaitable[bool]],
        *,
        workers: int = WORKERS,
        backoff: Callable[[], Backoff] = lambda: Backoff(first=0.5, cap=60.0),
    ) -> None:
        self._work = work
        self._workers = workers
        self._new_backoff = backoff
        self._waiting: dict[str, None] = {}  # in the order in which they came
        self._busy: set[str] = set()
        self._backoffs: dict[str, Backoff] = {}
        self._later: dict[str, asyncio.TimerHandle] = {}
        self._came = asyncio.Event()
        self._tasks = Tasks("worklist")

    def __len__(self) -> int:
        """How many wait, are worked on or will be tried again."""
        return len({*self._waiting, *self._busy, *self._later})

    def add(self, names: Iterable[str]) -> None:
        """Work on these soon. A name that waits for another try is tried now."""
        for name in names:
            if (timer := self._later.pop(name, None)) is not None:
                timer.cancel()
            self._waiting[name] = None
        self._came.set()

    async def start(self) -> None:
        for number in range(self._workers):
            self._tasks.spawn(self._serve(), f"worker {number}")

    async def stop(self) -> None:
        for timer in self._later.values():
            timer.cancel()
        self._later.clear()
        await self._tasks.stop()

    async def _serve(self) -> None:
        while True:
            name = self._next()
            if name is None:
                self._came.clear()
                await self._came.wait()
                continue
            self._busy.add(name)
            try:
                done = await self._work(name)
            except Exception:  # noqa: BLE001  # one name's failure is not the others'
                _log.exception("work failed", name=name)
                done = False
            finally:
                self._busy.discard(name)
            self._ended(name, done)

    def _next(self) -> str | None:
        name = next((each for each in self._waiting if each not in self._busy), None)
        if name is not None:
            del self._waiting[name]
        return name

    def _ended(self, name: str, done: bool) -> None:
        self._came.set()  # it may wait again, and it is not busy any more
        if done:
            self._backoffs.pop(name, None)
        elif name not in self._waiting:
            wait = self._backoffs.setdefault(name, self._new_backoff()).next()
            self._later[name] = asyncio.get_running_loop().call_later(wait, self._again, name)

    def _again(self, name: str) -> None:
        self._later.pop(name, None)
        self.add((name,))
