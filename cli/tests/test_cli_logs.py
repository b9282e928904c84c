"""`flotilla logs`: which files, and which of their lines."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from flotilla_cli.__main__ import main
from flotilla_cli.commands.logs import chosen_logs, last_lines, show
from flotilla_cli.commands.run_workload import log_size
from flotilla_cli.errors import NoMesh, Refused
from flotilla_cli.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    (tmp_path / "web-v1").mkdir()
    (tmp_path / "gate").mkdir()
    (tmp_path / "pilot.log").write_text("".join(f"line {number}\n" for number in range(100)))
    (tmp_path / "web-v1.log").write_text("GET /\n")
    (tmp_path / "web-v1" / "envoy.log").write_text("web's envoy\n")
    (tmp_path / "gate" / "envoy.log").write_text("gate's envoy\n")
    return RunFolder(tmp_path)


@pytest.mark.parametrize(
    ("name", "envoy", "file"),
    [
        ("pilot", False, "pilot.log"),
        ("web-v1", False, "web-v1.log"),
        ("web-v1", True, "web-v1/envoy.log"),
        ("gate", False, "gate/envoy.log"),  # a router has no application: its Envoy's is the only one
    ],
)
def test_a_name_has_its_log(folder, name, envoy, file):
    assert chosen_logs(folder, name, envoy=envoy) == {name: folder.path / file}


def test_without_a_name_all_are_shown(folder):
    assert list(chosen_logs(folder, None, envoy=False)) == ["pilot", "web-v1"]


@pytest.mark.parametrize(("name", "envoy"), [("nobody", False), ("pilot", True)])
def test_a_name_without_log_is_answered_with_those_that_have(folder, name, envoy):
    with pytest.raises(Refused, match=f"{name} has no log.*There are: gate, pilot, web-v1"):
        chosen_logs(folder, name, envoy=envoy)


def test_a_run_folder_without_logs(tmp_path):
    with pytest.raises(NoMesh, match="no logs in"):
        chosen_logs(RunFolder(tmp_path), None, envoy=False)


@pytest.mark.parametrize(
    ("content", "count", "lines"),
    [
        (b"", 5, []),
        (b"a\nb\nc\n", 2, ["b", "c"]),
        (b"a\nb\nc", 2, ["b", "c"]),
        (b"a\n", 0, []),
        (b"a\n", 9, ["a"]),
        (b"x" * 200_000 + b"\nlast\n", 1, ["last"]),
        (b"first\n" + b"y\n" * 100_000, 1, ["y"]),
    ],
)
def test_the_last_lines(content, count, lines):
    log = io.BytesIO(content)
    assert list(last_lines(log, count)) == lines
    assert log.read() == b""


def test_the_command_prints_them(folder, capsys):
    assert main(["logs", "pilot", "-n", "2", "--run-dir", str(folder.path)]) == 0
    assert capsys.readouterr().out == "line 98\nline 99\n"
    assert main(["logs", "-n", "1", "--run-dir", str(folder.path)]) == 0
    assert capsys.readouterr().out == "pilot  | line 99\nweb-v1 | GET /\n"


def test_following_shows_what_comes(folder):
    command = [sys.executable, "-m", "flotilla_cli", "logs", "web-v1", "-f", "--run-dir", str(folder.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline() == "GET /\n"
        with folder.log("web-v1").open("a") as log:
            log.write("GET /2\n")
        assert follower.stdout.readline() == "GET /2\n"
        follower.terminate()


def test_what_an_earlier_run_wrote_is_not_shown_again(folder, capsys, monkeypatch):
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    before = log_size(folder, "web-v1")
    with folder.log("web-v1").open("a") as log:
        log.write("GET /now\n")
    monkeypatch.setattr("time.sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        show(folder, "web-v1", follow=True, envoy=False, since=before)
    assert capsys.readouterr().out == "GET /now\n"


def test_a_workload_that_never_ran_has_written_nothing(folder):
    assert log_size(folder, "visitor") == 0
