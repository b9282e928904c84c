"""Brings the images of this tree into the node: builds and loads what has changed, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.kube.cluster.errors import ClusterError
from tests.kube.cluster.images.build import build, image_key
from tests.kube.cluster.images.buildah import make_base
from tests.kube.cluster.images.catalogue import chosen
from tests.kube.cluster.images.load import load
from tests.kube.cluster.images.wheels import make_wheels
from tests.kube.cluster.node import Node
from tests.kube.cluster.report import Report


def bring_images(node: Node, names: Sequence[str], report: Report) -> list[str]:
    """Builds and loads what the node does not have as it is now; gives the names of what was loaded.

    Pods that run keep the image that they were started with: delete them, or restart their Deployment.
    """
    if node.first_process is None:
        raise ClusterError(f"there is no cluster {node.layout.name}: start it with `make cluster`")
    file = node.layout.loaded
    loaded = json.loads(file.read_text()) if file.exists() else {}
    wheels = make_wheels(report)
    stale = {image: key for image in chosen(names) if (key := image_key(image, wheels)) != loaded.get(image.name)}
    if stale:
        base = make_base(report)
        for image, key in stale.items():
            name = build(image, key, base, wheels, report)
            with report.step(f"load {image.name}"):
                load(node, name, image.reference)
            loaded[image.name] = key
            file.write_text(json.dumps(loaded))
    return [image.name for image in stale]
