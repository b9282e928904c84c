"""The prometheus adapter: names and buckets, values and what is refused, the page and its forms."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections import Counter
from typing import Any

import httpx
import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open_metrics
from prometheus_client.parser import text_string_to_metric_families

from flotilla_mixer.adapters.prometheus.accepted import accepts_gzip, prefers_open_metrics
from flotilla_mixer.adapters.prometheus.adapter import Prometheus
from flotilla_mixer.adapters.prometheus.names import (
    DEFAULT_BUCKETS,
    MOST_BUCKETS,
    bucket_bounds,
    metric_name,
    sanitise,
)
from flotilla_mixer.adapters.prometheus.page import SCRAPES_AT_ONCE, metrics_app, pieces, render
from flotilla_mixer.adapters.prometheus.series import number_text
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.templates.catalogue import METRIC
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.handlers import Background
from flotilla_protos.istio.mixer.adapter.prometheus.config.config_pb2 import Params
from flotilla_shared.model.expressions import Duration, ValueType

NAMES = [
    ("/a/b.c d-e", "a_b_c_de"),
    ("requests_total", "requests_total"),
    ("a:b", "a:b"),
]


@pytest.mark.parametrize(("name", "expected"), NAMES)
def test_names_are_made_fit(name: str, expected: str) -> None:
    assert sanitise(name) == expected


FULL_NAMES = [
    ({"name": "x", "instanceName": "y.instance.ns"}, "istio_x"),
    ({"instanceName": "y.instance.ns"}, "istio_y_instance_ns"),
    ({"name": "x", "namespace": "own"}, "own_x"),
]


@pytest.mark.parametrize(("info", "expected"), FULL_NAMES)
def test_full_names(info: dict[str, str], expected: str) -> None:
    assert metric_name(json_format.ParseDict(info, Params.MetricInfo())) == expected


BUCKETS = [
    ({}, DEFAULT_BUCKETS),
    ({"explicit_buckets": {"bounds": [1, 2, 3]}}, (1, 2, 3)),
    ({"linear_buckets": {"num_finite_buckets": 2, "width": 10, "offset": 1}}, (1, 11, 21)),
    ({"exponential_buckets": {"num_finite_buckets": 3, "scale": 1, "growth_factor": 10}}, (1, 10, 100, 1000)),
]


@pytest.mark.parametrize(("definition", "expected"), BUCKETS)
def test_buckets(definition: dict[str, Any], expected: tuple[float, ...]) -> None:
    found = json_format.ParseDict(definition, Params.MetricInfo.BucketsDefinition())
    assert bucket_bounds(found) == expected


@pytest.mark.parametrize("bounds", [[], [1, 1], [2, 1]])
def test_buckets_that_do_not_grow(bounds: list[float]) -> None:
    found = Params.MetricInfo.BucketsDefinition()
    found.explicit_buckets.bounds.extend(bounds)
    found.explicit_buckets.SetInParent()
    with pytest.raises(ValueError, match="grow"):
        bucket_bounds(found)


def spec(
    name: str = "size.instance.ns", dimensions: tuple[str, ...] = ("code", "who"), value: ValueType = ValueType.INT64
) -> InstanceSpec:
    return InstanceSpec(name, METRIC, {"value": value}, {"dimensions": dimensions})


def params(**changes: Any) -> Any:
    metric = {
        "name": "size_total",
        "instanceName": "size.instance.ns",
        "kind": "COUNTER",
        "labelNames": ["who", "code"],
    }
    return json_format.ParseDict({"metrics": [metric | changes]}, Params())


def row(value: object, *dimensions: object) -> tuple[Any, ...]:
    return (value, None, dimensions, ())


def page(adapter: Prometheus) -> list[str]:
    return [line for line in render(adapter.store).decode().splitlines() if not line.startswith("#")]


def test_a_counter_counts_by_its_labels() -> None:
    adapter = Prometheus()
    handler = adapter.build(params(), [spec()], Background())
    handler.report([ReportBatch(spec(), [row(1, 200, "a"), row(2, 200, "a"), row(5, 404, "b")])])
    assert page(adapter) == ['istio_size_total{code="200",who="a"} 3', 'istio_size_total{code="404",who="b"} 5']


def test_a_counter_has_exactly_the_name_it_is_given() -> None:
    adapter = Prometheus()
    handler = adapter.build(params(name="hits"), [spec()], Background())
    handler.report([ReportBatch(spec(), [row(1, 200, "a")])])
    assert page(adapter) == ['istio_hits{code="200",who="a"} 1']


def test_a_gauge_and_a_distribution() -> None:
    adapter = Prometheus()
    gauge = adapter.build(params(name="g", kind="GAUGE"), [spec()], Background())
    gauge.report([ReportBatch(spec(), [row(3, 200, "a"), row(2, 200, "a")])])
    assert page(adapter) == ['istio_g{code="200",who="a"} 2']
    other = spec("time.instance.ns", (), ValueType.DURATION)
    buckets = {"explicit_buckets": {"bounds": [1, 10]}}
    timed = params(name="t", kind="DISTRIBUTION", buckets=buckets, labelNames=[], instanceName="time.instance.ns")
    adapter.build(timed, [other], Background()).report([ReportBatch(other, [row(Duration(2_500_000_000))])])
    lines = page(adapter)
    assert 'istio_t_bucket{le="1"} 0' in lines
    assert 'istio_t_bucket{le="10"} 1' in lines
    assert "istio_t_sum 2.5" in lines


WRONG_METRICS = [
    ({"kind": "UNSPECIFIED"}, "spec.params.metrics[0].kind"),
    ({"instanceName": ""}, "spec.params.metrics[0].instanceName"),
    ({"name": "a~b"}, "spec.params.metrics[0].name"),
    ({"labelNames": ["who", "co~de"]}, "spec.params.metrics[0].labelNames"),
    ({"labelNames": ["who", "who", "code"]}, "spec.params.metrics[0].labelNames"),
    ({"buckets": {"explicit_buckets": {"bounds": [2, 1]}}}, "spec.params.metrics[0].buckets"),
    ({"labelNames": ["who"]}, "spec.params.metrics"),  # not the instance's dimensions
    ({"instanceName": "other.instance.ns"}, "spec.params.metrics"),  # nobody has the instance's name
]


@pytest.mark.parametrize(("changes", "field"), WRONG_METRICS)
def test_a_metric_that_cannot_be(changes: dict[str, Any], field: str) -> None:
    assert field in [fault.field for fault in Prometheus().validate(params(**changes), [spec()])]


def test_two_metrics_of_one_name_and_a_value_that_is_no_number() -> None:
    twice = params()
    twice.metrics.append(twice.metrics[0])
    assert [fault.field for fault in Prometheus().validate(twice, [spec()])] == ["spec.params.metrics[1].name"]
    (fault,) = Prometheus().validate(params(), [spec(value=ValueType.BOOL)])
    assert "which is no number" in fault.text


def test_values_survive_a_change_of_the_handler_and_a_changed_metric_begins_anew() -> None:
    adapter = Prometheus()
    one = params()
    first = adapter.build(one, [spec()], Background())
    first.report([ReportBatch(spec(), [row(1, 200, "a")])])
    two = params()
    two.metrics.add(name="more_total", instance_name="more.instance.ns", kind=Params.MetricInfo.COUNTER)
    second = adapter.build(two, [spec()], Background())
    first.close()
    second.report([ReportBatch(spec(), [row(1, 200, "a")])])
    assert 'istio_size_total{code="200",who="a"} 2' in page(adapter)
    third = adapter.build(params(description="another text"), [spec()], Background())
    second.close()
    third.report([ReportBatch(spec(), [row(1, 200, "a")])])
    assert page(adapter) == ['istio_size_total{code="200",who="a"} 1']
    third.close()
    assert page(adapter) == []


async def test_what_is_not_used_expires() -> None:
    adapter, background = Prometheus(), Background()
    expiring = params()
    expiring.metrics_expiration_policy.metrics_expiry_duration.nanos = 50_000_000
    expiring.metrics_expiration_policy.expiry_check_interval_duration.nanos = 5_000_000
    handler = adapter.build(expiring, [spec()], background)
    handler.report([ReportBatch(spec(), [row(1, 200, "a")])])
    assert len(page(adapter)) == 1
    async with asyncio.timeout(10):
        while page(adapter):
            await asyncio.sleep(0.005)
    handler.report([ReportBatch(spec(), [row(1, 200, "a")])])
    assert page(adapter) == ['istio_size_total{code="200",who="a"} 1'], "a later use begins at 0"
    await background.stop()


def test_an_expiry_of_nothing_is_refused() -> None:
    never = params()
    never.metrics_expiration_policy.SetInParent()
    (fault,) = Prometheus().validate(never, [spec()])
    assert fault.field == "spec.params.metricsExpirationPolicy.metricsExpiryDuration"


def test_expiry_spares_what_was_written_since() -> None:
    adapter = Prometheus()
    handler = adapter.build(params(), [spec()], Background())
    handler.report([ReportBatch(spec(), [row(1, 200, "old")])])
    between = time.monotonic()
    handler.report([ReportBatch(spec(), [row(1, 200, "new")])])
    assert adapter.store.count == 2
    assert adapter.store.expire(between) == 1
    assert page(adapter) == ['istio_size_total{code="200",who="new"} 1']


def test_label_sets_are_bounded_and_what_is_dropped_is_counted() -> None:
    adapter, dropped = Prometheus(), Counter[str]()
    adapter.store.limit = 2
    adapter.store.on_drop = lambda name, number: dropped.update({name: number})
    handler = adapter.build(params(), [spec()], Background())
    handler.report([ReportBatch(spec(), [row(1, 200, who) for who in "abcda"])])
    assert page(adapter) == ['istio_size_total{code="200",who="a"} 2', 'istio_size_total{code="200",who="b"} 1']
    assert dropped == {"istio_size_total": 2}
    assert adapter.store.expire(time.monotonic() + 1) == 2
    handler.report([ReportBatch(spec(), [row(1, 200, "c")])])
    assert page(adapter) == ['istio_size_total{code="200",who="c"} 1'], "what has expired makes room"
    handler.close()
    assert adapter.store.count == 0


def test_a_closed_family_takes_nothing_more() -> None:
    adapter = Prometheus()
    old = adapter.build(params(), [spec()], Background())
    adapter.build(params(description="another"), [spec()], Background())
    old.report([ReportBatch(spec(), [row(1, 200, "a")])])
    assert (page(adapter), adapter.store.count) == ([], 0)


def test_one_long_value_does_not_fill_the_memory() -> None:
    adapter = Prometheus()
    adapter.build(params(), [spec()], Background()).report([ReportBatch(spec(), [row(1, 200, "x" * 100_000)])])
    assert len(page(adapter)[0]) < 2000


def test_labels_are_escaped_and_read_back_the_same() -> None:
    adapter, odd = Prometheus(), 'a"b\\c\nd ü'
    adapter.build(params(), [spec()], Background()).report([ReportBatch(spec(), [row(1, 200, odd)])])
    (family,) = text_string_to_metric_families(render(adapter.store).decode())
    assert family.samples[0].labels == {"code": "200", "who": odd}


WRONG_ROWS = [
    ("COUNTER", ValueType.INT64, -1, "cannot fall"),
    ("GAUGE", ValueType.STRING, "not a value", "could not get value for metric size.instance.ns"),
]


@pytest.mark.parametrize(("kind", "value", "bad", "said"), WRONG_ROWS)
def test_a_row_that_is_wrong_does_not_take_the_others(kind: str, value: ValueType, bad: object, said: str) -> None:
    adapter = Prometheus()
    handler = adapter.build(params(kind=kind), [spec(value=value)], Background())
    with pytest.raises(ValueError, match=said):
        handler.report([ReportBatch(spec(), [row(2, 200, "a"), row(bad, 200, "b"), row(4, 200, "c")])])
    assert {'istio_size_total{code="200",who="a"} 2', 'istio_size_total{code="200",who="c"} 4'} <= set(page(adapter))


# as strconv.FormatFloat(x, 'g', -1, 64) has them
NUMBER_TEXTS = [
    (0.0, "0"),
    (3.0, "3"),
    (-17.0, "-17"),
    (2.5, "2.5"),
    (0.023456789, "0.023456789"),
    (0.0001, "0.0001"),
    (0.00001234, "1.234e-05"),
    (999999.0, "999999"),
    (1e6, "1e+06"),
    (1234567.0, "1.234567e+06"),
    (-1e100, "-1e+100"),
    (float("inf"), "+Inf"),
    (float("-inf"), "-Inf"),
    (float("nan"), "NaN"),
]


@pytest.mark.parametrize(("number", "text"), NUMBER_TEXTS)
def test_numbers_on_the_page(number: float, text: str) -> None:
    assert number_text(number) == text


@given(st.floats())
def test_every_number_reads_back_as_itself(number: float) -> None:
    read = float(number_text(number))
    assert read == number or (read != read and number != number)


async def test_the_page_is_served_in_pieces_and_to_few_at_once() -> None:
    adapter = Prometheus()
    handler = adapter.build(params(), [spec()], Background())
    handler.report([ReportBatch(spec(), [row(1, 200, f"w{number}") for number in range(1000)])])
    app = metrics_app(adapter.store)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://mixer") as client:
        answers = await asyncio.gather(*(client.get("/metrics") for _ in range(SCRAPES_AT_ONCE + 3)))
        assert sorted(each.status_code for each in answers) == [200] * SCRAPES_AT_ONCE + [503] * 3
        again = await client.get("/metrics")
    assert again.content == render(adapter.store)
    assert again.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert len(list(pieces(adapter.store))) > 4


# forms of the page

# What Prometheus 2 and 3 send, browsers, curl, and some others.
ACCEPTED = [
    ("", False),
    ("*/*", False),
    ("text/html,application/xhtml+xml,*/*;q=0.8", False),
    ("application/openmetrics-text", True),
    (
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
        "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        True,
    ),
    (
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
        "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,*/*;q=0.2",
        True,
    ),
    ("application/openmetrics-text;version=9.0.0,*/*;q=0.1", False),
    ("application/openmetrics-text;q=0.1,text/plain", False),
    ("application/openmetrics-text;q=0", False),
    ("application/openmetrics-text;q=x", False),
    (";;;,,,===", False),
]


@pytest.mark.parametrize(("accept", "wanted"), ACCEPTED)
def test_which_form_a_scraper_prefers(accept: str, wanted: bool) -> None:
    assert prefers_open_metrics(accept) is wanted


ENCODINGS = [
    ("", False),
    ("gzip", True),
    ("br, gzip;q=0.5", True),
    ("gzip;q=0", False),
    ("*", True),
    ("identity", False),
]


@pytest.mark.parametrize(("accept", "wanted"), ENCODINGS)
def test_whether_a_scraper_takes_gzip(accept: str, wanted: bool) -> None:
    assert accepts_gzip(accept) is wanted


def of_all_kinds() -> Prometheus:
    """A counter, one whose name does not end as counters' should, a gauge and a distribution, with odd labels."""
    adapter = Prometheus()
    found = params(description='a "quoted" \\ text\nof two lines')
    for name, kind in (("hits", "COUNTER"), ("level", "GAUGE"), ("took_seconds", "DISTRIBUTION")):
        found.metrics.append(params(name=name, kind=kind).metrics[0])
    found.metrics[3].buckets.explicit_buckets.bounds.extend([0.5, 1, 10, 1e6])
    handler = adapter.build(found, [spec()], Background())
    handler.report([ReportBatch(spec(), [row(3, 200, 'a"b\\c\nd ü'), row(0.25, 404, "")])])
    return adapter


def samples(families: Any) -> set[tuple[str, tuple[tuple[str, str], ...], float]]:
    """Names, labels and values; bounds as numbers. The reader of the text format gives every counter's name an end."""
    return {
        (
            each.name.replace("hits_total", "hits"),
            tuple(sorted((k, str(float(v)) if k == "le" else v) for k, v in each.labels.items())),
            each.value,
        )
        for family in families
        for each in family.samples
    }


def test_the_strict_reader_of_open_metrics_finds_what_is_on_the_text_page() -> None:
    adapter = of_all_kinds()
    families = list(read_open_metrics(render(adapter.store, open_metrics=True).decode()))
    assert {family.name: family.type for family in families} == {
        "istio_size": "counter",
        "istio_hits": "unknown",
        "istio_level": "gauge",
        "istio_took_seconds": "histogram",
    }
    assert families[0].documentation == 'a "quoted" \\ text\nof two lines'
    assert samples(families) == samples(text_string_to_metric_families(render(adapter.store).decode()))


def test_one_instance_feeds_several_metrics() -> None:
    lines = page(of_all_kinds())
    assert {'istio_hits{code="404",who=""} 0.25', 'istio_level{code="404",who=""} 0.25'} <= set(lines)


async def test_a_scraper_gets_what_it_asks_for() -> None:
    adapter = of_all_kinds()
    transport = httpx.ASGITransport(app=metrics_app(adapter.store))
    async with httpx.AsyncClient(transport=transport, base_url="http://mixer") as client:
        headers = {"accept": "application/openmetrics-text;version=1.0.0", "accept-encoding": "gzip"}
        async with client.stream("GET", "/metrics", headers=headers) as answer:
            raw = b"".join([part async for part in answer.aiter_raw()])
        plain = await client.get("/metrics", headers={"accept-encoding": "identity"})
    assert gzip.decompress(raw) == render(adapter.store, open_metrics=True)
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert plain.content == render(adapter.store)
    assert "content-encoding" not in plain.headers


# what does not fit

BUCKETS_THAT_CANNOT_BE = [
    {"linear_buckets": {"num_finite_buckets": MOST_BUCKETS, "width": 1}},
    {"linear_buckets": {"num_finite_buckets": 2**31 - 1, "width": 1}},
    {"linear_buckets": {"num_finite_buckets": -1, "width": 1}},
    {"linear_buckets": {"num_finite_buckets": 2, "width": 0}},
    {"exponential_buckets": {"num_finite_buckets": 499, "scale": 1, "growth_factor": 1e9}},
    {"exponential_buckets": {"num_finite_buckets": 3, "scale": 0, "growth_factor": 2}},
    {"explicit_buckets": {"bounds": ["NaN"]}},
    {"explicit_buckets": {"bounds": [1, "Infinity"]}},
    {"explicit_buckets": {"bounds": list(range(MOST_BUCKETS + 1))}},
]


@pytest.mark.parametrize("definition", BUCKETS_THAT_CANNOT_BE)
def test_buckets_that_cannot_be(definition: dict[str, Any]) -> None:
    found = json_format.ParseDict(definition, Params.MetricInfo.BucketsDefinition())
    with pytest.raises(ValueError, match=r"grow|at most"):
        bucket_bounds(found)


MISFITS = [
    ("COUNTER", row(float("nan"), 200, "b"), "cannot take NaN"),
    ("COUNTER", row(float("inf"), 200, "b"), r"cannot take \+Inf"),
    ("DISTRIBUTION", row(float("-inf"), 200, "b"), "cannot take -Inf"),
    ("GAUGE", row(float("nan"), 200, "b"), "cannot take NaN"),
    ("GAUGE", row(10**400, 200, "b"), "too large"),
    ("GAUGE", row(1, 200), "1 dimensions do not fit its 2 labels"),
    ("GAUGE", row(1, 200, "b", "c"), "3 dimensions do not fit its 2 labels"),
    ("GAUGE", row(1), "0 dimensions do not fit its 2 labels"),
]


@pytest.mark.parametrize(("kind", "bad", "said"), MISFITS)
def test_a_row_that_does_not_fit_is_refused_told_and_counted(kind: str, bad: tuple[Any, ...], said: str) -> None:
    adapter, background = Prometheus(), Background()
    handler = adapter.build(params(kind=kind), [spec()], background)
    with pytest.raises(ValueError, match=said):
        handler.report([ReportBatch(spec(), [row(2, 200, "a"), bad, row(4, 200, "c")])])
    assert {line.rpartition(" ")[2] for line in page(adapter) if "_bucket" not in line} <= {"2", "4", "1"}
    assert adapter.store.count == 2
    assert background.counted("dropped") == {"misfit": 1}


def test_half_a_character_does_not_break_the_page() -> None:
    adapter = Prometheus()
    adapter.build(params(), [spec()], Background()).report([ReportBatch(spec(), [row(1, 200, "a\ud800")])])
    assert page(adapter) == ['istio_size_total{code="200",who="a?"} 1']


# several handlers


def test_two_handlers_that_write_a_metric_alike_add_up_and_the_page_keeps_it_while_one_lives() -> None:
    adapter = Prometheus()
    first, second = (adapter.build(params(), [spec()], Background()) for _ in range(2))
    first.report([ReportBatch(spec(), [row(1, 200, "a")])])
    second.report([ReportBatch(spec(), [row(2, 200, "a")])])
    assert page(adapter) == ['istio_size_total{code="200",who="a"} 3']
    first.close()
    first.close()
    assert page(adapter) == ['istio_size_total{code="200",who="a"} 3']
    second.close()
    assert page(adapter) == []


def test_of_two_handlers_that_write_one_name_differently_the_older_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    adapter, dropped = Prometheus(), Counter[str]()
    adapter.store.on_drop = lambda name, number: dropped.update({name: number})
    older = adapter.build(params(), [spec()], Background())
    newer = adapter.build(params(kind="GAUGE"), [spec()], Background())
    older.report([ReportBatch(spec(), [row(1, 200, "a")])])
    newer.report([ReportBatch(spec(), [row(5, 200, "a")])])
    assert page(adapter) == ['istio_size_total{code="200",who="a"} 5']
    assert dropped == {"istio_size_total": 1}
    assert "another handler has since written the metric differently" in capsys.readouterr().out


def test_too_many_label_sets_are_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    adapter = Prometheus()
    adapter.store.limit = 1
    handler = adapter.build(params(), [spec()], Background())
    for _ in range(3):
        handler.report([ReportBatch(spec(), [row(1, 200, who) for who in "abc"])])
    assert capsys.readouterr().out.count("too many label sets") == 1
