"""A component of the cluster: a program in the node that goes on when this one ends, with a log and a sign of readiness."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.kube.cluster.errors import ClusterError
from tests.kube.cluster.node import Node

LAST_LINES = 15


@dataclass(frozen=True)
class Component:
    """`ready` is asked again and again, in the node's network, and says why not yet, or nothing when it is."""

    name: str
    command: tuple[str, ...]
    ready: Callable[[], str]
    environment: Mapping[str, str] = field(default_factory=dict)
    own_mounts: bool = True


class Running:
    """A component in a node, whoever started it."""

    def __init__(self, node: Node, component: Component) -> None:
        self.node = node
        self.component = component
        self.log = node.layout.logs / f"{component.name}.log"
        self._pid_file = node.layout.pids / component.name

    @property
    def pid(self) -> int | None:
        """Of the component itself, as this machine sees it."""
        try:
            outer = int(self._pid_file.read_text())
            children = Path(f"/proc/{outer}/task/{outer}/children").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return next((pid for pid in map(int, children) if self.node.holds(pid)), None)

    def start(self) -> None:
        """Starts it in the node, and does not wait for anything."""
        command = self.node.inside(*self.component.command, mounts=self.component.own_mounts)
        outer = os.posix_spawnp(
            command[0],
            command,
            {**os.environ, **self.component.environment},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        self._pid_file.write_text(str(outer))

    def wait(self, patience: float = 120) -> None:
        """Until it is ready. Raises ClusterError, with the last lines of its log, if it ends or takes too long."""
        until = time.monotonic() + patience
        while why := self.component.ready():
            if self.pid is None and self._ended():
                raise ClusterError(
                    f"{self.component.name} ended. The last lines of {self.log}:\n{last_lines(self.log)}"
                )
            if time.monotonic() > until:
                last = last_lines(self.log)
                raise ClusterError(
                    f"{self.component.name} is not ready after {patience:.0f} s: {why}. Its log, {self.log}, ends:\n{last}"
                )
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGKILL, patience: float = 10) -> None:
        """Signals it and waits until it has ended."""
        pid = self.pid
        if pid is None:
            return
        with suppress(ProcessLookupError):
            os.kill(pid, how)
        until = time.monotonic() + patience
        while self.pid is not None:
            if time.monotonic() > until:
                raise ClusterError(f"{self.component.name} (process {pid}) does not end on {how.name}")
            time.sleep(0.02)

    def _ended(self) -> bool:
        """Between its start and the fork of nsenter there is no child yet."""
        outer = int(self._pid_file.read_text())
        with suppress(ChildProcessError):
            os.waitpid(outer, os.WNOHANG)
        return not Path(f"/proc/{outer}").exists()


def last_lines(log: Path, count: int = LAST_LINES) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-count:])
    except FileNotFoundError:
        return "(no log)"
