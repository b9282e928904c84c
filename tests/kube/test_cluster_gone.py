"""A cluster ends without a trace, whole or half started, and never harms another. The cluster of these tests is one of their own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from tests.kube.cluster import cgroups
from tests.kube.cluster.cache import TREE
from tests.kube.cluster.control import components, down, up
from tests.kube.cluster.errors import ClusterError
from tests.kube.cluster.layout import Layout, layout_of
from tests.kube.cluster.node import Node
from tests.kube.cluster.process import Component, Running
from tests.kube.cluster.report import Report

pytestmark = [pytest.mark.kube, pytest.mark.timeout(300)]
QUIET = Report(quiet=True)
# What kubelet, containerd and the network plugins make wherever they run.
NODE_FOLDERS = (
    "/var/log/pods",
    "/var/log/containers",
    "/var/lib/kubelet",
    "/var/lib/cni",
    "/run/containerd/s",
    "/run/containerd/runc",
    "/usr/libexec/kubernetes",
)


@pytest.fixture
def layout() -> Iterator[Layout]:
    other = layout_of(f"gone-{uuid4().hex[:8]}")
    yield other
    down(other, QUIET)
    other.lock.unlink(missing_ok=True)


def _processes(node: Node) -> list[int]:
    return [pid for name in os.listdir("/proc") if name.isdigit() and node.holds(pid := int(name))]


def _outside() -> dict[str, object]:
    """What a cluster could leave on the machine."""
    return {
        "links": subprocess.run(["ip", "-br", "link"], capture_output=True, check=True).stdout,
        "rules": subprocess.run(["iptables", "-t", "nat", "-S"], capture_output=True, check=True).stdout,
        "mounts": sorted(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()),
        "names": sorted(os.listdir("/run/netns")) if Path("/run/netns").exists() else [],
        "folders": [folder for folder in NODE_FOLDERS if Path(folder).exists()],
        "forwarding": Path("/proc/sys/net/ipv4/ip_forward").read_text(),
    }


def _nothing_is_left(layout: Layout, processes: list[int]) -> None:
    assert not layout.folder.exists()
    assert cgroups.present(layout.cgroup) == []
    assert [pid for pid in processes if _runs(pid)] == []


def _runs(pid: int) -> bool:
    """One that has ended may still wait for its parent to hear of it."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_whole_cluster_leaves_nothing(layout: Layout) -> None:
    before = _outside()
    up(layout, QUIET)
    processes = _processes(Node(layout))
    assert len(processes) > len(components(Node(layout)))
    down(layout, QUIET)
    _nothing_is_left(layout, processes)
    assert _outside() == before


def test_a_start_that_is_interrupted_can_be_cleaned(layout: Layout) -> None:
    command = [sys.executable, "-m", "tests.kube.cluster", "--cluster", layout.name]
    with subprocess.Popen([*command, "up"], cwd=TREE, stderr=subprocess.PIPE, text=True) as starting:
        assert starting.stderr is not None
        while "etcd" not in starting.stderr.readline():
            assert starting.poll() is None
        starting.send_signal(signal.SIGKILL)
    processes = _processes(Node(layout))
    assert processes
    with pytest.raises(ClusterError, match="did not end well"):
        up(layout, QUIET)
    assert subprocess.run([*command, "down"], cwd=TREE).returncode == 0
    _nothing_is_left(layout, processes)


def test_a_component_that_ends_is_told_with_its_last_words(layout: Layout) -> None:
    node = Node(layout)
    node.start()
    broken = Running(node, Component("broken", ("sh", "-c", "echo what went wrong; exit 3"), lambda: "not yet"))
    broken.start()
    with pytest.raises(ClusterError, match=r"broken ended(.|\n)*what went wrong"):
        broken.wait()


def test_the_cluster_of_another_tree_is_left_alone(layout: Layout, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for part in ("tests/kube/cluster", "tests/kube/tools"):
        shutil.copytree(TREE / part, other / part)
    node = Node(layout)
    node.start()
    for command in ("up", "down"):
        done = subprocess.run(
            [sys.executable, "-m", "tests.kube.cluster", "--cluster", layout.name, command],
            cwd=other,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert f"belongs to another tree, {TREE}" in done.stderr
    assert node.first_process is not None


def test_two_starts_at_once_take_turns(layout: Layout) -> None:
    command = [sys.executable, "-m", "tests.kube.cluster", "--cluster", layout.name, "up"]
    both = [subprocess.Popen(command, cwd=TREE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    waited, started = sorted(said, key=lambda text: "waiting" not in text)
    assert "waiting: somebody else starts or ends" in waited
    assert "is running" in waited
    assert "is running" not in started
