"""The parts of the agent that need no Envoy: settings, bootstrap, the secrets' subscriptions, who holds an address."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DiscoveryRequest
from pydantic import ValidationError

from flotilla_agent.bootstrap.bootstrap import make_bootstrap
from flotilla_agent.bootstrap.node import addresses, make_node, node_id
from flotilla_agent.config import AgentSettings, PilotConfig, WorkloadConfig, check_distinct
from flotilla_agent.envoy.addresses import holder_of, refuse_if_held
from flotilla_agent.envoy.log import last_complaint, log_size
from flotilla_agent.errors import WorkloadRefused
from flotilla_agent.sds.secrets import NAMES, make_secrets
from flotilla_agent.sds.socket_path import check_socket_path, sds_socket
from flotilla_agent.sds.subscription import Delta, StateOfTheWorld, UnknownSecret
from flotilla_shared.runtime.settings import SettingsError, load_settings
from flotilla_shared.testing.certificates import CertificateAuthorityForTests
from flotilla_shared.testing.ports import free_port

WORKLOAD: dict[str, Any] = {
    "name": "details-v1",
    "namespace": "default",
    "service_account": "bookinfo-details",
    "address": "127.0.92.2",
    "application_address": "127.0.91.2",
    "labels": {"app": "details", "version": "v1"},
}


def workload(**changes: Any) -> WorkloadConfig:
    return WorkloadConfig(**(WORKLOAD | changes))


# settings


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "a/b"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a~b"}, "name"),
        ({"namespace": "a b"}, "namespace"),
        ({"service_account": ""}, "service_account"),
        ({"kind": "waypoint"}, "kind"),
        ({"address": "details"}, "address"),
        ({"address": "127.0.0.256"}, "address"),
        ({"application_address": "nowhere"}, "application_address"),
        ({"labels": {"a": 1}}, "labels"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_workloads_that_cannot_be(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        workload(**changes)
    assert any(field in map(str, error["loc"]) for error in refused.value.errors())


@pytest.mark.parametrize("address", ["127.0.0.12", "x", ":15012", "host:port", "host:70000"])
def test_places_need_a_port(address: str) -> None:
    with pytest.raises(ValidationError):
        PilotConfig(address=address)


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"address": "127.0.92.3"}, "have the name details-v1"),
        ({"name": "twin"}, "workloads details-v1 and twin have the same address, 127.0.92.2"),
    ],
)
def test_two_workloads_are_told_apart(second: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_distinct((workload(), workload(**second)))
    check_distinct((workload(), workload(name="other", address="127.0.92.3")))


def test_a_settings_file(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text(json.dumps({"run_dir": str(tmp_path), "workloads": [WORKLOAD], "drain_seconds": 2}))
    loaded = load_settings(AgentSettings, "agent", file)
    assert loaded.workloads == (workload(),)
    assert (loaded.delta, loaded.drain_seconds, loaded.pilot.address) == (True, 2, "127.0.0.12:15012")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"wrokloads": []}, "did you mean workloads?"),
        ({"workloads": [WORKLOAD, WORKLOAD]}, "have the name details-v1"),
        ({"run_dir": "/" + "x" * 120, "workloads": [WORKLOAD]}, "shorter run_dir"),
        ({"certificate_ttl_seconds": 0}, "certificate_ttl_seconds"),
    ],
)
def test_settings_that_cannot_be_used(tmp_path: Path, content: dict[str, Any], words: str) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text(json.dumps(content))
    with pytest.raises(SettingsError, match=words.replace("?", r"\?")):
        load_settings(AgentSettings, "agent", file)


def test_the_command_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flotilla_agent", "print-config"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert "drain_seconds: 5" in shown
    assert "FLOTILLA_AGENT_ENVOY" in shown


@pytest.mark.parametrize(("length", "right"), [(107, True), (108, False)])
def test_the_kernels_limit_of_socket_paths(length: int, right: bool) -> None:
    path = Path("/" + "x" * (length - 1))
    if right:
        check_socket_path(path)
    else:
        with pytest.raises(ValueError, match="108 bytes"):
            check_socket_path(path)
    assert sds_socket(Path("/run"), "a") == Path("/run/a/sds.sock")


# the bootstrap


def test_the_node() -> None:
    sidecar, router = workload(), workload(kind="router", application_address="", labels={"istio": "gateway"})
    assert node_id(sidecar, "cluster.local") == "sidecar~127.0.91.2~details-v1.default~default.svc.cluster.local"
    assert node_id(router, "cluster.local").startswith("router~127.0.92.2~")
    assert (addresses(sidecar), addresses(router)) == (["127.0.91.2", "127.0.92.2"], ["127.0.92.2"])
    node = make_node(sidecar, "cluster.local")
    assert node["cluster"] == "details.default"
    assert node["metadata"]["INSTANCE_IPS"] == "127.0.91.2,127.0.92.2"
    assert node["metadata"]["LABELS"] == WORKLOAD["labels"]
    assert make_node(router, "cluster.local")["cluster"] == "gateway.default"


@pytest.mark.parametrize(("delta", "kind"), [(True, "DELTA_GRPC"), (False, "GRPC")])
def test_the_bootstrap(tmp_path: Path, delta: bool, kind: str) -> None:
    settings = AgentSettings(run_dir=tmp_path, delta=delta, reconnect_max_seconds=3)
    made = make_bootstrap(settings, workload(), tmp_path / "sds.sock")
    assert made["node"]["metadata"]["ENVOY_PROMETHEUS_PORT"] == 15090
    assert "ENVOY_STATUS_PORT" not in made["node"]["metadata"]  # that is a pod's
    ads = made["dynamic_resources"]["ads_config"]
    assert ads["api_type"] == kind
    backoff = ads["grpc_services"][0]["envoy_grpc"]["retry_policy"]["retry_back_off"]
    assert backoff["max_interval"] == "3.0s" or backoff["max_interval"] == "3s"
    clusters = {cluster["name"]: cluster for cluster in made["static_resources"]["clusters"]}
    assert set(clusters) >= {"xds-grpc", "sds-grpc"}
    text = json.dumps(clusters["xds-grpc"])
    assert settings.pilot.identity in text
    assert settings.pilot.server_name in text
    assert str(tmp_path / "sds.sock") in json.dumps(clusters["sds-grpc"])
    assert made["admin"]["address"]["socket_address"] == {"address": "127.0.92.2", "port_value": 15000}
    source = made["cluster_manager"]["upstream_bind_config"]["source_address"]
    assert source["address"] == "127.0.92.2"


def test_envoy_takes_the_bootstrap(tmp_path: Path) -> None:
    program = Path(os.environ.get("FLOTILLA_ENVOY", Path(sys.prefix) / "envoy" / "bin" / "envoy"))
    if not program.exists():
        pytest.skip(f"no Envoy at {program}: `make install` brings it")
    for number, config in enumerate((workload(), workload(kind="router", application_address=""))):
        file = tmp_path / f"{number}.json"
        file.write_text(json.dumps(make_bootstrap(AgentSettings(run_dir=tmp_path), config, tmp_path / "sds.sock")))
        done = subprocess.run([program, "--mode", "validate", "-c", file], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr


# secrets


@pytest.fixture(scope="module")
def authority() -> CertificateAuthorityForTests:
    return CertificateAuthorityForTests()


ME = "spiffe://cluster.local/ns/default/sa/me"


def test_versions_tell_what_a_secret_holds(authority: CertificateAuthorityForTests) -> None:
    certificate, renewed = authority.certificate(ME), authority.certificate(ME)
    one, again, other = make_secrets(certificate), make_secrets(certificate), make_secrets(renewed)
    assert set(one) == set(NAMES)
    assert {name: each.version for name, each in one.items()} == {name: each.version for name, each in again.items()}
    assert one["default"].version != other["default"].version
    assert one["ROOTCA"].version == other["ROOTCA"].version
    assert "PRIVATE" not in repr(one["default"])


def test_state_of_the_world(authority: CertificateAuthorityForTests) -> None:
    first, second = make_secrets(authority.certificate(ME)), make_secrets(authority.certificate(ME))
    stream = StateOfTheWorld()
    assert stream.due(first) is None, "nothing is asked for yet"
    stream.take(DiscoveryRequest(resource_names=["default"]))
    answer = stream.due(first)
    assert answer is not None
    assert len(answer.resources) == 1
    assert stream.due(first) is None
    stream.take(
        DiscoveryRequest(resource_names=["default"], response_nonce=answer.nonce, version_info=answer.version_info)
    )
    assert stream.due(first) is None, "an acknowledgement is not answered"
    renewed = stream.due(second)
    assert renewed is not None
    assert renewed.nonce != answer.nonce
    nack = DiscoveryRequest(resource_names=["default"], response_nonce=renewed.nonce)
    nack.error_detail.message = "no good"
    stream.take(nack)
    assert stream.refusal == "no good"
    assert stream.due(second) is None, "what was refused is not sent again"
    stream.take(DiscoveryRequest(resource_names=["default", "ROOTCA"], response_nonce=renewed.nonce))
    more = stream.due(second)
    assert more is not None
    assert len(more.resources) == 2


def test_delta(authority: CertificateAuthorityForTests) -> None:
    first, second = make_secrets(authority.certificate(ME)), make_secrets(authority.certificate(ME))
    stream = Delta()
    stream.take(DeltaDiscoveryRequest(resource_names_subscribe=["default", "ROOTCA"]))
    answer = stream.due(first)
    assert answer is not None
    assert sorted(each.name for each in answer.resources) == ["ROOTCA", "default"]
    assert stream.due(first) is None
    renewed = stream.due(second)
    assert renewed is not None
    assert [each.name for each in renewed.resources] == ["default"], "the root is the same"
    stream.take(DeltaDiscoveryRequest(resource_names_unsubscribe=["default"]))
    assert stream.due(first) is None
    held = Delta()
    request = DeltaDiscoveryRequest(resource_names_subscribe=["default"])
    request.initial_resource_versions["default"] = first["default"].version
    held.take(request)
    assert held.due(first) is None, "it has this one already"


@pytest.mark.parametrize("stream", [StateOfTheWorld(), Delta()])
def test_secrets_that_there_are_not(stream: Any) -> None:
    request = DiscoveryRequest if isinstance(stream, StateOfTheWorld) else DeltaDiscoveryRequest
    field = "resource_names" if isinstance(stream, StateOfTheWorld) else "resource_names_subscribe"
    with pytest.raises(UnknownSecret, match="not file-root:system"):
        stream.take(request(**{field: ["file-root:system"]}))


# addresses and logs


def test_an_address_that_is_held_is_told_with_its_holder() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.93.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        assert holder_of("127.0.93.1", port).startswith(f"pid {os.getpid()} (")
        with pytest.raises(
            WorkloadRefused, match=f"127.0.93.1:{port} \\(the admin port\\) is held by pid {os.getpid()}"
        ):
            refuse_if_held("127.0.93.1", port, "the admin port")
    refuse_if_held("127.0.93.1", port, "the admin port")


def test_an_address_that_is_not_of_this_machine() -> None:
    with pytest.raises(WorkloadRefused, match="cannot be bound"):
        refuse_if_held("192.0.2.1", free_port(), "the admin port")


def test_what_envoy_said_last(tmp_path: Path) -> None:
    log = tmp_path / "envoy.log"
    assert (log_size(log), last_complaint(log, 0)) == (0, "")
    line = "[2026-01-02 03:04:05.678][12][{level}][main] [source/server/server.cc:424] {text}\n"
    log.write_text(line.format(level="critical", text="of an earlier run"))
    since = log_size(log)
    with log.open("a") as opened:
        opened.write(line.format(level="warning", text="careful"))
        opened.write(line.format(level="critical", text="cannot bind"))
        opened.write("127.0.0.1 GET / 200\n")
    assert last_complaint(log, since) == "cannot bind"
    assert last_complaint(log, log_size(log)) == ""
