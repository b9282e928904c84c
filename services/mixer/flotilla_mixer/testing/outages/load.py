"""A steady load: Reports and Checks by the clock, whatever becomes of those before, and what their callers see."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import grpc

from flotilla_mixer.testing.native import CHECK, REPORT
from flotilla_mixer.testing.outages.entries import ENTRIES, Entries
from flotilla_protos.istio.mixer.v1.mixer_pb2 import CheckResponse

ENTRIES_A_SECOND, CHECKS_A_SECOND = 5_000, 100
QUOTAS_A_SECOND = 400
UNDER_WAY = 200  # calls of a kind; more are not begun, and counted
TIMEOUT_SECONDS = 30.0


class Load:
    """With a `quota` there are no Reports: each Check asks for one of it. Seconds of calls are kept by the phase in which
    they began, which whoever plays sets.
    """

    def __init__(self, address: str, quota: str = "") -> None:
        self.phase = ""
        self.seconds: dict[tuple[str, str], list[float]] = {}
        self.failed: Counter[str] = Counter()
        self.given = 0
        """Entries of Reports, or quotas asked for, that Mixer answered with OK."""
        self.unknown = 0
        """Those whose call failed: Mixer has taken them or not."""
        self.granted = 0
        """Quotas that were granted: the counterpart allows more than is asked for."""
        self._quota = quota
        self._entries = Entries()
        self._channel = grpc.aio.insecure_channel(address)
        self._send_report: Any = self._channel.unary_unary(REPORT)
        self._send_check: Any = self._channel.unary_unary(CHECK)
        self._calls: set[asyncio.Task[None]] = set()
        self._under_way: Counter[str] = Counter()
        self._clocks: list[asyncio.Task[None]] = []

    @property
    def told(self) -> int:
        """All that Mixer was told or asked, whatever came of it."""
        return self.given + self.unknown

    def start(self) -> None:
        self._spawn_clock("check", QUOTAS_A_SECOND if self._quota else CHECKS_A_SECOND, self._check)
        if not self._quota:
            self._spawn_clock("report", ENTRIES_A_SECOND / ENTRIES, self._report)

    async def stop(self) -> None:
        """No more calls are begun; returns when those under way are answered. Safe twice."""
        for clock in self._clocks:
            clock.cancel()
        await asyncio.gather(*self._clocks, *self._calls, return_exceptions=True)
        self._clocks.clear()
        await self._channel.close()

    def _spawn_clock(self, kind: str, rate: float, call: Callable[[], Any]) -> None:
        self._clocks.append(asyncio.create_task(self._clock(kind, rate, call)))

    async def _clock(self, kind: str, rate: float, call: Callable[[], Any]) -> None:
        loop = asyncio.get_running_loop()
        begun, number = loop.time(), 0
        while True:
            if self._under_way[kind] < UNDER_WAY:
                self._spawn(kind, call)
            else:
                self.failed[f"{kind} not begun"] += 1
            number += 1
            await asyncio.sleep(max(0.0, begun + number / rate - loop.time()))

    def _spawn(self, kind: str, call: Callable[[], Any]) -> None:
        task = asyncio.create_task(self._timed(kind, call))
        self._under_way[kind] += 1
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _timed(self, kind: str, call: Callable[[], Any]) -> None:
        loop, phase = asyncio.get_running_loop(), self.phase
        work = call()
        begun = loop.time()
        try:
            await work
            self.seconds.setdefault((kind, phase), []).append(loop.time() - begun)
        except grpc.aio.AioRpcError as error:
            self.failed[f"{kind} {error.code().name}"] += 1
            if kind == "report" or self._quota:
                self.unknown += ENTRIES if kind == "report" else 1
        finally:
            self._under_way[kind] -= 1

    def _report(self) -> Any:
        message = self._entries.report()

        async def call() -> None:
            await self._send_report(message, timeout=TIMEOUT_SECONDS)
            self.given += ENTRIES

        return call()

    def _check(self) -> Any:
        message = self._entries.check(self._quota)

        async def call() -> None:
            answer = CheckResponse.FromString(await self._send_check(message, timeout=TIMEOUT_SECONDS))
            for quota in answer.quotas.values():
                self.given += 1
                self.granted += quota.granted_amount > 0

        return call()
