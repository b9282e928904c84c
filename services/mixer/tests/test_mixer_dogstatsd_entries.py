"""DogStatsD's events, service checks, origins and stream sockets, beside the same data of Datadog's own client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from datadog.dogstatsd import DogStatsd
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.adapters.datadog.vocabulary import alert_type, check_status
from flotilla_mixer.adapters.dogstatsd.adapter import Dogstatsd
from flotilla_mixer.adapters.dogstatsd.origin import MACHINES_OWN, container_of, ending, entity_tags
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.kit.framed import Framed
from flotilla_mixer.kit.sending import SendError
from flotilla_mixer.templates.catalogue import LOG_ENTRY, METRIC
from flotilla_mixer.testing.conformance.samples import sample_spec
from flotilla_mixer.testing.datadog_lines import DatagramAgent, Line, StreamAgent, read_datagram, read_line
from flotilla_mixer.testing.golden import hold_to
from flotilla_mixer.testing.handlers import Background
from flotilla_protos.istio.mixer.adapter.dogstatsd.config.config_pb2 import Params
from flotilla_shared.model.expressions import Duration, Timestamp, ValueType

GOLDEN = Path(__file__).parent / "dogstatsd"
FAILED = sample_spec(LOG_ENTRY, ("code", "path", "who"), name="failed.instance.ns")
HEALTH = sample_spec(LOG_ENTRY, ("code", "path", "who"), name="health.instance.ns")
CALLS = sample_spec(METRIC, ("who",), name="calls.instance.ns")
TOOK = sample_spec(METRIC, ("who",), ValueType.DURATION, name="took.instance.ns")
NOW = Timestamp(1_767_225_600_500_000_000)
EVENT = {
    "title": "{{.who}} failed",
    "text": "{{.path}}\nanswered {{.code}}",
    "aggregationKey": "{{.who}}",
    "sourceType": "flotilla",
    "priority": "LOW",
    "tags": {"team": "mesh", "who": "nobody"},
    "tagVariables": ["who", "code"],
}
CHECK = {"name": "mesh.calls", "message": "{{.path}}: {{.code}}", "tagVariables": ["who"]}
PARAMS: dict[str, Any] = {
    "globalTags": {"mesh": "m"},
    "events": {FAILED.name: EVENT},
    "serviceChecks": {HEALTH.name: CHECK},
    "metrics": {
        CALLS.name: {"name": "calls", "type": "DISTRIBUTION", "aggregatedBy": "DATADOG"},
        TOOK.name: {"name": "took", "type": "DISTRIBUTION", "aggregatedBy": "DATADOG"},
    },
}
SPECS = [FAILED, HEALTH, CALLS, TOOK]


def entry(
    severity: str = "error", code: str = "503", path: str = "/a", who: str = "ratings", at: Any = NOW
) -> tuple[Any, ...]:
    return (at, severity, None, (code, path, who), ())


def built(background: Background, address: str = "127.0.0.1:1", specs: Any = SPECS, **changes: Any) -> Any:
    params: Any = Dogstatsd().defaults()
    json_format.ParseDict(PARAMS | {"address": address} | changes, params)
    assert list(Dogstatsd().validate(params, specs)) == []
    return Dogstatsd().build(params, specs, background)


def lines_of(spec: Any, *rows: Any, **changes: Any) -> list[str]:
    """What a handler writes, without sending it."""
    params: Any = Dogstatsd().defaults()
    json_format.ParseDict(PARAMS | changes, params)

    class Kept(Background):
        def deliver(self, *_: Any, **__: Any) -> Any:
            return type("Kept", (), {"offer": staticmethod(kept.extend)})

    kept: list[str] = []
    Dogstatsd().build(params, SPECS, Kept()).report([ReportBatch(spec, list(rows))])
    return kept


def test_golden_lines() -> None:
    lines = lines_of(FAILED, entry(), entry("warning", path="a|b\nc\\ü"), entry("Success"), entry("other", at=None))
    lines += lines_of(HEALTH, *map(entry, ("info", "WARN", "critical", "odd", "")), entry(path="m:|,\n", who="a|b,c"))
    lines += lines_of(CALLS, (3459, None, ("a",), ()), (-1, None, ("",), ()))
    lines += lines_of(TOOK, (Duration(1_500_001), None, ("a",), ()))
    origin = {"containerId": "ci-1", "externalData": "it-false,cn-mixer,pu-2"}
    for spec, row in ((FAILED, entry()), (HEALTH, entry()), (CALLS, (1, None, ("a",), ()))):
        lines += lines_of(spec, row, origin=origin)
    hold_to(GOLDEN / "lines.txt", "".join(lines))
    assert all(read_line(line.rstrip("\n").encode()) for line in lines)


@given(st.text(max_size=5000), st.text(max_size=300), st.text(max_size=300))
def test_whatever_an_entry_is_made_of_its_event_and_check_can_be_read(path: str, who: str, code: str) -> None:
    row = entry("error", code or "0", path, who)
    (event,) = map(read_line, (line.rstrip("\n").encode() for line in lines_of(FAILED, row)))
    (check,) = map(read_line, (line.rstrip("\n").encode() for line in lines_of(HEALTH, row)))
    assert [tag.partition(":")[0] for tag in event.tags] == ["code", "mesh", "team", "who"]
    assert len(event.name) <= 100
    assert len(event.value) <= 4000
    assert (check.name, check.value) == ("mesh.calls", "2")


def test_a_long_event_is_cut_to_what_an_agent_reads() -> None:
    (line,) = lines_of(FAILED, entry(path="ü" * 50_000, who="w" * 500))
    (event,) = read_datagram(line.encode())
    assert len(line.encode()) <= 8192
    assert event.name.endswith("...")


SEVERITIES = [
    ("emergency", "error", 2),
    ("CRITICAL", "error", 2),
    ("error", "error", 2),
    ("Warning", "warning", 1),
    ("warn", "warning", 1),
    ("ok", "success", 0),
    ("success", "success", 0),
    ("info", "info", 0),
    ("", "info", 0),
    ("Default", "info", 0),
    ("whatever", "info", 3),
]


@pytest.mark.parametrize(("severity", "alert", "status"), SEVERITIES)
def test_severities(severity: str, alert: str, status: int) -> None:
    assert (alert_type(severity), check_status(severity)) == (alert, status)


def test_rows_that_do_not_fit_are_told_and_the_others_sent() -> None:
    kept: list[str] = []
    with pytest.raises(ValueError, match="do not fit"):
        kept += lines_of(FAILED, entry(), (NOW, "info", None, ("a",), ()))


# origins

CONTAINER = "a" * 64


def files(root: Path, groups: str) -> Path:
    (root / "proc/self/ns").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    (root / "proc/self/ns/cgroup").write_text("")
    return root


def test_a_container_that_has_a_namespace_of_its_own_is_known_by_its_inode(tmp_path: Path) -> None:
    root = files(tmp_path, "0::/\n")
    (root / "sys/fs/cgroup").mkdir(parents=True)
    assert container_of(root) == f"in-{(root / 'sys/fs/cgroup').stat().st_ino}"


def test_of_version_one_the_memory_controller_is_asked(tmp_path: Path) -> None:
    root = files(tmp_path, f"4:cpu:/x\n3:memory:/docker/{CONTAINER}\n")
    group = root / "sys/fs/cgroup/memory/docker" / CONTAINER
    group.mkdir(parents=True)
    assert container_of(root) == f"in-{group.stat().st_ino}"


NAMED = [
    (f"0::/kubepods/besteffort/pod1/{CONTAINER}\n", f"ci-{CONTAINER}"),
    (f"0::/system.slice/docker-{CONTAINER}.scope\n", f"ci-{CONTAINER}"),
    (f"1:name=systemd:/ecs/{'b' * 32}-123\n", f"ci-{'b' * 32}-123"),
    ("0::/garden/34dc0b5e-626d-2c5c-4e51-70e34b10e765\n", "ci-34dc0b5e-626d-2c5c-4e51-70e34b10e765"),
    ("0::/user.slice\n", ""),
    ("", ""),
]


@pytest.mark.parametrize(("groups", "container"), NAMED)
def test_where_the_machine_is_seen_it_is_known_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, groups: str, container: str
) -> None:
    root = files(tmp_path, groups)
    monkeypatch.setattr(
        "flotilla_mixer.adapters.dogstatsd.origin.MACHINES_OWN", (root / "proc/self/ns/cgroup").stat().st_ino
    )
    assert container_of(root) == container
    assert MACHINES_OWN == 0xEFFFFFFB


def test_what_the_environment_says_of_a_pod_is_told_where_that_is_wanted(tmp_path: Path) -> None:
    given = {"DD_EXTERNAL_ENV": "it-false,cn-mixer", "DD_ENTITY_ID": "uid"}
    wanted = Params.Origin(detect=True)
    assert ending(wanted, tmp_path, given) == "|e:it-false,cn-mixer"
    assert entity_tags(wanted, given) == {"dd.internal.entity_id": "uid"}
    assert (ending(Params.Origin(), tmp_path, given), entity_tags(Params.Origin(), given)) == ("", {})
    named = Params.Origin(detect=True, container_id="a|b\n", external_data="x")
    assert ending(named, tmp_path, given) == "|c:a_b_|e:x"


# twins


@pytest.fixture
async def agent() -> AsyncIterator[tuple[DatagramAgent, int]]:
    loop = asyncio.get_running_loop()
    transport, found = await loop.create_datagram_endpoint(DatagramAgent, local_addr=("127.0.0.1", 0))
    yield found, transport.get_extra_info("sockname")[1]
    transport.close()


OPTIONS: dict[str, Any] = {
    "namespace": "istio",
    "constant_tags": ["mesh:m"],
    "disable_telemetry": True,
    "disable_buffering": True,
    "disable_background_sender": True,
    "origin_detection_enabled": False,
}


def send_theirs(client: DogStatsd) -> None:
    client.event(
        "ratings failed",
        "/a\nanswered 503",
        alert_type="error",
        aggregation_key="ratings",
        source_type_name="flotilla",
        date_happened=1_767_225_600,
        priority="low",
        tags=["code:503", "team:mesh", "who:ratings"],
    )
    client.service_check("mesh.calls", 2, ["who:ratings"], timestamp=1_767_225_600, message="/a: 503")
    client.distribution("calls", 3459, tags=["who:a"])
    client.distribution("took", 12.5, tags=["who:a"])
    client.close_socket()


def report_ours(handler: Any) -> None:
    handler.report([ReportBatch(FAILED, [entry()]), ReportBatch(HEALTH, [entry()])])
    handler.report([ReportBatch(CALLS, [(3459, None, ("a",), ())])])
    handler.report([ReportBatch(TOOK, [(Duration(12_500_000), None, ("a",), ())])])


async def test_the_clients_own_data_reads_the_same_as_ours(
    agent: tuple[DatagramAgent, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, port = agent
    client = DogStatsd("127.0.0.1", port, container_id="ci-1", **OPTIONS)
    send_theirs(client)
    theirs = list(await found.came(4))
    found.lines.clear()
    background = Background()
    handler = built(background, f"127.0.0.1:{port}", origin={"containerId": "ci-1"})
    report_ours(handler)
    ours = await found.came(4)
    await background.stop(10)
    handler.close()
    assert ours == theirs
    assert found.wrong == []


async def test_over_a_stream_too(tmp_path: Path) -> None:
    found = StreamAgent(tmp_path / "dsd.socket")
    await found.start()
    client = DogStatsd(socket_path=found.address, **OPTIONS)
    await asyncio.to_thread(send_theirs, client)
    theirs = list(await found.came(4))
    found.lines.clear()
    background = Background()
    handler = built(background, found.address)
    report_ours(handler)
    ours = await found.came(4)
    await background.stop(10)
    handler.close()
    assert ours == theirs
    assert found.wrong == []
    await found.stop()


async def test_unixgram_is_a_socket_of_datagrams(tmp_path: Path) -> None:
    path = tmp_path / "dsd.socket"
    loop = asyncio.get_running_loop()
    transport, found = await loop.create_datagram_endpoint(
        DatagramAgent, local_addr=str(path), family=__import__("socket").AF_UNIX
    )
    background = Background()
    handler = built(background, f"unixgram://{path}")
    report_ours(handler)
    assert len(await found.came(4)) == 4
    await background.stop(10)
    handler.close()
    transport.close()


# streams


async def test_a_slow_agent_on_a_stream_loses_nothing_and_frames_are_whole(tmp_path: Path) -> None:
    found = StreamAgent(tmp_path / "dsd.socket")
    await found.start()
    found.reading.clear()
    background = Background()
    handler = built(background, found.address)
    rows = [(number, None, ("x" * 150,), ()) for number in range(10_000)]
    handler.report([ReportBatch(CALLS, rows)])
    await asyncio.sleep(0.05)
    assert background.counted("sent").get("", 0) < 10_000
    found.reading.set()
    lines = await found.came(10_000, 30)
    await background.stop(10)
    handler.close()
    assert [float(line.value) for line in lines] == list(range(10_000))
    assert (background.counted("sent"), background.counted("dropped"), found.wrong) == ({"": 10_000}, {}, [])
    assert max(found.sizes) <= 8192
    await found.stop()


async def test_a_stream_is_opened_anew(tmp_path: Path) -> None:
    found = StreamAgent(tmp_path / "dsd.socket")
    link = Framed(found.address, 8192)
    with pytest.raises(SendError) as away:
        await link.send(["a:1|c\n", "b:1|c\n"])
    assert (away.value.retry, away.value.left) == (True, ["a:1|c\n", "b:1|c\n"])
    for _ in range(2):
        await found.start()
        with_retry = ["a:1|c\n"]
        while with_retry:
            try:
                await link.send(with_retry)
                with_retry = []
            except SendError as error:
                with_retry = list(error.left or ())
        await found.came(1)
        found.lines.clear()
        await found.stop()
    link.close()
    link.close()


@pytest.mark.parametrize("address", ["unixstream://", "unixstream://relative", "unix:///a", "a:1"])
def test_addresses_that_are_no_stream(address: str) -> None:
    with pytest.raises(ValueError, match="whole path"):
        Framed(address, 512)


OUTAGE_SECONDS, RETURN_SECONDS = 20.0, 10.0
ENTRIES_A_SECOND, TURN_SECONDS = 5_000, 0.02


@pytest.mark.slow
async def test_an_outage_costs_what_the_counter_says_and_ends_by_itself(tmp_path: Path) -> None:
    """5,000 entries a second over a stream, the agent away for 20 s."""
    found, background = StreamAgent(tmp_path / "dsd.socket"), Background()
    handler = built(background, found.address)
    loop = asyncio.get_running_loop()
    begun, given, slowest = loop.time(), 0, 0.0
    while loop.time() - begun < OUTAGE_SECONDS:
        before = time.thread_time()
        number = int(ENTRIES_A_SECOND * TURN_SECONDS)
        handler.report([ReportBatch(CALLS, [(1, None, ("a",), ())] * number)])
        slowest = max(slowest, time.thread_time() - before)
        given += number
        await asyncio.sleep(TURN_SECONDS)
    assert background.counted("waiting")[""] <= 20_000
    await found.start()
    back = loop.time()
    await found.came(1, RETURN_SECONDS)
    print(f"delivery resumed {loop.time() - back:.1f} s after the return; a report took {slowest * 1e3:.2f} ms at most")
    await background.stop(20)
    handler.close()
    dropped = sum(background.counted("dropped").values())
    await found.came(given - dropped)
    assert (len(found.lines), found.wrong) == (given - dropped, [])
    assert 0 < dropped < given
    await found.stop()


# parameters

E = f"spec.params.events[{FAILED.name}]"
C = f"spec.params.serviceChecks[{HEALTH.name}]"
M = f"spec.params.metrics[{CALLS.name}]"
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"address": "unixstream://relative"}, "spec.params.address"),
    ({"events": {FAILED.name: EVENT | {"text": ""}}}, f"{E}.text"),
    ({"events": {FAILED.name: EVENT | {"text": "{{.who"}}}, f"{E}.text"),
    ({"events": {FAILED.name: EVENT | {"title": "{{.where}}"}}}, f"{E}.title"),
    ({"events": {FAILED.name: EVENT | {"aggregationKey": "{{.where}}"}}}, f"{E}.aggregationKey"),
    ({"events": {FAILED.name: EVENT | {"priority": 7}}}, f"{E}.priority"),
    ({"events": {FAILED.name: EVENT | {"tagVariables": ["where"]}}}, f"{E}.tagVariables"),
    ({"events": {}}, "spec.params.events"),
    ({"events": {FAILED.name: EVENT, HEALTH.name: EVENT}}, "spec.params.events"),
    ({"serviceChecks": {HEALTH.name: CHECK | {"name": ""}}}, f"{C}.name"),
    ({"serviceChecks": {HEALTH.name: CHECK | {"message": "{{.where}}"}}}, f"{C}.message"),
    ({"serviceChecks": {HEALTH.name: CHECK | {"tagVariables": ["where"]}}}, f"{C}.tagVariables"),
    ({"metrics": PARAMS["metrics"] | {CALLS.name: {"name": "c", "type": 1, "aggregatedBy": 1}}}, f"{M}.aggregatedBy"),
    ({"metrics": PARAMS["metrics"] | {CALLS.name: {"name": "c", "type": 3, "aggregatedBy": 7}}}, f"{M}.aggregatedBy"),
]


@pytest.mark.parametrize(("changes", "field"), WRONG)
def test_parameters_that_cannot_be(changes: dict[str, Any], field: str) -> None:
    params: Any = Dogstatsd().defaults()
    json_format.ParseDict(PARAMS | changes, params)
    assert [fault.field for fault in Dogstatsd().validate(params, SPECS)] == [field]


# the reader of these tests

NO_LINES = [
    b"a:1",
    b"a:x|c",
    b"a:1|q",
    b"a:1|c|#a:b|@0.5",
    b"a:1|c|@2",
    b"_e{1,1}:a|",
    b"_e{1,1}:ab",
    b"_e{2,1}:a|b",
    b"_e{1,1}:a|b|p:high",
    b"_e{1,1}:a|b|t:bad",
    b"_e{1,1}:a|b|x:y",
    b"_sc|a|4",
    b"_sc|a|1|m:x|#a:b",
]


@pytest.mark.parametrize("line", NO_LINES)
def test_what_the_reader_refuses(line: bytes) -> None:
    with pytest.raises(ValueError):
        read_line(line)


def test_what_the_reader_takes() -> None:
    assert read_line(b"_e{1,3}:a|b|c|#y:1,x:2") == Line("_e", "a", "b|c", (("#", "x:2,y:1"),))
