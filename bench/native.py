"""The native Mixer API with 1.4's default configuration: what its functions cost, and what the whole process does.

First bytes in to bytes out, without any transport: CPU of the thread, the least and the median of several runs. Then
the process, beside a no-op server of the same kind in the same run, under each front that is there.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc

from bench import typical
from bench.cost import cpu_seconds
from bench.noop import NATIVE_CHECK, NATIVE_REPORT, noop_process
from bench.table import table
from flotilla_mixer.configuration.build import build_configuration
from flotilla_mixer.dispatch.check import CheckDispatcher
from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.dispatch.quota import QuotaDispatcher
from flotilla_mixer.dispatch.report import ReportDispatcher
from flotilla_mixer.kit.catalogue import load_adapters
from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.servers.native import NativeMixer
from flotilla_mixer.sources.swap import Swap
from flotilla_mixer.testing.meshes import deny, read_objects
from flotilla_mixer.testing.mixer_process import mixer_process
from flotilla_protos.istio.mixer.v1.mixer_pb2 import CheckRequest, ReportRequest
from flotilla_shared.runtime.front import FrontChoice, use_front
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.runtime.serving import Call, Peer

RUNS = 15
CALLS = 640  # in a run
IN_FLIGHT = 16
SECONDS, ROUNDS = 2.0, 3
LIMIT = 60.0  # microseconds, of a Check and of an entry
Function = Callable[[Sequence[Call]], None]
RULE = 'source.labels["version"] == "v2" && request.method == "GET"'


def measure() -> str:
    if not typical.there():
        return f"No requests at {typical.FIXTURES}: set FLOTILLA_VECTORS to the folder that holds 1.4/fixtures.\n"
    functions, whole = asyncio.run(_functions()), asyncio.run(_whole())
    return f"{functions}\n{whole}"


async def _functions() -> str:
    checks, reports = typical.check_messages(), typical.report_messages()
    full, plain = _native("default"), _native("default-without-kubernetesenv")
    ruled = _native("default", deny(RULE))
    rows: list[tuple[object, ...]] = []
    for what, messages, entries, kinds in (
        (
            "a Check",
            checks,
            1,
            (
                ("the default configuration", full.check),
                ("without kubernetesenv", plain.check),
                ("and a rule looks", ruled.check),
            ),
        ),
        (
            f"an entry of a report of {typical.ENTRIES}",
            reports,
            typical.ENTRIES,
            (("the default configuration", full.report), ("without kubernetesenv", plain.report)),
        ),
    ):
        request = CheckRequest if entries == 1 else ReportRequest
        parse = _runs(lambda message, request=request: request.FromString(message), messages, entries)
        rows.append((1.0, f"{what}: protobuf reads the message", *parse, "-"))
        for name, function in kinds:
            cost = _runs(_called(function), messages, entries)
            rows.append((cost[0] / parse[0], f"{what}: {name}", *cost, LIMIT))
    title = "The native API, bytes in to bytes out (41 and 47 attributes)"
    return table(title, ("ratio", "what", "CPU us, least", "median", "bar"), rows)


def _native(configuration: str, *rules: str) -> NativeMixer:
    objects = read_objects(typical.configuration(configuration), *rules)
    metrics = MixerMetrics(ServiceMetrics("mixer"))
    failures, swap = Failures(metrics), Swap("istio-system")
    swap.put(build_configuration(objects, load_adapters(), "cluster.local"))
    dispatchers = CheckDispatcher(failures), QuotaDispatcher(failures), ReportDispatcher(failures)
    return NativeMixer(lambda: swap.table, *dispatchers, metrics, as_given=True)


def _called(function: Function) -> Callable[[bytes], Any]:
    """The function with one call, whose answer is looked at by `_runs`."""
    loop = asyncio.get_running_loop()

    def call(message: bytes) -> Call:
        made = Call("", message, (), Peer(""), None, loop.create_future())
        function([made])
        return made

    return call


def _runs(work: Callable[[bytes], Any], messages: Sequence[bytes], entries: int) -> tuple[float, float]:
    """Microseconds of an entry: the least of the runs, and their median."""
    rounds = max(1, CALLS // len(messages) // entries)
    found = []
    for _ in range(RUNS):
        begin = time.thread_time()
        for _ in range(rounds):
            done = [work(message) for message in messages]
        found.append((time.thread_time() - begin) / (rounds * len(messages) * entries) * 1e6)
        assert all(each.done and not each.failed for each in done if isinstance(each, Call))
    return min(found), statistics.median(found)


def fronts() -> tuple[FrontChoice, ...]:
    """Those that can serve here."""
    return ("grpc", "native") if use_front("auto") else ("grpc",)


async def _whole() -> str:
    rows: list[tuple[object, ...]] = []
    with tempfile.TemporaryDirectory(prefix="fb") as folder:
        file = Path(folder) / "default.yaml"
        file.write_text(typical.configuration())
        with ExitStack() as servers:
            places = []
            for front in fronts():
                pid, port = servers.enter_context(noop_process(front=front))
                mixer = servers.enter_context(mixer_process({"front": front}, file))
                places.append((f"no-op server, {front}", f"127.0.0.1:{port}", pid))
                places.append((f"Mixer, {front}", mixer.address, mixer.pid))
            for what, method, messages, entries in (
                ("a Check", NATIVE_CHECK, typical.check_messages(), 1),
                (f"a report of {typical.ENTRIES}, an entry", NATIVE_REPORT, typical.report_messages(), typical.ENTRIES),
            ):
                costs = await _compared(places, method, messages, entries)
                for front in fronts():
                    base, found = costs[f"no-op server, {front}"], costs[f"Mixer, {front}"]
                    rows.append((1, f"{what}, front {front}: no-op server", *base, 0.0, "-"))
                    rows.append(
                        (found[0] / base[0], f"{what}, front {front}: Mixer", *found, found[0] - base[0], LIMIT)
                    )
    title = "The native API, whole process"
    return table(title, ("ratio", "what", "CPU us, least", "median", "above the no-op", "bar"), rows)


async def _compared(
    places: Sequence[tuple[str, str, int]], method: str, messages: Sequence[bytes], entries: int
) -> dict[str, tuple[float, float]]:
    """CPU microseconds of each server's process an entry, in turns: the least of the rounds, and their median."""
    found: dict[str, list[float]] = {name: [] for name, _, _ in places}
    for _ in range(ROUNDS):
        for name, address, pid in places:
            async with grpc.aio.insecure_channel(address) as channel:
                await _load(channel, method, messages, 0.3)
                before = cpu_seconds([pid])
                done = await _load(channel, method, messages, SECONDS)
                found[name].append((cpu_seconds([pid]) - before) / (done * entries) * 1e6)
    return {name: (min(costs), statistics.median(costs)) for name, costs in found.items()}


async def _load(channel: grpc.aio.Channel, method: str, messages: Sequence[bytes], seconds: float) -> int:
    call, done, end = channel.unary_unary(method), 0, time.perf_counter() + seconds

    async def ask(first: int) -> None:
        nonlocal done
        number = first
        while time.perf_counter() < end:
            await call(messages[number % len(messages)])
            number += 1
            done += 1

    await asyncio.gather(*(ask(first) for first in range(IN_FLIGHT)))
    return done
