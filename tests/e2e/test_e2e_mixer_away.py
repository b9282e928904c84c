"""Mixer stopped, killed and back: what is lost is seen, policy does as the mesh says, both resume."""

from __future__ import annotations

import socket

import pytest

from flotilla_cli.edges import edges
from flotilla_cli.mesh import Mesh

pytestmark = [pytest.mark.mesh, pytest.mark.single_service, pytest.mark.timeout(180)]

MESH_CONFIG = ("MeshConfig", "istio-system", "istio")
COUNT = 6
GATEWAY = "ingressgateway"


def lost(mesh: Mesh, workload: str = GATEWAY) -> int:
    return int(mesh.status().workload(workload)["reports"]["lost"])


def fail_open(mesh: Mesh) -> None:
    """Let requests pass while Mixer is away."""
    file = mesh.plan.mesh_file
    before = mesh.trace(*MESH_CONFIG).version
    file.write_text(file.read_text().replace("policyCheckFailOpen: false", "policyCheckFailOpen: true"))
    mesh.wait_applied(*MESH_CONFIG, unlike=before)


def ask(mesh: Mesh) -> set[int]:
    return {mesh.http.get(f"{mesh.gateway}/productpage").status_code for _ in range(COUNT)}


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_policy_fails_closed_and_the_loss_is_seen(mesh: Mesh, kill: bool) -> None:
    assert ask(mesh) == {200}
    before = lost(mesh)
    mesh.stop("mixer", kill=kill)
    assert ask(mesh) == {503}
    mesh.wait(lambda: lost(mesh) >= before + COUNT, "the loss to be counted")
    assert not mesh.status().workload(GATEWAY)["reports"]["connected"]
    mesh.start("mixer")
    mesh.wait_ready("mixer")
    mesh.wait(lambda: ask(mesh) == {200}, "policy to be back")
    mesh.wait(lambda: counted(mesh) > 0, "reports to be back")
    mesh.wait(lambda: mesh.status().workload(GATEWAY)["reports"]["connected"], "the connection to be seen")


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_policy_fails_open_where_the_mesh_says_so(mesh: Mesh, kill: bool) -> None:
    fail_open(mesh)
    before = lost(mesh)
    mesh.stop("mixer", kill=kill)
    # A connection that was open before the change carries one more call under the old configuration.
    mesh.wait(lambda: ask(mesh) == {200}, "every call to pass")
    allowed = mesh.stats(GATEWAY, r"^http\..*\.ext_authz\.mixer\.failure_mode_allowed$")
    assert sum(allowed.values()) >= COUNT
    mesh.wait(lambda: lost(mesh) >= before + COUNT, "the loss to be counted")
    mesh.start("mixer")
    mesh.wait_ready("mixer")
    mesh.wait(lambda: ask(mesh) == {200} and counted(mesh) > 0, "reports to be back")


def store_answers(mesh: Mesh) -> bool:
    """Whether ratings' way out to the store lets a question through."""
    way_out = mesh.plan.workload("ratings-v1").address.replace(".2.", ".3.")
    with socket.create_connection((way_out, 9090), timeout=10) as connection:
        try:
            connection.sendall(b"RATINGS 0\n")
            return bool(connection.recv(4096))
        except ConnectionResetError:
            return False


@pytest.mark.parametrize("opened", [False, True], ids=["closed", "open"])
def test_connections_fail_as_the_mesh_says(mesh: Mesh, opened: bool) -> None:
    if opened:
        fail_open(mesh)
    before = lost(mesh, "store-v1")
    mesh.stop("mixer", kill=True)
    if opened:
        # A busy Envoy may take a last connection by the listener that it has just replaced.
        mesh.wait(lambda: store_answers(mesh), "connections to pass")
    else:
        assert not store_answers(mesh)
    mesh.wait(lambda: lost(mesh, "store-v1") > before, "the loss to be counted")
    mesh.start("mixer")
    mesh.wait_ready("mixer")
    mesh.wait(lambda: store_answers(mesh), "connections to be back")


def counted(mesh: Mesh) -> int:
    """Calls from the gateway that Mixer knows of, since its start."""
    return sum(count for edge, count in edges(mesh.mixer_metrics()).items() if edge.source == GATEWAY)


def test_the_tables_show_the_loss(mesh: Mesh, capsys: pytest.CaptureFixture[str]) -> None:
    from flotilla_cli.status.table import show

    mesh.stop("mixer")
    ask(mesh)
    mesh.wait(lambda: lost(mesh) > 0, "the loss to be counted")
    show(mesh.status())
    said = capsys.readouterr().out
    line = next(line for line in said.splitlines() if line.startswith(GATEWAY))
    assert "lost" in line
    assert "Mixer away" in line


def test_envoy_itself_says_nothing_of_the_loss(mesh: Mesh) -> None:
    """Why the agent must work it out: if this ever fails, Envoy has learnt to count."""
    mesh.stop("mixer")
    ask(mesh)
    mesh.wait(lambda: lost(mesh) > 0, "the loss to be counted")
    assert mesh.stats(GATEWAY, "logs_dropped") == {"access_logs.grpc_access_log.logs_dropped": 0}


def test_an_unready_mixer_answers_unavailable(mesh: Mesh) -> None:
    """Without Galley it has no rules, and must not let pass what they would deny."""
    mesh.stop("galley")
    mesh.stop("mixer", kill=True)
    mesh.start("mixer")
    part = mesh.wait_part("mixer", lambda part: part.state == "running" and "Galley" in part.reason)
    assert not part.ready
    assert ask(mesh) == {503}
    mesh.start("galley")
    mesh.wait_ready("galley", "mixer")
    mesh.wait(lambda: ask(mesh) == {200}, "policy to be back")
