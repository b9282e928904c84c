"""Prometheus' remote write: label sets encoded by hand, beside protobuf's library. An entry is a sample; nothing is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cramjam
from google.protobuf import json_format

from bench.page import COUNTED, DIMENSIONS, METRICS, SETS, TIMED
from bench.sending import Sent, least
from flotilla_mixer.adapters.prometheus.adapter import Prometheus
from flotilla_mixer.adapters.prometheus.remote_write import wire
from flotilla_mixer.adapters.prometheus.remote_write.encoding import FamilyEncoder
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.testing.handlers import Background
from flotilla_protos.istio.mixer.adapter.prometheus.config.config_pb2 import Params
from flotilla_protos.prometheus import remote_pb2 as messages

EXTERNAL = {"job": "mixer", "instance": "mixer-0"}


def senders() -> Iterator[Sent]:
    """Both give the same series; the adapter's labels are encoded once, as a handler keeps them."""
    ours = _rounds()
    read = messages.WriteRequest.FromString(ours())
    samples = len(read.timeseries)
    for what, write in (
        ("remote write: the adapter, labels kept as bytes, snappy", ours),
        ("remote write: protobuf's library, snappy", lambda: _library(read)),
    ):
        size = len(bytes(_snappy(write())))
        yield Sent(what, least(lambda write=write: _snappy(write()), samples), size / samples)
    yield Sent("the same without snappy", least(ours, samples), len(ours()) / samples)


def _snappy(content: bytes) -> Any:
    return cramjam.snappy.compress_raw(content)


def _rounds() -> Callable[[], bytes]:
    """One round of SETS label sets of a counter and of a histogram."""
    adapter = Prometheus()
    params = json_format.ParseDict({"metrics": METRICS}, Params())
    handler = adapter.build(params, [COUNTED, TIMED], Background())
    rows = [(1, None, DIMENSIONS[number], ()) for number in range(SETS)]
    handler.report([ReportBatch(COUNTED, rows), ReportBatch(TIMED, rows)])
    due = [
        (encoder, series, encoder.labels(series))
        for family in adapter.store.families()
        for encoder in [FamilyEncoder(family.shape, EXTERNAL)]
        for series in family.series()
    ]
    when = wire.moment(1_700_000_000_000)
    return lambda: b"".join([encoder.encode(series, labels, when, 0.0) for encoder, series, labels in due])


def _library(read: Any) -> bytes:
    """The same request, made of its texts and numbers."""
    request = messages.WriteRequest()
    for each in read.timeseries:
        made = request.timeseries.add()
        for label in each.labels:
            made.labels.add(name=label.name, value=label.value)
        made.samples.add(value=each.samples[0].value, timestamp=each.samples[0].timestamp)
    content: bytes = request.SerializeToString()
    return content
