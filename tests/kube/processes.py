"""Services as processes of this machine in the node's network, with the account and the rights that the chart gives their pods.

Without images and pods these tests are quick to start; what runs in pods is for the tests of the whole mesh.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import yaml

from tests.kube.cluster.client import Cluster

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "flotilla"
RIGHTS = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "Lease")
HOOK = "helm.sh/hook"
PATIENCE_SECONDS = 60.0


def until(holds: Callable[[], Any], what: str = "") -> Any:
    """What `holds` gives, as soon as it is something; asked again and again, for others make it so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not come to pass: {what or holds}")
        time.sleep(0.1)
    return found


class Mesh:
    """A namespace with the chart's accounts and rights, and services that run as them."""

    def __init__(self, cluster: Cluster, namespace: str, folder: Path) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.folder = folder
        self.rights = self._rights()

    def _rights(self) -> list[dict[str, Any]]:
        """What the chart would install for this namespace, but for pods."""
        text = self.cluster.helm("template", "flotilla", str(CHART), "--namespace", self.namespace)
        found = [item for item in yaml.safe_load_all(text) if item and item["kind"] in RIGHTS]
        return [item for item in found if HOOK not in item["metadata"].get("annotations", {})]

    def grant(self) -> None:
        self.cluster.apply(*self.rights, namespace=self.namespace)

    def revoke(self) -> None:
        """Nothing of it is left in the cluster, nor what its Citadel published: another mesh would find a stranger's root."""
        for item in self.rights:
            if item["kind"].startswith("Cluster"):
                self.cluster.kubectl("delete", item["kind"], item["metadata"]["name"])
        self.cluster.kubectl("delete", "configmaps", "-A", "--field-selector=metadata.name=istio-ca-root-cert")

    def token(self, account: str, namespace: str, *arguments: str) -> Path:
        """A file with a token of this account, as the kubelet would project it."""
        path = self.folder / f"token-{time.monotonic_ns()}"
        path.write_text(self.cluster.kubectl("create", "token", account, "--namespace", namespace, *arguments))
        return path

    def kubeconfig(self, service: str) -> Path:
        """With what the service's pod would have."""
        content = yaml.safe_load(self.cluster.kubeconfig.read_text())
        token = self.token(f"istio-{service}-service-account", self.namespace, "--duration=1h").read_text()
        content["users"] = [{"name": user["name"], "user": {"token": token}} for user in content["users"]]
        path = self.folder / f"{service}.kubeconfig"
        path.write_text(yaml.safe_dump(content))
        return path

    @contextlib.contextmanager
    def service(self, name: str, pod: str, address: str, **settings: str) -> Iterator[Service]:
        """A service that runs, and is ended."""
        given = {
            "platform": "kubernetes",
            "kubeconfig": str(self.kubeconfig(name)),
            "pod_name": pod,
            "root_namespace": self.namespace,
            "address": address,
            **settings,
        }
        variables = {f"FLOTILLA_{name.upper()}_{key.upper()}": value for key, value in given.items()}
        command = self.cluster.node.inside(sys.executable, "-m", f"flotilla_{name}", mounts=False, processes=False)
        log = (self.folder / f"{pod}.log").open("w")
        process = subprocess.Popen(command, env=os.environ | variables, stdout=log, stderr=log, cwd=self.folder)
        try:
            yield Service(self.cluster, process, address)
        finally:
            process.terminate()
            process.wait(30)
            log.close()


class Service:
    """One that runs."""

    def __init__(self, cluster: Cluster, process: subprocess.Popen[bytes], address: str) -> None:
        self.cluster = cluster
        self.process = process
        self.address = address

    def page(self, path: str, port: int = 15014) -> str:
        """Empty while nobody answers."""
        try:
            with self.cluster.network(), urlopen(f"http://{self.address}:{port}/{path}", timeout=10) as answer:
                return str(answer.read().decode())
        except URLError as error:
            return str(error.read().decode()) if hasattr(error, "read") else ""
        except OSError:
            return ""

    def conditions(self) -> dict[str, str]:
        """Name -> why it does not hold; those that hold are `met`."""
        text = self.page("readyz")
        return dict(json.loads(text)["conditions"]) if text else {}

    def ready(self) -> bool:
        found = self.conditions()
        return bool(found) and set(found.values()) == {"met"}

    def debug(self, topic: str) -> Any:
        return json.loads(self.page(f"debug/{topic}", 9876))
