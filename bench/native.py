"""The native Mixer API, bytes in to bytes out: what the functions themselves cost, without any transport.

A Check has 41 attributes and a report 100 entries of 47, as a proxy of Istio 1.4 sends them; the configuration is the
example's, with all standard metrics. CPU of the thread, the least of many rounds. The ratio is to parsing the message.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Callable
from typing import Any

from bench.table import table
from flotilla_cli.example import example_directory
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
from flotilla_mixer.testing.native import NativeClient
from flotilla_protos.istio.mixer.v1.mixer_pb2 import CheckRequest, ReportRequest
from flotilla_shared.model.expressions import Duration, Timestamp
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.runtime.serving import Call, Peer

ROUNDS = 200
ENTRIES = 100
SIDE = {
    "uid": "kubernetes://{0}-v1-abc.default",
    "namespace": "default",
    "labels": {"app": "{0}", "version": "v1"},
    "name": "{0}-v1-abc",
    "owner": "kubernetes://apis/apps/v1/namespaces/default/deployments/{0}-v1",
    "principal": "cluster.local/ns/default/sa/bookinfo-{0}",
    "workload.name": "{0}-v1",
    "workload.namespace": "default",
    "workload.uid": "istio://default/workloads/{0}-v1",
    "serviceAccount": "bookinfo-{0}",
}


def request_bag() -> dict[str, object]:
    """41 attributes, as a proxy has them before a request is answered."""
    bag: dict[str, object] = {
        "context.protocol": "http",
        "context.reporter.kind": "inbound",
        "context.reporter.uid": "kubernetes://reviews-v1-abc.default",
        "context.time": Timestamp(1767225600_000000000),
        "connection.mtls": True,
        "connection.requested_server_name": "outbound_.9080_._.reviews.default.svc.cluster.local",
        "destination.service.host": "reviews.default.svc.cluster.local",
        "destination.service.name": "reviews",
        "destination.service.namespace": "default",
        "destination.service.uid": "istio://default/services/reviews",
        "request.headers": {"user-agent": "python", "x-request-id": "1", ":path": "/reviews/0", "accept": "*/*"},
        "request.host": "reviews:9080",
        "request.method": "GET",
        "request.path": "/reviews/0",
        "request.scheme": "http",
        "request.useragent": "python",
        "request.time": Timestamp(1767225600_000000000),
        "request.id": "28f0304c-c1fe-4a9d-b291-7c9c32e2b5db",
        "source.ip": ipaddress.ip_address("10.0.0.1").packed,
        "destination.ip": ipaddress.ip_address("10.0.0.2").packed,
        "destination.port": 9080,
    }
    for side, name in (("source", "productpage"), ("destination", "reviews")):
        for key, value in SIDE.items():
            bag[f"{side}.{key}"] = (
                {k: v.format(name) for k, v in value.items()} if isinstance(value, dict) else value.format(name)
            )
    return bag


def report_bag() -> dict[str, object]:
    """47 attributes: those of the request, and what became of it."""
    return request_bag() | {
        "response.code": 200,
        "response.duration": Duration(23_456_789),
        "response.size": 358,
        "response.total_size": 601,
        "request.size": 0,
        "response.headers": {"content-type": "application/json", "server": "envoy"},
    }


def measure() -> str:
    return asyncio.run(_measure())


async def _measure() -> str:
    client = NativeClient(222)
    check = client.check_request(request_bag(), identifier="x").SerializeToString()
    report = client.report_request([report_bag()] * ENTRIES).SerializeToString()
    plain, ruled = _native(), _native(deny('source.labels["version"] == "v2" && request.method == "GET"'))
    rows: list[tuple[object, ...]] = []
    for message, kind, parts in (
        (
            check,
            CheckRequest,
            (("a Check, no rule applies", plain.check, 1), ("a Check, a rule looks", ruled.check, 1)),
        ),
        (report, ReportRequest, ((f"an entry of a report of {ENTRIES}", plain.report, ENTRIES),)),
    ):
        parse = _least(lambda message=message, kind=kind: kind.FromString(message)) / parts[0][2]
        rows.append((1.0, f"{parts[0][0].partition(',')[0]}: parsing alone", parse))
        for what, function, number in parts:
            cost = _least_call(function, message) / number
            rows.append((cost / parse, what, cost))
    title = f"The native API, bytes in to bytes out ({len(request_bag())} and {len(report_bag())} attributes)"
    return table(title, ("ratio", "what", "CPU us"), rows)


def _native(*rules: str) -> NativeMixer:
    files = sorted((example_directory() / "config").glob("*.yaml"))
    objects = read_objects(*(file.read_text() for file in files), *rules)
    metrics = MixerMetrics(ServiceMetrics("mixer"))
    failures, swap = Failures(metrics), Swap("istio-system")
    swap.put(build_configuration(objects, load_adapters(), "cluster.local"))
    dispatchers = CheckDispatcher(failures), QuotaDispatcher(failures), ReportDispatcher(failures)
    return NativeMixer(lambda: swap.table, *dispatchers, metrics, as_given=True)


def _least(work: Callable[[], Any]) -> float:
    """Microseconds of the quickest round."""
    best = float("inf")
    for _ in range(ROUNDS):
        begin = time.thread_time()
        work()
        best = min(best, time.thread_time() - begin)
    return best * 1e6


def _least_call(function: Callable[[list[Call]], None], message: bytes) -> float:
    loop = asyncio.get_running_loop()
    best = float("inf")
    for _ in range(ROUNDS):
        call = Call("", message, (), Peer(""), None, loop.create_future())
        begin = time.thread_time()
        function([call])
        best = min(best, time.thread_time() - begin)
        assert call.done
    return best * 1e6
