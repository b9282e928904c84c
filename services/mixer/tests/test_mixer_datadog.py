"""The datadog adapter: points and logs as they go out, limits, answers, and the same data as Datadog's own client sends it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from datadog_api_client import ApiClient, Configuration
from datadog_api_client.v1.api.metrics_api import MetricsApi as MetricsApiV1
from datadog_api_client.v1.model.distribution_point import DistributionPoint
from datadog_api_client.v1.model.distribution_points_content_encoding import DistributionPointsContentEncoding
from datadog_api_client.v1.model.distribution_points_payload import DistributionPointsPayload
from datadog_api_client.v1.model.distribution_points_series import DistributionPointsSeries
from datadog_api_client.v2.api.logs_api import LogsApi
from datadog_api_client.v2.api.metrics_api import MetricsApi
from datadog_api_client.v2.model.content_encoding import ContentEncoding
from datadog_api_client.v2.model.http_log import HTTPLog
from datadog_api_client.v2.model.http_log_item import HTTPLogItem
from datadog_api_client.v2.model.metric_content_encoding import MetricContentEncoding
from datadog_api_client.v2.model.metric_intake_type import MetricIntakeType
from datadog_api_client.v2.model.metric_payload import MetricPayload
from datadog_api_client.v2.model.metric_point import MetricPoint
from datadog_api_client.v2.model.metric_resource import MetricResource
from datadog_api_client.v2.model.metric_series import MetricSeries
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.adapters.datadog import handler as handlers
from flotilla_mixer.adapters.datadog.adapter import Datadog
from flotilla_mixer.adapters.datadog.intake import GZIP, MOST_BYTES, PLAIN, SERIES_PATH, Intake, is_retried
from flotilla_mixer.adapters.datadog.logs import LogWriter
from flotilla_mixer.adapters.datadog.points import Point
from flotilla_mixer.adapters.datadog.settings import settings_of
from flotilla_mixer.adapters.datadog.values import Merged, Room
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.kit.connections import Connections
from flotilla_mixer.kit.secrets import SecretFile
from flotilla_mixer.templates.catalogue import LOG_ENTRY, METRIC
from flotilla_mixer.testing.conformance.samples import sample_spec
from flotilla_mixer.testing.datadog_intake import KEY, DatadogIntake, read_distributions, read_logs, read_series
from flotilla_mixer.testing.golden import hold_to
from flotilla_mixer.testing.handlers import Background
from flotilla_mixer.testing.running import Running
from flotilla_protos.flotilla.mixer.adapter.datadog.config_pb2 import Params
from flotilla_shared.model.expressions import Duration, Timestamp, ValueType

GOLDEN = Path(__file__).parent / "datadog"
CALLS = sample_spec(METRIC, ("code", "who"), name="calls.instance.ns")
RATE = sample_spec(METRIC, ("code", "who"), name="rate.instance.ns")
LEVEL = sample_spec(METRIC, ("code", "who"), ValueType.DOUBLE, name="level.instance.ns")
TOOK = sample_spec(METRIC, ("code", "who"), ValueType.DURATION, name="took.instance.ns")
FAILED = sample_spec(LOG_ENTRY, ("code", "path", "who"), name="failed.instance.ns")
SPECS = [CALLS, RATE, LEVEL, TOOK, FAILED]
NOW = 1_767_225_600
METRICS = {
    CALLS.name: {"name": "calls", "type": "COUNT", "tags": {"team": "mesh", "who": "nobody"}},
    RATE.name: {"name": "rate", "type": "RATE"},
    LEVEL.name: {"name": "level", "type": "GAUGE", "unit": "byte", "resources": {"zone": "z"}},
    TOOK.name: {"name": "took", "type": "DISTRIBUTION"},
}
LOG = {"message": "{{.path}} answered {{.code}}", "service": "{{.who}}", "tagVariables": ["who"], "tags": {"t": "x"}}
PARAMS: dict[str, Any] = {
    "host": "mixer-0",
    "globalTags": {"mesh": "m"},
    "metrics": METRICS,
    "logs": {FAILED.name: LOG},
    "interval": "1s",
}


def row(value: object, who: str = "a", code: str = "200") -> tuple[Any, ...]:
    return (value, None, (code, who), ())


def entry(path: str = "/a", who: str = "ratings", severity: str = "error", code: object = 503) -> tuple[Any, ...]:
    return (Timestamp(NOW * 10**9 + 5_000_000), severity, None, (code, path, who), ())


def params_of(**changes: Any) -> Any:
    params: Any = Datadog().defaults()
    json_format.ParseDict({"apiKeyFile": "/no/key", **PARAMS, **changes}, params)
    assert list(Datadog().validate(params, SPECS)) == []
    return params


# golden: what goes out


def merged(spec: Any, *rows: tuple[Any, ...], **changes: Any) -> Merged:
    params = params_of(**changes)
    made = Merged(spec, params.metrics[spec.name], params.prefix, "mixer-0", dict(params.global_tags))
    wrong: list[str] = []
    assert made.merge(rows, Room(1000, 100_000), wrong) == (len(rows), {})
    assert wrong == []
    return made


def test_golden_points_and_logs() -> None:
    made = [
        merged(CALLS, row(1), row(2), row(5, "b"), row(-1, "a,b|c\nü")),
        merged(RATE, row(5), row(10)),
        merged(LEVEL, row(3), row(1.5)),
        merged(TOOK, row(Duration(1_500_001)), row(Duration(0)), row(Duration(2_000_000), "b")),
    ]
    found = [point.content.decode() for each in made for point in each.drain(NOW, 10)]
    writer = LogWriter(FAILED, params_of().logs[FAILED.name], "mixer-0", {"mesh": "m"})
    found += [
        writer.content(each).decode() for each in (entry(), entry('a"\n\\ü', "", "", None), entry(code={"a": "b"}))
    ]
    plain = LogWriter(FAILED, Params.Log(), "", {})
    found.append(plain.content((None, "WARNING", None, (Duration(10**9), b"\x0a\0\0\1", True), ())).decode())
    hold_to(GOLDEN / "bodies.jsonl", "\n".join(found) + "\n")


@given(st.lists(st.tuples(st.text(max_size=300), st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=20))
def test_whatever_tags_are_made_of_a_count_is_the_sum_and_the_strict_intake_reads_it(values: Any) -> None:
    rows = [row(value, who) for who, value in values]
    points = list(merged(CALLS, *rows).drain(int(time.time()), 10))
    assert sum(point.number for point in points) == len(rows)
    found = read_series({"series": [orjson.loads(point.content) for point in points]})
    assert sum(each.value for each in found) == pytest.approx(sum(value for _, value in values))
    assert len(found) == len({who for who, _ in values})


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=50))
def test_a_distribution_has_all_values(values: list[float]) -> None:
    spec = sample_spec(METRIC, ("code", "who"), ValueType.DOUBLE, name=TOOK.name)
    points = list(merged(spec, *map(row, values)).drain(int(time.time()), 10))
    (found,) = read_distributions({"series": [orjson.loads(point.content) for point in points]})
    assert (found.value, points[0].number) == (tuple(values), len(values))


@given(st.text(max_size=3000), st.text(max_size=300), st.text(max_size=50))
def test_whatever_an_entry_is_made_of_the_strict_intake_reads_its_log(path: str, who: str, severity: str) -> None:
    writer = LogWriter(FAILED, params_of().logs[FAILED.name], "mixer-0", {"mesh": "m"})
    (found,) = read_logs([orjson.loads(writer.content(entry(path, who, severity)))])
    assert found["mesh"]["path"] == path.encode(errors="replace").decode()
    assert found["ddtags"].startswith("mesh:m,t:x,who:")


def test_a_distribution_of_many_values_becomes_several_points() -> None:
    spec = sample_spec(METRIC, ("code", "who"), name=TOOK.name)
    points = list(merged(spec, *[row(1)] * 25_000).drain(NOW, 10))
    assert [point.number for point in points] == [10_000, 10_000, 5_000]


NO_NUMBERS = ["text", True, None, b"1234", float("nan"), float("inf"), 1e301]


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_values_that_are_none(value: object) -> None:
    wrong: list[str] = []
    assert merged(CALLS).merge([row(value), row(1)], Room(9, 9), wrong) == (1, {})
    assert len(wrong) == 1
    assert "is no number" in wrong[0]


# bodies


def intake(form: Any = PLAIN) -> Intake:
    return Intake(Connections(), "http://127.0.0.1:1", SERIES_PATH, SecretFile("/no/key"), form)


@given(st.lists(st.integers(1, 400_000), max_size=60))
def test_bodies_keep_the_limits_and_the_order(sizes: list[int]) -> None:
    contents = [b"%d" % place + b"x" * size for place, size in enumerate(sizes)]
    found = list(intake().bodies(contents, (b"[", b"]"))) if contents else []
    assert [part for body, _ in found for part in body[1:-1].split(b",")] == contents
    assert all(len(body) <= 512_000 or number == 1 for body, number in found)
    assert sum(number for _, number in found) == len(contents)


def test_what_compresses_well_is_bounded_as_it_is_too() -> None:
    contents = [b"x" * 100_000] * 200
    found = list(intake(GZIP).bodies(contents, (b"[", b"]")))
    assert len(found) == 4
    assert all(number * 100_001 < MOST_BYTES for _, number in found)


# to the intake


@pytest.fixture
async def datadog() -> AsyncIterator[DatadogIntake]:
    found = DatadogIntake()
    await found.start()
    yield found
    await found.stop()


class Sending:
    """A handler that sends to an intake of a test."""

    def __init__(self, intake: DatadogIntake, folder: Path, **changes: Any) -> None:
        self.key = folder / "key"
        if not self.key.exists():
            self.key.write_text(f"{KEY}\n")
        self.background = Background()
        urls = {"metricsUrl": intake.url, "logsUrl": f"{intake.url}/"}
        self.handler = Datadog().build(params_of(**urls, apiKeyFile=str(self.key), **changes), SPECS, self.background)

    def report(self, spec: Any, *rows: Any) -> None:
        self.handler.report([ReportBatch(spec, list(rows))])

    async def close(self, grace_seconds: float = 10.0) -> None:
        await self.background.stop(grace_seconds)
        await self.handler.close()


async def until(what: Callable[[], Any], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("compression", ["GZIP", "ZSTD"])
async def test_what_is_reported_arrives_merged(datadog: DatadogIntake, tmp_path: Path, compression: str) -> None:
    sending = Sending(datadog, tmp_path, compression=compression)
    sending.report(CALLS, row(1), row(2), row(5, "b"))
    sending.report(TOOK, row(Duration(1_000_000)), row(Duration(2_000_000)))
    sending.report(FAILED, entry(), entry("/b"))
    await until(lambda: len(datadog.points) == 3 and len(datadog.logs) == 2)
    sending.report(CALLS, row(10))
    await sending.close()
    assert (datadog.total("istio.calls"), datadog.total("istio.took")) == (18, 2)
    assert [log["message"] for log in datadog.logs] == ["/a answered 503", "/b answered 503"]
    assert sending.background.counted("sent") == {"": 8}
    assert (sending.background.counted("dropped"), datadog.wrong) == ({}, [])
    assert set(datadog.encodings) == {"gzip", "deflate"} | ({"zstd1"} if compression == "ZSTD" else set())


async def test_rounds_never_share_a_second(datadog: DatadogIntake, tmp_path: Path) -> None:
    sending = Sending(datadog, tmp_path)
    sending.handler._clock = lambda: 0.0 + int(time.time() / 3600) * 3600  # a clock that stands still
    for _ in range(2):
        before = len(datadog.points)
        sending.report(CALLS, row(1))
        await until(lambda before=before: len(datadog.points) > before)
    sending.report(CALLS, row(1))
    await sending.close()
    assert datadog.total("istio.calls") == 3, "of points of one second Datadog would keep the last"


RETRIED = [(408, True), (429, True), (500, True), (503, True), (599, True)]
RETRIED += [(400, False), (403, False), (404, False), (413, False), (425, False), (301, False)]


@pytest.mark.parametrize(("status", "retried"), RETRIED)
def test_what_is_worth_another_try(status: int, retried: bool) -> None:
    assert is_retried(status) is retried


async def test_a_busy_intake_is_asked_again_when_it_says(datadog: DatadogIntake, tmp_path: Path) -> None:
    datadog.answers, datadog.reset_seconds = [429, 503, 408], "1"
    sending = Sending(datadog, tmp_path)
    begun = time.monotonic()
    sending.report(FAILED, entry())
    await until(lambda: datadog.logs)
    assert time.monotonic() - begun > 3, "each asked for a second"
    await sending.close()
    assert sending.background.counted("retries") == {"busy": 3}


async def test_a_refused_batch_is_counted_and_the_next_is_sent(datadog: DatadogIntake, tmp_path: Path) -> None:
    sending = Sending(datadog, tmp_path)
    sending.key.write_text("wrong")
    sending.report(FAILED, entry(), entry())
    await until(lambda: sending.background.counted("dropped") == {"refused": 2})
    sending.key.write_text(KEY)
    sending.report(FAILED, entry())
    await until(lambda: datadog.logs)
    await sending.close()
    assert sending.background.counted("retries") == {}


async def test_of_several_bodies_only_those_that_are_left_are_tried_again(
    datadog: DatadogIntake, tmp_path: Path
) -> None:
    """The first body is taken, the second refused for good, the third is busy once, distributions come last."""
    datadog.answers = [202, 400, 503]
    sending = Sending(datadog, tmp_path, compression="NONE")
    points = [Point(orjson.dumps(_series(f"m{place}")), 10 + place) for place in range(3)]
    distribution = _series("d") | {"points": [[int(time.time()), [1.0]]], "type": "distribution"}
    for each in points:
        assert len(each.content) > 300_000, "two are more than the intake takes at once"
    del distribution["interval"], distribution["resources"]
    merging: Any = sending.handler._points
    merging.take(34)
    merging._drain = lambda: [*points, Point(orjson.dumps(distribution), 1, is_distribution=True)]
    await until(lambda: merging._merged == 0 and not sending.background.counted("waiting"))
    assert sending.background.counted("dropped") == {"refused": 11}
    assert sending.background.counted("sent") == {"": 23}
    assert [point.metric for point in datadog.points] == ["m0", "m2", "d"]
    await sending.close()


def _series(metric: str) -> dict[str, Any]:
    tags = [f"{place}:{'x' * 150}" for place in range(2_100)]
    point = {"timestamp": int(time.time()), "value": 1}
    return {"metric": metric, "type": 1, "interval": 10, "tags": tags, "points": [point], "resources": []}


async def test_series_and_values_are_bounded_and_what_is_too_much_is_counted(
    datadog: DatadogIntake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "MOST_SERIES", 2)
    monkeypatch.setattr(handlers, "MOST_VALUES", 3)
    sending = Sending(datadog, tmp_path)
    sending.report(CALLS, *(row(1, who) for who in "abcda"))
    await until(lambda: datadog.points)
    sending.report(TOOK, *[row(Duration(1))] * 5)
    await sending.close()
    assert sending.background.counted("dropped") == {"cardinality": 2, "full": 2}
    assert (datadog.total("istio.calls"), datadog.total("istio.took")) == (3, 3)


async def test_rows_that_do_not_fit_are_told_and_the_others_sent(datadog: DatadogIntake, tmp_path: Path) -> None:
    sending = Sending(datadog, tmp_path)
    with pytest.raises(ValueError, match="is no number"):
        sending.report(CALLS, row(1), row("x"), row(2))
    with pytest.raises(ValueError, match="Datadog takes"):
        sending.report(FAILED, entry("x" * 1_000_000), entry())
    await sending.close()
    assert (datadog.total("istio.calls"), len(datadog.logs)) == (3, 1)
    assert sending.background.counted("dropped") == {"misfit": 2}
    sending.report(CALLS, row(1))
    assert sending.background.counted("dropped") == {"misfit": 2, "closed": 1}


def test_addresses() -> None:
    found = settings_of(params_of(site="us5.datadoghq.com"))
    assert (found.metrics_url, found.logs_url) == (
        "https://api.us5.datadoghq.com",
        "https://http-intake.logs.us5.datadoghq.com",
    )


# twins


def client_of(intake: DatadogIntake, server: str) -> Configuration:
    found = Configuration(api_key={"apiKeyAuth": KEY}, enable_retry=False)
    found.host = intake.url
    found.server_index = None
    return found


def send_theirs(configuration: Configuration, moment: int) -> None:
    kinds = {"count": MetricIntakeType.COUNT, "rate": MetricIntakeType.RATE, "gauge": MetricIntakeType.GAUGE}

    def series(metric: str, kind: str, value: float, tags: list[str], **more: Any) -> MetricSeries:
        resources = [MetricResource(type="host", name="mixer-0"), *more.pop("resources", [])]
        point = MetricPoint(timestamp=moment, value=value)
        return MetricSeries(metric=metric, type=kinds[kind], points=[point], tags=tags, resources=resources, **more)

    tags = ["code:200", "mesh:m", "who:a"]
    body = MetricPayload(
        series=[
            series("istio.calls", "count", 3.0, [*tags, "team:mesh"], interval=1),
            series("istio.rate", "rate", 15.0, tags, interval=1),
            series("istio.level", "gauge", 1.5, tags, unit="byte", resources=[MetricResource(type="zone", name="z")]),
        ]
    )
    took = DistributionPointsSeries(
        metric="istio.took", host="mixer-0", tags=tags, points=[DistributionPoint([float(moment), [1.5, 0.0]])]
    )
    log = HTTPLogItem(
        message="/a answered 503",
        ddsource="flotilla",
        ddtags="mesh:m,t:x,who:ratings",
        hostname="mixer-0",
        service="ratings",
        status="error",
        timestamp=NOW * 1000 + 5,
        logger={"name": FAILED.name},
        mesh={"code": 503, "path": "/a", "who": "ratings"},
    )
    with ApiClient(configuration) as client:
        MetricsApi(client).submit_metrics(body, content_encoding=MetricContentEncoding.GZIP)
        deflate = DistributionPointsContentEncoding.DEFLATE
        payload = DistributionPointsPayload(series=[took])
        MetricsApiV1(client).submit_distribution_points(payload, content_encoding=deflate)
        LogsApi(client).submit_log(HTTPLog([log]), content_encoding=ContentEncoding.GZIP)


async def test_the_clients_own_data_reads_the_same_as_ours(datadog: DatadogIntake, tmp_path: Path) -> None:
    moment = int(time.time())
    await asyncio.to_thread(send_theirs, client_of(datadog, datadog.url), moment)
    theirs = (sorted(datadog.points), list(datadog.logs))
    datadog.points.clear()
    datadog.logs.clear()
    sending = Sending(datadog, tmp_path)
    sending.handler._clock = lambda: float(moment)
    sending.report(CALLS, row(1), row(2))
    sending.report(RATE, row(5), row(10))
    sending.report(LEVEL, row(3.0), row(1.5))
    sending.report(TOOK, row(Duration(1_500_000)), row(Duration(0)))
    sending.report(FAILED, entry())
    await sending.close()
    assert (sorted(datadog.points), datadog.logs) == theirs
    assert len(theirs[0]) == 4
    assert datadog.wrong == []


# outage

OUTAGE_SECONDS, RETURN_SECONDS = 20.0, 10.0
ENTRIES_A_SECOND, TURN_SECONDS = 5_000, 0.02


@pytest.mark.slow
async def test_an_outage_costs_what_the_counter_says_and_ends_by_itself(tmp_path: Path) -> None:
    """5,000 entries a second as counts, and as many logs; Datadog away for 20 s: no count is lost, and of logs what the
    counter says.
    """
    datadog = DatadogIntake()
    await datadog.start()
    sending, given, slowest = Sending(datadog, tmp_path), 0, 0.0
    await datadog.stop()
    loop = asyncio.get_running_loop()
    begun = loop.time()
    number = int(ENTRIES_A_SECOND * TURN_SECONDS)
    while loop.time() - begun < OUTAGE_SECONDS:
        before = time.thread_time()
        sending.report(CALLS, *[row(1)] * number)
        sending.report(FAILED, *[entry()] * number)
        slowest = max(slowest, time.thread_time() - before)
        given += number
        await asyncio.sleep(TURN_SECONDS)
    assert len(sending.background.counted("waiting")) <= given + 20_000
    await datadog.start()
    back = loop.time()
    await until(lambda: datadog.points and datadog.logs, RETURN_SECONDS)
    resumed = loop.time() - back
    await sending.close(20)
    dropped = sum(sending.background.counted("dropped").values())
    print(
        f"{given} of each; resumed after {resumed:.1f} s; {dropped} logs dropped; slowest report {slowest * 1e3:.2f} ms"
    )
    assert datadog.total("istio.calls") == given
    assert len(datadog.logs) == given - dropped
    assert datadog.wrong == []
    await datadog.stop()


# in a whole Mixer

CONFIGURATION = """
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {{name: datadog, namespace: istio-system}}
spec:
  compiledAdapter: datadog
  params:
    metricsUrl: "{url}"
    logsUrl: "{url}"
    apiKeyFile: "{key}"
    interval: 1s
    metrics:
      seen.instance.istio-system: {{name: seen, type: COUNT}}
      took.instance.istio-system: {{name: took, type: DISTRIBUTION}}
    logs:
      failed.instance.istio-system: {{message: "{{{{.path}}}}: {{{{.code}}}}", service: "{{{{.service}}}}"}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {{name: seen, namespace: istio-system}}
spec:
  compiledTemplate: metric
  params: {{value: "1", dimensions: {{code: response.code | 0}}}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {{name: took, namespace: istio-system}}
spec:
  compiledTemplate: metric
  params: {{value: 'response.duration | "0ms"', dimensions: {{code: response.code | 0}}}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {{name: failed, namespace: istio-system}}
spec:
  compiledTemplate: logentry
  params:
    severity: conditional(response.code >= 500, "critical", "ok")
    timestamp: request.time
    variables:
      code: response.code | 0
      path: request.path | "-"
      service: destination.service.name | "unknown"
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {{name: tell, namespace: istio-system}}
spec:
  actions: [{{handler: datadog, instances: [seen, took, failed]}}]
"""


async def test_in_a_whole_mixer(running: Running, datadog: DatadogIntake, tmp_path: Path) -> None:
    """Log entries of a sidecar become a point of a count, one of a distribution, and logs."""
    key = tmp_path / "key"
    key.write_text(KEY)
    await running.put(CONFIGURATION.format(url=datadog.url, key=key))
    failed = {"response": {"response_code": 503}, "request": {"path": "/reviews/0"}}
    await running.report(failed, failed)
    await until(
        lambda: datadog.total("istio.seen") == 2 and datadog.total("istio.took") == 2 and len(datadog.logs) == 2
    )
    assert [(log["status"], log["message"]) for log in datadog.logs] == [("critical", "/reviews/0: 503")] * 2
    assert {point.tags for point in datadog.points} == {("code:503",)}
    assert datadog.wrong == []
