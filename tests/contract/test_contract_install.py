"""Each service installs alone: it starts, with its own dependencies and nobody else's."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flotilla_shared.testing.ports import free_port

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
SERVICES = ("citadel", "galley", "pilot", "mixer")
# The settings of each that name ports, beside those that all have.
PORTS = {
    "citadel": ("",),
    "galley": ("mcp", "admission"),
    "pilot": ("xds", "debug", "injection"),
    "mixer": ("mixer", "plaintext", "prometheus"),
}
# What only one of them needs: found in another's environment, it came from a dependency that should not be there.
OWN = {"citadel": {"pyjwt"}, "galley": {"watchfiles"}, "pilot": set(), "mixer": {"google-re2"}}

# Run inside the new environment: every distribution there, those reachable from the service's declared needs, and which
# of the rooms named can be imported.
INVENTORY = """
import json, re, sys
from importlib.util import find_spec
from importlib.metadata import distribution, distributions

def plain(name): return re.sub(r"[-_.]+", "-", name).lower()

def needs(name, extras=("",)):
    for line in distribution(name).requires or []:
        wanted, _, marker = line.partition(";")
        if "extra" not in marker or any(f'"{extra}"' in marker or f"'{extra}'" in marker for extra in extras if extra):
            found = re.match(r"([A-Za-z0-9_.-]+)(?:\\[([^]]*)\\])?", wanted.strip())
            yield plain(found[1]), tuple((found[2] or "").split(","))

reached, todo = set(), [(sys.argv[1], ("",))]
while todo:
    name, extras = todo.pop()
    try:
        distribution(name)
    except Exception:
        continue
    if name not in reached:
        reached.add(name)
        todo.extend(needs(name, extras))
rooms = [name for name in sys.argv[2:] if find_spec(f"flotilla_{name}")]
print(json.dumps([sorted(plain(d.metadata["Name"]) for d in distributions()), sorted(reached), rooms]))
"""


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first-party wheels, built once from the tree as an image's build does it, and all that they need.

    Once for all workers of a run: whoever comes first makes them, the others wait.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "wheels"
    with (folder.parent / "wheels.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            _fill(folder)
            (folder / "complete").touch()
    return folder


def _fill(folder: Path) -> None:
    rooms = ["./protos", "./shared", "./agent", *(f"./services/{service}" for service in SERVICES)]
    build = ["wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), *rooms]
    subprocess.run([*PIP, *build], check=True, cwd=ROOT, timeout=120)
    own = [str(each) for each in folder.glob("flotilla_mesh_*.whl")]
    subprocess.run([*PIP, "download", "-q", "-c", "constraints.txt", "-d", str(folder), *own], check=True, cwd=ROOT)


def install(service: str, wheels: Path, environment: Path) -> Path:
    """A new virtual environment with the service alone; gives its interpreter.

    By uv, which unpacks a wheel once for all environments and links its files into each.
    """
    subprocess.run([UV, "venv", "-q", "--python", sys.executable, str(environment)], check=True)
    python = environment / "bin" / "python"
    names = [next(wheels.glob(f"flotilla_mesh_{room}-*.whl")) for room in ("protos", "shared", service)]
    into = ["--python", str(python), "-q", "--no-config", "--no-index", "--find-links", str(wheels)]
    kept = ["--cache-dir", str(wheels.parent / "unpacked")]
    subprocess.run([UV, "pip", "install", *into, *kept, *map(str, names)], check=True, cwd=ROOT, timeout=240)
    return python


@contextmanager
def serving(python: Path, service: str, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The service as a process of its own, with an empty configuration; and its monitoring port.

    All other ports are any that are free: another mesh may run on this machine, with the standard ones.
    """
    monitoring = free_port()
    prefix = f"FLOTILLA_{service.upper()}_"
    environment = {f"{prefix}{port.upper()}_PORT".replace("__", "_"): "0" for port in PORTS[service]}
    environment |= {f"{prefix}INTROSPECTION_PORT": "0", f"{prefix}MONITORING_PORT": str(monitoring)}
    environment[f"{prefix}ADDRESS"] = "127.0.0.1"
    (folder / "config").mkdir()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [python, "-m", f"flotilla_{service}", "serve"], env=environment, cwd=folder, stdout=log, stderr=log
        )
    try:
        yield process, monitoring
    finally:
        process.terminate()
        process.wait(20)


def answers(process: subprocess.Popen[bytes], port: int, path: str) -> int:
    """The status of a GET, as soon as the process gives one; 0 if it ends before."""
    while process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            time.sleep(0.05)
    return 0


def check_alone(python: Path, room: str) -> None:
    """An environment holds a room's own dependencies, and no other room."""
    others = {"galley", "pilot", "citadel", "mixer", "agent", "cli"} - {room}
    inventory = [python, "-c", INVENTORY, f"flotilla-mesh-{room}", *others, room]
    installed, declared, importable = json.loads(
        subprocess.run(inventory, check=True, capture_output=True, text=True).stdout
    )
    assert installed == declared, "only what the room declares, and what that needs, may be installed"
    foreign = set().union(*(own for other, own in OWN.items() if other != room))
    assert foreign.isdisjoint(installed)
    assert importable == [room]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_installs_alone(service: str, wheels: Path, tmp_path: Path) -> None:
    python = install(service, wheels, tmp_path / "venv")
    check_alone(python, service)
    with serving(python, service, tmp_path) as (process, port):
        assert answers(process, port, "/healthz") == 200, (tmp_path / "log").read_text()[-2000:]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/version", timeout=5) as answer:
            assert json.load(answer)["service"] == service


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_agent_installs_alone(wheels: Path, tmp_path: Path) -> None:
    python = install("agent", wheels, tmp_path / "venv")
    check_alone(python, "agent")
    command = [python.parent / "flotilla-agent", "print-config"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    assert "control_socket" in shown
