"""The prometheus adapter against Prometheus itself: scraped, written to, away, and in its own place as a sender."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from flotilla_mixer.adapters.prometheus.adapter import Prometheus
from flotilla_mixer.adapters.prometheus.page import metrics_app
from flotilla_mixer.adapters.prometheus.remote_write.settings import settings_of
from flotilla_mixer.adapters.prometheus.remote_write.writer import RemoteWriter
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.templates.catalogue import METRIC
from flotilla_mixer.testing.conformance.samples import sample_spec
from flotilla_mixer.testing.handlers import Background
from flotilla_mixer.testing.prometheus_server import RECEIVER, PrometheusServer, demand_prometheus
from flotilla_mixer.testing.remote_write_receiver import RemoteWriteReceiver, Written, series_of
from flotilla_mixer.testing.running import Running
from flotilla_protos.istio.mixer.adapter.prometheus.config.config_pb2 import Params
from flotilla_shared.runtime.http import HttpServer

pytestmark = pytest.mark.real

CALLS = sample_spec(METRIC, ("code", "trace_id", "who"), name="calls.instance.ns")
COUNTED = {
    "instanceName": CALLS.name,
    "name": "calls_total",
    "kind": "COUNTER",
    "labelNames": ["code", "who"],
    "exemplarDimensions": ["trace_id"],
}
TIMED = COUNTED | {"name": "took", "kind": "DISTRIBUTION", "buckets": {"explicit_buckets": {"bounds": [1, 10, 100]}}}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
# Without what is escaped on the page: Prometheus 2.42 takes escapes out of labels of series, and not of exemplars.
ODD_TRACE = "odd {trace}, = # ü"
OUTAGE_SECONDS, RETURN_SECONDS = 20.0, 10.0
ENTRIES_A_SECOND, TURN_SECONDS = 5_000, 0.02


class Handled:
    """A handler with its page, on a port."""

    def __init__(self) -> None:
        self.adapter, self.background = Prometheus(), Background()
        self.page = HttpServer(metrics_app(self.adapter.store), "127.0.0.1", 0)
        self.handler: Any = None

    def build(self, **write: Any) -> None:
        content: dict[str, Any] = {"metrics": [COUNTED, TIMED]}
        if write:
            content["remoteWrite"] = {"interval": "1s", **write}
        params = json_format.ParseDict(content, Params())
        assert list(self.adapter.validate(params, [CALLS])) == []
        self.handler = self.adapter.build(params, [CALLS], self.background)

    def report(self, *values: Any, code: int = 200, who: str = "a", trace: str = "") -> None:
        rows = [(value, None, (str(code), trace, who), ()) for value in values]
        self.handler.report([ReportBatch(CALLS, rows)])

    async def close(self) -> None:
        await self.background.stop(10)
        ending = self.handler.close()
        if ending is not None:
            await ending

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.page.ports[0]}"


@pytest.fixture
async def handled() -> AsyncIterator[Handled]:
    found = Handled()
    await found.page.start()
    yield found
    await found.page.stop()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., PrometheusServer]]:
    demand_prometheus()
    servers: list[PrometheusServer] = []

    def start(*targets: str, write_to: str = "") -> PrometheusServer:
        folder = tmp_path / f"prometheus-{len(servers)}"
        folder.mkdir()
        server = PrometheusServer(folder, targets, RECEIVER, write_to)
        servers.append(server)
        server.start()
        return server

    yield start
    for each in servers:
        each.stop()


async def until(what: Callable[[], Awaitable[Any]], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not await what():
            await asyncio.sleep(0.05)


async def demand_counts(prometheus: PrometheusServer) -> None:
    """Prometheus knows exactly what `report_some` reported."""

    async def there() -> bool:
        return await asyncio.to_thread(prometheus.value, "sum(istio_calls_total)") == 1066

    await until(there)
    by_code = {
        dict(labels)["code"]: value
        for labels, value in (await asyncio.to_thread(prometheus.query, "istio_calls_total")).items()
    }
    assert by_code == {"200": 66, "404": 1000}
    buckets = await asyncio.to_thread(prometheus.query, "sum by (le) (istio_took_bucket)")
    assert {dict(labels)["le"]: value for labels, value in buckets.items()} == {
        "1.0": 1,
        "10.0": 2,
        "100.0": 3,
        "+Inf": 4,
    }
    assert await asyncio.to_thread(prometheus.value, "sum(istio_took_count)") == 4
    assert await asyncio.to_thread(prometheus.value, "sum(istio_took_sum)") == 1066
    assert await asyncio.to_thread(prometheus.value, "histogram_quantile(0.5, sum by (le) (istio_took_bucket))") == 10


def report_some(handled: Handled) -> None:
    handled.report(1, 5, 60, trace=TRACE)
    handled.report(1000, code=404, trace=ODD_TRACE)


async def demand_exemplars(prometheus: PrometheusServer) -> None:
    async def there() -> bool:
        return len(await asyncio.to_thread(prometheus.exemplars, '{__name__=~"istio_.+"}')) == 6

    await until(there)
    found = {
        (each["seriesLabels"]["__name__"], each["seriesLabels"]["code"], each["seriesLabels"].get("le", "")): {
            (tuple(one["labels"].items()), float(one["value"])) for one in each["exemplars"]
        }
        for each in await asyncio.to_thread(prometheus.exemplars, '{__name__=~"istio_.+"}')
    }
    trace, odd = (("trace_id", TRACE),), (("trace_id", ODD_TRACE),)
    assert found == {
        ("istio_calls_total", "200", ""): {(trace, 60)},
        ("istio_calls_total", "404", ""): {(odd, 1000)},
        ("istio_took_bucket", "200", "1.0"): {(trace, 1)},
        ("istio_took_bucket", "200", "10.0"): {(trace, 5)},
        ("istio_took_bucket", "200", "100.0"): {(trace, 60)},
        ("istio_took_bucket", "404", "+Inf"): {(odd, 1000)},
    }


async def test_prometheus_scrapes_exactly_what_was_reported(
    handled: Handled, started: Callable[..., PrometheusServer]
) -> None:
    handled.build()
    prometheus = started(handled.target)
    report_some(handled)
    await demand_counts(prometheus)
    await demand_exemplars(prometheus)
    assert await asyncio.to_thread(prometheus.value, "up") == 1
    await handled.close()


async def test_prometheus_takes_exactly_what_was_reported(
    handled: Handled, started: Callable[..., PrometheusServer]
) -> None:
    prometheus = started()
    handled.build(url=f"{prometheus.url}/api/v1/write", externalLabels={"mesh": "m"})
    report_some(handled)
    await demand_counts(prometheus)
    await demand_exemplars(prometheus)
    assert {dict(each)["mesh"] for each in await asyncio.to_thread(prometheus.query, "istio_calls_total")} == {"m"}
    await handled.close()
    assert handled.background.counted("dropped") == {}

    async def ended() -> bool:
        return await asyncio.to_thread(prometheus.query, '{__name__=~"istio_.+"}') == {}

    await until(ended, 5)  # Prometheus itself would wait for five minutes


async def test_samples_out_of_order_are_refused_counted_and_not_tried_again(
    handled: Handled, started: Callable[..., PrometheusServer]
) -> None:
    prometheus = started()
    write = {"url": f"{prometheus.url}/api/v1/write", "externalLabels": {"instance": "one"}}
    handled.build(**write)
    handled.report(7)

    async def there() -> bool:
        return await asyncio.to_thread(prometheus.value, "istio_calls_total") == 7

    await until(there)
    other = Background()
    params = json_format.ParseDict({"metrics": [COUNTED], "remoteWrite": {"interval": "1s", **write}}, Params())
    family = handled.adapter.store.families()[0]
    late = RemoteWriter([family], lambda: [], settings_of(params.remote_write), other, lambda: time.time() - 60)

    async def refused() -> bool:
        return "refused" in other.counted("dropped")

    await until(refused)
    assert other.counted("retries") == {}
    handled.report(1)

    async def grown() -> bool:
        return await asyncio.to_thread(prometheus.value, "istio_calls_total") == 8

    await until(grown)
    await other.stop()
    await late.close()
    await handled.close()
    assert handled.background.counted("dropped") == {}


async def test_an_outage_loses_nothing_of_what_is_counted(
    handled: Handled, started: Callable[..., PrometheusServer]
) -> None:
    """5,000 entries a second, Prometheus away for 20 s: reports return at once, and afterwards it knows all of them, by both
    ways.
    """
    prometheus = started(handled.target)
    handled.build(url=f"{prometheus.url}/api/v1/write", externalLabels={"job": "written"})
    handled.report(1)

    async def there() -> bool:
        return len(await asyncio.to_thread(prometheus.query, "istio_calls_total")) == 2

    await until(there)
    prometheus.stop()
    given, slowest = 1, 0.0
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while loop.time() - begun < OUTAGE_SECONDS:
        before = time.thread_time()
        handled.report(*[1] * int(ENTRIES_A_SECOND * TURN_SECONDS))
        slowest = max(slowest, time.thread_time() - before)
        given += int(ENTRIES_A_SECOND * TURN_SECONDS)
        await asyncio.sleep(TURN_SECONDS)
    assert handled.background.counted("waiting").get("", 0) <= 2 * len(handled.adapter.store.families())
    prometheus.start()
    back = loop.time()

    async def all_there() -> bool:
        found = await asyncio.to_thread(prometheus.query, "istio_calls_total")
        return len(found) == 2 and set(found.values()) == {given}

    await until(all_there, RETURN_SECONDS)
    print(f"{given} entries; known {loop.time() - back:.1f} s after the return; slowest report {slowest * 1e3:.2f} ms")
    await handled.close()


def of_ours(written: Written) -> dict[Any, Any]:
    """The last value of each of our series by its labels."""
    return {key: samples[-1].value for key, samples in series_of(written, "istio_")}


async def test_prometheus_as_an_agent_writes_what_we_write(
    handled: Handled, started: Callable[..., PrometheusServer]
) -> None:
    """The same page once scraped by Prometheus and written by it, and once written by us: the receivers decode the same."""
    demand_prometheus()
    theirs, ours = RemoteWriteReceiver(), RemoteWriteReceiver()
    await theirs.start()
    await ours.start()
    handled.build(url=ours.url, externalLabels={"instance": handled.target, "job": "scraped"})
    report_some(handled)
    handled.report(3, who="")  # an empty label is none
    agent = started(handled.target, write_to=theirs.url)

    async def there() -> bool:
        found = [of_ours(each.written) for each in (theirs, ours)]
        described = {"istio_calls", "istio_took"} <= theirs.written.metadata.keys()
        return bool(found[0]) and found[0].keys() == found[1].keys() and described and bool(theirs.written.exemplars)

    await until(there)
    assert of_ours(theirs.written) == of_ours(ours.written)
    assert {k: {each[:2] for each in v} for k, v in theirs.written.exemplars.items()} == {
        k: {each[:2] for each in v} for k, v in ours.written.exemplars.items()
    }
    assert {k: v for k, v in theirs.written.metadata.items() if k.startswith("istio_")} == ours.written.metadata
    assert (theirs.wrong, ours.wrong) == ([], [])
    agent.stop()
    await handled.close()
    await theirs.stop()
    await ours.stop()


CONFIGURATION = """
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {{name: prometheus, namespace: istio-system}}
spec:
  compiledAdapter: prometheus
  params:
    metrics:
    - {{name: seen_total, instanceName: seen.instance.istio-system, kind: COUNTER, labelNames: [code], exemplarDimensions: [trace_id]}}
    remoteWrite: {{url: "{url}", interval: 1s}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {{name: seen, namespace: istio-system}}
spec:
  compiledTemplate: metric
  params:
    value: "1"
    dimensions: {{code: response.code | 0, trace_id: 'request.headers["x-b3-traceid"] | ""'}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {{name: tell, namespace: istio-system}}
spec:
  actions: [{{handler: prometheus, instances: [seen]}}]
"""


async def test_in_a_whole_mixer(running: Running, started: Callable[..., PrometheusServer]) -> None:
    """A log entry of a sidecar becomes a series of Prometheus and its exemplar; both end with the handler."""
    prometheus = started()
    await running.put(CONFIGURATION.format(url=f"{prometheus.url}/api/v1/write"))
    headers = {"request_headers": {"x-b3-traceid": TRACE}}
    await running.report({"response": {"response_code": 503}, "request": headers})

    async def there() -> bool:
        return await asyncio.to_thread(prometheus.value, 'istio_seen_total{code="503"}') == 1

    await until(there)
    (series,) = await asyncio.to_thread(prometheus.exemplars, "istio_seen_total")
    assert [each["labels"] for each in series["exemplars"]] == [{"trace_id": TRACE}]
    await running.put("")

    async def ended() -> bool:
        return await asyncio.to_thread(prometheus.query, "istio_seen_total") == {}

    await until(ended)
