"""Command lines for a running cluster: kubectl and helm on this machine's files, in the node's network."""

from __future__ import annotations

from collections.abc import Mapping

from tests.kube.cluster.binaries import binaries_folder
from tests.kube.cluster.node import Node


def kubectl(node: Node, *arguments: str) -> list[str]:
    return node.inside(str(binaries_folder() / "kubectl"), *arguments, mounts=False, processes=False)


def helm(node: Node, *arguments: str) -> list[str]:
    return node.inside(str(binaries_folder() / "helm"), *arguments, mounts=False, processes=False)


def environment(node: Node) -> Mapping[str, str]:
    """For both: they see this cluster only, and write nothing outside of its folder."""
    own = str(node.layout.folder)
    homes = {f"HELM_{kind}_HOME": f"{own}/helm/{kind.lower()}" for kind in ("CACHE", "CONFIG", "DATA")}
    return {"KUBECONFIG": str(node.layout.admin), "KUBECACHEDIR": f"{own}/kubectl", **homes}
