"""The children by name."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterable

from flotilla_cli.supervision.logtail import last_line
from flotilla_shared.runtime.child import Child, Command, State


class Fleet:
    """Owns every child. `on_death(child)` is called for one that ended without having been asked to."""

    def __init__(self, on_death: Callable[[Child], None]) -> None:
        self._children: dict[str, Child] = {}
        self._on_death = on_death

    def child(self, name: str) -> Child:
        """The child of that name; one that was never started is stopped."""
        if name not in self._children:
            self._children[name] = Child(name, on_end=self._ended, parting=signal.SIGTERM, say=last_line)
        return self._children[name]

    def start(self, name: str, command: Command) -> Child:
        child = self.child(name)
        child.start(command)
        return child

    async def stop(self, names: Iterable[str], *, kill: bool = False) -> None:
        """Stops these together."""
        await asyncio.gather(*(self.child(name).stop(kill=kill) for name in names))

    def kill_all(self) -> None:
        for child in self._children.values():
            child.kill()

    def running(self) -> list[str]:
        return [name for name, child in self._children.items() if child.state is State.RUNNING]

    def _ended(self, child: Child) -> None:
        if child.state is State.DIED:
            self._on_death(child)
