"""A workload with the real Envoy, from its start to its end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

import httpx
import psutil
import pytest

from flotilla_agent.fleet import Fleet
from flotilla_agent.status.state import State
from flotilla_agent.status.view import workload_view
from flotilla_agent.workload import Workload
from flotilla_shared.runtime.http import listen_tcp


def only(fleet: Fleet) -> Workload:
    (workload,) = fleet.workloads
    return workload


async def get(url: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        return await client.get(url)


async def serials(workload: Workload) -> set[str]:
    """Of the certificates that Envoy itself says it uses."""
    answer = (await get(f"http://{workload.config.address}:15000/certs")).json()
    return {
        chain["serial_number"].lower().lstrip("0")
        for each in answer["certificates"]
        for chain in each["cert_chain"]
        if chain["subject_alt_names"]
    }


async def test_a_workload_joins_with_its_own_identity(new_fleet, new_workload, pilot, until):
    config = new_workload()
    workload = await until(only(await new_fleet(config)), State.READY)
    identity = "spiffe://cluster.local/ns/default/sa/bookinfo-reviews"
    node = f"sidecar~{config.application_address}~reviews-v1.default~default.svc.cluster.local"
    assert pilot.callers == [(node, identity)]
    assert pilot.forms == {"/DeltaAggregatedResources"}
    view = await workload_view(workload)
    assert (view["state"], view["reason"]) == ("ready", "")
    assert (view["certificate"]["spiffe"], view["certificate"]["last_error"]) == (identity, "")
    assert view["envoy"] == {"pid": workload.envoy.pid, "connected": True, "update_rejected": 0, "listeners": 1}


async def test_a_router_joins_by_the_state_of_the_world(new_fleet, new_workload, pilot, until):
    config = new_workload("gateway", kind="router", application_address="")
    await until(only(await new_fleet(config, delta=False)), State.READY)
    assert pilot.forms == {"/StreamAggregatedResources"}
    assert pilot.callers[0][0].startswith(f"router~{config.address}~gateway.default~")


async def test_the_status_port_tells_readiness_and_metrics(new_fleet, new_workload, pilot, until):
    config = new_workload()
    workload = only(await new_fleet(config))
    await until(workload, State.READY)
    base = f"http://{config.address}:15020"
    ready = await get(f"{base}/healthz/ready")
    assert (ready.status_code, ready.text) == (200, "ready\n")
    metrics = (await get(f"{base}/metrics")).text
    assert "istio_agent_ready 1" in metrics
    assert 'istio_agent_cert_expiry_seconds{resource_name="default"}' in metrics
    assert "envoy_server_live" in metrics
    assert "envoy_server_live" in (await get(f"http://{config.address}:15090/stats/prometheus")).text


@pytest.mark.parametrize(("listener", "stopping", "time"), [(45, 5, "45s"), (3, 5, "5s"), (3, 0.2, "3s")])
async def test_calls_under_way_have_time_when_their_listener_goes(
    new_fleet, new_workload, until, listener, stopping, time
):
    """Callers are told to leave at once, and nobody is cut before the time is over."""
    fleet = await new_fleet(new_workload(), listener_drain_seconds=listener, drain_seconds=stopping)
    workload = await until(only(fleet), State.READY)
    options = (await get(f"http://{workload.config.address}:15000/server_info")).json()["command_line_options"]
    assert (options["drain_time"], options["drain_strategy"]) == (time, "Immediate")


async def test_a_renewed_certificate_reaches_envoy_on_its_open_streams(new_fleet, new_workload, authority, until):
    workload = await until(only(await new_fleet(new_workload())), State.READY)
    pid, first = workload.envoy.pid, workload.identity.current
    assert await serials(workload) == {f"{first.serial:x}"}
    second = await workload.identity.renew()
    while f"{second.serial:x}" not in await serials(workload):
        await asyncio.sleep(0.02)
    assert (workload.envoy.pid, workload.state) == (pid, State.READY)
    streams = (await get(f"http://{workload.config.address}:15000/stats?filter=sds-grpc.upstream_rq_total")).text
    assert streams.strip().endswith(": 2")  # one for each secret, opened once


async def test_the_old_certificate_stays_while_a_renewal_fails(new_fleet, new_workload, authority, until):
    fleet = await new_fleet(new_workload(), certificate_ttl_seconds=2)
    workload = await until(only(fleet), State.READY)
    authority.refusal = "no more of you"
    await until(workload, State.READY, saying="no more of you")
    kept = workload.identity.current
    assert await serials(workload) == {f"{kept.serial:x}"}
    view = await workload_view(workload)
    assert "cannot be renewed" in view["reason"]
    assert "no more of you" in view["certificate"]["last_error"]
    authority.refusal = ""
    await until(workload, State.READY, saying="")
    while workload.identity.last_error:
        await asyncio.sleep(0.02)
    assert workload.identity.current.serial != kept.serial


async def test_who_cannot_join_says_why_and_joins_when_he_can(new_fleet, new_workload, authority, until):
    authority.refusal = "the token has expired"
    workload = await until(only(await new_fleet(new_workload())), State.WAITING, saying="the token has expired")
    assert (await workload_view(workload))["envoy"]["pid"] is None
    await authority.stop()
    await until(workload, State.WAITING, saying=f"Citadel at {authority.address}:{authority.port} cannot be reached")
    ready = await get(f"http://{workload.config.address}:15020/healthz/ready")
    assert ready.status_code == 503
    assert ready.text.startswith("waiting-for-certificate: Citadel at ")
    authority.refusal = ""
    await authority.start()
    await until(workload, State.READY)


async def test_a_missing_pilot_is_named(new_fleet, new_workload, pilot, until):
    await pilot.server.stop()
    workload = only(await new_fleet(new_workload()))
    await until(workload, State.STARTING, saying=f"Pilot at {pilot.server._address}:")


async def test_a_first_configuration_that_is_rejected_keeps_it_from_being_ready(new_fleet, new_workload, pilot, until):
    config = new_workload()
    pilot.serve_http("203.0.113.1", 9080, ("127.0.0.1", 1))  # no address of this machine
    pilot.resources["type.googleapis.com/envoy.config.cluster.v3.Cluster"].clear()
    workload = await until(only(await new_fleet(config)), State.STARTING, saying="has rejected the configuration")
    assert (await workload_view(workload))["envoy"]["update_rejected"] >= 1


async def test_a_killed_envoy_is_told_and_started_again(new_fleet, new_workload, until):
    workload = await until(only(await new_fleet(new_workload())), State.READY)
    first = workload.envoy.pid
    os.kill(first, signal.SIGKILL)
    while workload.state is not State.FAILED:
        await asyncio.sleep(0)
    assert workload.reason == "Envoy ended by SIGKILL"
    await until(workload, State.READY)
    assert workload.envoy.pid != first


async def test_a_program_that_is_not_there_is_named(new_fleet, new_workload, until):
    workload = only(await new_fleet(new_workload(), envoy="/nowhere/envoy"))
    await until(workload, State.FAILED, saying="no such program: '/nowhere/envoy'")


async def test_a_held_admin_address_is_a_clear_error_until_it_is_free(new_fleet, new_workload, until):
    config = new_workload()
    with _taken(config.address, 15000):
        workload = only(await new_fleet(config))
        await until(workload, State.FAILED, saying=f"{config.address}:15000 (Envoy admin of reviews-v1) is held by pid")
        assert f"pid {os.getpid()} (" in workload.reason
        assert workload.envoy.pid is None
    await until(workload, State.READY)


async def test_two_agents_on_one_address_never_answer_for_each_other(new_fleet, new_workload, run_dir, until):
    config = new_workload("first")
    first = await until(only(await new_fleet(config)), State.READY)
    second = only(await new_fleet(new_workload("second", address=config.address), run_dir=run_dir / "b"))
    await until(second, State.FAILED, saying=f"{config.address}:15020 (status of second) is held by pid {os.getpid()}")
    assert first.state is State.READY
    assert (await get(f"http://{config.address}:15020/healthz/ready")).status_code == 200
    await first.stop()
    await until(second, State.READY)


async def test_drain_is_bounded(new_fleet, new_workload, pilot, slow_server, until):
    config = new_workload()
    pilot.serve_http(config.address, 9080, (slow_server.address, slow_server.port))
    workload = only(await new_fleet(config, drain_seconds=0.2))
    await until(workload, State.READY)
    request = asyncio.create_task(get(f"http://{config.address}:9080/"))
    await slow_server.asked.wait()
    await workload.stop()
    assert isinstance((await asyncio.gather(request, return_exceptions=True))[0], httpx.HTTPError)


async def test_a_frozen_envoy_is_not_ready_and_can_be_stopped(new_fleet, new_workload, until, monkeypatch):
    monkeypatch.setattr("flotilla_agent.envoy.process.TERMINATE_SECONDS", 0.1)
    monkeypatch.setattr("flotilla_agent.workload.READY_POLL_SECONDS", 0.05)
    workload = only(await new_fleet(new_workload()))
    workload.admin._client.timeout = 0.2
    await until(workload, State.READY)
    envoy = psutil.Process(workload.envoy.pid)
    envoy.suspend()
    await until(workload, State.STARTING, saying="does not answer")
    envoy.resume()
    await until(workload, State.READY)
    envoy.suspend()
    await workload.stop()
    assert not envoy.is_running()


async def test_stop_twice_at_once_is_one_stop(new_fleet, new_workload, until):
    workload = await until(only(await new_fleet(new_workload())), State.READY)
    await asyncio.gather(workload.stop(), workload.stop())
    assert workload.state is State.STOPPED


def _taken(address: str, port: int) -> socket.socket:
    return listen_tcp(address, port)
