"""The dogstatsd adapter: its lines, its sockets, and the same data as Datadog's own client sends it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from datadog.dogstatsd import DogStatsd
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.adapters.datadog.vocabulary import LONGEST_TAG
from flotilla_mixer.adapters.dogstatsd.adapter import Dogstatsd
from flotilla_mixer.adapters.dogstatsd.lines import LineWriter
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.templates.catalogue import METRIC
from flotilla_mixer.testing.conformance.samples import sample_spec
from flotilla_mixer.testing.handlers import Background
from flotilla_mixer.testing.statsd_lines import DATADOG, StatsdLine, StatsdReceiver, read_lines
from flotilla_protos.istio.mixer.adapter.dogstatsd.config.config_pb2 import Params
from flotilla_shared.model.expressions import Duration, ValueType

CALLS = sample_spec(METRIC, ("code", "who"), name="calls.instance.ns")
BARE = sample_spec(METRIC, (), name="bare.instance.ns")


def row(value: object, *dimensions: object) -> tuple[Any, ...]:
    return (value, None, dimensions or (200, "a"), ())


def writer(
    kind: str = "COUNTER", prefix: str = "istio.", rate: float = 1.0, drawn: float = 0.0, spec: Any = CALLS, **tags: str
) -> LineWriter:
    info = Params.MetricInfo(name="calls", type=Params.MetricInfo.Type.Value(kind))
    return LineWriter(spec, info, prefix, tags, rate, lambda: drawn)


# golden: what goes out, byte for byte
LINES = [
    (writer(), row(1), "istio.calls:1|c|#code:200,who:a\n"),
    (writer(prefix="istio"), row(1), "istio.calls:1|c|#code:200,who:a\n"),
    (writer(prefix=""), row(1), "calls:1|c|#code:200,who:a\n"),
    (writer("GAUGE"), row(-7), "istio.calls:-7|g|#code:200,who:a\n"),
    (writer("GAUGE", rate=0.5, drawn=0.9), row(7), "istio.calls:7|g|#code:200,who:a\n"),
    (writer("DISTRIBUTION"), row(3459), "istio.calls:3459|h|#code:200,who:a\n"),
    (writer("DISTRIBUTION"), row(Duration(1_500_001)), "istio.calls:1.500001|ms|#code:200,who:a\n"),
    (writer(rate=0.5, drawn=0.4), row(1), "istio.calls:1|c|@0.5|#code:200,who:a\n"),
    (writer(rate=0.5, drawn=0.5), row(1), ""),
    (writer(mesh="m", who="fixed"), row(1), "istio.calls:1|c|#code:200,mesh:m,who:a\n"),
    (writer(spec=BARE), (1, None, (), ()), "istio.calls:1|c\n"),
    (writer(spec=BARE, mesh="m"), (1, None, (), ()), "istio.calls:1|c|#mesh:m\n"),
    (writer(), row(1, 200, "a,b|c\nd#e:f g é"), "istio.calls:1|c|#code:200,who:a_b_c_d#e:f g é\n"),
]


@pytest.mark.parametrize(("made", "given", "line"), LINES)
def test_lines(made: LineWriter, given: tuple[Any, ...], line: str) -> None:
    assert made.line(given) == line


REFUSED = [
    (writer(), row("bar"), "no whole number"),
    (writer(), row(1.5), "no whole number"),
    (writer(), row(Duration(1)), "no whole number"),
    (writer("GAUGE"), row(True), "no whole number"),
    (writer("DISTRIBUTION"), row(1.5), "no whole number"),
    (writer(), row(1, 200), "do not fit"),
]


@pytest.mark.parametrize(("made", "given", "said"), REFUSED)
def test_rows_that_have_no_line(made: LineWriter, given: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        made.line(given)


@given(st.text(max_size=300), st.integers(-(2**63) + 1, 2**63 - 1))
def test_whatever_a_tag_is_made_of_the_line_can_be_read(who: str, value: int) -> None:
    (found,) = read_lines(writer().line(row(value, 200, who)).rstrip("\n").encode(), DATADOG)
    assert (found.name, found.value) == ("istio.calls", float(value))
    assert [tag.partition(":")[0] for tag in found.tags] == ["code", "who"]
    assert all(len(tag) <= LONGEST_TAG for tag in found.tags)


# over sockets


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[StatsdReceiver, int]]:
    loop = asyncio.get_running_loop()
    made = loop.create_datagram_endpoint(lambda: StatsdReceiver(DATADOG), local_addr=("127.0.0.1", 0))
    transport, found = await made
    yield found, transport.get_extra_info("sockname")[1]
    transport.close()


def handler_of(address: str, background: Background, metrics: dict[str, Any], specs: list[Any], **changes: Any) -> Any:
    params: Any = Dogstatsd().defaults()
    json_format.ParseDict({"address": address, "metrics": metrics, **changes}, params)
    assert list(Dogstatsd().validate(params, specs)) == []
    return Dogstatsd().build(params, specs, background)


async def came(found: StatsdReceiver, number: int) -> list[StatsdLine]:
    async with asyncio.timeout(10):
        while len(found.lines) < number:
            await asyncio.sleep(0.001)
    return found.lines


async def test_the_clients_own_data_reads_the_same_as_ours(receiver: tuple[StatsdReceiver, int]) -> None:
    found, port = receiver
    client = DogStatsd(
        "127.0.0.1",
        port,
        namespace="istio",
        constant_tags=["mesh:m"],
        disable_telemetry=True,
        disable_buffering=True,
        disable_background_sender=True,
        origin_detection_enabled=False,
    )
    client.increment("calls", 3, tags=["code:200", "who:a"])
    client.decrement("calls", 2, tags=["code:200", "who:a"])
    client.gauge("level", -7)
    client.histogram("size", 3459)
    client.timing("took", 12.5)
    client.close_socket()
    theirs = list(await came(found, 5))
    found.lines.clear()
    kinds = {"calls": "COUNTER", "level": "GAUGE", "size": "DISTRIBUTION", "took": "DISTRIBUTION"}
    specs = {
        "calls": CALLS,
        "level": sample_spec(METRIC, (), name="level"),
        "size": sample_spec(METRIC, (), name="size"),
        "took": sample_spec(METRIC, (), ValueType.DURATION, name="took"),
    }
    metrics = {spec.name: {"name": name, "type": kinds[name]} for name, spec in specs.items()}
    background = Background()
    handler = handler_of(f"127.0.0.1:{port}", background, metrics, list(specs.values()), globalTags={"mesh": "m"})
    handler.report([ReportBatch(CALLS, [row(3), row(-2)])])
    for name, value in (("level", -7), ("size", 3459), ("took", Duration(12_500_000))):
        handler.report([ReportBatch(specs[name], [(value, None, (), ())])])
    ours = await came(found, 5)
    await background.stop(10)
    handler.close()
    assert ours == theirs
    assert found.wrong == []


async def test_over_a_unix_socket_a_slow_agent_loses_nothing(tmp_path: Path) -> None:
    """The kernel keeps a few datagrams for an agent that does not read; what is more waits, and comes in order."""
    path, background, found = tmp_path / "dsd.socket", Background(), StatsdReceiver(DATADOG)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as agent:
        agent.bind(str(path))
        agent.setblocking(False)
        metrics = {CALLS.name: {"name": "calls", "type": "COUNTER"}}
        handler = handler_of(f"unix://{path}", background, metrics, [CALLS], bufferLength=50)
        handler.report([ReportBatch(CALLS, [row(number, 200, "x" * 100) for number in range(9000)])])
        async with asyncio.timeout(10):
            while not background.counted("retries"):
                await asyncio.sleep(0.001)
        assert background.counted("sent").get("", 0) < 9000
        async with asyncio.timeout(30):
            while len(found.lines) < 9000:
                try:
                    found.datagram_received(agent.recv(65_536), None)
                except BlockingIOError:
                    await asyncio.sleep(0.001)
        await background.stop(10)
        handler.close()
    assert [int(line.value) for line in found.lines] == list(range(9000))
    assert (background.counted("sent"), background.counted("dropped"), found.wrong) == ({"": 9000}, {}, [])
    assert max(found.sizes) <= 8192
