"""The backend is away, slow, or back: callers do not wait for it, memory is bounded, and what is lost is counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from flotilla_mixer.templates.template import InstanceSpec, Variety
from flotilla_mixer.testing.conformance.case import AdapterCase, Backend, Played
from flotilla_mixer.testing.conformance.life import answered, nothing_left

FLOOD = 100_000  # entries; more than any handler may keep
RETURN_SECONDS = 10.0


@asynccontextmanager
async def _with_backend(case: AdapterCase) -> AsyncIterator[tuple[Backend, Mapping[str, Any]]]:
    if case.backend is None:
        pytest.skip("it has no backend")
    backend = case.backend()
    params = await backend.start()
    try:
        yield backend, params
    finally:
        await backend.stop()


def _reports(case: AdapterCase) -> list[InstanceSpec]:
    return [spec for spec in case.instances if spec.template.variety is Variety.REPORT]


def _asks(case: AdapterCase) -> list[InstanceSpec]:
    return [spec for spec in case.instances if spec.template.variety is not Variety.REPORT]


def _give(played: Played, spec: InstanceSpec, row: Any, number: int) -> None:
    """So many entries; that some are refused is no matter here."""
    try:
        played.call(spec, [row] * number)
    except ValueError:
        return


def _accounted(played: Played) -> int:
    counted = played.background.counted
    return sum(sum(counted(name).values()) for name in ("sent", "dropped", "waiting"))


class Outages:
    """Part of the suite, for adapters that have a backend."""

    async def test_its_backend_gets_what_is_reported_and_asked(self, case: AdapterCase) -> None:
        async with nothing_left(), _with_backend(case) as (backend, params):
            played = Played(case, params)
            wanted = 0
            for spec, rows in case.rows.items():
                wanted += played.call(spec, rows)
            await answered(played, wanted)
            async with asyncio.timeout(RETURN_SECONDS):
                while not backend.received():  # noqa: ASYNC110  # a backend may be another process
                    await asyncio.sleep(0.01)
            await played.close()

    async def test_a_slow_backend_holds_nobody_up(self, case: AdapterCase) -> None:
        """Handing over returns at once, closing takes no longer than the grace time, and every call is answered."""
        async with nothing_left(), _with_backend(case) as (backend, params):
            backend.hold(True)
            played = Played(case, params)
            wanted = sum(played.call(spec, rows) for spec, rows in case.rows.items())
            await asyncio.sleep(0.05)
            begun = time.monotonic()
            await played.close(0.05)
            await asyncio.sleep(0)
            assert time.monotonic() - begun < RETURN_SECONDS
            assert len(played.answers) == wanted
            backend.hold(False)

    async def test_with_the_backend_away_what_waits_is_bounded_and_what_is_lost_counted(
        self, case: AdapterCase
    ) -> None:
        async with nothing_left(), _with_backend(case) as (backend, params):
            await backend.stop()
            for spec in _reports(case):
                played = Played(case, params)
                for _ in range(10):
                    _give(played, spec, case.rows[spec][0], FLOOD // 10)
                    await asyncio.sleep(0)
                await played.close(0.05)
                assert _accounted(played) == FLOOD
                assert played.background.counted("dropped")
            await backend.start()

    async def test_with_the_backend_away_calls_are_answered(self, case: AdapterCase) -> None:
        async with nothing_left(), _with_backend(case) as (backend, params):
            await backend.stop()
            played = Played(case, params)
            await answered(played, sum(played.call(spec, case.rows[spec]) for spec in _asks(case)))
            await played.close(0.05)
            await backend.start()

    async def test_when_the_backend_is_back_it_gets_entries_again(self, case: AdapterCase) -> None:
        async with nothing_left(), _with_backend(case) as (backend, params):
            played = Played(case, params)
            await backend.stop()
            self._tell(case, played)
            await asyncio.sleep(0.1)
            await backend.start()
            before = backend.received()
            async with asyncio.timeout(RETURN_SECONDS):
                while backend.received() == before:
                    self._tell(case, played)
                    await asyncio.sleep(0.05)
            await played.close()

    def _tell(self, case: AdapterCase, played: Played) -> None:
        for spec, rows in case.rows.items():
            if spec.template.variety is Variety.REPORT:
                _give(played, spec, rows[0], 1)
            else:
                played.call(spec, rows[:1])
