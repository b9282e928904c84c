"""The phases of one counterpart, one after the other, with the load going on through all of them.

there -> away -> back -> slow (where it can be held) -> released -> the load ends, and what waits is sent
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import yaml

from flotilla_mixer.testing.mixer_process import mixer_process
from flotilla_mixer.testing.outages.counterpart import HANDLER, INSTANCE, Counterpart, Way
from flotilla_mixer.testing.outages.load import Load
from flotilla_mixer.testing.outages.outcome import AWAY, BACK, RELEASED, SLOW, THERE, Outcome
from flotilla_mixer.testing.outages.watch import Watch
from flotilla_shared.testing.ports import free_port

QUOTA = INSTANCE.partition(".")[0]
LOOK_SECONDS = 0.2
MOST_RESUME_SECONDS = 60.0  # what is asserted is shorter
DRAIN_SECONDS = 60.0
QUIET_SECONDS = 10.0  # nothing more comes
USUAL = {"loadshedding_mode": "disabled", "log_level": "error", "secret_folders": ["/"]}


@dataclass(frozen=True)
class Lengths:
    """Seconds of the phases. After the backend's return `back` begins when it receives again."""

    there: float = 10.0
    away: float = 20.0
    back: float = 10.0
    slow: float = 10.0
    released: float = 5.0


async def play(counterpart: Counterpart, lengths: Lengths) -> Outcome:
    """From its start to its end. The counterpart is called by one thread, to which its program may be tied."""
    with ThreadPoolExecutor(1, "counterpart") as thread:
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(thread, counterpart.start)
            return await _play(counterpart, lengths, thread)
        finally:
            await loop.run_in_executor(thread, counterpart.stop)
            await loop.run_in_executor(thread, counterpart.close)


async def _play(counterpart: Counterpart, lengths: Lengths, thread: ThreadPoolExecutor) -> Outcome:
    quota = QUOTA if counterpart.way is Way.ASKED else ""
    async with _mixer(counterpart) as (address, watch):
        load = Load(address, quota)
        player = _Player(counterpart, load, watch, thread)
        looking = asyncio.create_task(player.look())
        try:
            load.start()
            await player.phases(lengths)
            return await player.end()
        finally:
            await _end(looking)
            await load.stop()


@asynccontextmanager
async def _mixer(counterpart: Counterpart) -> AsyncIterator[tuple[str, Watch]]:
    port = free_port()
    file = counterpart.folder / "mixer.yaml"
    file.write_text(configuration(counterpart))
    settings = {**USUAL, "monitoring_port": port, **counterpart.settings()}
    with mixer_process(settings, file) as process:
        watch = Watch(process.pid, port, HANDLER)
        try:
            yield process.address, watch
        finally:
            await watch.stop()


def configuration(counterpart: Counterpart) -> str:
    """One handler, one instance, and the rule that joins them for every request."""
    return yaml.safe_dump_all(
        [
            _object("handler", HANDLER, {"compiledAdapter": counterpart.adapter, "params": dict(counterpart.params())}),
            _object(
                "instance", INSTANCE, {"compiledTemplate": counterpart.template, "params": dict(counterpart.instance())}
            ),
            _object("rule", "all.rule.istio-system", {"actions": [{"handler": "far", "instances": ["entry"]}]}),
        ]
    )


def _object(kind: str, full_name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    name, _, namespace = full_name.split(".")
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "config.istio.io/v1alpha2", "kind": kind, "metadata": meta, "spec": dict(spec)}


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


class _Player:
    def __init__(self, counterpart: Counterpart, load: Load, watch: Watch, thread: ThreadPoolExecutor) -> None:
        self._counterpart = counterpart
        self._load = load
        self._watch = watch
        self._thread = thread
        self.outcome = Outcome(counterpart)

    async def look(self) -> None:
        while True:
            if self._load.phase:
                self._watch.look(self._load.phase)
            await asyncio.sleep(LOOK_SECONDS)

    async def phases(self, lengths: Lengths) -> None:
        await self._phase(THERE, lengths.there)
        await self._call(self._counterpart.stop)
        await self._phase(AWAY, lengths.away)
        self.outcome.at_worst = await self._watch.counted()
        before = await self._received()
        await self._call(self._counterpart.start)
        await self._resumed("return", before)
        await self._phase(BACK, lengths.back)
        if self._counterpart.holds:
            await self._slow(lengths)
        self._load.phase = ""

    async def _slow(self, lengths: Lengths) -> None:
        await self._call(self._counterpart.hold, True)
        await self._phase(SLOW, lengths.slow)
        await self._call(self._counterpart.hold, False)
        await self._resumed("release", await self._received())
        await self._phase(RELEASED, lengths.released)

    async def _phase(self, name: str, seconds: float) -> None:
        load, before, told = self._load, self._watch.cpu_seconds(), self._load.told
        load.phase = name
        await asyncio.sleep(seconds)
        load.phase = ""
        if load.told > told:
            self.outcome.cpu[name] = (self._watch.cpu_seconds() - before) / (load.told - told)

    async def _resumed(self, what: str, before: int) -> None:
        """Until it receives; how long that took."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while await self._received() <= before and loop.time() - begun < MOST_RESUME_SECONDS:  # noqa: ASYNC110  # another process's
            await asyncio.sleep(0.05)
        self.outcome.resumed[what] = loop.time() - begun

    async def end(self) -> Outcome:
        """The load ends; what waits is sent, and what was sent arrives."""
        await self._load.stop()
        found = self.outcome
        found.counted = await self._watch.settled(DRAIN_SECONDS)
        found.take(self._load, self._watch)
        found.received = await self._arrived(found.sent)
        return found

    async def _arrived(self, wanted: int) -> int:
        """What has been received when all has, or nothing more comes."""
        loop = asyncio.get_running_loop()
        arrived, changed = await self._received(), loop.time()
        while arrived < wanted and loop.time() - changed < QUIET_SECONDS:
            await asyncio.sleep(0.1)
            now = await self._received()
            if now != arrived:
                arrived, changed = now, loop.time()
        return arrived

    async def _received(self) -> int:
        found: int = await self._call(self._counterpart.received)
        return found

    async def _call(self, work: Callable[..., Any], *arguments: object) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
