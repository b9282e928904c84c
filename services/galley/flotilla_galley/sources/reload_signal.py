"""SIGUSR1: look at the sources now, as 1.4's Galley does for its files."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from flotilla_shared.runtime.logs import get_logger

_log = get_logger(__name__)


class ReloadOnSignal:
    """Component. Calls `touch` on the loop at each SIGUSR1; a burst of signals is as one change."""

    def __init__(self, touch: Callable[[], None]) -> None:
        self._touch = touch
        self._listening = False

    async def start(self) -> None:
        """Only the main thread hears signals: elsewhere nothing is listened for."""
        try:
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._heard)
            self._listening = True
        except (RuntimeError, ValueError, NotImplementedError):
            _log.debug("SIGUSR1 is not listened for here")

    async def stop(self) -> None:
        if self._listening:
            asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)

    def _heard(self) -> None:
        _log.info("SIGUSR1: the sources are read again")
        self._touch()
