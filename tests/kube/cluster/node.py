"""The node: namespaces of its own, and how programs are run inside."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.kube.cluster import cgroups
from tests.kube.cluster.cache import TREE
from tests.kube.cluster.call import call
from tests.kube.cluster.errors import ClusterError
from tests.kube.cluster.layout import GATEWAY_ADDRESS, NODE_ADDRESS, NODE_NAME, Layout

_CLONE_NEWNET = 0x40000000
_NETWORK = (
    "ip link set lo up",
    "ip link add n0 type veth peer name n1",
    f"ip addr add {NODE_ADDRESS}/24 dev n0",
    "ip link set n0 up",
    "ip link set n1 up",
    f"ip route add default via {GATEWAY_ADDRESS} dev n0",
    "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1",
)


class Node:
    """A node that may or may not be there. Root only."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    @property
    def first_process(self) -> int | None:
        """The process that holds the namespaces, or None if there is no node."""
        written = self._written()
        pid = written.get("pid")
        return pid if isinstance(pid, int) and _started(pid) == written["started"] else None

    @property
    def owner(self) -> str:
        """The tree that started it."""
        return str(self._written().get("owner", ""))

    def start(self) -> None:
        """Namespaces, their first process, the network, the cgroup. Raises ClusterError."""
        for folder in ("keys", "logs", "pids", "settings", "node"):
            getattr(self.layout, folder).mkdir(parents=True)
        holder = Path(__file__).with_name("holder.py")
        call(
            [sys.executable, "-S", "-E", str(holder), str(self.layout.folder), str(TREE), NODE_NAME],
            "making the node's namespaces",
        )
        cgroups.make(self.layout.cgroup)
        call(self.inside("sh", "-ec", "\n".join(_NETWORK)), "making the node's network")

    def stop(self) -> None:
        """Ends all of the node's processes and removes its cgroups. Nothing happens where there is none."""
        pid = self.first_process
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            _wait_for_end(pid)
        cgroups.remove(self.layout.cgroup)

    def inside(self, *command: str, folder: str = "/", mounts: bool = True, processes: bool = True) -> list[str]:
        """The command line that runs a command in the node; outside of its mounts the machine's files are seen instead."""
        pid = self.first_process
        if pid is None:
            raise ClusterError(f"there is no cluster {self.layout.name}: start it with `make cluster`")
        flags = ["--net", "--uts", "--ipc"] + ["--pid"] * processes + ["--mount", f"--wdns={folder}"] * mounts
        return ["nsenter", f"--target={pid}", *flags, "--", *command]

    def holds(self, pid: int) -> bool:
        """Whether it is a process of this node: a number that was written down may have become somebody else's."""
        try:
            return os.readlink(f"/proc/{pid}/ns/pid") == os.readlink(f"/proc/{self.first_process}/ns/pid")
        except OSError:  # it has ended, or this machine lets nobody look
            return False

    @contextmanager
    def network(self) -> Iterator[None]:
        """This thread, and what it starts, are in the node's network until the end of the block."""
        pid = self.first_process
        if pid is None:
            raise ClusterError(f"there is no cluster {self.layout.name}: start it with `make cluster`")
        with open("/proc/thread-self/ns/net") as here, open(f"/proc/{pid}/ns/net") as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(here.fileno())

    def _written(self) -> dict[str, object]:
        try:
            return dict(json.loads(self.layout.holder.read_text()))
        except FileNotFoundError:
            return {}


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _CLONE_NEWNET):
        raise ClusterError(f"the node's network cannot be entered: {os.strerror(ctypes.get_errno())}")


def _started(pid: int) -> str | None:
    """When the process started, in the kernel's ticks: with the pid, its identity. None if it has ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state[0] in "ZX" else state[19]


def _wait_for_end(pid: int, patience: float = 30) -> None:
    """The first process ends after all others of its namespace have."""
    until = time.monotonic() + patience
    while _started(pid) is not None:
        if time.monotonic() > until:
            raise ClusterError(f"process {pid}, the node's first, does not end")
        time.sleep(0.02)
