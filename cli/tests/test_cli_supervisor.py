"""The supervisor over stand-in services, which are real processes: order, readiness, stop, start, death."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import yaml

from flotilla_cli.errors import PlanError, Refused, StartError
from flotilla_cli.options import UpOptions
from flotilla_cli.plan.plan import read_plan
from flotilla_cli.plan.processes import SERVICES
from flotilla_cli.run_folder import RunFolder, prepare
from flotilla_cli.settings_files import SettingsFiles
from flotilla_cli.status.gather import gather
from flotilla_cli.status.view import MeshStatus
from flotilla_cli.supervision.commands import Commands
from flotilla_cli.supervision.supervisor import AGENT, Supervisor
from flotilla_shared.runtime.child import State

STUBS = str(Path(__file__).parent / "stubs")


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return prepare(tmp_path / "run")


@pytest.fixture
async def supervisor(directory: Path, edit, folder: RunFolder) -> AsyncIterator[Supervisor]:
    edit("processes.yaml", "[python, -m, http.server]", '[sleep, "1000"]')
    plan = read_plan(directory)
    settings = SettingsFiles(plan, folder, UpOptions(), Path("/bin/true"))
    said: list[str] = []
    owned = Supervisor(plan, folder, settings, Commands(folder, {**os.environ, "PYTHONPATH": STUBS}), said.append)
    owned.said = said  # type: ignore[attr-defined]
    yield owned
    await owned.down()
    assert owned.fleet.running() == []


async def status(supervisor: Supervisor) -> MeshStatus:
    return MeshStatus(await gather(supervisor))


async def until(supervisor: Supervisor, name: str, word: str) -> MeshStatus:
    """Waits until the part's state is `word`, or `word` stands in its reason."""
    while True:
        found = await status(supervisor)
        part = found.part(name)
        if part.state == word or word in part.reason:
            return found
        await asyncio.sleep(0.02)


async def test_up_starts_all_in_order_and_down_leaves_nothing(supervisor, folder):
    await supervisor.up()
    started = [line.split() for line in (folder.path / "order").read_text().splitlines()]
    assert started[0][0] == "citadel"
    assert {name for name, _ in started} == {*SERVICES, AGENT}
    assert supervisor.phase == "up"
    found = await status(supervisor)
    assert {name: (part.state, part.ready) for name, part in found.services.items()} == dict.fromkeys(
        (*SERVICES, AGENT), ("running", True)
    )
    assert {name: part.state for name, part in found.workloads.items()} == {
        "gate": "ready",
        "web-v1": "ready",
        "guest": "stopped",
    }
    await supervisor.down()
    assert not any(psutil.pid_exists(int(pid)) for _, pid in started)


async def test_each_part_has_its_own_token_and_settings(supervisor, folder, block):
    await supervisor.up()
    tokens = {file.name for file in (folder.path / "tokens").iterdir()}
    assert tokens == {"citadel", "galley", "pilot", "mixer", "gate", "web-v1"}
    for file in (*(folder.path / "tokens").iterdir(), *folder.path.glob("*.yaml")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    agent = yaml.safe_load(folder.settings("agent").read_text())
    assert agent["trust_domain"] == "example.org"
    assert agent["pilot"]["address"] == f"{block}.0.12:15012"
    assert [workload["name"] for workload in agent["workloads"]] == ["gate", "web-v1"]
    web = agent["workloads"][1]
    assert web["token_file"] == str(folder.token("web-v1"))
    assert (web["address"], web["application_address"]) == (f"{block}.2.1", f"{block}.1.1")
    granted = [entry["identity"] for entry in yaml.safe_load(folder.access.read_text())]
    accounts = ("istio-pilot-service-account", "istio-mixer-service-account")
    assert granted == [f"spiffe://example.org/ns/istio-system/sa/{account}" for account in accounts]


async def test_a_service_is_stopped_and_started_with_a_fresh_token(supervisor, folder):
    await supervisor.up()
    before = folder.token("pilot").stat().st_ino
    await supervisor.stop("pilot")
    part = (await status(supervisor)).part("pilot")
    assert (part.state, part.pid, part.ready, part.reason) == ("stopped", None, False, "")
    await supervisor.start("pilot")
    assert folder.token("pilot").stat().st_ino != before
    with pytest.raises(Refused, match="pilot is running already, as pid"):
        await supervisor.start("pilot")
    while not (await status(supervisor)).part("pilot").ready:
        await asyncio.sleep(0.02)


async def test_one_that_dies_is_shown_with_its_last_words_and_not_restarted(supervisor, folder):
    await supervisor.up()
    (folder.path / "galley.fails").write_text("no more disk")
    await supervisor.stop("galley", kill=True)
    await supervisor.start("galley")
    await supervisor.fleet.child("galley").ended()
    part = (await status(supervisor)).part("galley")
    assert (part.state, part.reason) == ("died", "ended with code 3: no more disk")
    assert any("galley ended with code 3: no more disk" in line for line in supervisor.said)
    assert supervisor.fleet.child("galley").state is State.DIED


async def test_a_service_that_ends_while_starting_is_named_with_its_last_words(supervisor, folder):
    (folder.path / "pilot.fails").write_text("cannot bind 127.0.0.12:15012")
    with pytest.raises(StartError) as refusal:
        await supervisor.up()
    assert refusal.value.text == "pilot ended with code 3: cannot bind 127.0.0.12:15012."
    assert str(folder.log("pilot")) in refusal.value.mend


async def test_an_application_that_cannot_be_started_is_named(supervisor, edit, directory, folder):
    edit(
        "processes.yaml",
        'command: [sleep, "1000"]\n  environment',
        "command: [no-such-program]\n  environment",
    )
    supervisor.plan = read_plan(directory)
    with pytest.raises(
        StartError, match="application of web-v1 cannot be started: no-such-program: there is no such program"
    ):
        await supervisor.up()


async def test_a_service_that_is_not_ready_says_what_for(supervisor, folder):
    await supervisor.up()
    (folder.path / "pilot.unready").write_text("not connected")
    part = (await status(supervisor)).part("pilot")
    assert (part.state, part.ready, part.reason) == ("running", False, "galley: not connected")


async def test_a_workload_joins_and_leaves(supervisor, folder):
    await supervisor.up()
    with pytest.raises(Refused, match="web-v1 is in the mesh already"):
        await supervisor.start("web-v1")
    await supervisor.start("guest")
    found = await status(supervisor)
    assert found.part("guest").ready
    assert found.workload("guest")["application"]["state"] == "running"
    await supervisor.stop("guest")
    found = await status(supervisor)
    assert (found.part("guest").state, found.part("guest").reason) == ("stopped", "`flotilla run` starts it")
    assert found.workload("guest")["application"]["state"] == "stopped"


async def test_a_workload_that_cannot_join_says_why(supervisor, folder):
    await supervisor.up()
    (folder.path / "guest.waits").write_text("Citadel does not answer")
    await supervisor.start("guest")
    part = (await status(supervisor)).part("guest")
    assert (part.ready, part.state, part.reason) == (
        False,
        "waiting-for-certificate",
        "Citadel does not answer",
    )


async def test_an_application_that_died_is_started_again_without_its_sidecar(supervisor):
    await supervisor.up()
    psutil.Process(supervisor.fleet.child("web-v1").pid).kill()
    await until(supervisor, "web-v1", "died")
    await supervisor.start("web-v1")
    assert (await status(supervisor)).part("web-v1").ready


async def test_a_new_agent_gets_the_workloads_that_had_joined(supervisor, folder):
    await supervisor.up()
    await supervisor.start("guest")
    await supervisor.stop("agent", kill=True)
    found = await status(supervisor)
    assert (found.part("guest").state, found.part("guest").reason) == ("unknown", "the agent is stopped")
    await supervisor.start("agent")
    found = await until(supervisor, "guest", "ready")
    assert [name for name, part in found.workloads.items() if part.ready] == ["gate", "web-v1", "guest"]


async def test_a_name_that_the_mesh_does_not_have(supervisor):
    for change in (supervisor.start, supervisor.stop):
        with pytest.raises(
            PlanError, match=r"no part named nobody.*citadel, galley, pilot, mixer, agent, gate, web-v1"
        ):
            await change("nobody")


async def test_a_silent_mesh_still_has_a_status(supervisor):
    found = await status(supervisor)
    assert {part.state for part in found.services.values()} == {"stopped"}
    assert (found.proxies, found.objects) == ([], [])


def test_an_applications_environment_is_its_own_and_not_the_users_proxies(supervisor, directory, edit):
    edit("processes.yaml", "VERSION: v1", "VERSION: v1, http_proxy: http://127.0.3.1:15002")
    commands = Commands(RunFolder(directory), {"HTTPS_PROXY": "http://corp", "no_proxy": "corp", "HOME": "/h"})
    application = commands.application(read_plan(directory).workload("web-v1"))
    environment = {k: v for k, v in application.environment.items() if k != "PATH"}
    assert environment == {
        "HOME": "/h",
        "POD_NAME": "web-v1",
        "VERSION": "v1",
        "PORT": "9080",
        "http_proxy": "http://127.0.3.1:15002",
        "HTTP_PROXY": "http://127.0.3.1:15002",
    }
    service = commands.service("pilot")
    assert "http_proxy" not in service.environment
    assert service.arguments[1:] == (
        "-m",
        "flotilla_pilot",
        "serve",
        "--config",
        str(directory / "pilot.yaml"),
    )
