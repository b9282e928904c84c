"""Zipkin's backend is a server that reads spans strictly; `test_mixer_zipkin_real.py` has Zipkin itself."""

from __future__ import annotations

from typing import Any

from flotilla_mixer.adapters.zipkin.adapter import Zipkin
from flotilla_mixer.templates.catalogue import TRACE_SPAN
from flotilla_mixer.testing.conformance.case import AdapterCase
from flotilla_mixer.testing.conformance.samples import sample_row, sample_spec
from flotilla_mixer.testing.zipkin_spans import SpanReceiver

SPEC = sample_spec(TRACE_SPAN, ("http.method", "http.path"))
IDS = {
    "trace_id": "463ac35c9f6413ad48485a3953bb6124",
    "span_id": "a2fb4a1d1a96d312",
    "parent_span_id": "20000000000001",
}


def row_of(spec: Any = SPEC, **values: object) -> tuple[Any, ...]:
    """A row with ids, and these values in place of the samples'."""
    given = IDS | values
    fields = spec.template.fields
    sample = sample_row(spec)
    return (*(given.get(name, sample[place]) for place, name in enumerate(fields)), *sample[len(fields) :])


CASE = AdapterCase(
    Zipkin,
    rows={SPEC: [row_of()] * 3},
    params={"url": "http://127.0.0.1:1", "flushDuration": "0s"},
    secrets={
        "passwordFile": {"username": "mixer", "passwordFile": "/elsewhere/password"},
        "bearerTokenFile": {"bearerTokenFile": "/elsewhere/token"},
    },
    wrong=[
        ({"url": "zipkin:9411"}, "spec.params.url"),
        ({"url": "http://"}, "spec.params.url"),
        ({"url": "ftp://zipkin/"}, "spec.params.url"),
        ({"url": "http://zipkin:port"}, "spec.params.url"),
        ({"url": "http://me:secret@zipkin:9411"}, "spec.params.url"),
        ({"sampleProbability": -0.1}, "spec.params.sampleProbability"),
        ({"sampleProbability": 1.1}, "spec.params.sampleProbability"),
        ({"sampleProbability": "NaN"}, "spec.params.sampleProbability"),
        ({"encoding": 7}, "spec.params.encoding"),
        ({"maxTagLength": -1}, "spec.params.maxTagLength"),
        ({"flushDuration": "-1s"}, "spec.params.flushDuration"),
        ({"flushDuration": "2m"}, "spec.params.flushDuration"),
        ({"flushSpans": 10_001}, "spec.params.flushSpans"),
        ({"gzipBytes": -1}, "spec.params.gzipBytes"),
        ({"username": "mixer"}, "spec.params.passwordFile"),
        ({"passwordFile": "/secret"}, "spec.params.passwordFile"),
        ({"username": "mi:xer", "passwordFile": "/secret"}, "spec.params.username"),
        ({"username": "mixer", "passwordFile": "/secret", "bearerTokenFile": "/token"}, "spec.params.bearerTokenFile"),
        ({"caFile": "/ca.pem"}, "spec.params.caFile"),
    ],
    backend=SpanReceiver,
)
