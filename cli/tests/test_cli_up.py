"""`flotilla up` as a process, over stand-in services: up, asked, down, interrupted, killed, refused."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from flotilla_cli.__main__ import main
from flotilla_cli.errors import NoMesh, StartError
from flotilla_cli.mesh import Mesh, MeshTimeout
from flotilla_cli.options import UpOptions

STUBS = str(Path(__file__).parent / "stubs")


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch, directory: Path, edit: Callable[[str, str, str], None]) -> None:
    """The services are stand-ins, for the supervisor's children and in no other way."""
    monkeypatch.setenv("PYTHONPATH", STUBS)
    monkeypatch.setenv("FLOTILLA_ENVOY", "/bin/true")
    edit("processes.yaml", "[python, -m, http.server]", '[sleep, "1000"]')


@pytest.fixture
def options(tmp_path: Path) -> UpOptions:
    return UpOptions(run_dir=tmp_path / "run")


@pytest.fixture
def mesh(directory: Path, options: UpOptions) -> Iterator[Mesh]:
    with Mesh.up(directory, options) as running:
        yield running


def parts(mesh: Mesh) -> list[psutil.Process]:
    assert mesh.process is not None
    return psutil.Process(mesh.process.pid).children(recursive=True)


def all_gone(processes: list[psutil.Process]) -> bool:
    return all(not p.is_running() or p.status() == psutil.STATUS_ZOMBIE for p in processes)


def test_a_mesh_comes_up_is_asked_and_goes_down(directory, options):
    said: list[str] = []
    with Mesh.up(directory, options, say=said.append) as mesh:
        assert [line.split()[0] for line in said[:4]] == ["citadel", "galley", "pilot", "mixer"]
        assert "The mesh is up" in said[-1]
        assert mesh.status().raw["supervisor"]["phase"] == "up"
        assert mesh.plan.directory == directory
        assert mesh.gateway == f"http://{mesh.plan.addresses['pilot'].rpartition('.')[0]}.1:8080"
        started = parts(mesh)
        assert len(started) == 6
    assert mesh.process is not None
    assert mesh.process.returncode == 0
    assert all_gone(started)
    assert mesh.client.state() is None
    with pytest.raises(NoMesh):
        Mesh.attach(mesh.run_dir)


def test_parts_are_stopped_and_started_by_command(mesh, capsys):
    run_dir = ["--run-dir", str(mesh.run_dir)]
    assert main(["stop", "pilot", "--kill", *run_dir]) == 0
    assert mesh.status().part("pilot").state == "stopped"
    assert main(["start", "pilot", *run_dir]) == 0
    assert main(["run", "guest", "--detach", *run_dir]) == 0
    assert main(["stop", "guest", *run_dir]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "pilot is killed.",
        "pilot is ready.",
        "guest has joined the mesh.",
        "guest is stopped.",
    ]
    assert main(["start", "galley", *run_dir]) == 1
    assert "galley is running already" in capsys.readouterr().err
    assert main(["stop", "nobody", *run_dir]) == 1
    assert "no part named nobody" in capsys.readouterr().err


def test_a_part_that_dies_at_its_start_is_an_error_with_its_last_words(mesh, capsys):
    (mesh.run_dir / "galley.fails").write_text("no more disk")
    mesh.stop("galley")
    assert main(["start", "galley", "--run-dir", str(mesh.run_dir)]) == 1
    assert "flotilla: galley ended with code 3: no more disk." in capsys.readouterr().err


def test_a_workload_that_cannot_join_says_why_and_leaves(mesh, capsys):
    (mesh.run_dir / "guest.waits").write_text("Citadel does not answer")
    assert main(["run", "guest", "--timeout", "0.3", "--run-dir", str(mesh.run_dir)]) == 1
    said = capsys.readouterr()
    assert "guest waits: Citadel does not answer" in said.out
    assert "guest could not join the mesh: Citadel does not answer." in said.err
    assert mesh.status().part("guest").state == "stopped"


def test_waiting_in_vain_says_what_was_seen_last(mesh):
    with pytest.raises(MeshTimeout, match=r"in vain for guest.*stopped"):
        mesh.wait_ready("guest", seconds=0.1)


def test_a_second_mesh_in_the_same_run_folder_is_refused(mesh, directory, options):
    with pytest.raises(StartError, match=r"A mesh is already up in .* pid .* `flotilla down` stops it"):
        Mesh.up(directory, options)
    assert mesh.status().raw["supervisor"]["phase"] == "up"


def test_a_second_mesh_on_the_same_addresses_names_the_holders(mesh, directory, tmp_path, block):
    with pytest.raises(StartError) as refusal:
        Mesh.up(directory, UpOptions(run_dir=tmp_path / "other"))
    pid = mesh.status().part("galley").pid
    assert f"{block}.0.11:15014 (for galley) is held by pid {pid} (" in refusal.value.text
    assert not (tmp_path / "other").exists()


def test_a_start_that_fails_stops_what_was_started(directory, options, block):
    with socket.create_server((f"{block}.0.13", 9999)):
        (directory / "processes.yaml").write_text(
            (directory / "processes.yaml")
            .read_text()
            .replace('[sleep, "1000"]\n  environment', "[none]\n  environment")
        )
        with pytest.raises(StartError, match="application of web-v1 cannot be started: none"):
            Mesh.up(directory, options)
    order = options.run_dir / "order"
    assert not order.exists() or all_gone([psutil.Process(int(line.split()[1])) for line in order.open()])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_it_in_order(directory, options, number):
    """SIGINT too, although it is ignored in a process that a script has put into the background."""
    command = [sys.executable, "-m", "flotilla_cli", "up", str(directory), *options.arguments()]
    ignored = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *command]
    with subprocess.Popen(ignored, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "The mesh is up" in line:
                break
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        rest = process.stdout.read()
    assert process.returncode == 0
    assert "stopping; once more to kill" in rest
    assert all_gone(children)


def test_killing_the_supervisor_ends_all(mesh):
    children = parts(mesh)
    os.kill(mesh.process.pid, signal.SIGKILL)
    mesh.process.wait()
    mesh.wait(lambda: all_gone(children), "all processes to end")


def test_a_detached_mesh_outlives_the_command(directory, options):
    run_dir = ["--run-dir", str(options.run_dir)]
    command = [sys.executable, "-m", "flotilla_cli", "up", str(directory), "--detach", *run_dir]
    up = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "`flotilla down` stops it" in up.stdout
    mesh = Mesh.attach(options.run_dir)
    pid = mesh.status().raw["supervisor"]["pid"]
    assert os.getsid(pid) == pid
    assert main(["down", *run_dir]) == 0
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda directory: [str(directory / "nowhere")], "is no directory"),
        (lambda directory: [str(directory), "--envoy", "/no/envoy"], "/no/envoy is no program"),
        (
            lambda directory: [str(directory), "--run-dir", "/tmp/" + "x" * 100],
            "A Unix socket's name may have",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence_on_stderr(directory, options, capsys, wrong, said):
    arguments = ["up", "--run-dir", str(options.run_dir), *wrong(directory)]
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("flotilla: ")
    assert said.lower() in error.lower()
    assert error.count("\n") == 1
