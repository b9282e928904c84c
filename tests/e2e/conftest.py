"""One mesh for all tests of this folder: Bookinfo, real Envoys, as a user starts it. Each test finds it whole.

All tests run against both shapes, four services and the monolith; those that stop a single service, marked
`single_service`, against the first alone.

What a test stops, kills or writes is put right after it; and no configuration may ever be rejected by an Envoy.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from flotilla_cli.checks.envoy import find_envoy
from flotilla_cli.demo.page import Reader
from flotilla_cli.demo.traffic import Traffic
from flotilla_cli.errors import FlotillaError
from flotilla_cli.example import copy_mesh, example_directory
from flotilla_cli.mesh import Mesh
from flotilla_cli.options import UpOptions
from tests.e2e.parts import of_part

# Renewed at half life, so that every test runs over renewals.
CERTIFICATE_SECONDS = 30
# `python -m tests.e2e` runs pytest for one shape and a part of the files at a time.
SHAPES = tuple(os.environ.get("FLOTILLA_SHAPES", "services monolith").split())
PART = os.environ.get("FLOTILLA_PART", "1/1")
PILOT_REJECTS = re.compile(r"^pilot_total_xds_rejects{.*} (\S+)$", re.M)
# How a PEM key begins, and every JSON Web Token (its header is JSON in base64).
SECRETS = ("PRIVATE KEY", "eyJ")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A monolith has no single services to stop; and other files than this part's are another run's."""
    others = set(_files()) - set(of_part(_files(), PART))
    dropped = [
        item
        for item in items
        if item.path in others or (item.get_closest_marker("single_service") and _shape(item) == "monolith")
    ]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]


def _files() -> list[Path]:
    return sorted(Path(__file__).parent.glob("test_*.py"))


def _shape(item: pytest.Item) -> str:
    return str(getattr(item, "callspec", None) and item.callspec.params.get("shape"))


@pytest.fixture(scope="session", params=SHAPES)
def shape(request: pytest.FixtureRequest) -> str:
    """What the mesh's control plane is: `services` or `monolith`."""
    return str(request.param)


@pytest.fixture(scope="session")
def envoy() -> Path:
    try:
        return find_envoy(None, os.environ)
    except FlotillaError as error:
        pytest.skip(f"no Envoy: {error}")


@pytest.fixture(scope="session")
def bookinfo(shape: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example's directory that tests may write to."""
    return copy_mesh(example_directory(), tmp_path_factory.mktemp("bookinfo") / "local")


@pytest.fixture(scope="session")
def running(shape: str, bookinfo: Path, envoy: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    run_dir = tmp_path_factory.mktemp("r")
    options = UpOptions(
        run_dir=run_dir, envoy=envoy, certificate_seconds=CERTIFICATE_SECONDS, monolith=shape == "monolith"
    )
    with Mesh.up(bookinfo, options) as mesh:
        yield mesh
        assert secrets_in_logs(mesh) == [], "a log holds a key or a token"


@pytest.fixture
def mesh(running: Mesh, bookinfo: Path) -> Iterator[Mesh]:
    """The mesh, whole; afterwards what was stopped is started, what was written is restored."""
    yield running
    before = rejected(running)
    restore(bookinfo)
    heal(running)
    after = rejected(running)
    assert before | after == {}, "an Envoy rejected configuration that Pilot sent"


def restore(bookinfo: Path) -> None:
    """The configuration as the example has it."""
    original = example_directory()
    config = bookinfo / "config"
    if config.is_symlink() or not config.is_dir():
        config.unlink(missing_ok=True)
        config.mkdir()
    kept = {file.name for file in (original / "config").iterdir()}
    for file in config.iterdir():
        if file.name not in kept:
            shutil.rmtree(file) if file.is_dir() and not file.is_symlink() else file.unlink()
    for file in (original / "config").iterdir():
        target = config / file.name
        if not target.is_file() or target.read_bytes() != file.read_bytes():
            draft = config / f".{file.name}.draft"
            draft.write_bytes(file.read_bytes())
            draft.replace(target)
    (bookinfo / "mesh.yaml").write_bytes((original / "mesh.yaml").read_bytes())


def heal(mesh: Mesh) -> None:
    """Everything runs, is ready, has the example's configuration, and all proxies have acknowledged it."""
    status = mesh.status()
    for name in (*status.raw["supervisor"]["processes"], "agent"):
        found = status.services.get(name) or status.services["citadel"]
        if found.state != "running":
            mesh.start(name)
    for name, workload in mesh.plan.workloads.items():
        if workload.start and status.workloads[name].state in ("stopped", "died"):
            mesh.start(name)
        if not workload.start and status.workloads[name].state != "stopped":
            mesh.stop(name)
    mesh.wait(lambda: whole(mesh), "all of it to be ready, with the example's configuration everywhere")


def whole(mesh: Mesh) -> bool:
    """Everything is ready, Galley publishes all as written, and every proxy concerned has acknowledged it."""
    status = mesh.status()
    started = (name for name, workload in mesh.plan.workloads.items() if workload.start)
    return all(status.part(name).ready for name in (*status.services, *started)) and settled(status.objects)


def settled(objects: Sequence[Mapping[str, Any]]) -> bool:
    return bool(objects) and all(
        item["state"] == "published"
        and (report := item["reports"].get("pilot") or item["reports"].get("mixer"))
        and report["version"] == item["version"]
        and report["proxies_acknowledged"] == report["proxies_concerned"]
        for item in objects
    )


def rejected(mesh: Mesh) -> dict[str, int]:
    """Who -> how often configuration was rejected, as Envoys and Pilot count it; empty when never.

    Of those that answer now: a test may have left some stopped, or dying.
    """
    counts: dict[str, int] = {}
    for name in mesh.plan.workloads:
        with suppress(httpx.HTTPError):
            counts[name] = sum(mesh.stats(name, "update_rejected").values())
    with suppress(httpx.HTTPError):
        page = mesh.http.get(f"http://{mesh.plan.addresses['pilot']}:15014/metrics").text
        counts["pilot"] = sum(int(float(value)) for value in PILOT_REJECTS.findall(page))
    assert counts, "nobody was asked"
    return {name: count for name, count in counts.items() if count}


def secrets_in_logs(mesh: Mesh) -> list[str]:
    """Logs of services, applications and Envoys in which a private key, or anything like a token, stands."""
    logs = [*mesh.run_dir.glob("*.log"), *mesh.run_dir.glob("*/envoy.log")]
    assert len(logs) > len(mesh.plan.workloads)
    return [log.name for log in logs if any(word in log.read_text(errors="replace") for word in SECRETS)]


@pytest.fixture
def traffic(mesh: Mesh) -> Iterator[Traffic]:
    """Somebody reads the page all the while; none of the requests may fail."""
    with Traffic(f"{mesh.gateway}/productpage") as traffic:
        yield traffic
        assert traffic.wait_for_more(3), "traffic has come to a stop"
    assert traffic.failures == []


@pytest.fixture
def anybody(mesh: Mesh) -> Iterator[Reader]:
    reader = Reader(mesh.gateway)
    yield reader
    reader.close()


@pytest.fixture
def jason(mesh: Mesh) -> Iterator[Reader]:
    reader = Reader(mesh.gateway, "jason")
    yield reader
    reader.close()
