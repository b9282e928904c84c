"""What a mesh's directory says, and what is said of one that contradicts itself."""

from __future__ import annotations

import pytest

from flotilla_cli.errors import PlanError
from flotilla_cli.example import copy_mesh, example_directory
from flotilla_cli.plan.plan import read_plan


def test_a_workload_is_its_process_joined_with_its_entry(directory, block):
    plan = read_plan(directory)
    web = plan.workload("web-v1")
    assert (web.namespace, web.service_account, web.kind) == ("shop", "web", "sidecar")
    assert (web.address, web.application_address) == (f"{block}.2.1", f"{block}.1.1")
    assert web.labels == {"app": "web", "version": "v1"}
    assert web.command == ("python", "-m", "http.server")
    assert web.environment == {"VERSION": "v1", "PORT": "9080"}
    assert [(w.name, w.kind, w.start) for w in plan.workloads.values()] == [
        ("gate", "router", True),
        ("web-v1", "sidecar", True),
        ("guest", "sidecar", False),
    ]


def test_every_address_of_the_mesh_is_known(directory, block):
    listeners = {(found.address.removeprefix(block), found.port) for found in read_plan(directory).listeners}
    envoys = {(address, port) for address in (".2.100", ".2.1", ".2.2") for port in (15000, 15020, 15090)}
    assert listeners == envoys | {
        (".0.1", 8080),
        (".0.14", 9876),
        (".0.14", 15004),
        (".0.14", 15014),
        (".0.14", 42422),
        (".0.11", 9876),
        (".0.11", 9901),
        (".0.11", 15014),
        (".0.12", 8080),
        (".0.12", 9876),
        (".0.12", 15012),
        (".0.12", 15014),
        (".0.13", 8060),
        (".0.13", 9876),
        (".0.13", 15014),
        (".1.1", 9081),  # the default endpoint's port, at the application's address
        (".2.1", 9080),
        (".3.1", 9080),  # the catch-all: every service port
        (".3.1", 15002),
    }


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("processes.yaml", "control_plane:", "control_plane: [", "is not YAML"),
        ("processes.yaml", "kind: router", "kind: gateway", "Invalid enum value 'gateway'"),
        ("processes.yaml", "kind: router", "sort: router", "unknown field `sort`"),
        ("processes.yaml", 'command: [sleep, "1000"]', "command: [sleep, 1000]", "Expected `str`, got `int`"),
        ("processes.yaml", 'command: [sleep, "1000"]', "", "guest: command is missing"),
        ("processes.yaml", "name: web-v1", "name: gate", "gate: the name occurs twice"),
        ("processes.yaml", "name: web-v1", "name: pilot", "pilot: the name is that of a part of the mesh"),
        ("processes.yaml", "name: web-v1", "name: ../web", "letters, digits and dashes"),
        ("processes.yaml", "name: web-v1", 'name: ""', "letters, digits and dashes"),
        ("processes.yaml", "kind: router", "kind: router\n  command: [x]", "neither command nor"),
        (
            "processes.yaml",
            "  pilot: {",
            "  mixer: {",
            "pilot is missing; it must hold citadel, galley, pilot, mixer",
        ),
        ("processes.yaml", "name: web-v1", "name: web-v9", "no WorkloadEntry in config/ has this name"),
        (
            "config/all.yaml",
            "serviceAccount: web}",
            "network: n}",
            "shop/web-v1 in",
        ),
        (
            "config/all.yaml",
            ".2.2, ",
            ".2.1, ",
            "the sidecar of guest and the sidecar of web-v1 have the same",
        ),
        ("processes.yaml", ".1.2", ".0.12", "the application of guest and pilot have the same address"),
    ],
)
def test_a_contradiction_is_one_sentence(directory, edit, file, old, new, said):
    edit(file, old, new)
    with pytest.raises(PlanError) as refusal:
        read_plan(directory)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["processes.yaml", "mesh.yaml"])
def test_a_directory_without_its_files_says_what_belongs_there(directory, name):
    (directory / name).unlink()
    with pytest.raises(PlanError, match=f"holds no {name}.*examples/bookinfo/local"):
        read_plan(directory)


def test_a_directory_that_is_none(tmp_path):
    with pytest.raises(PlanError, match=r"is no directory.*processes\.yaml"):
        read_plan(tmp_path / "nowhere")


def test_the_configuration_must_be_a_directory(directory):
    (directory / "config").rename(directory / "configuration")
    with pytest.raises(PlanError, match="config is no directory"):
        read_plan(directory)


def test_broken_configuration_is_galleys_to_judge(directory):
    (directory / "config" / "broken.yaml").write_text("kind: [\n")
    (directory / "config" / "odd.yaml").write_text("- 1\n---\n7\n---\nkind: Sidecar\nmetadata: {}\nspec: []\n")
    assert read_plan(directory).workload("web-v1").service_account == "web"


def test_a_broken_file_is_named_when_an_entry_is_missing(directory, edit):
    edit("config/all.yaml", "kind: WorkloadEntry", "kind: [WorkloadEntry")
    with pytest.raises(PlanError, match=r"gate.*all\.yaml could not be read"):
        read_plan(directory)


def test_an_unknown_workload_is_answered_with_the_known_ones(directory):
    with pytest.raises(PlanError, match=r"has no workload nobody\. It has: gate, web-v1, guest"):
        read_plan(directory).workload("nobody")


def test_the_example_is_a_plan():
    plan = read_plan(example_directory())
    assert [name for name, workload in plan.workloads.items() if not workload.start] == ["visitor"]
    started = [workload for workload in plan.workloads.values() if workload.start]
    assert len(started) == 8
    assert {workload.namespace for workload in started} == {"default"}
    assert ("127.0.0.1", 8080) in {(found.address, found.port) for found in plan.listeners}
    assert plan.mesh_file.is_file()


def test_a_copy_on_other_addresses_is_the_same_mesh(tmp_path):
    plan = read_plan(example_directory())
    copy = read_plan(copy_mesh(example_directory(), tmp_path / "copy", block=77))
    assert {found.address.split(".")[1] for found in copy.listeners} == {"77"}
    moved = {(found.address.replace("127.0.", "127.77."), found.port) for found in plan.listeners}
    assert {(found.address, found.port) for found in copy.listeners} == moved
    assert copy.workload("reviews-v2").environment["http_proxy"] == "http://127.77.3.4:15002"
    assert "127.77.1.4" in copy.workload("reviews-v2").command
