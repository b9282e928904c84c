"""Builds images from their Dockerfiles into a folder in OCI form, where images share their layers."""

from __future__ import annotations

import json
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.kube.cluster.cache import TREE, cache_folder, key_of
from tests.kube.cluster.images.buildah import base_reference, buildah
from tests.kube.cluster.images.catalogue import Image
from tests.kube.cluster.images.wheels import pins
from tests.kube.cluster.report import Report

# Trees that differ take turns with one layout.
KEPT_BUILDS = 4


def image_key(image: Image, wheels: Path, tree: Path = TREE) -> str:
    """Changes with anything that the image is made of."""
    words = (base_reference(), pins(wheels), *(str(file.relative_to(tree)) for file in image.files(tree)))
    return key_of(image.files(tree), *words)


def layout_folder() -> Path:
    return cache_folder() / "images"


def build(image: Image, key: str, base: str, wheels: Path, report: Report, tree: Path = TREE) -> str:
    """The name of the image in the layout: made now, or found there. One caller at a time; raises ClusterError."""
    name = f"{image.name}-{key}"
    if name in _names():
        return name
    with report.step(f"build {image.name}"):
        context = _context(image, wheels, tree)
        arguments = [
            "--build-arg",
            f"BASE={base}",
            "--build-arg",
            "PIP_NO_INDEX=1",
            "--isolation",
            "chroot",
            "--pull-never",
        ]
        buildah(
            "bud",
            "--quiet",
            "--layers",
            *arguments,
            "-f",
            str(context / image.dockerfile),
            "-t",
            image.reference,
            str(context),
        )
        buildah(
            "push",
            "--quiet",
            "--disable-compression",
            "--format",
            "oci",
            image.reference,
            f"oci:{layout_folder()}:{name}",
        )
        _sweep()
    return name


def _context(image: Image, wheels: Path, tree: Path) -> Path:
    """A folder with what the Dockerfile may copy, laid as the tree is, and the wheels. Times of files are kept."""
    context = cache_folder() / "context"
    shutil.rmtree(context, ignore_errors=True)
    for file in image.files(tree):
        target = context / file.relative_to(tree)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, target)
    shutil.copytree(wheels, context / "wheels", copy_function=os.link)
    (context / "constraints.txt").write_text(pins(wheels))
    return context


def _names() -> set[str]:
    return {_name(entry) for entry in _entries()}


def _name(entry: Mapping[str, Any]) -> str:
    return str(entry.get("annotations", {}).get("org.opencontainers.image.ref.name", ""))


def _entries() -> list[dict[str, Any]]:
    index = layout_folder() / "index.json"
    return list(json.loads(index.read_text())["manifests"]) if index.exists() else []


def _sweep() -> None:
    """Drops all but the latest builds of each image, and the layers that nothing names any more."""
    builds: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in _entries():
        builds[_name(entry).rpartition("-")[0]].append(entry)
    kept = [entry for entries in builds.values() for entry in entries[-KEPT_BUILDS:]]
    index = layout_folder() / "index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"manifests": kept}))
    named = {digest for entry in kept for digest in blobs_of(layout_folder(), entry)}
    for blob in (layout_folder() / "blobs" / "sha256").iterdir():
        if f"sha256:{blob.name}" not in named:
            blob.unlink()


def blobs_of(layout: Path, entry: Mapping[str, Any]) -> Iterator[str]:
    """The digests of an image's manifest, configuration and layers."""
    digest = str(entry["digest"])
    manifest = json.loads(blob(layout, digest).read_bytes())
    yield digest
    yield manifest["config"]["digest"]
    for layer in manifest["layers"]:
        yield layer["digest"]


def blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")
