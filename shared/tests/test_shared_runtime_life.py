"""How a process lives: start and stop, settings, the command line, logs, metrics, readiness, hops."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.runtime.backoff import Backoff
from flotilla_shared.runtime.lifecycle import Lifecycle, Tasks
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.runtime.readiness import Readiness
from flotilla_shared.runtime.settings import ServiceSettings, SettingsError, describe, document, load_settings
from flotilla_shared.runtime.trace import HopRecorder


class Part:
    """A component that writes down what happens to it."""

    def __init__(self, name: str, diary: list[str], *, fails: str = "", slow: bool = False) -> None:
        self.name, self.diary, self.fails, self.slow = name, diary, fails, slow

    async def start(self) -> None:
        self.diary.append(f"start {self.name}")
        if self.fails == "start":
            raise RuntimeError("no start")

    async def stop(self) -> None:
        self.diary.append(f"stop {self.name}")
        if self.fails == "stop":
            raise RuntimeError("no stop")
        if self.slow:
            await asyncio.Event().wait()


async def test_started_in_order_and_stopped_in_reverse() -> None:
    diary: list[str] = []
    life = Lifecycle()
    for name in "abc":
        life.add(Part(name, diary), name)
    await life.start()
    await life.stop()
    await life.stop()
    assert diary == ["start a", "start b", "start c", "stop c", "stop b", "stop a"]


async def test_a_start_that_fails_stops_what_was_started() -> None:
    diary: list[str] = []
    life = Lifecycle()
    for name, fails in (("a", ""), ("b", "start"), ("c", "")):
        life.add(Part(name, diary, fails=fails), name)
    with pytest.raises(RuntimeError, match="no start"):
        await life.start()
    assert diary == ["start a", "start b", "stop b", "stop a"]


async def test_a_stop_that_fails_or_hangs_keeps_nobody() -> None:
    diary: list[str] = []
    life = Lifecycle(stop_seconds=0.01)
    life.add(Part("a", diary), "a")
    life.add(Part("b", diary, fails="stop"), "b")
    life.add(Part("c", diary, slow=True), "c")
    await life.start()
    await life.stop()
    assert diary[3:] == ["stop c", "stop b", "stop a"]


async def test_tasks_are_owned_and_their_crashes_kept() -> None:
    tasks = Tasks("owner")

    async def crash() -> None:
        raise LookupError("gone")

    crashed, endless = tasks.spawn(crash(), "crash"), tasks.spawn(asyncio.Event().wait(), "endless")
    await asyncio.wait({crashed})
    assert [type(error) for error in tasks.crashed] == [LookupError]
    assert len(tasks) == 1
    await tasks.stop()
    assert endless.cancelled()
    assert len(tasks) == 0


PROGRAM = """
import asyncio, sys
from flotilla_shared.runtime.lifecycle import Lifecycle, run_service
from flotilla_shared.runtime.logs import configure_logs
configure_logs()
class Part:
    async def start(self): print("up", flush=True)
    async def stop(self):
        print("down", flush=True)
        if "hang" in sys.argv: await asyncio.Event().wait()
async def main():
    life = Lifecycle(stop_seconds=30)
    life.add(Part(), "part")
    return await life.run()
sys.exit(run_service(main))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_in_order(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        assert process.stdout.readline() == "down\n"
        assert process.wait(20) == 0


def test_a_second_signal_ends_at_once() -> None:
    arguments = [sys.executable, "-c", PROGRAM, "hang"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.terminate()
        assert process.stdout.readline() == "down\n"
        process.terminate()
        assert process.wait(20) == 1


# backoff


def test_backoff_grows_to_its_cap_and_begins_again() -> None:
    backoff = Backoff(first=1, cap=8, source=random.Random(1))
    ceilings = [1, 2, 4, 8, 8, 8]
    assert all(0 <= backoff.next() <= ceiling for ceiling in ceilings)
    backoff.reset()
    assert backoff.next() <= 1


@pytest.mark.parametrize(("first", "cap"), [(0, 1), (2, 1), (-1, 1)])
def test_a_backoff_that_makes_no_sense(first: float, cap: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Backoff(first, cap)


# settings


class Settings(ServiceSettings):
    count: int = Field(3, ge=0, description="how many")
    word: SecretStr = Field(SecretStr("hush"), description="a secret")
    names: tuple[str, ...] = Field((), description="some names")


def load(tmp_path: Path, text: str | None = None) -> Settings:
    file = None
    if text is not None:
        file = tmp_path / "s.yaml"
        file.write_text(text)
    return load_settings(Settings, "test", file)


def test_the_environment_beats_the_file_and_the_file_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load(tmp_path).count == 3
    assert load(tmp_path, "count: 4\nnames: [a, b]\n").count == 4
    monkeypatch.setenv("FLOTILLA_TEST_COUNT", "5")
    monkeypatch.setenv("FLOTILLA_TEST_NAMES", '["c"]')
    loaded = load(tmp_path, "count: 4\nnames: [a, b]\n")
    assert (loaded.count, loaded.names) == (5, ("c",))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cuont: 1\n", "no setting cuont, did you mean count?"),
        ("zzz: 1\n", "no setting zzz"),
        ("count: many\n", "count: "),
        ("count: -1\n", "count: "),
        ("log_level: loud\n", "log_level: "),
        ("[1]\n", "key: value"),
        ("a: [\n", "is not YAML"),
    ],
)
def test_settings_that_cannot_be_used(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, text)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_unknown_variable_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOTILLA_TEST_CUONT", "1")
    with pytest.raises(SettingsError, match="FLOTILLA_TEST_CUONT, did you mean FLOTILLA_TEST_COUNT"):
        load(tmp_path)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(Settings, "test", tmp_path / "none")


def test_secrets_are_masked_and_everything_is_described(tmp_path: Path) -> None:
    assert "hush" not in str(describe(load(tmp_path)))
    described = document(Settings)
    assert {name for name, _, _ in described} == set(Settings.model_fields)
    assert all(text for _, _, text in described)


@pytest.mark.parametrize(
    ("address", "given", "wanted"),
    [
        ("127.0.0.11", "", "127.0.0.11"),
        ("0.0.0.0", "", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.5", "127.0.0.5"),
        ("10.0.0.1", "10.0.0.2", "127.0.0.1"),
    ],
)
def test_introspection_is_on_loopback_whatever_is_said(address: str, given: str, wanted: str) -> None:
    assert Settings(address=address, introspection_address=given).loopback_address == wanted


@pytest.mark.parametrize("service", ["galley", "citadel", "pilot"])
def test_the_command_line_of_a_service(service: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", f"flotilla_{service}"]
    shown = subprocess.run([*command, "print-config"], capture_output=True, text=True, cwd=tmp_path, check=True).stdout
    assert "monitoring_port: 15014" in shown
    assert f"FLOTILLA_{service.upper()}_LOG_LEVEL" in shown
    version = subprocess.run([*command, "version"], capture_output=True, text=True, check=True).stdout
    assert version.startswith(f"flotilla-{service} ")
    (tmp_path / "bad.yaml").write_text("nothing: 1\n")
    refused = subprocess.run(
        [*command, "serve", "--config", str(tmp_path / "bad.yaml")], capture_output=True, text=True
    )
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "Traceback" not in refused.stderr


def test_logs_are_one_json_object_a_line() -> None:
    program = (
        "from flotilla_shared.runtime.logs import configure_logs, get_logger\n"
        "configure_logs('info', 'json', 'test')\n"
        "log = get_logger('flotilla_test.part')\n"
        "log.debug('not shown')\nlog.info('something happened', count=3)\n"
        "try: 1/0\nexcept ZeroDivisionError: log.exception('it failed')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    first, second = (json.loads(line) for line in done.stderr.splitlines())
    assert (first["event"], first["count"], first["service"], first["component"]) == (
        "something happened",
        3,
        "test",
        "test.part",
    )
    assert "ZeroDivisionError" in second["exception"]


# metrics, readiness, hops


def test_counters_keep_the_name_that_they_are_given() -> None:
    metrics = ServiceMetrics("test")
    metrics.counter("pilot_total_xds_rejects", "rejects", ["type"]).labels("cds").inc()
    metrics.counter("requests_total", "requests").inc(2)
    metrics.gauge("size", "size").set(7)
    metrics.histogram("seconds", "time", buckets=(1, 2)).observe(1.5)
    text = metrics.render().decode()
    for line in (
        "# TYPE pilot_total_xds_rejects counter",
        'pilot_total_xds_rejects{type="cds"} 1.0',
        "requests_total 2.0",
        "size 7.0",
        'seconds_bucket{le="2.0"} 1.0',
    ):
        assert line in text.splitlines(), text
    assert "_created" not in text


async def test_ready_when_every_condition_holds() -> None:
    readiness = Readiness()
    assert readiness.ready
    one, two = readiness.condition("one"), readiness.condition("two")
    assert readiness.condition("one") is one
    assert set(readiness.unmet_reasons()) == {"one", "two"}
    waiting = asyncio.create_task(readiness.wait())
    one.met()
    two.unmet("waiting for something")
    await asyncio.sleep(0)
    assert not waiting.done()
    assert readiness.unmet_reasons() == {"two": "waiting for something"}
    two.met()
    await waiting
    one.unmet("gone")
    assert not readiness.ready


def test_hops_are_bounded_and_found_by_what_they_concern() -> None:
    ticks = iter(range(100))
    recorder = HopRecorder("pilot", limit=3, clock=lambda: next(ticks))
    for name in ("a", "b", "a", "c"):
        recorder.record("pilot.received", ObjectKey("col", "ns", name), "v1", proxy="p")
    assert [hop["name"] for hop in recorder.hops()] == ["b", "a", "c"]
    assert [hop["at_ns"] for hop in recorder.hops(name="a")] == [2]
    assert recorder.hops(version="v2") == []
    assert recorder.topic({"collection": "col", "name": "c"}) == {"hops": recorder.hops(name="c")}
    assert set(recorder.hops()[0]) == {
        "hop",
        "service",
        "collection",
        "namespace",
        "name",
        "version",
        "proxy",
        "detail",
        "at_ns",
    }
