"""Loads images from the layout into the node: only the layers that it does not have yet."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

from tests.kube.cluster.cache import only_one
from tests.kube.cluster.call import call
from tests.kube.cluster.errors import ClusterError
from tests.kube.cluster.images.build import blob, blobs_of, layout_folder
from tests.kube.cluster.node import Node
from tests.kube.cluster.worker import ctr


def load(node: Node, name: str, reference: str) -> None:
    """The image of that name in the layout becomes the one of that reference in the node. Raises ClusterError."""
    layout = layout_folder()
    with only_one(layout.with_suffix(".lock")):  # nothing is swept meanwhile
        entry = _entry(layout, name)
        archive = _missing(node, layout, entry, reference)
    call(ctr(node, "images", "import", "-"), f"loading {reference}", given=archive)


def _missing(node: Node, layout: Path, entry: dict[str, object], reference: str) -> bytes:
    """An archive of the image without the layers that the node has."""
    there = set(call(ctr(node, "content", "ls", "--quiet"), "listing the node's layers").split())
    wanted = [digest for digest in blobs_of(layout, entry) if digest not in there]
    return _archive(layout, entry, wanted, reference)


def _entry(layout: Path, name: str) -> dict[str, object]:
    for entry in json.loads((layout / "index.json").read_text())["manifests"]:
        if entry.get("annotations", {}).get("org.opencontainers.image.ref.name") == name:
            return dict(entry)
    raise ClusterError(f"{layout} holds no image {name}: build it again")


def _archive(layout: Path, entry: dict[str, object], digests: list[str], reference: str) -> bytes:
    named = entry | {"annotations": {"io.containerd.image.name": reference}}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        _add(archive, "oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
        _add(archive, "index.json", json.dumps({"schemaVersion": 2, "manifests": [named]}).encode())
        for digest in digests:
            archive.add(blob(layout, digest), f"blobs/{digest.replace(':', '/')}")
    return out.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
