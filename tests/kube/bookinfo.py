"""Bookinfo in a cluster: the example's own manifests, in a namespace that says `istio-injection=enabled`."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import httpx

from flotilla_cli.demo.page import Reader
from flotilla_cli.demo.traffic import Traffic
from tests.kube.cluster.client import Cluster
from tests.kube.flotilla import NAMESPACE as MESH
from tests.kube.flotilla import ROOT, Flotilla

FOLDER = ROOT / "examples" / "bookinfo" / "kubernetes"
NAMESPACE = "bookinfo"
WORKLOADS = ("productpage-v1", "details-v1", "reviews-v1", "reviews-v2", "reviews-v3", "ratings-v1", "store-v1")
ALWAYS = ("gateway", "destination-rules", "peer-authentication")
PAGE = "/productpage"


def manifest(file: Path) -> str:
    """The file, with the tag of the images that tests load."""
    return re.sub(r"(localhost/flotilla/bookinfo):\S+", r"\1:test", file.read_text())


class Bookinfo:
    """The example, running. `start` it first."""

    def __init__(self, flotilla: Flotilla) -> None:
        self.flotilla = flotilla
        self.cluster: Cluster = flotilla.cluster

    def start(self) -> None:
        """All of it that is not yet there, and wait until every pod is ready."""
        self.cluster.kubectl(
            "apply",
            "-f",
            "-",
            given=f"{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}, labels: {{istio-injection: enabled}}}}}}",
        )
        self.cluster.kubectl("apply", "-n", NAMESPACE, "-f", "-", given=manifest(FOLDER / "bookinfo.yaml"))
        for name in ALWAYS:
            self.configure(name)
        for name in WORKLOADS:
            self.cluster.rollout(f"deployment/{name}", NAMESPACE, patience="180s")

    def configure(self, name: str) -> None:
        """Apply one of the example's Istio files."""
        self.cluster.kubectl("apply", "-n", NAMESPACE, "-f", str(FOLDER / "istio" / f"{name}.yaml"))

    def forget(self, name: str) -> None:
        """Delete what one of the example's Istio files holds."""
        self.cluster.kubectl(
            "delete", "-n", NAMESPACE, "--ignore-not-found", "-f", str(FOLDER / "istio" / f"{name}.yaml")
        )

    @property
    def gateway(self) -> str:
        """Where a client finds the mesh, from the node's network."""
        return f"http://{self.flotilla.address('istio-ingressgateway')}"

    def reader(self, name: str = "") -> Reader:
        """Somebody who reads the page; use it in the node's network."""
        return Reader(self.gateway, name)

    def traffic(self) -> Traffic:
        """Somebody who reads the page all the while; enter it in the node's network."""
        return Traffic(self.gateway + PAGE)

    def page(self) -> httpx.Response:
        with self.cluster.network():
            return httpx.get(self.gateway + PAGE, trust_env=False, timeout=10)

    def versions(self, count: int, name: str = "") -> Counter[str]:
        """Which version of reviews served the page, over so many requests."""
        with self.cluster.network():
            reader = self.reader(name)
            try:
                return reader.versions(count)
            finally:
                reader.close()

    def pod(self, app: str, version: str = "v1") -> str:
        """The name of a ready pod of one workload."""
        found = self.cluster.kubectl(
            "get", "pods", "-n", NAMESPACE, "-l", f"app={app},version={version}", "--field-selector=status.phase=Running",
            "-o", "jsonpath={.items[0].metadata.name}",
        )  # fmt: skip
        return found.strip()

    def ask(self, pod: str, url: str, container: str) -> str:
        """What `container` of the pod gets from a URL: its status and text, or the error's name."""
        code = (
            "import sys,urllib.request as u,urllib.error as e\n"
            "try: r=u.build_opener(u.ProxyHandler({})).open(sys.argv[1],timeout=5); print(r.status,r.read().decode())\n"
            "except e.HTTPError as error: print(error.code,error.read().decode())\n"
            "except OSError as error: print(type(error).__name__,error)\n"
        )
        return self.cluster.exec(pod, "python", "-c", code, url, namespace=NAMESPACE, container=container)


__all__ = ["FOLDER", "MESH", "NAMESPACE", "WORKLOADS", "Bookinfo", "manifest"]
