"""What `flotilla up` writes for each service is what the service reads."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from flotilla_cli.credentials.files import write_private
from flotilla_cli.options import UpOptions
from flotilla_cli.plan.plan import read_plan
from flotilla_cli.run_folder import RunFolder, prepare
from flotilla_cli.settings_files import SettingsFiles, access_list, identity, server_name, trust_domain
from flotilla_mixer.configuration import build as mixers
from flotilla_pilot.model import snapshot as pilots
from flotilla_shared.model import kinds
from flotilla_shared.model.spiffe import parse_spiffe


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return prepare(tmp_path / "run")


@pytest.fixture
def files(directory: Path, folder: RunFolder) -> SettingsFiles:
    options = UpOptions(certificate_seconds=20, delta=False, log_level="debug")
    return SettingsFiles(read_plan(directory), folder, options, Path("/opt/envoy"))


def written(file: Path) -> dict[str, object]:
    content: dict[str, object] = yaml.safe_load(file.read_text())
    return content


def test_each_service_gets_its_address_and_the_meshs_trust_domain(files, folder, block):
    files.write_services()
    for service, number in (("citadel", 13), ("galley", 11), ("pilot", 12), ("mixer", 14)):
        content = written(folder.settings(service))
        assert (content["address"], content["trust_domain"]) == (f"{block}.0.{number}", "example.org")
        assert content["log_level"] == "debug"
        assert stat.S_IMODE(folder.settings(service).stat().st_mode) == 0o600


def test_clients_of_citadel_know_where_it_is_and_who_they_are(files, folder, block):
    files.write_services()
    for service in ("galley", "pilot", "mixer"):
        content = written(folder.settings(service))
        assert content["citadel_address"] == f"{block}.0.13:8060"
        assert content["root_cert_file"] == str(folder.root_cert)
        assert content["token_file"] == str(folder.token(service))
        assert content["service_account"] == f"istio-{service}-service-account"


def test_citadel_believes_the_local_issuer_and_publishes_its_root(files, folder):
    files.write_services()
    content = written(folder.settings("citadel"))
    assert content["oidc_issuer"] == "flotilla-local"
    assert content["oidc_jwks_file"] == str(folder.jwks)
    assert content["publish_root_file"] == str(folder.root_cert)
    assert content["store_dir"] == str(folder.store)


def test_galley_reads_the_directory_itself(files, folder, directory):
    files.write_services()
    content = written(folder.settings("galley"))
    assert content["config_dir"] == str(directory / "config")
    assert content["mesh_config_file"] == str(directory / "mesh.yaml")
    assert content["last_good_dir"] == str(folder.last_good)


def test_the_agent_gets_the_options_and_the_workloads(files, folder, directory):
    plan = read_plan(directory)
    files.write_agent([plan.workload("web-v1")])
    content = written(folder.settings("agent"))
    assert content["certificate_ttl_seconds"] == 20
    assert content["envoy"] == "/opt/envoy"
    assert content["control_socket"] == str(folder.agent_socket)
    (web,) = content["workloads"]
    assert web == files.agent_workload(plan.workload("web-v1"))
    assert (web["labels"], web["namespace"], web["kind"]) == ({"app": "web", "version": "v1"}, "shop", "sidecar")


def test_pilot_may_ask_for_what_it_compiles_and_the_mesh_configuration():
    entry, _ = access_list("example.org")
    assert entry["identity"] == "spiffe://example.org/ns/istio-system/sa/istio-pilot-service-account"
    assert {kinds.MESH_CONFIG, kinds.VIRTUAL_SERVICES, kinds.PEER_AUTHENTICATIONS} <= set(entry["collections"])
    assert all(name == kinds.MESH_CONFIG or kinds.by_collection(name) for name in entry["collections"])


def test_each_service_may_ask_for_exactly_what_it_asks_for():
    granted = {entry["identity"].rpartition("/")[2]: set(entry["collections"]) for entry in access_list("example.org")}
    assert granted == {
        "istio-pilot-service-account": set(pilots.COLLECTIONS),
        "istio-mixer-service-account": set(mixers.COLLECTIONS),
    }


@pytest.mark.parametrize("service", ["galley", "pilot", "citadel", "mixer"])
def test_identities_are_spiffe_names(service):
    parsed = parse_spiffe(identity(service, "example.org"))
    assert (parsed.trust_domain, parsed.namespace) == ("example.org", "istio-system")
    assert parsed.service_account == f"istio-{service}-service-account"
    assert server_name(service) == f"istio-{service}.istio-system.svc"


@pytest.mark.parametrize(
    ("content", "domain"),
    [
        ("trustDomain: corp.example\n", "corp.example"),
        ("{}", "cluster.local"),
        ("- 1", "cluster.local"),
        ("[", "cluster.local"),
    ],
)
def test_the_trust_domain_is_the_mesh_configurations(directory, content, domain):
    (directory / "mesh.yaml").write_text(content)
    assert trust_domain(read_plan(directory)) == domain


def test_a_private_file_does_not_follow_links(tmp_path):
    target = tmp_path / "target"
    target.write_text("theirs")
    (tmp_path / "file").symlink_to(target)
    write_private(tmp_path / "file", "ours")
    assert target.read_text() == "theirs"
    assert (tmp_path / "file").read_text() == "ours"


Load = Callable[[Path], object]


def citadel(file: Path) -> object:
    from flotilla_citadel.config import CitadelSettings
    from flotilla_shared.runtime.settings import load_settings

    return load_settings(CitadelSettings, "citadel", file)


@pytest.mark.parametrize("load", [citadel])
def test_the_service_itself_accepts_its_file(files, folder, load: Load):
    files.write_services()
    files.write_agent([])
    assert load(folder.settings(load.__name__))
