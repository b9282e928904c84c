"""What arrives at a receiver as strict as CloudWatch's pages: within its limits, in order, and as AWS's own client sends it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest

from flotilla_mixer.testing.cloudwatch.playing import REGION, Played, messages, until
from flotilla_mixer.testing.cloudwatch.receiver import KEY, SECRET, Receiver

Play = Callable[..., Played]
DAY = 24 * 3600 * 10**9


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    await found.start()
    yield found
    found.hold(False)
    await found.stop()


@pytest.fixture
def play(receiver: Receiver, tmp_path: Path) -> Callable[..., Played]:
    """A handler of the receiver, with changes of its parameters."""
    return partial(Played, receiver, tmp_path)


# what arrives


async def test_a_minute_is_one_datum_for_each_series(receiver: Receiver, play: Play) -> None:
    played = play()
    played.count(1, 1, 2)
    played.count(1, code=404)
    played.take(1.5, 2.5, 1.5)
    await played.end()
    found = {
        (datum["MetricName"], *(each["Value"] for each in datum["Dimensions"])): (datum["Values"], datum["Counts"])
        for _, datum in receiver.metrics
    }
    assert found == {
        ("calls", "200", "ratings"): ([1.0, 2.0], [2.0, 1.0]),
        ("calls", "404", "ratings"): ([1.0], [1.0]),
        ("took", "ratings"): ([1.5, 2.5], [2.0, 1.0]),
    }
    assert [request.operation for request in receiver.requests] == ["PutMetricData"]
    assert played.told == {"sent": {"": 7}}
    assert receiver.violations == []


async def test_what_is_sent_is_byte_for_byte_known(
    receiver: Receiver, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = play()
    played.handler._clock = lambda: 1_767_225_663.0
    receiver._clock = lambda: 1_767_225_700.0
    played.count(1, 2)
    played.log("/a", at=1_767_225_663_500_000_000)
    await played.end()
    sent = {request.operation: json.dumps(request.body) for request in receiver.requests}
    assert sent["PutMetricData"] == (
        '{"Namespace": "Mesh", "MetricData": [{"MetricName": "calls", "Timestamp": 1767225660, "Unit": "Count",'
        ' "Dimensions": [{"Name": "code", "Value": "200"}, {"Name": "service", "Value": "ratings"}],'
        ' "Values": [1.0, 2.0], "Counts": [1.0, 1.0]}]}'
    )
    assert sent["PutLogEvents"] == (
        '{"logGroupName": "mesh", "logStreamName": "mixer",'
        ' "logEvents": [{"timestamp": 1767225663500, "message": "/a 200"}]}'
    )


async def test_a_request_is_compressed_and_one_connection_serves_all(receiver: Receiver, play: Play) -> None:
    played = play(flushDuration="0s", logFlushDuration="0s")
    for number in range(3):
        played.count(*range(100), service=f"service-{number}" * 20)
        played.log("/a")
        await until(lambda number=number: len(receiver.metrics) > number)
    await played.end()
    (first, *_) = (request for request in receiver.requests if request.operation == "PutMetricData")
    assert first.headers["content-encoding"] == "gzip"
    assert first.sent < first.length / 2
    assert receiver.connections == 2, "one for metrics, one for logs"


async def test_many_series_are_requests_of_a_thousand(receiver: Receiver, play: Play) -> None:
    played = play()
    for number in range(2_050):
        played.count(1, service=f"service-{number}")
    await played.end()
    assert [len(request.body["MetricData"]) for request in receiver.requests] == [1000, 1000, 50]
    assert played.told == {"sent": {"": 2_050}}


async def test_long_datums_are_requests_of_a_megabyte(receiver: Receiver, play: Play) -> None:
    played = play()
    for number in range(300):
        played.take(*(each + number / 7 for each in range(150)), service=f"{number} " + "s" * 1000)
    await played.end()
    assert len(receiver.requests) > 1
    assert max(request.length for request in receiver.requests) <= 1_000_000
    assert receiver.violations == []
    assert played.told == {"sent": {"": 45_000}}


async def test_log_entries_are_in_order_whatever_order_they_came_in(receiver: Receiver, play: Play) -> None:
    played = play()
    now = time.time_ns()
    for place in (3, 1, 2, 0):
        played.log(f"/{place}", at=now + place * 10**9)
    await played.end()
    assert messages(receiver) == ["/0 200", "/1 200", "/2 200", "/3 200"]


async def test_many_log_entries_are_requests_within_the_limits(receiver: Receiver, play: Play) -> None:
    played = play()
    played.log(*(f"/{number}" for number in range(10_500)))
    await until(lambda: len(receiver.events.get("mesh", {}).get("mixer", ())) == 10_000)
    played.log(*("x" * 100_000 for _ in range(30)))
    await played.end()
    assert receiver.violations == []
    assert played.told == {"sent": {"": 10_530}}


async def test_entries_of_several_days_are_requests_of_a_day(receiver: Receiver, play: Play) -> None:
    played, now = play(), time.time_ns()
    for days in (3, 1, 2, 0):
        played.log(str(days), at=now - days * DAY)
    await played.end()
    puts = [request for request in receiver.requests if request.operation == "PutLogEvents"]
    assert len(puts) == 5, "the first found no group"
    assert messages(receiver) == ["3 200", "2 200", "1 200", "0 200"]


# what AWS's own client sends, beside


def own_client(receiver: Receiver, service: str) -> Any:
    session = boto3.session.Session(KEY, SECRET, region_name=REGION)
    return session.client(service, endpoint_url=receiver.url)


async def test_metrics_are_as_awss_own_client_sends_them(receiver: Receiver, play: Play) -> None:
    played = play()
    played.count(3, 4, 3)
    played.take(0.25)
    await played.end()
    ours, receiver.metrics = receiver.metrics, []
    moment = ours[0][1]["Timestamp"]

    def send() -> None:
        client = own_client(receiver, "cloudwatch")
        service = {"Name": "service", "Value": "ratings"}
        calls = {"MetricName": "calls", "Timestamp": moment, "Unit": "Count", "Values": [3, 4], "Counts": [2, 1]}
        took = {"MetricName": "took", "Timestamp": moment, "Unit": "Milliseconds", "Values": [0.25], "Counts": [1]}
        client.put_metric_data(
            Namespace="Mesh",
            MetricData=[
                calls | {"Dimensions": [{"Name": "code", "Value": "200"}, service]},
                took | {"Dimensions": [service]},
            ],
        )
        client.close()

    await asyncio.to_thread(send)
    assert receiver.metrics == ours


async def test_log_entries_are_as_awss_own_client_sends_them(receiver: Receiver, play: Play) -> None:
    played, now = play(), time.time_ns()
    played.log("/ü", "/b", at=now)
    await played.end()
    ours = list(receiver.events["mesh"]["mixer"])
    receiver.events["mesh"]["mixer"].clear()

    def send() -> None:
        client = own_client(receiver, "logs")
        events = [{"timestamp": now // 1_000_000, "message": f"{path} 200"} for path in ("/ü", "/b")]
        client.put_log_events(logGroupName="mesh", logStreamName="mixer", logEvents=events)
        client.close()

    await asyncio.to_thread(send)
    assert receiver.events["mesh"]["mixer"] == ours


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Dimensions": [{"Name": "a", "Value": "é"}]}, "InvalidParameterValue"),
        ({"Values": [float(each) for each in range(151)]}, "InvalidParameterValue"),
        ({"Timestamp": 1_000_000}, "InvalidParameterValue"),
    ],
)
async def test_the_receiver_refuses_as_cloudwatch_does(receiver: Receiver, change: dict[str, Any], code: str) -> None:
    """Its judge is AWS's own client: it reads the receiver's refusals as those of the service."""

    def send() -> str:
        client = own_client(receiver, "cloudwatch")
        try:
            client.put_metric_data(Namespace="n", MetricData=[{"MetricName": "m", "Values": [1.0]} | change])
        except client.exceptions.ClientError as refused:
            return str(refused.response["Error"]["Code"])
        finally:
            client.close()
        return ""

    assert (await asyncio.to_thread(send)).startswith(code)
    assert receiver.metrics == []
