"""Builds images from their Dockerfiles into a folder in OCI form, where images share their layers."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.kube.cluster.cache import TREE, cache_folder, key_of, only_one
from tests.kube.cluster.images.buildah import base_reference, buildah
from tests.kube.cluster.images.catalogue import Image
from tests.kube.cluster.images.wheels import native_front, pins
from tests.kube.cluster.report import Report

# Trees that differ take turns with one layout.
KEPT_BUILDS = 4


def image_key(image: Image, wheels: Path, tree: Path = TREE) -> str:
    """Changes with anything that the image is made of."""
    words = (base_reference(), wheels.name, pins(wheels), *(str(file.relative_to(tree)) for file in image.files(tree)))
    return key_of(image.files(tree), *words)


def layout_folder() -> Path:
    return cache_folder() / "layers"


def build(image: Image, key: str, base: str, wheels: Path, report: Report, tree: Path = TREE) -> str:
    """The name of the image in the layout: made now, or found there. Several may call at once; raises ClusterError."""
    name = f"{image.name}-{key}"
    if name in _names():
        return name
    with report.step(f"build {image.name}"), tempfile.TemporaryDirectory(dir=cache_folder()) as context:
        _lay(Path(context), image, wheels, tree)
        with only_one(cache_folder() / "libraries.lock"):  # the long part: whoever else needs it waits and finds it
            _bud(image, base, Path(context), "--target", "libraries")
        reference = f"{image.reference.rpartition(':')[0]}:{key}"
        extras = "native" if native_front(wheels) and image.has("native", tree) else ""
        _bud(image, base, Path(context), "--tag", reference, "--build-arg", f"EXTRAS={extras}")
        with only_one(layout_folder().with_suffix(".lock")):
            layout = f"oci:{layout_folder()}:{name}"
            buildah("push", "--quiet", "--disable-compression", "--format", "oci", reference, layout)
            _sweep()
    return name


def _bud(image: Image, base: str, context: Path, *arguments: str) -> None:
    offline = ("--build-arg", "PIP_NO_INDEX=1", "--pull-never")
    options = ("--quiet", "--layers", "--isolation", "chroot", "--build-arg", f"BASE={base}", *offline)
    buildah("bud", *options, *arguments, "--file", str(context / image.dockerfile), str(context))


def _lay(context: Path, image: Image, wheels: Path, tree: Path) -> None:
    """What the Dockerfile may copy, laid as the tree is, and the wheels. Times of files are kept."""
    for file in image.files(tree):
        target = context / file.relative_to(tree)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, target)
    shutil.copytree(wheels, context / "wheels", copy_function=os.link)
    (context / "constraints.txt").write_text(pins(wheels))


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
