"""What CloudWatch is told: rows to series, cells and datums. Whatever is reported, requests are within all limits."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.adapters.cloudwatch import faults
from flotilla_mixer.adapters.cloudwatch.adapter import Cloudwatch
from flotilla_mixer.adapters.cloudwatch.cells import MOST_VALUES, Cells, StatisticSet, Values, entries_of
from flotilla_mixer.adapters.cloudwatch.datums import datum, length
from flotilla_mixer.adapters.cloudwatch.datums import requests as metric_requests
from flotilla_mixer.adapters.cloudwatch.series import MOST, Series, SeriesReader, fit_value, unit_name
from flotilla_mixer.templates.catalogue import LOG_ENTRY, METRIC
from flotilla_mixer.testing.cloudwatch.receiver import samples
from flotilla_mixer.testing.cloudwatch.rules import UNITS, metric_faults
from flotilla_mixer.testing.conformance.samples import sample_spec
from flotilla_protos.istio.mixer.adapter.cloudwatch.config.config_pb2 import Params
from flotilla_shared.model.expressions import Duration, ValueType

NOW = 1_767_225_663.25
MINUTE = 1_767_225_660
SPEC = sample_spec(METRIC, ("code", "who"), name="calls.instance.ns")
LOG = sample_spec(LOG_ENTRY, ("code", "who"), name="log.instance.ns")


def info(**fields: Any) -> Any:
    return json_format.ParseDict(fields, Params.MetricDatum())


def read(value: object, *dimensions: object, **fields: Any) -> tuple[Series, float]:
    return SeriesReader(SPEC, info(**fields)).read((value, None, dimensions or (200, "me"), ()))


# rows of metrics

NUMBERS = [
    (7, {}, 7.0),
    (-1.5, {}, -1.5),
    ("2.5", {}, 2.5),
    (Duration(2_500_000), {"unit": "Milliseconds"}, 2.5),
    (Duration(2_500_000), {"unit": "Microseconds"}, 2500.0),
    (Duration(2_500_000), {"unit": "Seconds"}, 0.0025),
    (7, {"unit": "Milliseconds"}, 7.0),
    (1234.56, {"significantDigits": 3}, 1230.0),
    (Duration(1_524_117), {"unit": "Milliseconds", "significantDigits": 2}, 1.5),
    (2.0**360, {}, MOST),
]


@pytest.mark.parametrize(("value", "fields", "wanted"), NUMBERS)
def test_values(value: object, fields: dict[str, Any], wanted: float) -> None:
    assert read(value, **fields)[1] == wanted


WRONG = [None, True, "x", b"abc", {}, float("nan"), float("inf"), -float("inf"), "nan", 2.0**361, 2**2000, -(2**400)]


@pytest.mark.parametrize("value", WRONG)
def test_what_is_no_value(value: object) -> None:
    with pytest.raises(ValueError, match=r"no number|out of the range|could not convert"):
        read(value)


def test_a_duration_needs_a_unit_of_time() -> None:
    with pytest.raises(ValueError, match="unit"):
        read(Duration(1), unit="Count")


DIMENSIONS = [
    ((200, "me"), (("code", "200"), ("who", "me"))),
    ((200, ""), (("code", "200"),)),
    ((None, "  \t "), ()),
    ((200, "straße\n"), (("code", "200"), ("who", "stra?e?"))),
    ((200, " me "), (("code", "200"), ("who", "me"))),
    ((Duration(1_500_000_000), bytes([10, 0, 0, 1])), (("code", "1.5s"), ("who", "10.0.0.1"))),
    (({"b": "2", "a": "1"}, "\ud800"), (("code", "a=1&b=2"), ("who", "?"))),
    (("x" * 2000, "y"), (("code", "x" * 1024), ("who", "y"))),
]


@pytest.mark.parametrize(("values", "wanted"), DIMENSIONS)
def test_dimensions(values: tuple[object, ...], wanted: tuple[tuple[str, str], ...]) -> None:
    if values[1] == "  \t ":
        wanted = (("who", "?"),)  # a tab is something, though nothing that CloudWatch takes
    assert read(1, *values)[0].dimensions == wanted


def test_a_row_with_other_dimensions_than_its_instance_is_refused() -> None:
    with pytest.raises(ValueError):
        SeriesReader(SPEC, info()).read((1, None, ("one",), ()))


def test_a_series_is_remembered_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flotilla_mixer.adapters.cloudwatch.series.MOST_REMEMBERED", 2)
    reader = SeriesReader(SPEC, info())
    first, _ = reader.read((1, None, (1, "a"), ()))
    assert reader.read((1, None, (1, "a"), ()))[0] is first
    for code in (2, 3):
        reader.read((1, None, (code, "a"), ()))
    assert reader.read((1, None, (1, "a"), ()))[0] is not first


def test_the_name_is_the_instances_unless_another_is_given() -> None:
    assert read(1)[0].name == "calls.instance.ns"
    assert read(1, metricName="requests")[0].name == "requests"


def test_every_unit_is_one_of_cloudwatchs() -> None:
    assert {unit_name(unit) for unit in Params.MetricDatum.Unit.values()} == UNITS


# cells

ONE = Series("a", (("who", "me"),), "Count")
FINE = Series("a", (), "Count", resolution=1)
SET = Series("a", (), "Count", as_set=True)


def cells_of(*values: float, series: Series = ONE, **limits: int) -> list[Any]:
    cells = Cells(**limits)
    for value in values:
        assert cells.add(series, NOW, value)
    return list(cells.drain())


def test_values_of_a_minute_are_one_cell() -> None:
    (cell,) = cells_of(1.0, 2.0, 1.0)
    assert (cell.begin, cell.entries, cell.counts) == (MINUTE, 3, {1.0: 2, 2.0: 1})


def test_a_new_minute_or_second_is_a_new_cell() -> None:
    cells = Cells()
    for seconds in (0, 1, 59, 60):
        cells.add(ONE, MINUTE + seconds, 1.0)
        cells.add(FINE, MINUTE + seconds, 1.0)
    found = cells.drain()
    assert [cell.begin - MINUTE for cell in found if cell.series is ONE] == [0, 60]
    assert [cell.begin - MINUTE for cell in found if cell.series is FINE] == [0, 1, 59, 60]
    assert not cells.drain()


def test_a_cell_has_at_most_so_many_values_and_the_next_takes_the_rest() -> None:
    found = cells_of(*map(float, range(MOST_VALUES + 1)), 0.0)
    assert [len(cell.counts) for cell in found] == [MOST_VALUES, 2]
    assert entries_of(found) == MOST_VALUES + 2


def test_a_statistic_set_has_number_sum_least_and_most() -> None:
    (cell,) = cells_of(3.0, -1.0, 2.0, series=SET)
    assert (cell.entries, cell.total, cell.least, cell.most) == (3, 4.0, -1.0, 3.0)
    assert len(cells_of(MOST, MOST, -MOST, series=SET)) == 2, "a sum is within the range, too"


def test_where_too_many_values_are_kept_numbers_stay_true() -> None:
    found = cells_of(*map(float, range(400)), most_values=200)
    assert [type(cell) for cell in found].count(StatisticSet) == 1
    assert entries_of(found) == 400
    (rest,) = (cell for cell in found if isinstance(cell, StatisticSet))
    assert rest.total + sum(sum(cell.counts) for cell in found if isinstance(cell, Values)) == sum(range(400))


def test_too_many_series_are_told() -> None:
    cells = Cells(most=2)
    names = [Series(name, (), "Count") for name in "abc"]
    assert [cells.add(series, NOW, 1.0) for series in names] == [True, True, False]
    assert cells.add(names[0], NOW, 2.0)
    assert entries_of(cells.drain()) == 3


# datums: golden pairs

GOLDEN = [
    (
        (ONE, [1.0, 2.0, 1.0]),
        '{"MetricName":"a","Timestamp":1767225660,"Unit":"Count","Dimensions":[{"Name":"who","Value":"me"}],'
        '"Values":[1.0,2.0],"Counts":[2.0,1.0]}',
    ),
    (
        (FINE, [0.5]),
        '{"MetricName":"a","Timestamp":1767225663,"Unit":"Count","StorageResolution":1,"Values":[0.5],"Counts":[1.0]}',
    ),
    (
        (SET, [3.0, -1.0]),
        '{"MetricName":"a","Timestamp":1767225660,"Unit":"Count",'
        '"StatisticValues":{"SampleCount":2.0,"Sum":2.0,"Minimum":-1.0,"Maximum":3.0}}',
    ),
]


@pytest.mark.parametrize(("given", "wanted"), GOLDEN)
def test_datums(given: tuple[Series, list[float]], wanted: str) -> None:
    (cell,) = cells_of(*given[1], series=given[0])
    made = json.dumps(datum(cell), default=lambda moment: int(moment.timestamp()), separators=(",", ":"))
    assert made == wanted


def test_requests_are_filled_in_order() -> None:
    cells = [Values(Series(str(number), (), "Count"), MINUTE, 1, {1.0: 1}) for number in range(2_500)]
    found = list(metric_requests(cells))
    assert [len(request.items) for request in found] == [1000, 1000, 500]
    assert [cell for request in found for cell in request.items] == cells
    assert all(len(request.items) == len(request.datums) for request in found)


def test_the_longest_datum_fits_into_a_request() -> None:
    dimensions = tuple((f"{number:0255}", '"' * 1024) for number in range(30))
    cell = Values(Series("m" * 255, dimensions, "Count"), MINUTE)
    for number in range(MOST_VALUES):
        cell.add(-1.2345678901234567e-100 * (number + 1))
    assert length(datum(cell)) < 100_000


# any rows

TEXTS = st.text(max_size=20) | st.sampled_from(["x" * 3000, ":", " ", "\x00", "é" * 1100])
VALUES: Any = st.integers() | st.floats() | st.sampled_from([0.1, 1e300, 2.0**360, -(2.0**360), "7"])
ROWS = st.lists(st.tuples(VALUES, TEXTS, TEXTS, st.integers(0, 200)), max_size=60)


@given(rows=ROWS, as_set=st.booleans(), digits=st.integers(0, 15), limit=st.integers(200, 3000))
def test_whatever_is_reported_requests_are_within_all_limits(
    rows: list[Any], as_set: bool, digits: int, limit: int
) -> None:
    reader = SeriesReader(SPEC, info(statistics="STATISTIC_SET" if as_set else "VALUES", significantDigits=digits))
    cells, wanted = Cells(most_values=20), 0
    for value, code, who, seconds in rows:
        try:
            series, number = reader.read((value, None, (code, who), ()))
        except ValueError:
            continue
        cells.add(series, NOW + seconds, number)
        wanted += 1
    made = [request.datums for request in metric_requests(cells.drain(), most_datums=7, most_bytes=limit)]
    assert all(len(datums) <= 7 for datums in made)
    assert all(sum(map(length, datums)) <= limit or len(datums) == 1 for datums in made)
    for datums in made:
        body = json.loads(json.dumps({"Namespace": "n", "MetricData": datums}, default=lambda when: when.timestamp()))
        assert list(metric_faults(body, 0, NOW)) == []
    assert sum(samples(each) for datums in made for each in datums) == wanted


@given(st.text())
def test_any_value_of_a_dimension_fits(text: str) -> None:
    found = fit_value(text)
    assert not found or (found.isascii() and found.isprintable() and found.strip() and len(found) <= 1024)


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(1, 15))
def test_rounding_is_small(value: float, digits: int) -> None:
    if abs(value) < 2.0**359:
        found = read(value, significantDigits=digits)[1]
        assert math.isclose(found, value, rel_tol=10.0 ** (1 - digits))


# parameters


def test_without_the_extra_it_is_there_and_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "find_spec", lambda name: None)
    adapter = Cloudwatch()
    (fault,) = adapter.validate(adapter.defaults(), [])
    assert (fault.field, fault.text) == (
        "spec.compiledAdapter",
        "this Mixer has no client of AWS: install flotilla-mesh-mixer[cloudwatch].",
    )


def test_nothing_is_asked_for_that_is_not_used() -> None:
    adapter = Cloudwatch()
    metric = json_format.ParseDict({"namespace": "Mesh", "metricInfo": {SPEC.name: {}}}, adapter.defaults())
    assert list(adapter.validate(metric, [SPEC])) == []
    place = {"logGroupName": "a", "logStreamName": "b", "logs": {LOG.name: {}}}
    assert list(adapter.validate(json_format.ParseDict(place, adapter.defaults()), [LOG])) == []
    assert SPEC.types["value"] is ValueType.INT64
