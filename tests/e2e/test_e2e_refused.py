"""What is wrong is refused with its place, and loses nothing; what is mended heals."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flotilla_cli.demo import routes
from flotilla_cli.demo.page import Reader
from flotilla_cli.demo.traffic import Traffic
from flotilla_cli.mesh import Mesh

pytestmark = [pytest.mark.mesh, pytest.mark.timeout(180)]

REVIEWS = ("VirtualService", "default", "reviews")


def test_an_invalid_object_is_refused_by_name_field_file_and_line(
    mesh: Mesh, anybody: Reader, traffic: Traffic
) -> None:
    mesh.write(routes.FILE, routes.INVALID)
    refused = mesh.wait_object(*REVIEWS, lambda found: bool(found["problems"]))
    problem = refused["problems"][0]
    assert refused["state"] == "last-good"
    assert problem["field"] == "spec.http[1].route[0].destination.host"
    assert problem["file"] == routes.FILE
    assert routes.INVALID.splitlines()[problem["line"] - 1].strip().startswith("- destination:")
    assert traffic.wait_for_more(10)
    assert set(anybody.versions(5)) == {"v3"}


@pytest.mark.single_service
def test_the_last_good_version_outlives_kill_9_of_galley_and_pilot(mesh: Mesh, jason: Reader, traffic: Traffic) -> None:
    before = mesh.trace(*REVIEWS).version
    mesh.write(routes.FILE, routes.SHIFTED)
    good = mesh.wait_applied(*REVIEWS, unlike=before).version
    mesh.write(routes.FILE, routes.INVALID)
    mesh.wait_object(*REVIEWS, lambda found: found["state"] == "last-good")

    for service in ("galley", "pilot"):
        mesh.stop(service, kill=True)
    for service in ("galley", "pilot"):
        mesh.start(service)
    mesh.wait_ready("galley", "pilot")
    found = mesh.wait_object(*REVIEWS, lambda item: bool(item["reports"].get("pilot")))
    assert (found["state"], found["version"]) == ("last-good", good)
    assert set(jason.versions(5)) == {"v2"}

    mesh.write(routes.FILE, routes.EVERYBODY_V1)
    mesh.wait_applied(*REVIEWS, unlike=good)
    mesh.wait(lambda: set(jason.versions(3)) == {"v1"}, "the mended route")
    healed = mesh.object(*REVIEWS)
    assert healed is not None
    assert (healed["state"], healed["problems"]) == ("published", [])


BAD_FILES = {
    "broken-yaml": ("kind: [VirtualService\n", "not YAML"),
    "unknown-kind": (
        "apiVersion: networking.istio.io/v1\nkind: VirtualServise\nmetadata: {name: x}\n",
        "did you mean VirtualService?",
    ),
    "unknown-version": (
        "apiVersion: networking.istio.io/v7\nkind: VirtualService\nmetadata: {name: x}\n",
        "it has networking.istio.io/v1",
    ),
    "no-kind": ("hello: world\n", "has no kind"),
    "no-name": ("apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {}\n", "metadata.name"),
    "duplicate-object": (routes.EVERYBODY_V1, "is already defined at reviews-route.yaml:"),
    "file-unreadable": ("\udcff\udcfe", "no UTF-8"),
}


@pytest.mark.parametrize("code", list(BAD_FILES))
def test_a_bad_file_is_told_and_harms_nothing(mesh: Mesh, code: str, traffic: Traffic) -> None:
    text, words = BAD_FILES[code]
    versions = mesh.galley("status")["collections"]
    file = mesh.plan.directory / "config" / "zz-bad.yaml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    problem = mesh.wait(
        lambda: next((each for each in mesh.galley("status")["documents"] if each["file"] == file.name), None), code
    )
    assert (problem["code"], words in problem["text"]) == (code, True), problem
    assert mesh.galley("status")["collections"] == versions
    assert traffic.wait_for_more(3)
    file.unlink()
    mesh.wait(lambda: not mesh.galley("status")["documents"], "the problem to be gone")


def test_an_emptied_directory_loses_nothing(mesh: Mesh, tmp_path: Path, traffic: Traffic) -> None:
    """As when a mount goes away: from one moment to the next there is no file."""
    versions = mesh.galley("status")["collections"]
    config = mesh.plan.directory / "config"
    empty = mesh.plan.directory / "empty"
    empty.mkdir()
    config.rename(tmp_path / "full")
    empty.rename(config)
    mesh.wait(
        lambda: [each["code"] for each in mesh.galley("status")["documents"]] == ["directory-empty"], "the problem"
    )
    assert mesh.galley("status")["collections"] == versions
    assert traffic.wait_for_more(3)


def test_a_vanished_directory_loses_nothing(mesh: Mesh, tmp_path: Path, traffic: Traffic) -> None:
    versions = mesh.galley("status")["collections"]
    config = mesh.plan.directory / "config"
    config.rename(mesh.plan.directory / "elsewhere")
    problem = mesh.wait(lambda: next(iter(mesh.galley("status")["documents"]), None), "the problem")
    assert problem["code"] == "directory-unreadable"
    assert mesh.galley("status")["collections"] == versions
    (mesh.plan.directory / "elsewhere").rename(config)
    mesh.wait(lambda: not mesh.galley("status")["documents"], "the problem to be gone")


def test_a_directory_may_be_a_link_that_is_swapped(mesh: Mesh, jason: Reader, traffic: Traffic) -> None:
    """As Kubernetes swaps mounted ConfigMaps: the link is replaced, never the files in place."""
    config = mesh.plan.directory / "config"
    first, second = mesh.plan.directory / "first", mesh.plan.directory / "second"
    before = mesh.trace(*REVIEWS).version
    config.rename(first)
    os.symlink(first, config)
    second.mkdir()
    for file in first.iterdir():
        (second / file.name).write_bytes(file.read_bytes())
    (second / routes.FILE).write_text(routes.SHIFTED)
    swap = mesh.plan.directory / ".swap"
    os.symlink(second, swap)
    swap.replace(config)
    mesh.wait_applied(*REVIEWS, unlike=before)
    mesh.wait(lambda: set(jason.versions(3)) == {"v2"}, "the route of the second directory")


def test_a_broken_mesh_configuration_keeps_the_last_good_one(mesh: Mesh, traffic: Traffic) -> None:
    file = mesh.plan.directory / "mesh.yaml"
    version = mesh.galley("status")["collections"]["istio/mesh/v1alpha1/MeshConfig"]
    file.write_text("trustDomain: [\n")
    problem = mesh.wait(lambda: next(iter(mesh.galley("status")["documents"]), None), "the problem")
    assert problem["code"] == "mesh-unreadable"
    assert mesh.galley("status")["collections"]["istio/mesh/v1alpha1/MeshConfig"] == version
