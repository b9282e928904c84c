"""Exemplars of the prometheus adapter: which calls have one, how long it may be, and how the page shows it."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open_metrics

from flotilla_mixer.adapters.prometheus.adapter import Prometheus
from flotilla_mixer.adapters.prometheus.exemplars import LONGEST, Exemplar, ExemplarMaker
from flotilla_mixer.adapters.prometheus.page import render
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.templates.catalogue import METRIC
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.handlers import Background
from flotilla_protos.istio.mixer.adapter.prometheus.config.config_pb2 import Params
from flotilla_shared.model.expressions import ValueType

SPEC = InstanceSpec(
    "calls.instance.ns", METRIC, {"value": ValueType.DOUBLE}, {"dimensions": ("code", "trace_id", "who")}
)
LABELS = {"instanceName": SPEC.name, "labelNames": ["who", "code"], "exemplarDimensions": ["trace_id"]}
CALLS = LABELS | {"name": "calls_total", "kind": "COUNTER"}
TOOK = LABELS | {"name": "took", "kind": "DISTRIBUTION", "buckets": {"explicit_buckets": {"bounds": [1, 10]}}}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def built(*metrics: dict[str, Any], background: Background | None = None) -> tuple[Prometheus, Any]:
    adapter, params = Prometheus(), json_format.ParseDict({"metrics": list(metrics)}, Params())
    assert list(adapter.validate(params, [SPEC])) == []
    return adapter, adapter.build(params, [SPEC], background or Background())


def row(value: float, trace: str = TRACE, who: str = "a", code: int = 200) -> tuple[Any, ...]:
    return (value, None, (code, trace, who), ())


def exemplars(adapter: Prometheus) -> dict[tuple[str, str], tuple[Any, ...]]:
    """(sample's name, its bound or nothing) -> labels and value, as the strict reader of OpenMetrics has them."""
    families = read_open_metrics(render(adapter.store, open_metrics=True).decode())
    return {
        (sample.name, sample.labels.get("le", "")): (sample.exemplar.labels, sample.exemplar.value)
        for family in families
        for sample in family.samples
        if sample.exemplar
    }


def test_a_counter_and_each_bucket_have_the_last_one() -> None:
    adapter, handler = built(CALLS, TOOK)
    before = time.time()
    handler.report([ReportBatch(SPEC, [row(0.5, "one"), row(5, "two"), row(7, "three"), row(100, "four")])])
    assert exemplars(adapter) == {
        ("istio_calls_total", ""): ({"trace_id": "four"}, 100),
        ("istio_took_bucket", "1.0"): ({"trace_id": "one"}, 0.5),
        ("istio_took_bucket", "10.0"): ({"trace_id": "three"}, 7),
        ("istio_took_bucket", "+Inf"): ({"trace_id": "four"}, 100),
    }
    (family, *_) = read_open_metrics(render(adapter.store, open_metrics=True).decode())
    assert before - 1 < float(family.samples[0].exemplar.timestamp) < time.time() + 1


def test_the_trace_is_no_label_and_values_count_with_or_without_it() -> None:
    adapter, handler = built(CALLS)
    handler.report([ReportBatch(SPEC, [row(1, "one"), row(2, ""), row(4, "three")])])
    text = [line for line in render(adapter.store).decode().splitlines() if not line.startswith("#")]
    assert text == ['istio_calls_total{code="200",who="a"} 7'], "the text format has no exemplars"
    assert exemplars(adapter) == {("istio_calls_total", ""): ({"trace_id": "three"}, 4)}


def test_what_is_no_counter_in_open_metrics_shows_none() -> None:
    adapter, handler = built(CALLS | {"name": "calls"})
    handler.report([ReportBatch(SPEC, [row(1)])])
    assert exemplars(adapter) == {}


LENGTHS = [
    ("x" * (LONGEST - len("trace_id")), True),
    ("x" * (LONGEST - len("trace_id") + 1), False),
    ("ü" * (LONGEST - len("trace_id")), True),  # characters and not bytes
]


@pytest.mark.parametrize(("trace", "shown"), LENGTHS)
def test_one_that_is_too_long_is_left_out_and_told_and_its_value_counts(trace: str, shown: bool) -> None:
    background = Background()
    adapter, handler = built(CALLS, background=background)
    handler.report([ReportBatch(SPEC, [row(3, trace)])])
    assert bool(exemplars(adapter)) is shown
    assert background.counted("backend_errors") == ({} if shown else {"exemplar": 1})
    assert b"istio_calls_total" in render(adapter.store)
    assert b" 3" in render(adapter.store)


def test_rows_that_do_not_fit_are_told() -> None:
    adapter, handler = built(CALLS)
    with pytest.raises(ValueError, match="cannot fall"):
        handler.report([ReportBatch(SPEC, [row(-1), row(float("nan")), (1, None, (200,), ()), row(2)])])
    assert b" 2\n" in render(adapter.store)


def test_label_sets_are_bounded_as_without() -> None:
    adapter, handler = built(CALLS)
    adapter.store.limit = 1
    handler.report([ReportBatch(SPEC, [row(1, who="a"), row(1, who="b")])])
    assert adapter.store.count == 1


WRONG = [
    (CALLS | {"kind": "GAUGE"}, "spec.params.metrics[0].exemplarDimensions"),
    (CALLS | {"exemplarDimensions": ["trace~id"]}, "spec.params.metrics[0].exemplarDimensions"),
    (CALLS | {"exemplarDimensions": ["trace_id", "who"]}, "spec.params.metrics[0].exemplarDimensions"),
    (CALLS | {"exemplarDimensions": []}, "spec.params.metrics"),
    (CALLS | {"exemplarDimensions": ["other"]}, "spec.params.metrics"),
]


@pytest.mark.parametrize(("metric", "field"), WRONG)
def test_parameters_that_cannot_be(metric: dict[str, Any], field: str) -> None:
    params = json_format.ParseDict({"metrics": [metric]}, Params())
    assert field in [fault.field for fault in Prometheus().validate(params, [SPEC])]


# The reader of prometheus_client takes the first "}" for the end of an exemplar's labels, so odd ones are read here.
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\\n]|\\[\\n"])*)"')
EXEMPLAR = re.compile(rf"# \{{({LABEL.pattern}(?:,{LABEL.pattern})*)\}} (\S+) \d+\.\d{{3}}")
UNESCAPED = {"\\\\": "\\", "\\n": "\n", '\\"': '"'}


def read_exemplar(line: str) -> tuple[dict[str, str], float] | None:
    """What is behind the value of the series {who="w"}; None where there is nothing. AssertionError for no exemplar."""
    rest = re.fullmatch(r'istio_c_total\{who="w"\} \S+ ?(.*)', line, re.DOTALL)
    assert rest is not None
    if not rest[1]:
        return None
    found = EXEMPLAR.fullmatch(rest[1])
    assert found is not None
    labels = {name: re.sub(r"\\.", lambda each: UNESCAPED[each[0]], text) for name, text in LABEL.findall(found[1])}
    return labels, float(found.groups()[-1])


@given(st.text(max_size=200), st.text(max_size=200), st.floats(0, 1e9))
def test_whatever_a_trace_is_the_page_can_be_read(first: str, second: str, value: float) -> None:
    spec = InstanceSpec("c", METRIC, {"value": ValueType.DOUBLE}, {"dimensions": ("a", "b", "who")})
    info = {"instanceName": "c", "name": "c_total", "kind": "COUNTER", "exemplarDimensions": ["a", "b"]}
    adapter = Prometheus()
    params = json_format.ParseDict({"metrics": [info | {"labelNames": ["who"]}]}, Params())
    handler = adapter.build(params, [spec], Background())
    handler.report([ReportBatch(spec, [(value, None, (first, second, "w"), ())])])
    _, _, line, _, _ = render(adapter.store, open_metrics=True).decode().split("\n")
    wanted = {k: v.encode(errors="replace").decode() for k, v in {"a": first, "b": second}.items() if v}
    short = sum(len(k) + len(v) for k, v in wanted.items()) <= LONGEST
    assert read_exemplar(line) == ((wanted, value) if wanted and short else None)


def test_an_exemplar_has_its_labels_in_order() -> None:
    maker = ExemplarMaker([("z", 0), ("a", 1)])
    assert maker.make((1, True), 2.5, 9.0) == Exemplar((("a", "true"), ("z", "1")), 2.5, 9.0)
