"""Datadog's intake as its documents have it, in a process's thread of its own: nobody but Datadog has the real one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from pathlib import Path
from threading import Thread
from typing import Any

from flotilla_mixer.testing.datadog_intake import KEY, DatadogIntake
from flotilla_mixer.testing.outages.counterpart import INSTANCE, Counterpart


class Datadog(Counterpart):
    adapter, template, holds = "datadog", "logentry", True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._intake = DatadogIntake()
        self._key = folder / "key"
        self._key.write_text(KEY)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self._intake.choose_port()

    def start(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever)
        self._thread.start()
        self._run(self._intake.start())

    def stop(self) -> None:
        if self._loop is None or self._thread is None:
            return
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = self._thread = None

    async def _end(self) -> None:
        self._intake.released.set()
        await self._intake.stop()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def received(self) -> int:
        return len(self._intake.logs)

    def hold(self, held: bool) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._intake.released.clear if held else self._intake.released.set)

    def params(self) -> Mapping[str, Any]:
        url = self._intake.url
        return {"metricsUrl": url, "logsUrl": url, "apiKeyFile": str(self._key), "logs": {INSTANCE: {}}}

    def instance(self) -> Mapping[str, Any]:
        return {"severity": '"info"', "timestamp": "request.time", "variables": {"code": "response.code | 0"}}


COUNTERPART = Datadog
