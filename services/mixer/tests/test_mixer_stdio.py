"""Lines: their form, where they go, and what happens when they cannot be written."""

from __future__ import annotations

import asyncio
import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from flotilla_mixer.adapters.stdio import adapter as stdio
from flotilla_mixer.adapters.stdio.adapter import Stdio
from flotilla_mixer.adapters.stdio.sinks import File
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.kit.delivery import DeliverySettings
from flotilla_mixer.templates.catalogue import LOG_ENTRY, METRIC
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.handlers import Background
from flotilla_shared.model.expressions import Duration, Timestamp

ENTRY = InstanceSpec("access.instance.default", LOG_ENTRY, {}, {"variables": ("ip", "labels", "path", "took", "with")})
METRIC_SPEC = InstanceSpec("size.instance.default", METRIC, {}, {"dimensions": ("code", "raw")})
MOMENT = Timestamp(1767225600_123_456_789)


def params(**changes: Any) -> Any:
    found: Any = Stdio().defaults()
    return json_format.ParseDict(changes, found)


def entry(path: str = "/", severity: str | None = "info") -> tuple[Any, ...]:
    values = (bytes([10, 0, 0, 1]), {"app": "a"}, path, Duration(1_500_000), None)
    return (MOMENT, severity, None, values, ())


async def written(changes: dict[str, Any], *batches: ReportBatch) -> None:
    background = Background()
    handler = Stdio().build(params(**changes), [], background)
    handler.report(batches)
    await background.stop(10)
    handler.close()


async def test_a_log_entry_is_a_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    await written({}, ReportBatch(ENTRY, [entry()]))
    assert capsys.readouterr().out == (
        '{"level":"info","time":"2026-01-01T00:00:00.123456Z","instance":"access.instance.default","ip":"10.0.0.1",'
        '"labels":{"app":"a"},"path":"/","took":"1.5ms"}\n'
    )


async def test_a_metric_has_its_value_first(capsys: pytest.CaptureFixture[str]) -> None:
    await written({"metricLevel": "WARNING"}, ReportBatch(METRIC_SPEC, [(7, None, (200, b"b"), ())]))
    content = json.loads(capsys.readouterr().out)
    assert list(content) == ["level", "time", "instance", "value", "code", "raw"]
    assert (content["level"], content["value"], content["raw"]) == ("warn", 7, "Yg==")


async def test_text_has_tabs_and_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    await written({"outputAsJson": False, "logStream": "STDERR"}, ReportBatch(ENTRY, [entry(severity="err")]))
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.startswith("2026-01-01T00:00:00.123456Z\terror\taccess.instance.default\t{")


SEVERITIES = [
    ("info", "info"),
    ("WARNING", "warn"),
    ("fatal", "error"),
    ("strange", "info"),
    (None, "info"),
    ("mine", "error"),
]


@pytest.mark.parametrize(("severity", "level"), SEVERITIES)
async def test_severities(severity: str | None, level: str, capsys: pytest.CaptureFixture[str]) -> None:
    await written({"severityLevels": {"mine": "ERROR"}}, ReportBatch(ENTRY, [entry(severity=severity)]))
    assert json.loads(capsys.readouterr().out)["level"] == level


async def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    await written({"outputLevel": "ERROR"}, ReportBatch(ENTRY, [entry(), entry(severity="error")]))
    assert capsys.readouterr().out.count("\n") == 1


async def test_lines_are_written_while_the_handler_lives(tmp_path: Path) -> None:
    background, file = Background(), tmp_path / "out.log"
    handler = Stdio().build(params(logStream="FILE", outputPath=str(file)), [], background)
    handler.report([ReportBatch(ENTRY, [entry("/one")])])
    async with asyncio.timeout(10):
        while not file.exists() or "/one" not in file.read_text():
            await asyncio.sleep(0.01)
    handler.report([ReportBatch(ENTRY, [entry("/two")])])
    await background.stop(10)
    handler.close()
    handler.close()
    assert [json.loads(line)["path"] for line in file.read_text().splitlines()] == ["/one", "/two"]


async def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(stdio, "DELIVERY", DeliverySettings(most_waiting=2, batch_seconds=0))
    background = Background()
    handler = Stdio().build(params(), [], background)
    with pytest.raises(ValueError, match="3 lines are dropped"):
        handler.report([ReportBatch(ENTRY, [entry(str(number)) for number in range(5)])])
    await background.stop(10)
    handler.close()
    assert capsys.readouterr().out.count('"level"') == 2
    assert (background.counted("sent"), background.counted("dropped")) == ({"": 2}, {"full": 3})


async def test_a_folder_that_is_not_there_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    background, file = Background(), tmp_path / "later" / "x"
    handler = Stdio().build(params(logStream="FILE", outputPath=str(file)), [], background)
    handler.report([ReportBatch(ENTRY, [entry()])])
    async with asyncio.timeout(10):
        while not background.counted("retries"):
            await asyncio.sleep(0.01)
    assert "No such file or directory" in capsys.readouterr().out
    file.parent.mkdir()
    await background.stop(10)
    handler.close()
    assert background.counted("sent") == {"": 1}
    assert len(file.read_text().splitlines()) == 1


def test_a_line_that_does_not_fit_is_taken_back(tmp_path: Path) -> None:
    file = File(tmp_path / "a.log")
    file.write("one\n")
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits := resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    try:
        with pytest.raises(OSError):
            file.write("a line that is longer\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limits, limits))
    assert (tmp_path / "a.log").read_text() == "one\n"
    file.write("two\n")
    file.close()
    assert (tmp_path / "a.log").read_text() == "one\ntwo\n"


def test_a_file_that_was_moved_away_begins_anew(tmp_path: Path) -> None:
    file = File(tmp_path / "a.log")
    file.write("one\n")
    (tmp_path / "a.log").rename(tmp_path / "b.log")
    file.write("two\n")
    file.close()
    assert ((tmp_path / "a.log").read_text(), (tmp_path / "b.log").read_text()) == ("two\n", "one\n")


def test_rotation_removes_its_own_old_files_and_no_others(tmp_path: Path) -> None:
    kept = [tmp_path / "a-2.log", tmp_path / "ab-2020-01-01T00-00-00.000000.log"]
    old = tmp_path / "a-2020-01-01T00-00-00.000000.log"
    for each in (*kept, old):
        each.write_text("x")
        os.utime(each, (0, 0))
    file = File(tmp_path / "a.log", most_bytes=10, most_days=30)
    file.write("one\n")
    file.close()
    assert (old.exists(), [each.exists() for each in kept]) == (False, [True, True])


def test_a_file_that_is_too_long_begins_anew(tmp_path: Path) -> None:
    file = File(tmp_path / "a.log", most_bytes=20, most_files=2)
    for number in range(6):
        file.write(f"{number} 123456789012\n")
    file.close()
    old = sorted(tmp_path.glob("a-*.log"))
    assert (tmp_path / "a.log").read_text().startswith("5 ")
    assert [each.read_text()[0] for each in old] == ["3", "4"]


WRONG = [
    ({"logStream": "FILE"}, "spec.params.outputPath"),
    ({"outputPath": "x"}, "spec.params.outputPath"),
    ({"maxRotatedFiles": -1}, "spec.params.maxRotatedFiles"),
    ({"maxDaysBeforeRotation": -1}, "spec.params.maxDaysBeforeRotation"),
]


@pytest.mark.parametrize(("changes", "field"), WRONG)
def test_parameters_that_make_no_sense(changes: dict[str, Any], field: str) -> None:
    assert [fault.field for fault in Stdio().validate(params(**changes), [])] == [field]
