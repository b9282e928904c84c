"""What becomes of handlers when the configuration changes and when Mixer stops: calls are answered, entries sent or counted."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from google.protobuf.message import Message

from flotilla_mixer.dispatch.check import CheckDispatcher, Question
from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.dispatch.report import ReportDispatcher
from flotilla_mixer.kit.adapter import CheckCall, Environment, ReportBatch
from flotilla_mixer.kit.delivery import DeliverySettings
from flotilla_mixer.kit.results import CheckResult
from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.sources.swap import Swap
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.meshes import configured
from flotilla_protos.istio.mixer.adapter.denier.config.config_pb2 import Params

CONFIGURATION = """\
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: sender, namespace: default}
spec: {compiledAdapter: sender, params: {valid_use_count: USES}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: size, namespace: default}
spec: {compiledTemplate: metric, params: {value: response.size | 0, dimensions: {}}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: ask, namespace: default}
spec: {compiledTemplate: checknothing}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: send, namespace: default}
spec: {actions: [{handler: sender, instances: [size, ask]}]}
"""


class SenderHandler:
    """Sends to the adapter's `sent`, and answers Checks when the adapter's `answer` is set."""

    def __init__(self, adapter: Sender, environment: Environment) -> None:
        self._adapter = adapter
        self._environment = environment
        self._entries = environment.deliver(self._send, DeliverySettings(batch_seconds=3600))

    def report(self, batches: Sequence[ReportBatch]) -> None:
        self._entries.offer([row[0] for batch in batches for row in batch.rows])

    def check(self, calls: Sequence[CheckCall]) -> None:
        self._environment.answer(calls, self._check(calls))

    async def _check(self, calls: Sequence[CheckCall]) -> None:
        await self._adapter.answer.wait()
        for call in calls:
            call.answer(CheckResult(valid_uses=self._adapter.built))

    async def _send(self, entries: Sequence[Any]) -> None:
        await self._adapter.open.wait()
        self._adapter.sent += entries

    def close(self) -> Coroutine[Any, Any, None]:
        return self._close()

    async def _close(self) -> None:
        self._adapter.closing.set()
        await self._adapter.let_go.wait()
        self._adapter.closed += 1
        if self._adapter.raises is not None:
            raise self._adapter.raises


class Sender:
    name: ClassVar[str] = "sender"
    folder: ClassVar[Path] = Path()
    templates: ClassVar[frozenset[str]] = frozenset(("metric", "checknothing"))

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.open, self.answer, self.closing, self.let_go = (asyncio.Event() for _ in range(4))
        for each in (self.open, self.answer, self.let_go):
            each.set()
        self.built = self.closed = 0
        self.raises: Exception | None = None
        self.refuses: Exception | None = None

    def defaults(self) -> Message:
        return Params()

    def validate(self, params: Any, instances: Sequence[InstanceSpec]) -> list[Any]:
        return []

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> SenderHandler:
        handler = SenderHandler(self, environment)
        if self.refuses is not None:
            raise self.refuses
        self.built += 1
        return handler


class Inside:
    """A Mixer's middle, with the adapter of this test."""

    def __init__(self, metrics: MixerMetrics, grace_seconds: float = 10.0) -> None:
        self.metrics, self.adapter = metrics, Sender()
        self.swap = Swap("istio-system", metrics.handlers, grace_seconds)
        failures = Failures(metrics)
        self.checks, self.reports = CheckDispatcher(failures), ReportDispatcher(failures)

    def put(self, uses: int) -> None:
        text = CONFIGURATION.replace("USES", str(uses))
        self.swap.put(configured(text, adapters={"sender": self.adapter}))

    def tell(self, *sizes: int) -> None:
        assert self.swap.table is not None
        self.reports.dispatch(self.swap.table, [{"response.size": size} for size in sizes], lambda _: "default")

    def ask(self) -> list[Any]:
        decided: list[Any] = []
        assert self.swap.table is not None
        self.checks.dispatch(self.swap.table, [Question(lambda _: "default", {}, decided.append)])
        return decided

    def count(self, name: str) -> int:
        found = [
            sample.value
            for family in self.metrics.handlers.__dict__.values()
            for metric in family.collect()
            for sample in metric.samples
            if sample.name == name
        ]
        return int(sum(found))

    async def closed(self, number: int) -> None:
        async with asyncio.timeout(10):
            while self.adapter.closed < number:
                await asyncio.sleep(0.001)


@pytest.fixture
async def inside(metrics: MixerMetrics) -> Inside:
    return Inside(metrics)


async def test_what_waits_is_sent_when_the_handler_is_replaced_and_when_mixer_stops(inside: Inside) -> None:
    inside.put(1)
    inside.tell(1, 2)
    inside.put(2)
    inside.tell(3)
    await inside.closed(1)
    assert inside.adapter.sent == [1, 2]
    await inside.swap.stop()
    assert inside.adapter.sent == [1, 2, 3]
    assert inside.count("mixer_handler_entries_sent_total") == 3


async def test_mixer_waits_for_a_handler_that_is_just_being_closed(inside: Inside) -> None:
    inside.adapter.open.clear()
    inside.put(1)
    inside.tell(1, 2)
    inside.put(2)
    await asyncio.sleep(0.01)
    stopping = asyncio.ensure_future(inside.swap.stop())
    await asyncio.sleep(0.01)
    inside.adapter.open.set()
    await stopping
    assert (inside.adapter.sent, inside.adapter.closed) == ([1, 2], 2)


async def test_what_cannot_be_sent_in_time_is_counted(metrics: MixerMetrics) -> None:
    inside = Inside(metrics, grace_seconds=0.01)
    inside.adapter.open.clear()
    inside.put(1)
    inside.tell(1, 2, 3)
    await inside.swap.stop()
    assert inside.adapter.sent == []
    assert inside.count("mixer_handler_entries_dropped_total") == 3
    assert inside.count("mixer_handler_daemons_total") == 0


async def test_a_check_of_an_older_table_keeps_the_handler(inside: Inside) -> None:
    """The handler is replaced two configurations later: the first one's call still has it."""
    inside.adapter.answer.clear()
    inside.put(1)
    decided = inside.ask()
    inside.put(1)  # a table of its own, with the same handler
    inside.put(2)
    await asyncio.sleep(0.01)
    assert (decided, inside.adapter.closed) == ([], 0)
    inside.adapter.answer.set()
    await inside.closed(1)
    assert [decision.valid_uses for decision in decided] == [2]
    await inside.swap.stop()


async def test_a_call_that_is_open_when_mixer_stops_fails_and_is_not_lost(metrics: MixerMetrics) -> None:
    inside = Inside(metrics, grace_seconds=0.01)
    inside.adapter.answer.clear()
    inside.put(1)
    decided = inside.ask()
    await inside.swap.stop()
    await asyncio.sleep(0)
    assert decided == ["sender.handler.default ended before it could say"]


async def test_a_handler_that_does_not_end_has_its_time(metrics: MixerMetrics, capsys: Any) -> None:
    inside = Inside(metrics, grace_seconds=0.01)
    inside.adapter.let_go.clear()
    inside.put(1)
    async with asyncio.timeout(10):
        await inside.swap.stop()
    assert inside.adapter.closing.is_set()
    assert "closing a handler failed" in capsys.readouterr().out


async def test_a_handler_whose_end_fails_does_not_keep_the_others(inside: Inside, capsys: Any) -> None:
    inside.adapter.raises = RuntimeError("broken")
    inside.put(1)
    await inside.swap.stop()
    assert inside.adapter.closed == 1
    assert "closing a handler failed" in capsys.readouterr().out


@pytest.mark.parametrize("error", [ValueError("no"), RuntimeError("broken")])
async def test_a_handler_that_cannot_be_built_leaves_no_tasks(inside: Inside, error: Exception) -> None:
    inside.adapter.refuses = error
    inside.put(1)
    assert inside.adapter.built == 0
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert inside.count("mixer_handler_daemons_total") == 0
    await inside.swap.stop()
