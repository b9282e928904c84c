"""The charts in a cluster: installed, changed, removed, as an operator does it with helm; and what the services say."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.kube.cluster.client import Cluster
from tests.kube.cluster.errors import ClusterError

ROOT = Path(__file__).parents[2]
NAMESPACE = "istio-system"
SERVICES = ("citadel", "galley", "pilot", "mixer")
GATEWAY = "ingressgateway"
DEPLOYMENTS = tuple(f"istio-{name}" for name in (*SERVICES, GATEWAY))
CHARTS = {"flotilla-crds": ROOT / "helm" / "flotilla-crds", "flotilla": ROOT / "helm" / "flotilla"}
VALUES = ROOT / "tests" / "helm" / "values-test.yaml"
PATIENCE = "180s"
COMMAND = Path(sys.executable).with_name("flotilla")

T = TypeVar("T")


class Flotilla:
    """One installation. Methods block until what they ask for is so, and raise ClusterError where it does not become so."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def install(self, *given: str) -> None:
        """Both charts, or what is missing of them; `given` are further arguments of `helm upgrade --install`.

        What other tests have left of the definitions of kinds is taken over.
        """
        common = ("-n", NAMESPACE, "--create-namespace", "--take-ownership", "--wait", "--timeout", PATIENCE)
        for name, chart in CHARTS.items():
            values = ("-f", str(VALUES), *given) if name == "flotilla" else ()
            self.cluster.helm("upgrade", "--install", name, str(chart), *common, *values)

    def uninstall(self) -> None:
        """The chart of the services, and what it made. The kinds stay: with them all configuration would go."""
        self.cluster.helm("uninstall", "flotilla", "-n", NAMESPACE, "--wait", "--timeout", PATIENCE)

    def heal(self) -> None:
        """Everything that a test took away is there again, and ready."""
        found = self.cluster.get("deployments", NAMESPACE)["items"]
        ready = {
            item["metadata"]["name"]
            for item in found
            if item["spec"]["replicas"]
            == item["status"].get("readyReplicas", 0)
            == item["status"].get("updatedReplicas", 0)
        }
        if not ready.issuperset(DEPLOYMENTS):
            self.install()

    def address(self, service: str) -> str:
        """The cluster IP of one of the installation's Services."""
        return str(self.cluster.get(f"service/{service}", NAMESPACE)["spec"]["clusterIP"])

    def pods(self, service: str) -> list[str]:
        """Names of the pods of a service that are not on their way out."""
        listed = self.cluster.kubectl(
            "get", "pods", "-n", NAMESPACE, "-l", f"istio={service}", "-o",
            "jsonpath={range .items[*]}{.metadata.name} {.metadata.deletionTimestamp}{'\\n'}{end}",
        )  # fmt: skip
        return [line.split()[0] for line in listed.splitlines() if len(line.split()) == 1]

    def remove(self, service: str) -> None:
        """Take a service away, whole: its Deployment, and its pods, which go on serving for a moment. `install` brings it back."""
        self.cluster.kubectl("delete", "deployment", f"istio-{service}", "-n", NAMESPACE)
        self.cluster.kubectl("wait", "pods", "-l", f"istio={service}", "--for=delete", "-n", NAMESPACE, "--timeout=60s")

    def log(self, service: str, *arguments: str) -> str:
        return self.cluster.kubectl("logs", "-n", NAMESPACE, f"deployment/istio-{service}", *arguments)

    def get(self, service: str, port: int, path: str) -> httpx.Response:
        """What a service answers to a plain GET on one of its ports. Raises httpx.HTTPError."""
        with self.cluster.network():
            return httpx.get(f"http://{self.address(service)}:{port}{path}", trust_env=False, timeout=10)

    def metrics(self, service: str, name: str) -> Mapping[frozenset[tuple[str, str]], float]:
        """The samples of one of a service's own metrics, by their labels."""
        page = self.get(f"istio-{service}", 15014, "/metrics").text
        return {
            frozenset(sample.labels.items()): sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
            if sample.name == name
        }

    def rejections(self) -> float:
        """How much of what Pilot sent was refused by an Envoy, since this Pilot's start."""
        return sum(self.metrics("pilot", "pilot_total_xds_rejects").values())


def until(look: Callable[[], T | None], what: str, seconds: float = 60, pause: float = 0.2) -> T:
    """What `look` gives as soon as it is true. Raises ClusterError, with the last error of `look`, if that takes too long."""
    end, why = time.monotonic() + seconds, ""
    while time.monotonic() < end:
        try:
            if found := look():
                return found
            why = ""
        except (ClusterError, httpx.HTTPError) as error:
            why = f": {error}"
        time.sleep(pause)
    raise ClusterError(f"{what}: not within {seconds:.0f} s{why}")


def check(flotilla: Flotilla, *arguments: str) -> dict[str, str]:
    """What `flotilla check` finds: sentence -> level. Raises ClusterError, with all of it, where something is a problem."""
    kubeconfig = str(flotilla.cluster.kubeconfig)
    said = flotilla.cluster.run(str(COMMAND), "check", "--kubeconfig", kubeconfig, "-o", "json", *arguments)
    return {each["text"]: each["level"] for section in json.loads(said)["sections"] for each in section["findings"]}
