"""The statsd adapter: its lines, its datagrams, what is refused, and the same data as StatsD's Python client sends it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
import statsd
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.adapters.statsd.adapter import DEFAULT_PORT, Statsd
from flotilla_mixer.adapters.statsd.lines import LONGEST_NAME, LineWriter, Type, fit_name
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.kit.datagrams import host_and_port, packed
from flotilla_mixer.kit.gotext import template
from flotilla_mixer.templates.catalogue import METRIC
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.conformance.samples import sample_spec
from flotilla_mixer.testing.handlers import Background
from flotilla_mixer.testing.statsd_lines import StatsdLine, StatsdReceiver, read_lines
from flotilla_shared.model.expressions import Duration, ValueType

CALLS = sample_spec(METRIC, ("code", "who"), name="calls.instance.ns")
NAME = "calls.{{.who}}.{{.code}}"


def row(value: object, *dimensions: object) -> tuple[Any, ...]:
    return (value, None, dimensions or (200, "a"), ())


def writer(kind: int = Type.COUNTER, name: str = NAME, prefix: str = "", rate: float = 1.0, drawn: float = 0.0) -> Any:
    return LineWriter(CALLS, kind, template(name) if name else None, prefix, rate, lambda: drawn)


# golden: what goes out, byte for byte
LINES = [
    (writer(), row(1), "calls.a.200:1|c\n"),
    (writer(), row(-3), "calls.a.200:-3|c\n"),
    (writer(name=""), row(1), "calls.instance.ns:1|c\n"),
    (writer(prefix="mesh"), row(1), "mesh.calls.a.200:1|c\n"),
    (writer(prefix="mesh."), row(1), "mesh.calls.a.200:1|c\n"),
    (writer(Type.GAUGE), row(7), "calls.a.200:7|g\n"),
    (writer(Type.GAUGE), row(-7), "calls.a.200:0|g\ncalls.a.200:-7|g\n"),
    (writer(Type.GAUGE, rate=0.5, drawn=0.9), row(7), "calls.a.200:7|g\n"),
    (writer(Type.DISTRIBUTION), row(Duration(146_000_000)), "calls.a.200:146|ms\n"),
    (writer(Type.DISTRIBUTION), row(Duration(1_500_001)), "calls.a.200:1.500001|ms\n"),
    (writer(Type.DISTRIBUTION), row(Duration(0)), "calls.a.200:0|ms\n"),
    (writer(Type.DISTRIBUTION), row(3459), "calls.a.200:3459|ms\n"),
    (writer(rate=0.5, drawn=0.4), row(1), "calls.a.200:1|c|@0.5\n"),
    (writer(rate=0.5, drawn=0.5), row(1), ""),
    (writer(), row(1, 200, "a:b|c@d e\n#é"), "calls.a_b_c_d_e__é.200:1|c\n"),
    (writer(name='{{or .who "none"}}'), row(1, 200, ""), "none:1|c\n"),
]


@pytest.mark.parametrize(("made", "given", "line"), LINES)
def test_lines(made: LineWriter, given: tuple[Any, ...], line: str) -> None:
    assert made.line(given) == line


REFUSED = [
    (writer(), row("bar"), "no whole number"),
    (writer(), row(1.5), "no whole number"),
    (writer(), row(True), "no whole number"),
    (writer(), row(2**63), "no whole number"),
    (writer(), row(Duration(1)), "no whole number"),
    (writer(Type.DISTRIBUTION), row(1.5), "no whole number"),
    (writer(), row(1, 200), "zip"),
    (writer(name="{{.who.more}}"), row(1), "no field more"),
    (writer(name="{{if .code}}{{end}}"), row(1), "name of calls.instance.ns is empty"),
]


@pytest.mark.parametrize(("made", "given", "said"), REFUSED)
def test_rows_that_have_no_line(made: LineWriter, given: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        made.line(given)


@given(st.text(max_size=40), st.integers(-(2**63) + 1, 2**63 - 1), st.sampled_from([Type.COUNTER, Type.GAUGE]))
def test_whatever_a_name_is_made_of_the_line_can_be_read(who: str, value: int, kind: int) -> None:
    line = writer(kind).line(row(value, 200, who))
    found = read_lines(line.rstrip("\n").encode())[-1]
    assert (found.name, found.value) == (f"calls.{fit_name(who)}.200", float(value))


def test_a_name_is_bounded() -> None:
    assert len(writer().line(row(1, 200, "x" * 10_000))) < LONGEST_NAME + 10


@given(
    st.lists(st.text("ab", min_size=1, max_size=30).map(lambda text: f"{text}:1|c\n"), max_size=30), st.integers(5, 80)
)
def test_datagrams_have_whole_lines_in_order(lines: list[str], most: int) -> None:
    found = list(packed(lines, most))
    assert "".join(f"{datagram.decode()}\n" for datagram, _ in found) == "".join(lines)
    assert sum(count for _, count in found) == len(lines)
    assert all(len(datagram) <= most or count == 1 for datagram, count in found)
    assert all(len(a) + len(b) + 1 > most for (a, _), (b, n) in pairwise(found) if n == 1)


ADDRESSES = [
    ("localhost:8125", ("localhost", 8125)),
    ("statsd.metrics", ("statsd.metrics", 8125)),
    ("[::1]:9", ("::1", 9)),
    ("10.0.0.1:1", ("10.0.0.1", 1)),
]


@pytest.mark.parametrize(("text", "expected"), ADDRESSES)
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    assert host_and_port(text, DEFAULT_PORT) == expected


@pytest.mark.parametrize("text", ["", ":1", "a:b", "http://a:1", "a/b", "a@b:1", "a:70000", "x" * 400])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        host_and_port(text, DEFAULT_PORT)


# over a socket


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[StatsdReceiver, int]]:
    loop = asyncio.get_running_loop()
    transport, found = await loop.create_datagram_endpoint(StatsdReceiver, local_addr=("127.0.0.1", 0))
    yield found, transport.get_extra_info("sockname")[1]
    transport.close()


def handler_of(port: int, background: Background, specs: list[InstanceSpec], **changes: Any) -> Any:
    params: Any = Statsd().defaults()
    json_format.ParseDict({"address": f"127.0.0.1:{port}", "flushDuration": "0s", **changes}, params)
    return Statsd().build(params, specs, background)


async def came(found: StatsdReceiver, number: int) -> list[StatsdLine]:
    async with asyncio.timeout(10):
        while len(found.lines) < number:
            await asyncio.sleep(0.001)
    return found.lines


async def test_what_is_reported_arrives_in_datagrams_of_the_size(receiver: tuple[StatsdReceiver, int]) -> None:
    found, port = receiver
    background = Background()
    metrics = {CALLS.name: {"type": "COUNTER", "nameTemplate": NAME}}
    handler = handler_of(port, background, [CALLS], metrics=metrics, flushBytes=64, prefix="mesh")
    handler.report([ReportBatch(CALLS, [row(number, number, "a") for number in range(100)])])
    lines = await came(found, 100)
    await background.stop()
    handler.close()
    assert [line.value for line in lines] == [float(number) for number in range(100)]
    assert (max(found.sizes) <= 64, found.wrong) == (True, [])
    assert background.counted("sent") == {"": 100}


async def test_a_row_that_does_not_fit_does_not_take_the_others(receiver: tuple[StatsdReceiver, int]) -> None:
    found, port = receiver
    background = Background()
    handler = handler_of(port, background, [CALLS], metrics={CALLS.name: {"type": "COUNTER"}})
    with pytest.raises(ValueError, match="no whole number"):
        handler.report([ReportBatch(CALLS, [row(1), row("x"), row(2)])])
    assert [line.value for line in await came(found, 2)] == [1.0, 2.0]
    await background.stop()
    handler.close()
    assert background.counted("dropped") == {"misfit": 1}


async def test_a_server_that_is_away_is_noticed_and_nothing_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    """On one machine the kernel says at once that nobody listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    background = Background()
    handler = handler_of(port, background, [CALLS], metrics={CALLS.name: {"type": "COUNTER"}})
    handler.report([ReportBatch(CALLS, [row(number) for number in range(50)])])
    async with asyncio.timeout(10):
        while not background.counted("retries"):
            await asyncio.sleep(0.001)
    assert background.counted("sent") == {}
    loop = asyncio.get_running_loop()
    transport, found = await loop.create_datagram_endpoint(StatsdReceiver, local_addr=("127.0.0.1", port))
    assert [line.value for line in await came(found, 50)] == [float(number) for number in range(50)]
    await background.stop()
    handler.close()
    transport.close()
    assert (background.counted("sent"), background.counted("dropped")) == ({"": 50}, {})
    assert "takes no datagrams" in capsys.readouterr().out


async def test_a_name_that_leads_nowhere_is_an_error_and_no_crash() -> None:
    background = Background()
    handler = handler_of(1, background, [CALLS], metrics={CALLS.name: {"type": "COUNTER"}}, address="no.such.invalid:1")
    handler.report([ReportBatch(CALLS, [row(1)])])
    async with asyncio.timeout(20):
        while not background.counted("retries"):
            await asyncio.sleep(0.001)
    await background.stop()
    handler.close()
    assert background.counted("dropped") == {"closing": 1}


async def test_the_clients_own_data_reads_the_same_as_ours(receiver: tuple[StatsdReceiver, int]) -> None:
    found, port = receiver
    client = statsd.StatsClient("127.0.0.1", port, prefix="mesh")
    client.incr("calls.a.200", 3)
    client.decr("calls.a.200", 2)
    client.gauge("level", 7)
    client.gauge("level", -7)
    client.timing("took", timedelta(milliseconds=12.5))
    client.close()
    theirs = list(await came(found, 6))
    found.lines.clear()
    specs = {
        "COUNTER": CALLS,
        "GAUGE": sample_spec(METRIC, (), name="level"),
        "DISTRIBUTION": sample_spec(METRIC, (), ValueType.DURATION, name="took"),
    }
    metrics: dict[str, Any] = {spec.name: {"type": kind} for kind, spec in specs.items()}
    metrics[CALLS.name]["nameTemplate"] = NAME
    background = Background()
    handler = handler_of(port, background, list(specs.values()), metrics=metrics, prefix="mesh")
    handler.report([ReportBatch(CALLS, [row(3), row(-2)])])
    handler.report([ReportBatch(specs["GAUGE"], [(7, None, (), ()), (-7, None, (), ())])])
    handler.report([ReportBatch(specs["DISTRIBUTION"], [(Duration(12_500_000), None, (), ())])])
    ours = await came(found, 6)
    await background.stop()
    handler.close()
    assert ours == theirs
