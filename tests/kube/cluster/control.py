"""Starts and stops a cluster."""

from __future__ import annotations

import fcntl
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.kube.cluster import control_plane, health, worker
from tests.kube.cluster.binaries import binaries_folder, make_binaries
from tests.kube.cluster.cache import TREE
from tests.kube.cluster.call import call
from tests.kube.cluster.errors import ClusterError
from tests.kube.cluster.keys import make_keys
from tests.kube.cluster.layout import DOMAIN, NODE_ADDRESS, Layout
from tests.kube.cluster.machine import require
from tests.kube.cluster.node import Node
from tests.kube.cluster.pause import pause_archive
from tests.kube.cluster.process import Component, Running
from tests.kube.cluster.report import Report

DNS_MANIFEST = Path(__file__).with_name("dns") / "manifest.yaml"


def components(node: Node) -> list[Component]:
    """All of them, in the order in which they need one another. Writes their settings."""
    layout, binaries = node.layout, binaries_folder()
    return [
        control_plane.etcd(layout, binaries),
        control_plane.apiserver(layout, binaries),
        worker.containerd(node),
        control_plane.controllers(layout, binaries),
        control_plane.scheduler(layout, binaries),
        worker.kubelet(layout, binaries),
        worker.kube_proxy(layout, binaries),
        _dns(layout),
    ]


def running(node: Node, name: str) -> Running:
    """The component of that name, to stop, start or wait for. Raises ClusterError for another name."""
    if node.first_process is None:
        raise ClusterError(f"there is no cluster {node.layout.name}: start it with `make cluster`")
    found = {component.name: component for component in components(node)}
    if name not in found:
        raise ClusterError(f"there is no component {name!r}: there are {', '.join(found)}")
    return Running(node, found[name])


def up(layout: Layout, report: Report) -> None:
    """Starts the cluster, or does nothing if this tree's runs already. Raises ClusterError; `down` cleans up after that."""
    require(report)
    node = Node(layout)
    with _alone(layout, report):
        if _runs_already(node):
            report.say(f"cluster {layout.name} is running")
            return
        report.say(f"cluster {layout.name} in {layout.folder}")
        with report.step("all"):
            _remove(node)
            _start(node, report)
            (layout.folder / "whole").touch()


def down(layout: Layout, report: Report) -> None:
    """Ends the cluster and whatever is left of one that failed; nothing happens where there is none."""
    node = Node(layout)
    with _alone(layout, report):
        _refuse_others(node)
        if layout.folder.exists():
            with report.step(f"end cluster {layout.name}"):
                _remove(node)


def is_whole(layout: Layout) -> bool:
    return Node(layout).first_process is not None and (layout.folder / "whole").exists()


def _runs_already(node: Node) -> bool:
    if node.first_process is None:
        return False
    _refuse_others(node)
    if not is_whole(node.layout):
        raise ClusterError(
            f"the last start of cluster {node.layout.name} did not end well: `make cluster-down`, then again"
        )
    return True


def _refuse_others(node: Node) -> None:
    if node.first_process is not None and node.owner != str(TREE):
        raise ClusterError(
            f"cluster {node.layout.name} belongs to another tree, {node.owner}: name your own in FLOTILLA_CLUSTER, or end it there"
        )


def _start(node: Node, report: Report) -> None:
    binaries = make_binaries(report)
    with report.step("namespaces, keys"):
        node.start()
        make_keys(node.layout)
    etcd, apiserver, containerd, *others = (Running(node, component) for component in components(node))
    with node.network():
        for component in (etcd, containerd, apiserver):
            component.start()
        for component in (etcd, containerd):
            _wait(component, report)
        _load_pause(node, binaries)
        _wait(apiserver, report)
        for component in others:
            component.start()
        _kubectl_apply(node, binaries, DNS_MANIFEST)
        for component in others:
            _wait(component, report)


def _wait(component: Running, report: Report) -> None:
    with report.step(component.component.name):
        component.wait()


def _load_pause(node: Node, binaries: Path) -> None:
    archive = pause_archive(binaries / "pause", worker.PAUSE_IMAGE)
    call(worker.ctr(node, "images", "import", "-"), "loading the pause image", given=archive)


def _kubectl_apply(node: Node, binaries: Path, manifest: Path) -> None:
    command = [
        str(binaries / "kubectl"),
        f"--kubeconfig={node.layout.admin}",
        f"--cache-dir={node.layout.folder}/kubectl",
    ]
    call([*command, "apply", "-f", str(manifest)], f"applying {manifest.name}")


def _dns(layout: Layout) -> Component:
    """Sees the machine's files, since it runs from this tree; ready when it knows the API server's own Service."""
    arguments = (NODE_ADDRESS, "53", str(layout.kubeconfig("dns")), DOMAIN)
    command = (sys.executable, "-m", "tests.kube.cluster.dns", *arguments)
    environment = {"PYTHONPATH": str(TREE)}
    return Component(
        "dns", command, partial(health.resolves, f"kubernetes.default.svc.{DOMAIN}"), environment, own_mounts=False
    )


def _remove(node: Node) -> None:
    node.stop()
    shutil.rmtree(node.layout.folder, ignore_errors=False) if node.layout.folder.exists() else None


@contextmanager
def _alone(layout: Layout, report: Report) -> Iterator[None]:
    """One start, stop or loading of a cluster at a time; says so where it has to wait for another."""
    layout.lock.parent.mkdir(parents=True, exist_ok=True)
    with layout.lock.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report.say(f"waiting: somebody else starts or ends cluster {layout.name}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
