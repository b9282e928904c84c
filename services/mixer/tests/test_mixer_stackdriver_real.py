"""The stackdriver adapter beside Google's services in another process: values while they are away, and the example of its
page in a whole Mixer. Log entries while they are away: test_mixer_outages_real.py.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format

from flotilla_mixer.adapters.stackdriver.adapter import Stackdriver
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.testing.handlers import Background
from flotilla_mixer.testing.mixer_process import mixer_process
from flotilla_mixer.testing.native import REPORT
from flotilla_mixer.testing.outages.entries import ENTRIES, Entries
from flotilla_mixer.testing.outages.served import Served
from flotilla_mixer.testing.stackdriver_cases import CALLS, METRICS, PLACE, ended, until
from flotilla_mixer.testing.stackdriver_server import StackdriverServer

pytestmark = [pytest.mark.real, pytest.mark.slow]

OUTAGE_SECONDS = 20.0
ENTRIES_A_SECOND, TURN_SECONDS = 5_000, 0.02
RETURN_SECONDS = 10.0
SETTINGS = {"loadshedding_mode": "disabled", "log_level": "warning"}


class Reporting:
    """Values of 200 series, 5,000 a second. `slowest` is the CPU of a report, in seconds."""

    def __init__(self, handler: Any) -> None:
        self.given, self.slowest = 0, 0.0
        self._handler = handler

    async def turn(self) -> None:
        rows = [(1, None, ((self.given + number) % 200,), ()) for number in range(int(ENTRIES_A_SECOND * TURN_SECONDS))]
        before = time.thread_time()
        self._handler.report([ReportBatch(CALLS, rows)])
        self.slowest = max(self.slowest, time.thread_time() - before)
        self.given += len(rows)
        await asyncio.sleep(TURN_SECONDS)


async def test_an_outage_of_monitoring_loses_no_value() -> None:
    """Away for 20 s: reports return at once, what is held is bounded by the series, and Cloud Monitoring has every value
    in the end.
    """
    server, background = Served("flotilla_mixer.testing.stackdriver_server:StackdriverServer"), Background()
    link = {"endpoint": server.ask("endpoint"), "plaintext": True}
    params = {**PLACE, **link, "metricInfo": METRICS, "pushInterval": "5s"}
    handler: Any = Stackdriver().build(json_format.ParseDict(params, Stackdriver().defaults()), [CALLS], background)
    reporting, now = Reporting(handler), asyncio.get_running_loop().time
    begun = now()
    while now() - begun < OUTAGE_SECONDS:
        await reporting.turn()
    server.ask("start")
    back = now()
    while not background.counted("sent"):
        await reporting.turn()
    resumed = now() - back
    await ended(handler, background, 20)
    print(f"resumed {resumed:.1f} s after the return; a report took {reporting.slowest * 1e3:.2f} ms at most")
    assert resumed < RETURN_SECONDS
    assert background.counted("dropped") == {}
    assert background.counted("sent") == {"": reporting.given}
    assert server.ask("total") == reporting.given
    server.ask("stop")
    server.close()


@pytest.fixture
async def google() -> AsyncIterator[StackdriverServer]:
    found = StackdriverServer()
    await found.start()
    yield found
    await found.stop()


def example(endpoint: str) -> str:
    """The YAML of the adapter's page, to this server and with all traces."""
    page = (Stackdriver.folder / "README.md").read_text()
    (found,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.M | re.S)
    link = f'endpoint: "{endpoint}"\n    plaintext: true\n    projectId:'
    return str(found).replace("projectId:", link, 1).replace("sampleProbability: 0.01", "sampleProbability: 1")


async def test_the_example_of_its_page_in_a_whole_mixer(google: StackdriverServer, tmp_path: Path) -> None:
    """Of all templates, and what was merged is sent when Mixer ends."""
    file = tmp_path / "example.yaml"
    file.write_text(example(google.endpoint))
    running = mixer_process(SETTINGS, file)
    mixer = running.__enter__()
    try:
        async with grpc.aio.insecure_channel(mixer.address) as channel:
            send: Any = channel.unary_unary(REPORT)
            await send(Entries().report())
        await until(lambda: len(google.logs.entries) == len(google.traces.spans) == ENTRIES)
    finally:  # on another thread: the services answer on this one, until Mixer has ended
        await asyncio.to_thread(running.__exit__, None, None, None)
    counts: dict[str, int] = {}
    for series in google.points.series:
        value = series.points[0].value
        number = value.int64_value or value.distribution_value.count
        counts[series.metric.type] = counts.get(series.metric.type, 0) + number
    prefix = "custom.googleapis.com/mesh"
    assert counts == {f"{prefix}/request_count": ENTRIES, f"{prefix}/request_duration": ENTRIES}
    (edge,) = (entry for entry in google.logs.entries if entry.log_name.endswith("/mesh-edges"))
    assert edge.json_payload["calls"] == ENTRIES
    assert edge.json_payload["destination"]["workload_name"] == "reviews-v1"
    assert {entry.trace for entry in google.logs.entries if entry is not edge} == {
        span.name.partition("/spans/")[0] for span in google.traces.spans
    }
    resources = {series.resource.type: dict(series.resource.labels) for series in google.points.series}
    assert resources["k8s_pod"]["cluster_name"] == "east"
