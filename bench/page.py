"""The prometheus adapter beside the Python client library: values in, page out, in the same run."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf import json_format
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_open_metrics

from bench.table import table
from flotilla_mixer.adapters.prometheus.adapter import Prometheus
from flotilla_mixer.adapters.prometheus.page import render
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.templates.catalogue import METRIC
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.handlers import Background
from flotilla_protos.istio.mixer.adapter.prometheus.config.config_pb2 import Params
from flotilla_shared.model.expressions import ValueType

LABELS = tuple(f"label_{number:02}" for number in range(20))  # as many as 1.4's standard metrics have
SETS = 500
ENTRIES = 100  # of one message
BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
COUNTED = InstanceSpec("count.instance.bench", METRIC, {"value": ValueType.INT64}, {"dimensions": LABELS})
TIMED = InstanceSpec("time.instance.bench", METRIC, {"value": ValueType.DOUBLE}, {"dimensions": LABELS})
METRICS = [
    {"name": "requests_total", "instanceName": COUNTED.name, "kind": "COUNTER", "labelNames": LABELS},
    {
        "name": "seconds",
        "instanceName": TIMED.name,
        "kind": "DISTRIBUTION",
        "labelNames": LABELS,
        "buckets": {"explicitBuckets": {"bounds": BOUNDS}},
    },
]
ROUNDS = 5


def _dimensions(number: int) -> tuple[str, ...]:
    return tuple(f"value-{place}-{number if place in (3, 7) else 0}" for place in range(len(LABELS)))


DIMENSIONS = [_dimensions(number) for number in range(SETS)]


def measure() -> str:
    ours, report = _ours()
    library, observe = _library()
    _same(render(ours.store), generate_latest(library))
    rows: list[tuple[object, ...]] = []
    pairs: Sequence[tuple[str, float, Callable[[], object], Callable[[], object]]] = (
        ("a value of a counter and of a histogram", 2 * ENTRIES, report, observe),
        ("a series on the page", 2 * SETS, lambda: render(ours.store), lambda: generate_latest(library)),
        (
            "the same in OpenMetrics",
            2 * SETS,
            lambda: render(ours.store, open_metrics=True),
            lambda: generate_open_metrics(library),
        ),
    )
    for what, number, own, other in pairs:
        mine, theirs = _least(own, other)
        rows.append((theirs / mine, what, mine / number, theirs / number))
    title = f"The prometheus adapter and the client library: {SETS} label sets of {len(LABELS)} labels, a counter and a histogram"
    return table(title, ("ratio", "what", "adapter, CPU us", "prometheus_client, CPU us"), rows)


def _least(*works: Callable[[], object]) -> list[float]:
    """Microseconds of the quickest round of each; rounds take turns."""
    best = [float("inf")] * len(works)
    for _ in range(ROUNDS):
        for place, work in enumerate(works):
            gc.collect()
            begin = time.thread_time()
            work()
            best[place] = min(best[place], time.thread_time() - begin)
    return [each * 1e6 for each in best]


def _ours() -> tuple[Prometheus, Callable[[], object]]:
    adapter = Prometheus()
    params = json_format.ParseDict({"metrics": METRICS}, Params())
    handler = adapter.build(params, [COUNTED, TIMED], Background())
    for dimensions in DIMENSIONS:
        handler.report(_batches([dimensions]))
    # A message's rows are tuples of their own, as the dispatcher makes them.
    message = _batches([(*each,) for each in map(list, DIMENSIONS[:ENTRIES])])
    return adapter, lambda: handler.report(message)


def _batches(sets: Sequence[tuple[str, ...]]) -> list[ReportBatch]:
    return [
        ReportBatch(COUNTED, [(1, None, each, ()) for each in sets]),
        ReportBatch(TIMED, [(0.02, None, each, ()) for each in sets]),
    ]


def _library() -> tuple[CollectorRegistry, Callable[[], object]]:
    registry = CollectorRegistry()
    counter = Counter("istio_requests_total", "requests_total", LABELS, registry=registry)
    histogram = Histogram("istio_seconds", "seconds", LABELS, registry=registry, buckets=BOUNDS)

    def observe(sets: Sequence[tuple[str, ...]] = DIMENSIONS[:ENTRIES]) -> None:
        for each in sets:
            counter.labels(*each).inc(1)
            histogram.labels(*each).observe(0.02)

    observe(DIMENSIONS)
    return registry, observe


def _same(ours: bytes, theirs: bytes) -> None:
    """Both pages tell of the same series, so that they are worth comparing. Raises ValueError."""
    counts: list[Any] = [sum(not line.startswith(b"#") for line in page.splitlines()) for page in (ours, theirs)]
    if counts[0] != counts[1]:
        raise ValueError(f"the adapter's page has {counts[0]} lines and the library's {counts[1]}")
