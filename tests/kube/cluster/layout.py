"""Where a cluster keeps its things, and its addresses, which are the same in every cluster: each has a network of its own."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from tests.kube.cluster.cache import TREE, cache_folder
from tests.kube.cluster.errors import ClusterError

NODE_NAME = "node1"
NODE_ADDRESS = "192.168.77.2"
GATEWAY_ADDRESS = "192.168.77.1"  # nobody is there: packets for the outside end
POD_RANGE = "10.244.0.0/24"
SERVICE_RANGE = "10.96.0.0/16"
API_ADDRESS = "10.96.0.1"
DNS_ADDRESS = "10.96.0.10"
DOMAIN = "cluster.local"
API_PORT = 6443

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,18}[a-z0-9])?")


@dataclass(frozen=True)
class Layout:
    """The paths of the cluster of one name. `folder` lies in memory and is seen from outside; so is all but `node`."""

    name: str
    folder: Path

    @property
    def keys(self) -> Path:
        return self.folder / "pki"

    @property
    def logs(self) -> Path:
        return self.folder / "log"

    @property
    def audit(self) -> Path:
        """What service accounts have asked of the API server, a JSON object a line."""
        return self.logs / "audit.log"

    @property
    def pids(self) -> Path:
        return self.folder / "pid"

    @property
    def settings(self) -> Path:
        """Configuration files of the components, and their kubeconfigs."""
        return self.folder / "etc"

    @property
    def node(self) -> Path:
        """A file system inside the node only, which ends with it: etcd's data, containers, volumes."""
        return self.folder / "node"

    @property
    def containerd_socket(self) -> Path:
        return self.folder / "containerd.sock"

    @property
    def holder(self) -> Path:
        """Says which process is the node's first, and of which tree this cluster is."""
        return self.folder / "holder.json"

    @property
    def loaded(self) -> Path:
        """Which images are in the node, by the keys that they were made from."""
        return self.folder / "images.json"

    @property
    def admin(self) -> Path:
        return self.kubeconfig("admin")

    @property
    def cgroup(self) -> str:
        return f"flotilla-kube-{self.name}"

    @property
    def lock(self) -> Path:
        """Held by whoever starts or stops this cluster or loads images; outside of what `down` removes."""
        return cache_folder() / f"{self.name}.lock"

    def kubeconfig(self, user: str) -> Path:
        return self.settings / f"{user}.kubeconfig"


def layout_of(name: str | None = None) -> Layout:
    """The cluster of that name; else of FLOTILLA_CLUSTER; else of the name of this tree's folder, so that each tree has its own."""
    chosen = name or os.environ.get("FLOTILLA_CLUSTER") or re.sub(r"[^a-z0-9]+", "-", TREE.name.lower())[:20].strip("-")
    if not _NAME.fullmatch(chosen):
        raise ClusterError(
            f"{chosen!r} cannot name a cluster: at most 20 lower-case letters, digits and dashes, in FLOTILLA_CLUSTER"
        )
    return Layout(chosen, Path("/dev/shm") / f"flotilla-kube-{chosen}")
