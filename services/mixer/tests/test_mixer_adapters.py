"""The conformance of every adapter, and each one's own behaviour."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

import httpx
import pytest
import yaml
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from flotilla_mixer.adapters.denier.adapter import Denier
from flotilla_mixer.adapters.prometheus.adapter import Prometheus
from flotilla_mixer.adapters.prometheus.names import DEFAULT_BUCKETS, bucket_bounds, metric_name, sanitise
from flotilla_mixer.adapters.prometheus.page import SCRAPES_AT_ONCE, metrics_app, pieces, render
from flotilla_mixer.adapters.prometheus.series import number_text
from flotilla_mixer.kit.adapter import CheckCall, ReportBatch
from flotilla_mixer.kit.catalogue import load_adapters
from flotilla_mixer.kit.results import CheckResult
from flotilla_mixer.kit.text import number_of, text_of
from flotilla_mixer.templates.catalogue import CHECK_NOTHING, METRIC, TEMPLATES
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.handlers import Background
from flotilla_protos.istio.mixer.adapter.prometheus.config.config_pb2 import Params
from flotilla_shared.model.expressions import Duration, Timestamp, ValueType

ADAPTERS = load_adapters()


# every adapter


@pytest.mark.parametrize("name", sorted(ADAPTERS))
class TestEveryAdapter:
    def test_its_folder_says_what_it_is(self, name: str) -> None:
        adapter = ADAPTERS[name]
        metadata = yaml.safe_load((adapter.folder / "metadata.yaml").read_text())
        assert metadata["name"] == name == adapter.name
        assert set(metadata["templates"]) == adapter.templates <= set(TEMPLATES)
        assert metadata["params"] == adapter.defaults().DESCRIPTOR.full_name
        readme = (adapter.folder / "README.md").read_text()
        for field in adapter.defaults().DESCRIPTOR.fields:
            assert f"`{field.json_name}" in readme, f"README.md does not speak of {field.json_name}"

    def test_its_defaults_are_valid_and_new_each_time(self, name: str) -> None:
        adapter = ADAPTERS[name]
        assert list(adapter.validate(adapter.defaults(), [])) == []
        assert adapter.defaults() is not adapter.defaults()

    async def test_it_is_built_and_closed_twice_over(self, name: str) -> None:
        adapter, background = ADAPTERS[name], Background()
        first = adapter.build(adapter.defaults(), [], background)
        second = adapter.build(adapter.defaults(), [], background)
        first.close()
        second.close()
        await background.stop()

    async def test_an_empty_batch_is_no_matter(self, name: str) -> None:
        adapter, background = ADAPTERS[name], Background()
        handler: Any = adapter.build(adapter.defaults(), [], background)
        for method in ("check", "report", "quota", "generate"):
            if hasattr(handler, method):
                getattr(handler, method)([])
        handler.close()
        await background.stop()


def test_an_adapter_that_cannot_be_loaded_does_not_keep_the_others_out() -> None:
    from importlib.metadata import EntryPoint

    group = "flotilla.mixer.adapters"
    points = [
        EntryPoint("broken", "no.such.module:Adapter", group),
        EntryPoint("denier", "flotilla_mixer.adapters.denier.adapter:Denier", group),
        EntryPoint("again", "flotilla_mixer.adapters.denier.adapter:Denier", group),
    ]
    assert list(load_adapters(points)) == ["denier"]


# denier


def denied(**params: Any) -> CheckResult:
    adapter = Denier()
    found: Any = adapter.defaults()
    json_format.ParseDict(params, found)
    answers: list[Any] = []
    handler = adapter.build(found, [], Background())
    handler.check([CheckCall(InstanceSpec("a", CHECK_NOTHING), (), answers.append)])
    (answer,) = answers
    return answer  # type: ignore[no-any-return]


def test_the_denier_says_no() -> None:
    assert denied() == CheckResult(9, "", 5.0, 1000)
    assert denied(status={"code": 7, "message": "go away"}, validDuration="1.5s", validUseCount=3) == CheckResult(
        7, "go away", 1.5, 3
    )


WRONG_DENIERS = [
    ({"status": {"code": 17}}, "spec.params.status.code"),
    ({"status": {"code": -1}}, "spec.params.status.code"),
    ({"status": {"code": 0}}, "spec.params.status.code"),
    ({"validDuration": "-1s"}, "spec.params.validDuration"),
    ({"validUseCount": -1}, "spec.params.validUseCount"),
]


@pytest.mark.parametrize(("params", "field"), WRONG_DENIERS)
def test_a_denier_that_makes_no_sense(params: dict[str, Any], field: str) -> None:
    adapter = Denier()
    found: Any = adapter.defaults()
    json_format.ParseDict(params, found)
    assert [fault.field for fault in adapter.validate(found, [])] == [field]


# prometheus

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


# values as text and numbers

TEXTS = [
    ("a", "a"),
    (None, ""),
    (True, "true"),
    (False, "false"),
    (7, "7"),
    (1.5, "1.5"),
    (100.0, "100"),
    (bytes([1, 2, 3, 4]), "1.2.3.4"),
    (bytes(15) + b"\x01", "::1"),
    (b"abc", "616263"),
    ({"b": "2", "a": "1"}, "a=1&b=2"),
    (Timestamp(1767225600_123_456_789), "2026-01-01T00:00:00.123456Z"),
    (Duration(0), "0s"),
    (Duration(90_000_000_000), "1m30s"),
    (Duration(3_600_000_000_000), "1h0m0s"),
    (Duration(2_500_000), "2.5ms"),
    (Duration(1_500), "1.5µs"),
    (Duration(-5), "-5ns"),
    (Duration(1_000_000_001), "1.000000001s"),
]


@pytest.mark.parametrize(("value", "expected"), TEXTS)
def test_values_as_text(value: object, expected: str) -> None:
    assert text_of(value) == expected


NUMBERS = [(1, 1.0), (1.5, 1.5), ("2.5", 2.5), (Duration(1_500_000_000), 1.5)]


@pytest.mark.parametrize(("value", "expected"), NUMBERS)
def test_values_as_numbers(value: object, expected: float) -> None:
    assert number_of(value) == expected


@pytest.mark.parametrize("value", [True, "x", b"1", None, {}])
def test_what_is_no_number(value: object) -> None:
    with pytest.raises(ValueError, match=r"no number|could not convert"):
        number_of(value)
