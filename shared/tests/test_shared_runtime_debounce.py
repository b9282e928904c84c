"""Waiting until changes have come to rest."""

import asyncio
import time

from flotilla_shared.runtime.debounce import Debounce


class TestDebounce:
    async def test_a_burst_is_one(self) -> None:
        debounce = Debounce(quiet=0.05, most=10)
        for _ in range(5):
            debounce.touch()
        await debounce.settled()
        again = asyncio.create_task(debounce.settled())
        await asyncio.sleep(0)
        assert not again.done()
        debounce.touch()
        await again

    async def test_changes_without_end_are_cut_off(self) -> None:
        debounce = Debounce(quiet=0.2, most=0.3)

        async def restless() -> None:
            while True:
                debounce.touch()
                await asyncio.sleep(0.01)

        task = asyncio.create_task(restless())
        await asyncio.wait_for(debounce.settled(), 20)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def test_it_gives_when_the_first_change_came(self) -> None:
        debounce = Debounce(quiet=0, most=1)
        debounce.touch()
        assert await debounce.settled() <= time.monotonic()
