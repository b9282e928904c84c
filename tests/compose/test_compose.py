"""docker-compose.yml describes the mesh that `flotilla up` runs, in containers: its form, and that each part fits the others.

No container engine is needed; what the containers would run is read with the code that would read it.
"""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import jwt
import pytest
import yaml

from flotilla_agent.config import AgentSettings
from flotilla_citadel.config import CitadelSettings
from flotilla_cli.settings_files import access_list, identity, server_name
from flotilla_galley.config import GalleySettings
from flotilla_mixer.config import MixerSettings
from flotilla_pilot.config import PilotSettings
from flotilla_shared.runtime.settings import ServiceSettings, load_settings

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
COMPOSE = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
LOCAL = ROOT / "examples/bookinfo/local"
HERE = ROOT / "examples/bookinfo/compose"
PROCESSES = {
    workload["name"]: workload for workload in yaml.safe_load((LOCAL / "processes.yaml").read_text())["workloads"]
}
ENTRIES = {
    item["metadata"]["name"]: item
    for file in sorted((LOCAL / "config").glob("*.yaml"))
    for item in yaml.safe_load_all(file.read_text())
    if item and item["kind"] == "WorkloadEntry"
}
SETTINGS: dict[str, type[ServiceSettings]] = {
    "citadel": CitadelSettings,
    "galley": GalleySettings,
    "pilot": PilotSettings,
    "mixer": MixerSettings,
}


def test_its_form_is_that_of_the_specification() -> None:
    check = [
        str(Path(sys.executable).with_name("check-jsonschema")),
        "--builtin-schema",
        "vendor.compose-spec",
        str(FILE),
    ]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("service", SETTINGS)
def test_each_service_takes_its_settings(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SERVICES[service]["environment"].items():
        monkeypatch.setenv(name, value)
    settings = load_settings(SETTINGS[service], service)
    plan = yaml.safe_load((LOCAL / "processes.yaml").read_text())["control_plane"]
    assert settings.address == plan[service]["address"]
    for other in ("citadel", "galley"):
        if found := getattr(settings, f"{other}_address", None):
            assert service == other or found.rpartition(":")[0] == plan[other]["address"]


def test_the_agent_has_the_workloads_of_the_example() -> None:
    settings = load_settings(AgentSettings, "agent", HERE / "agent.yaml")
    assert settings.pilot.identity == identity("pilot")
    assert (settings.pilot.server_name, settings.citadel.server_name) == (server_name("pilot"), server_name("citadel"))
    found = {
        workload.name: (workload.address, workload.application_address, workload.service_account)
        for workload in settings.workloads
    }
    assert found == {
        name: (
            ENTRIES[name]["spec"]["address"],
            process.get("application_address", ""),
            ENTRIES[name]["spec"]["serviceAccount"],
        )
        for name, process in PROCESSES.items()
    }
    assert all(workload.labels == ENTRIES[workload.name]["spec"]["labels"] for workload in settings.workloads)


@pytest.mark.parametrize("name", [name for name, process in PROCESSES.items() if "command" in process])
def test_an_application_runs_as_on_one_machine(name: str) -> None:
    service = SERVICES[name]
    assert service["profiles"] == ["demo"]
    start = service.get("entrypoint", ["python3", "-m", "flotilla_bookinfo"])
    assert ["python", *start[1:], *service.get("command", [])] == PROCESSES[name]["command"]
    assert service.get("environment", {}) == PROCESSES[name].get("environment", {})


def test_the_gateway_differs_in_its_address_alone() -> None:
    inside, outside = (
        list(yaml.safe_load_all((folder / "gateway.yaml").read_text())) for folder in (LOCAL / "config", HERE)
    )
    (server,) = next(item for item in outside if item["kind"] == "Gateway")["spec"]["servers"]
    assert server["bind"] == "0.0.0.0"
    server["bind"] = "127.0.0.1"
    assert outside == inside


def test_galley_is_asked_by_those_who_may() -> None:
    assert yaml.safe_load((HERE / "access.yaml").read_text()) == access_list("cluster.local")


def test_every_token_that_is_read_is_written(tmp_path: Path) -> None:
    wanted = SERVICES["credentials"]["command"]
    read = {
        env["FLOTILLA_" + name.upper() + "_TOKEN_FILE"]
        for name in ("galley", "pilot", "mixer")
        if (env := SERVICES[name]["environment"])
    }
    read |= {
        str(workload.token_file) for workload in load_settings(AgentSettings, "agent", HERE / "agent.yaml").workloads
    }
    script = runpy.run_path(str(HERE / "credentials.py"))
    script["main"](tmp_path, wanted)
    assert read == {f"/run/flotilla/{file.name}" for file in tmp_path.glob("*.token")}
    environment = SERVICES["citadel"]["environment"]
    keys = jwt.PyJWKSet.from_json((tmp_path / "jwks.json").read_text())
    for each in wanted:
        account, _, file = each.partition("=")
        claims = jwt.decode(
            (tmp_path / file).read_text(),
            keys.keys[0],
            algorithms=["ES256"],
            issuer=environment["FLOTILLA_CITADEL_OIDC_ISSUER"],
            audience="istio-ca",
        )
        assert claims["sub"] == "system:serviceaccount:" + account.replace("/", ":")
        assert (tmp_path / file).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", SERVICES)
def test_each_container_is_built_here_and_bound(name: str) -> None:
    service = SERVICES[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["user"] == ("0:0" if name == "folders" else "1337:1337")
    builders = [other for other in SERVICES.values() if other["image"] == service["image"] and "build" in other]
    assert len(builders) == 1
    assert (ROOT / builders[0]["build"]["dockerfile"]).is_file()
    for volume in service.get("volumes", []):
        source = volume.partition(":")[0]
        assert (ROOT / source).exists() if source.startswith("./") else source in COMPOSE["volumes"]
