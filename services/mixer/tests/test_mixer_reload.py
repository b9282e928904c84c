"""Changes of configuration while calls come: none fails, handlers are closed when nobody uses them, and no sooner."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from flotilla_mixer.configuration import instances, rules
from flotilla_mixer.configuration.build import build_configuration
from flotilla_mixer.configuration.memory import Memory
from flotilla_mixer.dispatch.check import CheckDispatcher, Question
from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.dispatch.table import DispatchTable
from flotilla_mixer.kit.catalogue import load_adapters
from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.sources.swap import Swap
from flotilla_mixer.testing.changes import changed
from flotilla_mixer.testing.meshes import MESH, configured, read_objects
from flotilla_mixer.testing.native import NativeClient
from flotilla_mixer.testing.running import Running
from flotilla_shared.model.expressions import ValueType
from flotilla_shared.model.objects import ConfigObject
from flotilla_shared.runtime.metrics import ServiceMetrics

CHANGES, CALLERS = 40, 4
HERE = {"request.path": "/", "destination.namespace": "default", "context.reporter.kind": "inbound"}
CLIENT = NativeClient(222)


async def test_no_call_fails_while_the_configuration_changes(running: Running) -> None:
    """`python -m bench reload` does a thousand."""
    await running.put(changed(0))
    done, stopped = {"checks": 0, "reports": 0}, asyncio.Event()
    assert running.mixer.plaintext is not None

    async def call(channel: grpc.aio.Channel) -> None:
        while not stopped.is_set():
            answer = await CLIENT.check(channel, CLIENT.check_request(HERE))
            assert answer.precondition.status.code == 0
            done["checks"] += 1
            await CLIENT.report(channel, CLIENT.report_request([HERE] * 3))
            done["reports"] += 3

    async with (
        grpc.aio.insecure_channel(f"127.0.0.1:{running.mixer.plaintext.bound_port}") as channel,
        asyncio.TaskGroup() as callers,
    ):
        for _ in range(CALLERS):
            callers.create_task(call(channel))
        for number in range(1, CHANGES + 1):
            await running.put(changed(number))
            before = done["checks"]
            async with asyncio.timeout(20):
                while done["checks"] == before:  # at least one call by each configuration
                    await asyncio.sleep(0.001)
        stopped.set()
    assert done["checks"] > CHANGES
    adapter: Any = running.mixer.adapters["prometheus"]
    (family,) = adapter.store.families()
    (series,) = family.series()
    assert series.value == done["reports"], "the counter lived through all changes"
    counters = running.mixer.metrics.handlers
    await asyncio.sleep(0)
    assert counters.built._value.get() == CHANGES + 2
    async with asyncio.timeout(20):
        while counters.closed._value.get() < CHANGES:
            await asyncio.sleep(0.001)
    assert counters.closed._value.get() == CHANGES


@pytest.mark.parametrize("later", [0, 3])
async def test_a_handler_lives_as_long_as_a_call_of_any_table_may_reach_it(later: int) -> None:
    """A call that began some changes ago keeps its handler, also when the table before the newest is idle."""
    swap = Swap("istio-system")
    first = swap.put(configured(changed(0)))
    first.call_opens()
    handler = next(built for built in first.handlers if built.config.name.startswith("listed"))
    for number in range(later):
        swap.put(configured(changed(0), f"# {number}"))
    swap.put(configured(changed(1)))
    closed: list[bool] = []
    handler.handler.close = lambda: closed.append(True)  # type: ignore[method-assign]
    for _ in range(5):
        await asyncio.sleep(0)
    assert closed == []
    first.call_ends()
    async with asyncio.timeout(20):
        while not closed:
            await asyncio.sleep(0.001)
    await swap.stop()


@contextmanager
def compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Hears of everything that is compiled."""
    heard: list[str] = []
    with monkeypatch.context() as patch:
        for module, name in (
            (instances, "compile_row"),
            (instances, "compile_rows"),
            (instances, "compile_expression"),
            (rules, "compile_expression"),
        ):
            real = getattr(module, name)
            patch.setattr(module, name, lambda *given, name=name, real=real: (heard.append(name), real(*given))[1])
        yield heard


def objects(number: int, *more: str) -> dict[str, dict[Any, ConfigObject]]:
    return read_objects(MESH, changed(number, rules=20), *more)


def test_only_what_changed_is_compiled_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    memory, adapters = Memory(), load_adapters()
    with compiled(monkeypatch) as heard:
        build_configuration(objects(0), adapters, "cluster.local", memory=memory)
        assert len(heard) > 20
        heard.clear()
        build_configuration(objects(0), adapters, "cluster.local", memory=memory)
        assert heard == []
        build_configuration(objects(1), adapters, "cluster.local", memory=memory)
        assert heard == ["compile_expression"], "the match of the one rule that changed"


def test_what_is_remembered_gives_the_same_configuration() -> None:
    memory, adapters = Memory(), load_adapters()
    for number in (0, 1, 0):
        found = build_configuration(objects(number), adapters, "cluster.local", memory=memory)
        anew = build_configuration(objects(number), adapters, "cluster.local")
        assert found.version == anew.version
        assert found.problems == anew.problems == {}
        assert [(each.rule, each.match_text, each.handler) for each in found.actions] == [
            (each.rule, each.match_text, each.handler) for each in anew.actions
        ]
        assert {key: each.signature for key, each in found.handlers.items()} == {
            key: each.signature for key, each in anew.handlers.items()
        }


def test_other_types_of_attributes_forget_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = """\
---
apiVersion: config.istio.io/v1alpha2
kind: attributemanifest
metadata: {name: own, namespace: istio-system}
spec: {attributes: {own.number: {valueType: INT64}}}
"""
    memory, adapters = Memory(), load_adapters()
    with compiled(monkeypatch) as heard:
        build_configuration(objects(0), adapters, "cluster.local", memory=memory)
        everything = len(heard)
        heard.clear()
        build_configuration(objects(0, manifest), adapters, "cluster.local", memory=memory)
        assert len(heard) == everything


def test_an_object_with_problems_tells_them_each_time() -> None:
    wrong = "---\napiVersion: config.istio.io/v1alpha2\nkind: instance\nmetadata: {name: bad, namespace: default}\n"
    wrong += "spec: {compiledTemplate: listentry, params: {value: nothing.known}}\n"
    memory, adapters = Memory(), load_adapters()
    found = [build_configuration(objects(0, wrong), adapters, "cluster.local", memory=memory) for _ in range(3)]
    assert [len(each.problems) for each in found] == [1, 1, 1]


def test_a_memory_holds_two_builds_and_no_more() -> None:
    memory, words = Memory(), {"a": ValueType.STRING}
    assert memory.begin(words) is words
    memory.put("one", 1)
    assert memory.begin(dict(words)) is words
    assert memory.get("one") == 1
    memory.begin(words)
    memory.put("two", 2)
    memory.begin(words)
    assert (memory.get("one"), memory.get("two"), len(memory)) == (None, 2, 1)
    other = {"a": ValueType.INT64}
    assert memory.begin(other) is other
    assert memory.get("two") is None


async def test_memory_stays_flat() -> None:
    """A hundred changes leave no more tables, handlers and remembered functions than one."""
    swap, memory, adapters = Swap("istio-system"), Memory(), load_adapters()
    checks = CheckDispatcher(Failures(MixerMetrics(ServiceMetrics("mixer"))))
    held = []
    for number in range(101):
        configuration = build_configuration(objects(number), adapters, "cluster.local", memory=memory)
        table = swap.put(configuration)
        decided: list[Any] = []
        checks.dispatch(table, [Question(lambda _: "default", {"request.path": "/"}, decided.append)])
        assert decided[0].ok
        for _ in range(3):
            await asyncio.sleep(0)
        if number in (50, 100):
            del table, configuration
            gc.collect()
            tables = sum(isinstance(each, DispatchTable) for each in gc.get_objects())
            held.append((tables, len(memory), len(swap._tasks)))
    assert held[0] == held[1]
    await swap.stop()
