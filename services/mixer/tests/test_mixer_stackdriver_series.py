"""Series of the stackdriver adapter: what becomes of rows, before anything is sent."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from google.api.metric_pb2 import MetricDescriptor
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.adapters.stackdriver.buckets import Buckets
from flotilla_mixer.adapters.stackdriver.messages import monitoring as messages
from flotilla_mixer.adapters.stackdriver.place import Place
from flotilla_mixer.adapters.stackdriver.series import SeriesWriter, fixed_labels
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.testing.golden import hold_to
from flotilla_mixer.testing.stackdriver_cases import (
    CALLS,
    LEVEL,
    TOOK,
    metric_spec,
)
from flotilla_protos.istio.mixer.adapter.stackdriver.config.config_pb2 import Params
from flotilla_shared.model.expressions import Duration, Timestamp, ValueType

Kind, Type = MetricDescriptor.MetricKind, MetricDescriptor.ValueType
T0 = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
KINDS = [
    ("GAUGE", "custom.googleapis.com/a", Kind.GAUGE),
    ("DELTA", "custom.googleapis.com/a", Kind.CUMULATIVE),
    ("DELTA", "external.googleapis.com/prometheus/a", Kind.CUMULATIVE),
    ("DELTA", "istio.io/service/server/request_count", Kind.DELTA),
    ("CUMULATIVE", "istio.io/service/server/request_count", Kind.CUMULATIVE),
]


def written(
    spec: Any,
    info: dict[str, Any],
    *rows: tuple[Any, ...],
    fixed: dict[str, str] | None = None,
    place: Place | None = None,
) -> Any:
    """The first series that rows make, with an interval of three seconds from T0."""
    writer = SeriesWriter(spec, json_format.ParseDict(info, Params.MetricInfo()), fixed or {}, messages())
    wrong: list[str] = []
    assert writer.merge(ReportBatch(spec, rows), T0, 100, wrong) == 0
    assert not wrong
    series = next(writer.drain(0, T0 + 3 * SECOND))
    return messages().series.FromString(writer.encode(series, place or Place("p", "l", "c")))


@pytest.mark.parametrize(("kind", "metric_type", "wanted"), KINDS)
def test_kinds_are_written_as_the_service_takes_them(kind: str, metric_type: str, wanted: int) -> None:
    found = written(CALLS, {"kind": kind, "value": "INT64", "metricType": metric_type}, (1, None, (200,), ()))
    assert (found.metric_kind, found.metric.type) == (wanted, metric_type)
    assert found.points[0].interval.HasField("start_time") is (wanted != Kind.GAUGE)


VALUES = [
    (ValueType.INT64, "INT64", "GAUGE", 7, {"int64Value": "7"}, ""),
    (ValueType.DURATION, "INT64", "GAUGE", Duration(1_500_900), {"int64Value": "1500"}, "us"),
    (ValueType.TIMESTAMP, "INT64", "GAUGE", Timestamp(1_000_000_000_000_123), {"int64Value": "1000000000000"}, ""),
    (ValueType.DURATION, "DOUBLE", "DELTA", Duration(1_500_000), {"doubleValue": 1.5}, "ms"),
    (ValueType.INT64, "DOUBLE", "CUMULATIVE", 3, {"doubleValue": 3.0}, ""),
    (ValueType.DOUBLE, "DOUBLE", "GAUGE", -0.25, {"doubleValue": -0.25}, ""),
    (ValueType.BOOL, "BOOL", "GAUGE", True, {"boolValue": True}, ""),
    (ValueType.IP_ADDRESS, "STRING", "GAUGE", bytes([10, 0, 0, 1]), {"stringValue": "10.0.0.1"}, ""),
    (ValueType.STRING, "STRING", "GAUGE", "\ud800é", {"stringValue": "?é"}, ""),
]


@pytest.mark.parametrize(("of", "value", "kind", "given_value", "wanted", "unit"), VALUES)
def test_values_are_of_the_type_of_the_metric(
    of: ValueType, value: str, kind: str, given_value: Any, wanted: dict[str, Any], unit: str
) -> None:
    spec = metric_spec("a.instance.ns", of, ())
    found = written(spec, {"kind": kind, "value": value}, (given_value, None, (), ()))
    assert json_format.MessageToDict(found.points[0].value) == wanted
    assert found.unit == unit


async def test_resources_are_filled_from_the_place() -> None:
    names = ("cluster_name", "location", "namespace_name", "pod_name", "project_id")
    spec = metric_spec("a.instance.ns", resource=names)
    row = (1, "k8s_pod", (200,), ("", "", "shop", "cart", ""))
    found = written(
        spec, {"kind": "GAUGE", "value": "INT64"}, row, fixed={"mesh_uid": "mesh"}, place=Place("p", "l", "c")
    )
    assert dict(found.metric.labels) == {"code": "200", "mesh_uid": "mesh"}
    assert found.resource.type == "k8s_pod"
    assert dict(found.resource.labels) == {
        "cluster_name": "c", "location": "l", "namespace_name": "shop", "pod_name": "cart", "project_id": "p",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("mesh_uid", "label", "wanted"),
    [("", "", {}), ("mesh", "", {"mesh_uid": "mesh"}), ("mesh", "mixer", {"mesh_uid": "mesh", "mixer": "pod-1"})],
)
def test_labels_of_the_mesh_and_of_the_mixer_that_writes(mesh_uid: str, label: str, wanted: dict[str, str]) -> None:
    assert fixed_labels(Params(mesh_uid=mesh_uid, replica_label=label), "pod-1") == wanted


GOLDEN = Path(__file__).parent / "golden"
POD_NAMES = ("cluster_name", "location", "namespace_name", "pod_name", "project_id")
POD = metric_spec("calls.instance.ns", resource=POD_NAMES)
SERIES: dict[str, tuple[Any, dict[str, Any], list[tuple[Any, ...]]]] = {
    "sum": (
        POD,
        {"kind": "DELTA", "value": "INT64"},
        [(n, "k8s_pod", (200,), ("", "", "shop", "cart", "")) for n in (1, 2)],
    ),
    "last": (LEVEL, {"kind": "GAUGE", "value": "DOUBLE"}, [(2.5, "", (), ()), (0.5, "", (), ())]),
    "spread": (
        TOOK,
        {"kind": "DELTA", "value": "DISTRIBUTION", "buckets": {"linearBuckets": {"numFiniteBuckets": 3, "width": 10}}},
        [(Duration(n * 1_000_000), "", (200,), ()) for n in (5, 15, 95)],
    ),
}


@pytest.mark.parametrize("name", SERIES)
def test_golden_series(name: str) -> None:
    spec, info, rows = SERIES[name]
    found = json_format.MessageToDict(written(spec, info, *rows, place=Place("mesh-1", "europe-west1", "east")))
    hold_to(GOLDEN / f"stackdriver_series_{name}.json", json.dumps(found, indent=1, sort_keys=True) + "\n")


async def test_without_a_resource_it_is_the_global_one() -> None:
    found = written(CALLS, {"kind": "GAUGE", "value": "INT64"}, (1, "", (200,), ()), place=Place("p"))
    assert (found.resource.type, dict(found.resource.labels)) == ("global", {"project_id": "p"})


numbers = st.floats(-1e6, 1e6)
definitions = st.one_of(
    st.builds(
        lambda number, width, offset: {"linearBuckets": {"numFiniteBuckets": number, "width": width, "offset": offset}},
        st.integers(1, 20), st.floats(0.5, 100), st.floats(-100, 100),
    ),
    st.builds(
        lambda number, factor, scale: {
            "exponentialBuckets": {"numFiniteBuckets": number, "growthFactor": factor, "scale": scale}
        },
        st.integers(1, 20), st.floats(1.1, 3), st.floats(0.1, 10),
    ),
    st.builds(
        lambda bounds: {"explicitBuckets": {"bounds": sorted(bounds)}}, st.sets(numbers, min_size=1, max_size=20)
    ),
)  # fmt: skip


@given(definitions, st.lists(numbers, min_size=1, max_size=30))
def test_every_value_is_in_the_bucket_whose_bounds_hold_it(definition: dict[str, Any], values: list[float]) -> None:
    spec = metric_spec("a.instance.ns", ValueType.DOUBLE, ())
    info = {"kind": "CUMULATIVE", "value": "DISTRIBUTION", "buckets": definition}
    found = written(spec, info, *((value, None, (), ()) for value in values)).points[0].value.distribution_value
    bounds = Buckets(json_format.ParseDict(definition, Params.MetricInfo.BucketsDefinition())).bounds
    edges = [-math.inf, *bounds, math.inf]
    for place, count in enumerate(found.bucket_counts):
        assert count == sum(edges[place] <= value < edges[place + 1] for value in values)
    assert found.count == len(values) == sum(found.bucket_counts)
    mean = math.fsum(values) / len(values)
    assert found.mean == pytest.approx(mean, rel=1e-6, abs=1e-6)
    wanted = math.fsum((value - mean) ** 2 for value in values)
    assert found.sum_of_squared_deviation == pytest.approx(wanted, rel=1e-6, abs=1e-3)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-(2**40), 2**40)), max_size=60))
def test_what_is_summed_is_what_was_reported(rows: list[tuple[int, int]]) -> None:
    info = json_format.ParseDict({"kind": "CUMULATIVE", "value": "INT64"}, Params.MetricInfo())
    writer = SeriesWriter(CALLS, info, {}, messages())
    wrong: list[str] = []
    writer.merge(ReportBatch(CALLS, [(value, None, (code,), ()) for code, value in rows]), T0, 10, wrong)
    drained = list(writer.drain(0, T0))
    assert {series.key[0][0]: series.cell[2] for series in drained} == {
        code: sum(value for each, value in rows if each == code) for code in {code for code, _ in rows}
    }
    assert sum(series.rows for series in drained) == len(rows)
