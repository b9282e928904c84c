"""The statsd adapter against StatsD itself: what it counts, and what becomes of entries while it is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from flotilla_mixer.adapters.dogstatsd.adapter import Dogstatsd
from flotilla_mixer.adapters.statsd.adapter import Statsd
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.templates.catalogue import METRIC
from flotilla_mixer.testing.conformance.samples import sample_spec
from flotilla_mixer.testing.handlers import Background
from flotilla_mixer.testing.statsd_server import StatsdServer
from flotilla_shared.model.expressions import Duration, ValueType

pytestmark = pytest.mark.real

CALLS = sample_spec(METRIC, ("code",), name="calls.instance.ns")
LEVEL = sample_spec(METRIC, (), name="level.instance.ns")
TOOK = sample_spec(METRIC, (), ValueType.DURATION, name="took.instance.ns")
OUTAGE_SECONDS = 20.0
ENTRIES_A_SECOND, TURN_SECONDS = 5_000, 0.02
RETURN_SECONDS = 10.0


def lost_in_the_kernel(port: int) -> int:
    """Datagrams that came to this port and were never read: the last column of the kernel's table."""
    lines = Path("/proc/net/udp").read_text().splitlines()[1:]
    return sum(int(line.split()[-1]) for line in lines if line.split()[1].endswith(f":{port:04X}"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StatsdServer]:
    found = StatsdServer(tmp_path)
    found.start()
    yield found
    found.stop()


def handler_of(server: StatsdServer, background: Background, **changes: Any) -> Any:
    params: Any = Statsd().defaults()
    metrics = {
        CALLS.name: {"type": "COUNTER", "nameTemplate": "calls.{{.code}}"},
        LEVEL.name: {"type": "GAUGE", "nameTemplate": "level"},
        TOOK.name: {"type": "DISTRIBUTION", "nameTemplate": "took"},
    }
    json_format.ParseDict({"address": f"127.0.0.1:{server.port}", "metrics": metrics, **changes}, params)
    return Statsd().build(params, [CALLS, LEVEL, TOOK], background)


def report(handler: Any, spec: Any, *values: Any, code: int = 200) -> None:
    dimensions = (code,) if spec is CALLS else ()
    handler.report([ReportBatch(spec, [(value, None, dimensions, ()) for value in values])])


async def until(what: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.01)


async def test_statsd_counts_what_is_reported(server: StatsdServer) -> None:
    background = Background()
    handler = handler_of(server, background, prefix="mesh")
    report(handler, CALLS, 1, 2, 3)
    report(handler, CALLS, 5, code=404)
    report(handler, LEVEL, 9, -4)
    report(handler, TOOK, Duration(12_500_000), Duration(250_000))
    await until(lambda: len(server.timers.get("mesh.took", ())) == 2 and "mesh.level" in server.gauges)
    await background.stop()
    handler.close()
    assert {name: count for name, count in server.counters.items() if name.startswith("mesh.")} == {
        "mesh.calls.200": 6,
        "mesh.calls.404": 5,
    }
    assert server.gauges["mesh.level"] == -4
    assert server.timers["mesh.took"] == [0.25, 12.5], "StatsD sorts them"
    assert server.counters["statsd.bad_lines_seen"] == 0


async def test_statsd_reads_the_lines_of_dogstatsd(server: StatsdServer) -> None:
    """StatsD takes tags too, as far as the two have the same kinds."""
    background, params = Background(), Dogstatsd().defaults()
    metrics = {CALLS.name: {"name": "calls", "type": "COUNTER"}, TOOK.name: {"name": "took", "type": "DISTRIBUTION"}}
    json_format.ParseDict({"address": f"127.0.0.1:{server.port}", "metrics": metrics}, params)
    handler = Dogstatsd().build(params, [CALLS, TOOK], background)
    report(handler, CALLS, 1, 2)
    report(handler, CALLS, 5, code=404)
    report(handler, TOOK, Duration(12_500_000))
    await until(lambda: "istio.took" in server.timers)
    await background.stop(10)
    handler.close()
    counted = {name: count for name, count in server.counters.items() if name.startswith("istio.")}
    assert counted == {"istio.calls;code=200": 3, "istio.calls;code=404": 5}
    assert server.timers["istio.took"] == [12.5]
    assert server.counters["statsd.bad_lines_seen"] == 0


async def test_statsd_makes_up_for_sampling(server: StatsdServer) -> None:
    background = Background()
    handler = handler_of(server, background, samplingRate=0.25, flushBytes=1432)
    report(handler, CALLS, *[1] * 4000)
    await background.stop(10)
    handler.close()
    sent = background.counted("sent")[""]
    await until(lambda: server.counters["calls.200"] == 4 * sent)
    assert 500 < sent < 1500


async def test_an_outage_costs_what_the_counter_says_and_ends_by_itself(server: StatsdServer) -> None:
    """5,000 entries a second, StatsD away for 20 s: reports return at once, what waits is bounded, and every entry is
    counted by StatsD or by the handler.
    """
    background, slowest, given = Background(), 0.0, 0
    handler = handler_of(server, background, flushBytes=1432)
    loop = asyncio.get_running_loop()
    begun, back = loop.time(), 0.0
    server.stop()
    while loop.time() - begun < OUTAGE_SECONDS:
        before = time.thread_time()
        report(handler, CALLS, *[1] * int(ENTRIES_A_SECOND * TURN_SECONDS))
        slowest = max(slowest, time.thread_time() - before)
        given += int(ENTRIES_A_SECOND * TURN_SECONDS)
        await asyncio.sleep(TURN_SECONDS)
    assert background.counted("waiting")[""] <= 20_000
    server.start()
    back = loop.time()
    await until(lambda: server.counters["calls.200"] > 0, RETURN_SECONDS)
    print(
        f"delivery resumed {loop.time() - back:.1f} s after StatsD's return; a report took {slowest * 1e3:.2f} ms at most"
    )
    await background.stop(20)
    handler.close()
    dropped = sum(background.counted("dropped").values())
    if lost := lost_in_the_kernel(server.port):
        pytest.skip(f"StatsD was so slow that its kernel dropped {lost} datagrams, which nobody can count")
    await until(lambda: server.counters["calls.200"] == given - dropped)
    assert 0 < dropped < given
