"""A running cluster, for tests: kubectl and helm as functions, and the node's network."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tests.kube.cluster import commands
from tests.kube.cluster.call import call
from tests.kube.cluster.control import running
from tests.kube.cluster.errors import ClusterError
from tests.kube.cluster.images.images import bring_images
from tests.kube.cluster.node import Node
from tests.kube.cluster.report import Report

Object = Mapping[str, Any]
PATIENCE = "60s"


class Cluster:
    """Every method raises ClusterError with what the program said, and blocks until it has ended."""

    def __init__(self, node: Node) -> None:
        self.node = node

    @property
    def kubeconfig(self) -> Path:
        """cluster-admin's. Its server is reached in the node's network only."""
        return self.node.layout.admin

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """Its standard output; `given` is its standard input."""
        return self._call(commands.kubectl(self.node, *arguments), f"kubectl {' '.join(arguments)}", given)

    def helm(self, *arguments: str) -> str:
        return self._call(commands.helm(self.node, *arguments), f"helm {' '.join(arguments)}")

    def run(self, *command: str) -> str:
        """A program of this machine, in the node's network, where Services and pods have their addresses."""
        return self._call(self.node.inside(*command, mounts=False, processes=False), " ".join(command))

    def apply(self, *objects: Object, namespace: str = "default") -> None:
        """Creates or changes them. An object's own namespace comes first."""
        given = "\n---\n".join(json.dumps(item) for item in objects)
        self.kubectl("apply", "--namespace", namespace, "-f", "-", given=given)

    def get(self, what: str, namespace: str = "default") -> Any:
        """An object (`pod/web`), or a List (`pods`), as JSON has it."""
        return json.loads(self.kubectl("get", what, "--namespace", namespace, "-o", "json"))

    def wait(
        self, what: str, condition: str = "condition=Ready", namespace: str = "default", patience: str = PATIENCE
    ) -> None:
        """As `kubectl wait --for`. Raises with what its pods and events say."""
        self.kubectl("wait", what, f"--for={condition}", f"--timeout={patience}", "--namespace", namespace)

    def rollout(self, what: str, namespace: str = "default", patience: str = PATIENCE) -> None:
        """Until all pods of a Deployment are those of its latest template, and ready."""
        self.kubectl("rollout", "status", what, f"--timeout={patience}", "--namespace", namespace)

    def exec(self, pod: str, *command: str, namespace: str = "default", container: str = "") -> str:
        """What the command in the pod's container said on standard output."""
        chosen = ["--container", container] if container else []
        return self.kubectl("exec", pod, "--namespace", namespace, *chosen, "--", *command)

    def images(self, *names: str) -> list[str]:
        """Builds and loads what has changed of them (or of all); gives what was loaded."""
        return bring_images(self.node, names, Report())

    def wait_reachable(self, address: str, port: int, patience: float = 30) -> None:
        """Until somebody accepts connections there: a Service's rules follow its ready pods a moment later."""
        until = time.monotonic() + patience
        with self.network():
            while True:
                try:
                    socket.create_connection((address, port), timeout=5).close()
                    return
                except OSError as error:
                    if time.monotonic() > until:
                        raise ClusterError(
                            f"{address}:{port} is not reached after {patience:.0f} s: {error}"
                        ) from error
                    time.sleep(0.05)

    def network(self) -> AbstractContextManager[None]:
        """In the block this thread's connections, and the programs that it starts, are in the node's network."""
        return self.node.network()

    def stop(self, component: str, how: signal.Signals = signal.SIGKILL) -> None:
        """Ends a component, such as kube-apiserver. Start it again."""
        running(self.node, component).stop(how)

    def start(self, component: str) -> None:
        """Starts it again and waits until it is ready."""
        again = running(self.node, component)
        again.start()
        with self.network():
            again.wait()

    def _call(self, command: Sequence[str], what: str, given: str | None = None) -> str:
        return call(command, what, given=given.encode() if given else None, environment=commands.environment(self.node))


def pods_of(listing: Mapping[str, Any]) -> Iterable[str]:
    """The names in a List."""
    return [item["metadata"]["name"] for item in listing["items"]]
