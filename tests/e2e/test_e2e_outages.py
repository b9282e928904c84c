"""Each service away, killed, and back: traffic goes on, changes wait, the mesh heals without help."""

from __future__ import annotations

import pytest

from flotilla_cli.demo import routes
from flotilla_cli.demo.page import Reader
from flotilla_cli.demo.traffic import Traffic
from flotilla_cli.errors import FlotillaError
from flotilla_cli.mesh import Mesh

pytestmark = [pytest.mark.mesh, pytest.mark.timeout(180)]
single_service = pytest.mark.single_service

REVIEWS = ("VirtualService", "default", "reviews")


@single_service
@pytest.mark.parametrize("service", ["pilot", "galley"])
def test_a_change_waits_for_a_stopped_service_and_arrives(
    mesh: Mesh, service: str, jason: Reader, traffic: Traffic
) -> None:
    before = mesh.trace(*REVIEWS).version
    mesh.stop(service)
    assert traffic.wait_for_more(10)
    mesh.write(routes.FILE, routes.SHIFTED)
    if service == "pilot":
        mesh.wait_object(*REVIEWS, lambda found: found["version"] != before)
    assert set(jason.versions(3)) == {"v3"}, "nobody could have told the proxies"
    mesh.start(service)
    mesh.wait_ready(service)
    mesh.wait_applied(*REVIEWS, unlike=before)
    # Each Envoy comes back in its own time; from then on it has the change.
    mesh.wait(lambda: set(jason.versions(3)) == {"v2"}, "the change to arrive")
    assert set(jason.versions(10)) == {"v2"}


@single_service
def test_without_citadel_traffic_goes_on_and_a_new_workload_says_why_it_cannot_join(
    mesh: Mesh, traffic: Traffic
) -> None:
    mesh.stop("citadel")
    reasons: list[str] = []
    with pytest.raises(FlotillaError, match="Citadel"):
        mesh.run("visitor", seconds=4, on_reason=reasons.append)
    assert any("127.0.0.13:8060" in reason for reason in reasons), reasons
    assert mesh.status().workloads["visitor"].state == "waiting-for-certificate"
    assert traffic.wait_for_more(10)
    mesh.start("citadel")
    mesh.wait_ready("citadel", "visitor")


@single_service
@pytest.mark.parametrize("service", ["citadel", "galley", "pilot"])
def test_killed_and_started_again_the_mesh_heals(mesh: Mesh, service: str, jason: Reader, traffic: Traffic) -> None:
    before = mesh.trace(*REVIEWS).version
    mesh.stop(service, kill=True)
    assert traffic.wait_for_more(5)
    mesh.start(service)
    mesh.wait_ready(service)
    mesh.write(routes.FILE, routes.SHIFTED)
    mesh.wait_applied(*REVIEWS, unlike=before)
    mesh.wait(lambda: set(jason.versions(3)) == {"v2"}, "the change to take effect")


def listeners(mesh: Mesh) -> dict[str, list[str]]:
    """The listeners of every proxy."""
    return {
        name: sorted(line.partition("::")[0] for line in mesh.admin(name, "/listeners").text.splitlines())
        for name, workload in mesh.plan.workloads.items()
        if workload.start
    }


@single_service
def test_pilot_without_galley_takes_no_listener_from_anybody(mesh: Mesh, traffic: Traffic) -> None:
    before = listeners(mesh)
    mesh.stop("galley")
    mesh.stop("pilot", kill=True)
    mesh.start("pilot")
    pilot = mesh.wait_part("pilot", lambda part: part.state == "running" and bool(part.reason))
    # Envoys have had the time to come back and ask.
    mesh.wait(lambda: "UNAVAILABLE" in mesh.log("pilot") or asked(mesh), "proxies to ask the new Pilot")
    assert not pilot.ready
    assert listeners(mesh) == before
    assert traffic.wait_for_more(10)
    assert not mesh.status().part("pilot").ready
    mesh.start("galley")
    mesh.wait_ready("galley", "pilot")
    assert listeners(mesh) == before


def asked(mesh: Mesh) -> bool:
    """Whether a proxy has tried the new Pilot: its stream ended once more than it connected."""
    counts = mesh.stats("details-v1", r"^cluster\.xds-grpc\.upstream_rq_total$")
    return sum(counts.values()) > 1


def test_the_agent_gone_and_back(mesh: Mesh) -> None:
    """The agent's Envoys go with it, and come back with it."""
    mesh.stop("agent", kill=True)
    mesh.wait(lambda: not mesh.status().services["agent"].ready, "the agent to be gone")
    mesh.start("agent")
    names = [name for name, workload in mesh.plan.workloads.items() if workload.start]
    mesh.wait_ready("agent", *names)
    with_page = mesh.wait(
        lambda: mesh.http.get(f"{mesh.gateway}/productpage").status_code == 200 or None, "the page to be back"
    )
    assert with_page


def test_a_killed_envoy_is_started_again(mesh: Mesh) -> None:
    pid = mesh.status().workload("details-v1")["envoy"]["pid"]
    import os
    import signal

    os.kill(pid, signal.SIGKILL)
    mesh.wait(
        lambda: (mesh.status().workload("details-v1")["envoy"] or {}).get("pid") not in (None, pid), "another Envoy"
    )
    mesh.wait_ready("details-v1")


def test_a_dead_application_is_told(mesh: Mesh) -> None:
    import os
    import signal

    pid = mesh.status().workloads["ratings-v1"].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    part = mesh.wait_part("ratings-v1", lambda part: part.state == "died")
    assert "SIGKILL" in part.reason


def test_a_workload_leaves_and_comes_back(mesh: Mesh) -> None:
    mesh.stop("ratings-v1")
    assert mesh.status().workloads["ratings-v1"].state == "stopped"
    mesh.start("ratings-v1")
    mesh.wait_ready("ratings-v1")
