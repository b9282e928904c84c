"""Remote write: what goes out byte by byte, to whom, when again, and how a series ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import cramjam
import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.adapters.prometheus.adapter import Prometheus
from flotilla_mixer.adapters.prometheus.remote_write import wire
from flotilla_mixer.adapters.prometheus.remote_write.encoding import FamilyEncoder
from flotilla_mixer.adapters.prometheus.remote_write.receiver import is_retried
from flotilla_mixer.adapters.prometheus.series import family_of
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.templates.catalogue import METRIC
from flotilla_mixer.testing.conformance.samples import sample_spec
from flotilla_mixer.testing.golden import hold_to
from flotilla_mixer.testing.handlers import Background
from flotilla_mixer.testing.remote_write_receiver import RemoteWriteReceiver, Written, WrittenSample
from flotilla_protos.istio.mixer.adapter.prometheus.config.config_pb2 import Params
from flotilla_protos.prometheus import remote_pb2 as messages
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

GOLDEN = Path(__file__).parent / "remote_write"
SPEC = sample_spec(METRIC, ("Code", "who", "zone"), name="calls.instance.ns")
TRACED = sample_spec(METRIC, ("Code", "trace", "who", "zone"), name="traced.instance.ns")
LABELS = ["Code", "who", "zone"]
CALLS = {"instanceName": SPEC.name, "name": "calls_total", "kind": "COUNTER", "labelNames": LABELS}
LEVEL = CALLS | {"name": "level", "kind": "GAUGE", "description": "how much"}
TOOK = {
    "instanceName": TRACED.name,
    "name": "took",
    "kind": "DISTRIBUTION",
    "labelNames": LABELS,
    "exemplarDimensions": ["trace"],
    "buckets": {"explicit_buckets": {"bounds": [1, 2.5]}},
}
EXTERNAL = {"job": "mixer", "instance": "here", "Area": "a", "who": "not taken"}


def params_of(*metrics: dict[str, Any], **write: Any) -> Any:
    return json_format.ParseDict({"metrics": list(metrics), "remoteWrite": write}, Params())


def row(value: object, who: str = "a", *, trace: str | None = None) -> tuple[Any, ...]:
    dimensions = ("200", who, "z") if trace is None else ("200", trace, who, "z")
    return (value, None, dimensions, ())


async def until(what: Callable[[], Any], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.005)


# bytes


def encoded(*metrics: dict[str, Any]) -> Any:
    """A WriteRequest with a label set of each kind, as the adapter's bytes are read."""
    adapter = Prometheus()
    handler = adapter.build(json_format.ParseDict({"metrics": list(metrics)}, Params()), [SPEC, TRACED], Background())
    handler.report([ReportBatch(SPEC, [row(3), row(4)]), ReportBatch(TRACED, [row(2, trace="t1"), row(9, trace="")])])
    parts = []
    for family in adapter.store.families():
        encoder = FamilyEncoder(family.shape, EXTERNAL)
        (series,) = family.series()
        for exemplar in (each for each in series.exemplars or () if each):
            place = (series.exemplars or []).index(exemplar)
            assert series.exemplars is not None
            series.exemplars[place] = exemplar._replace(moment=1_700_000_000.125)
        labels = encoder.labels(series)
        parts.append(encoder.encode(series, labels, wire.moment(1_700_000_000_500), 0.0))
        parts += [encoder.ended(labels, wire.moment(1_700_000_000_501)), encoder.metadata()]
    return messages.WriteRequest.FromString(b"".join(parts))


@pytest.mark.parametrize(("name", "metric"), [("counter", CALLS), ("gauge", LEVEL), ("distribution", TOOK)])
def test_golden_payloads(name: str, metric: dict[str, Any]) -> None:
    hold_to(GOLDEN / f"{name}.txtpb", str(encoded(metric)))


def test_the_strict_receiver_takes_every_kind() -> None:
    written = Written()
    written.take(encoded(CALLS, LEVEL, TOOK))
    assert written.metadata == {
        "istio_calls": ("COUNTER", "calls_total"),
        "istio_level": ("GAUGE", "how much"),
        "istio_took": ("HISTOGRAM", "took"),
    }
    assert all(samples[-1] == WrittenSample(None, 1_700_000_000_501) for samples in written.samples.values())


@given(st.integers(0, 2**63 - 1))
def test_varints_read_back(number: int) -> None:
    sample = messages.Sample.FromString(wire.moment(number))
    assert sample.timestamp == number


@given(st.lists(st.text(max_size=50), min_size=3, max_size=3), st.floats(allow_nan=False))
def test_whatever_labels_are_made_of_the_strict_receiver_reads_them(texts: list[str], value: float) -> None:
    shape = family_of(json_format.ParseDict(LEVEL, Params.MetricInfo()))
    encoder, series = FamilyEncoder(shape, {}), shape.new(texts)
    shape.write(series, value)
    written = Written()
    written.take(messages.WriteRequest.FromString(encoder.encode(series, encoder.labels(series), wire.moment(1), 0.0)))
    fitting = [text.encode(errors="replace").decode() for text in texts]
    wanted = {"__name__": "istio_level"} | {name: text for name, text in zip(LABELS, fitting, strict=True) if text}
    assert {key: samples[0].value for key, samples in written.samples.items()} == {tuple(sorted(wanted.items())): value}


@given(st.lists(st.floats(-1e9, 1e9), max_size=30))
def test_buckets_of_remote_write_are_those_of_the_page(values: list[float]) -> None:
    shape = family_of(json_format.ParseDict(TOOK, Params.MetricInfo()))
    encoder, series = FamilyEncoder(shape, {}), shape.new(["a", "b", "c"])
    for value in values:
        shape.write(series, value)
    written = Written()
    written.take(messages.WriteRequest.FromString(encoder.encode(series, encoder.labels(series), wire.moment(1), 0.0)))
    lines = shape.lines(series, open_metrics=True).splitlines()
    assert [samples[0].value for samples in written.samples.values()] == [
        float(line.rpartition(" ")[2]) for line in lines
    ]


# to a receiver


@pytest.fixture
async def receiver() -> AsyncIterator[RemoteWriteReceiver]:
    found = RemoteWriteReceiver()
    await found.start()
    yield found
    await found.stop()


class Writing:
    """A handler that writes every second, and what is around it."""

    def __init__(self, url: str, *metrics: dict[str, Any], adapter: Prometheus | None = None, **write: Any) -> None:
        self.background, self.adapter = Background(), adapter or Prometheus()
        params = params_of(*(metrics or (CALLS,)), **{"url": url, "interval": "1s", **write})
        assert list(self.adapter.validate(params, [SPEC])) == []
        self.handler: Any = self.adapter.build(params, [SPEC], self.background)

    def report(self, *rows: Any) -> None:
        self.handler.report([ReportBatch(SPEC, list(rows))])

    async def close(self, grace_seconds: float = 10.0) -> None:
        await self.background.stop(grace_seconds)
        await self.handler.close()


async def test_what_is_reported_arrives_and_ends_with_the_handler(receiver: RemoteWriteReceiver) -> None:
    writing = Writing(receiver.url, CALLS, LEVEL, externalLabels={"mesh": "m", "instance": "one"})
    writing.report(row(1), row(2), row(5, "b"))
    await until(lambda: receiver.written.last("istio_calls_total", who="b") == 5)
    writing.report(row(1))
    await writing.close()
    key = tuple(
        sorted({"__name__": "istio_calls_total", "job": "mixer", "instance": "one", "mesh": "m"}.items() | {
            ("Code", "200"), ("who", "a"), ("zone", "z")
        })
    )  # fmt: skip
    values = [sample.value for sample in receiver.written.samples[key]]
    assert (values[0], values[-2:]) == (3, [4, None]), "the last values before the end"
    assert receiver.written.metadata["istio_level"] == ("GAUGE", "how much")
    assert receiver.wrong == []
    assert writing.background.counted("dropped") == {}


async def test_an_expired_series_ends_and_a_later_use_begins_anew(receiver: RemoteWriteReceiver) -> None:
    writing = Writing(receiver.url)
    writing.report(row(7))
    await until(lambda: receiver.written.last("istio_calls_total") == 7)
    assert writing.adapter.store.expire(float("inf")) == 1
    await until(lambda: receiver.written.last("istio_calls_total") is None)
    writing.report(row(1))
    await until(lambda: receiver.written.last("istio_calls_total") == 1)
    await writing.close()
    assert receiver.wrong == []


async def test_a_handler_that_takes_the_place_of_another_goes_on_with_its_series(receiver: RemoteWriteReceiver) -> None:
    first = Writing(receiver.url)
    first.report(row(7))
    second = Writing(receiver.url, CALLS, LEVEL, adapter=first.adapter)
    await first.close()
    second.report(row(1))
    await until(lambda: receiver.written.last("istio_calls_total") == 8)
    samples = [each for found in receiver.written.samples.values() for each in found]
    assert None not in [sample.value for sample in samples]
    await second.close()


async def test_exemplars_are_written_once(receiver: RemoteWriteReceiver) -> None:
    metric = TOOK | {"instanceName": TRACED.name}
    adapter, background = Prometheus(), Background()
    handler: Any = adapter.build(params_of(metric, url=receiver.url, interval="1s"), [TRACED], background)
    handler.report([ReportBatch(TRACED, [row(2, trace="t1")])])
    await until(lambda: receiver.received() >= 10)  # two rounds
    handler.report([ReportBatch(TRACED, [row(2, trace="t2")])])
    await background.stop(10)
    await handler.close()
    ((key, found),) = receiver.written.exemplars.items()
    assert dict(key)["le"] == "2.5"
    assert [labels for labels, _, _ in found] == [(("trace", "t1"),), (("trace", "t2"),)]


STATUSES = [(429, True), (500, True), (501, True), (503, True), (599, True)]
STATUSES += [(400, False), (401, False), (404, False), (408, False), (413, False), (425, False), (301, False)]


@pytest.mark.parametrize(("status", "retried"), STATUSES)
def test_what_is_worth_another_try(status: int, retried: bool) -> None:
    assert is_retried(status) is retried


async def test_a_receiver_that_is_busy_is_asked_again_at_once_and_one_that_refuses_in_the_next_round(
    receiver: RemoteWriteReceiver,
) -> None:
    receiver.answers = [503, 429, 400]
    writing = Writing(receiver.url)
    writing.report(row(1))
    await until(lambda: receiver.written.last("istio_calls_total") == 1)
    await writing.close()
    assert writing.background.counted("retries") == {"busy": 2}
    assert writing.background.counted("dropped") == {"refused": 1}


async def test_logins_and_headers(receiver: RemoteWriteReceiver, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("first\n")
    basic = Writing(receiver.url, username="me", passwordFile=str(secret), headers={"X-Scope-OrgID": "tenant"})
    basic.report(row(1))
    await until(lambda: len(receiver.logins) == 1)
    secret.write_text("second")
    await until(lambda: len(receiver.logins) >= 2)
    await basic.close()
    assert receiver.logins[:2] == ["Basic bWU6Zmlyc3Q=", "Basic bWU6c2Vjb25k"]
    assert receiver.headers[0]["x-scope-orgid"] == "tenant"
    before = len(receiver.logins)
    bearer = Writing(receiver.url, bearerTokenFile=str(secret))
    bearer.report(row(1))
    await bearer.close()
    assert set(receiver.logins[before:]) == {"Bearer second"}


async def test_over_tls_with_a_ca_file(tmp_path: Path) -> None:
    import ssl

    authority = CertificateAuthorityForTests()
    server = authority.certificate("spiffe://cluster.local/ns/x/sa/y", ("localhost",))
    for name, content in (("key", server.key_pem), ("chain", server.chain_pem), ("root", server.root_pem)):
        (tmp_path / name).write_bytes(content)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "chain", tmp_path / "key")
    receiver = RemoteWriteReceiver()
    await receiver.start(context=context)
    url = receiver.url.replace("http://127.0.0.1", "https://localhost")
    missing = tmp_path / "ca"
    writing = Writing(url, caFile=str(missing))
    writing.report(row(1))
    await until(lambda: "tls" in writing.background.counted("retries"))
    missing.write_bytes(server.root_pem)
    await until(lambda: receiver.written.last("istio_calls_total") == 1)
    await writing.close()
    await receiver.stop()


async def test_what_cannot_be_written_when_the_handler_ends_is_counted() -> None:
    writing = Writing("http://127.0.0.1:1/api/v1/write")
    writing.report(row(1), row(1, "b"))
    await writing.close(0.05)
    assert writing.background.counted("dropped") == {"closing": 4}, "two values, and that they are the last"


async def test_a_body_is_snappys_block_format_and_small(receiver: RemoteWriteReceiver) -> None:
    writing = Writing(receiver.url)
    writing.report(*(row(1, f"workload-{number}") for number in range(3000)))
    await writing.close()
    sizes = [(len(body), len(bytes(cramjam.snappy.decompress_raw(body)))) for body in receiver.bodies]
    assert sum(small for small, _ in sizes) * 4 < sum(large for _, large in sizes)
    assert max(large for _, large in sizes) < 1024 * 1024
    assert receiver.received() == 6000


# parameters

WRONG = [
    ({"url": ""}, "url"),
    ({"url": "ftp://a/b"}, "url"),
    ({"url": "http://me:secret@host/"}, "url"),
    ({"interval": "0.5s"}, "interval"),
    ({"interval": "300s"}, "interval"),
    ({"timeout": "-1s"}, "timeout"),
    ({"timeout": "61s"}, "timeout"),
    ({"externalLabels": {"a-b": "c"}}, "externalLabels"),
    ({"externalLabels": {"__name__": "c"}}, "externalLabels"),
    ({"externalLabels": {"le": "c"}}, "externalLabels"),
    ({"headers": {"Content-Type": "c"}}, "headers"),
    ({"headers": {"a b": "c"}}, "headers"),
    ({"headers": {"a": "c\nd"}}, "headers"),
    ({"username": "me"}, "passwordFile"),
    ({"passwordFile": "/x"}, "passwordFile"),
    ({"username": "a:b", "passwordFile": "/x"}, "username"),
    ({"username": "me", "passwordFile": "/x", "bearerTokenFile": "/y"}, "bearerTokenFile"),
    ({"caFile": "/x"}, "caFile"),
]


@pytest.mark.parametrize(("changes", "field"), WRONG)
def test_parameters_that_cannot_be(changes: dict[str, Any], field: str) -> None:
    params = params_of(CALLS, **{"url": "http://prometheus:9090/api/v1/write", **changes})
    faults = list(Prometheus().validate(params, [SPEC]))
    assert [fault.field for fault in faults] == [f"spec.params.remoteWrite.{field}"]
    assert "secret" not in faults[0].text


def test_a_secret_elsewhere_is_refused_and_the_families_are_given_back() -> None:
    from flotilla_mixer.kit.secrets import SecretFolders

    adapter = Prometheus()
    params = params_of(CALLS, url="http://p/", bearerTokenFile="/etc/passwd")
    with pytest.raises(ValueError, match="secret_folders"):
        adapter.build(params, [SPEC], Background(secrets=SecretFolders(("/kept",))))
    assert adapter.store.families() == []
