"""The otlp adapter's handler: which rows it takes, what it counts, and whose resource its entries are of."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format

from flotilla_mixer.adapters.otlp.adapter import Otlp
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.templates.catalogue import METRIC
from flotilla_mixer.testing.conformance.samples import sample_spec
from flotilla_mixer.testing.otlp_handlers import CALLS, LINES, SPANS, SPECS, Sending, calls, lines, spans
from flotilla_mixer.testing.otlp_server import OtlpServer

OTHER = sample_spec(METRIC, name="other.instance.ns")


def attributes(resource: Any) -> dict[str, str]:
    return {pair.key: pair.value.string_value for pair in resource.attributes}


@pytest.fixture
async def server() -> Any:
    found = OtlpServer()
    await found.start()
    yield found
    await found.stop()
    assert found.receiver.wrong == []


def odd(batch: ReportBatch, **values: Any) -> ReportBatch:
    """One row of a batch, with other values at some places."""
    row = list(batch.rows[0])
    for place, value in values.items():
        row[int(place.removeprefix("at"))] = value
    return ReportBatch(batch.instance, [tuple(row)])


async def test_rows_that_do_not_fit_are_told_and_do_not_take_the_others(server: OtlpServer) -> None:
    async with Sending(server) as sending:
        with pytest.raises(ValueError, match="'x' is no number that can be added up") as caught:
            sending.report(
                calls(1, "x", True),
                odd(lines(1), at3=()),
                lines(2),
                odd(spans(1), at0="no id"),
                spans(1),
            )
        await sending.until("sent", {"": 4})
        assert sending.counted("dropped") == {"misfit": 4}
    said = str(caught.value)
    assert "lines.instance.ns: 0 values do not fit 1 names" in said
    assert "spans.instance.ns: 'no id'" in said
    assert len(server.receiver.placed("/v1/logs")) == 2


async def test_a_handler_takes_the_instances_that_it_was_built_with(server: OtlpServer) -> None:
    async with Sending(server) as sending:
        sending.report(ReportBatch(OTHER, [(1, None, ("a", "b"), ())]), lines(1))
        await sending.until("sent", {"": 1})
        assert sending.counted("dropped") == {}


async def test_label_sets_beyond_the_limit_are_dropped_counted_and_told(
    server: OtlpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Sending(server, seriesLimit=3) as sending:
        for code in range(10):
            sending.report(calls(1, 1, code=code))
        sending.report(calls(5, code=0))
        await sending.until("sent", {"": 7})
        assert sending.counted("dropped") == {"cardinality": 14}
    assert server.total("calls") == 11
    assert capsys.readouterr().out.count("there are too many label sets") == 1


async def test_spans_that_are_none_are_counted(server: OtlpServer) -> None:
    async with Sending(server) as sending:
        sending.report(odd(spans(1), at0=""), odd(spans(1), at0="4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0"))
        sending.report(spans(1))
        await sending.until("sent", {"": 1})
        assert sending.counted("dropped") == {"untraced": 1, "unsampled": 1}


async def test_more_than_may_wait_is_dropped_at_once() -> None:
    sending = Sending(OtlpServer(), maxWaiting=100, batchDuration="60s")
    sending.report(lines(150), spans(150))
    assert sending.counted("waiting") == {"": 200}
    assert sending.counted("dropped") == {"full": 100}
    await sending.close(0)


# resources


async def test_each_handler_is_an_instance_of_its_own(server: OtlpServer) -> None:
    """Two handlers write the same sums, as two replicas or an old and a new one do: no backend takes one for the other."""
    for _ in range(2):
        async with Sending(server) as sending:
            sending.report(calls(1), lines(1), spans(1))
            await sending.until("sent", {"": 3})
    found = [attributes(resource) for resource, _, _ in server.receiver.placed("/v1/metrics")]
    assert {each["service.name"] for each in found} == {"flotilla-mixer"}
    assert len({each["service.instance.id"] for each in found}) == 2
    assert {frozenset(attributes(resource).items()) for resource, _, _ in server.receiver.placed("/v1/traces")} == {
        frozenset({("service.name", "ratings")})
    }
    assert server.total("calls") == 2


async def test_what_is_fixed_goes_over_the_defaults(server: OtlpServer) -> None:
    resource = {"service.name": "mesh", "service.instance.id": "one", "zone": "a"}
    async with Sending(server, resource=resource) as sending:
        sending.report(calls(1), lines(1), spans(1))
        await sending.until("sent", {"": 3})
    found = {path: attributes(server.receiver.placed(path)[0][0]) for path in ("/v1/metrics", "/v1/logs", "/v1/traces")}
    assert found["/v1/metrics"] == found["/v1/logs"] == resource
    assert found["/v1/traces"] == {**resource, "service.name": "ratings"}


async def test_requests_say_who_sends_them(server: OtlpServer) -> None:
    over_http = OtlpServer("http", server.receiver)
    await over_http.start()
    for each in (server, over_http):
        async with Sending(each) as sending:
            sending.report(lines(1))
            await sending.until("sent", {"": 1})
    await over_http.stop()
    agents = [taken.headers["user-agent"].partition("/")[0] for taken in server.receiver.requests]
    assert agents == ["flotilla-mixer", "flotilla-mixer"]


def test_instances_without_parameters_have_defaults() -> None:
    """Log entries and spans need none; metrics do."""
    params: Any = Otlp().defaults()
    json_format.ParseDict({"plaintext": True}, params)
    assert [fault.field for fault in Otlp().validate(params, [LINES, SPANS])] == []
    assert [fault.field for fault in Otlp().validate(params, SPECS)] == ["spec.params.metrics"]
    assert CALLS.name not in params.metrics, "to ask is not to add"
