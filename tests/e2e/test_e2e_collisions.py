"""Two of one thing: always a clear error, never one answering for the other."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from flotilla_cli.demo.page import Reader
from flotilla_cli.errors import FlotillaError
from flotilla_cli.example import copy_mesh, example_directory
from flotilla_cli.mesh import Mesh
from flotilla_cli.options import UpOptions

pytestmark = [pytest.mark.mesh, pytest.mark.timeout(180)]

ADMIN_PORT = 15000
TWIN = {
    "name": "details-twin",
    "namespace": "default",
    "service_account": "bookinfo-details",
    "kind": "sidecar",
    "address": "127.0.2.2",
    "application_address": "127.0.1.2",
    "labels": {"app": "details"},
}


def agent(mesh: Mesh) -> httpx.Client:
    transport = httpx.HTTPTransport(uds=str(mesh.run_dir / "agent.sock"))
    return httpx.Client(transport=transport, base_url="http://agent", timeout=10)


def test_two_sidecars_on_one_address(mesh: Mesh) -> None:
    before = mesh.admin("details-v1", "/server_info").json()["node"]["id"]
    with agent(mesh) as client:
        answer = client.post("/workloads", json=TWIN)
    assert answer.status_code == 409
    assert "details-twin" in answer.text
    assert "details-v1" in answer.text
    assert "127.0.2.2" in answer.text
    assert mesh.admin("details-v1", "/server_info").json()["node"]["id"] == before


def test_a_sidecars_address_held_by_a_stranger(mesh: Mesh) -> None:
    with socket.socket() as stranger:
        stranger.bind((mesh.plan.workload("visitor").address, ADMIN_PORT))
        stranger.listen()
        with pytest.raises(FlotillaError) as told:
            mesh.run("visitor", seconds=5)
    assert f"{mesh.plan.workload('visitor').address}:{ADMIN_PORT}" in str(told.value)
    assert "pid" in str(told.value)


def test_a_second_mesh_on_the_same_addresses(mesh: Mesh, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flotilla_cli", "up", "--run-dir", str(tmp_path / "r"), str(mesh.plan.directory)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert second.returncode != 0
    text = second.stdout + second.stderr
    assert "127.0.0.11:9901" in text
    assert "pid" in text
    assert "Traceback" not in text
    assert mesh.status().services["galley"].ready


def test_a_second_mesh_in_the_same_run_folder(mesh: Mesh) -> None:
    command = [sys.executable, "-m", "flotilla_cli", "up", "--run-dir", str(mesh.run_dir), str(mesh.plan.directory)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert second.returncode != 0
    assert "Traceback" not in second.stdout + second.stderr


def test_two_meshes_side_by_side(mesh: Mesh, envoy: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """On addresses of its own a second mesh lives beside the first; it asks Pilot for the state of the world."""
    directory = copy_mesh(example_directory(), tmp_path_factory.mktemp("second") / "local", block=7)
    options = UpOptions(run_dir=tmp_path_factory.mktemp("r"), envoy=envoy, delta=False)
    with Mesh.up(directory, options, tied=False) as second:
        for one in (mesh, second):
            reader = Reader(one.gateway)
            assert reader.page().status_code == 200, one.gateway
            reader.close()
        assert sum(second.stats("details-v1", "update_rejected").values()) == 0
        assert {part.pid for part in second.status().services.values()}.isdisjoint(
            {part.pid for part in mesh.status().services.values()}
        )
