"""Galley's sources over a true API server: all kinds of 1.4 and of today, Ingresses, and a server that goes and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import yaml

from flotilla_galley.sources.further import DerivedSource
from flotilla_galley.testing.over_cluster import OverCluster
from flotilla_galley.transforms.derive import Options
from flotilla_shared.model.kinds import GATEWAYS, VIRTUAL_SERVICES, WORKLOAD_ENTRIES, WRITTEN, by_collection
from flotilla_shared.model.legacy_kinds import LEGACY_PREFIX
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.connection import KubeConnection
from tests.kube.cluster.client import Cluster
from tests.kube.processes import ROOT

pytestmark = [pytest.mark.kube, pytest.mark.timeout(300)]

APISERVER = "kube-apiserver"
PATIENCE_SECONDS = 60


class Clock:
    """Looks again from time to time: a true API server cannot be asked when."""

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():
                await asyncio.sleep(0.1)


@pytest.fixture(scope="module")
def definitions(cluster: Cluster) -> Cluster:
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "helm/flotilla-crds/templates"))
    for kind in WRITTEN:
        cluster.wait(f"crd/{kind.plural}.{kind.group}", "condition=Established")
    return cluster


Play = Callable[[Callable[[OverCluster], Coroutine[Any, Any, None]]], None]


@pytest.fixture
def play(definitions: Cluster, tmp_path: Path) -> Play:
    """Runs a test's part with a Galley that reads all kinds, and Ingresses, and has published. In the node's network."""

    def playing(part: Callable[[OverCluster], Coroutine[Any, Any, None]]) -> None:
        with definitions.network():
            asyncio.run(_with_galley(definitions, tmp_path / "last-good", part))

    return playing


async def _with_galley(
    cluster: Cluster, last_good: Path, part: Callable[[OverCluster], Coroutine[Any, Any, None]]
) -> None:
    client = KubeClient(KubeConnection.from_kubeconfig(cluster.kubeconfig))
    await client.start()
    options = Options(ingresses=True)
    galley = OverCluster(
        Clock(),
        client,
        last_good,
        kinds=frozenset({"Ingress"}),
        further=lambda watch: [DerivedSource(options, [watch])],
        read=WRITTEN,
    )
    await galley.start()
    try:
        await galley.until(lambda: galley.publications)
        await part(galley)
    finally:
        await galley.stop()
        await client.stop()
        await asyncio.sleep(0.5)  # sixty connections still say goodbye, as TLS does; the loop must outlive that


def entry(name: str, address: str = "192.0.2.1") -> dict[str, Any]:
    version = "networking.istio.io/v1"
    return {"apiVersion": version, "kind": "WorkloadEntry", "metadata": {"name": name}, "spec": {"address": address}}


def watches(galley: OverCluster) -> list[str]:
    """How it stands with every watch."""
    views = {**galley.objects.view(), **galley.watch.view()}
    return [str(each["state"]) for each in views.values()] + [galley.mesh._reflector.state]  # type: ignore[index]


def _watches(state: str) -> bool:
    return state.startswith("synced")


def test_every_kind_arrives(play: Play, definitions: Cluster, namespace: str) -> None:
    """The objects of kinds.yaml, which has the 31 legacy ones; and what a Struct holds is what was written."""

    async def part(galley: OverCluster) -> None:
        text = (Path(__file__).with_name("kinds.yaml")).read_text()
        written = [each for each in yaml.safe_load_all(text) if each]
        by_kind = {(kind.group, kind.kind): kind for kind in WRITTEN}
        await asyncio.to_thread(definitions.apply, *written, namespace=namespace)
        wanted = set()
        for each in written:
            kind = by_kind[each["apiVersion"].partition("/")[0], each["kind"]]
            place = "" if kind.cluster_scoped else f"{namespace}/"
            wanted.add((kind.collection, f"{place}{each['metadata']['name']}"))
        assert sum(collection.startswith(LEGACY_PREFIX) for collection, _ in wanted) == 31

        def missing() -> set[tuple[str, str]]:
            return {(collection, name) for collection, name in wanted if name not in galley.now(collection)}

        try:
            await galley.until(lambda: not missing())
        finally:
            cluster_scoped = [
                each for each in written if by_kind[each["apiVersion"].partition("/")[0], each["kind"]].cluster_scoped
            ]
            for each in cluster_scoped:
                definitions.kubectl("delete", each["kind"], each["metadata"]["name"], "--wait=false")
        assert missing() == set()

    play(part)


def test_ingresses(play: Play, definitions: Cluster, namespace: str) -> None:
    async def part(galley: OverCluster) -> None:
        backend = {"service": {"name": "web", "port": {"number": 80}}}
        paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
        name = f"web-{namespace}"
        written = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": name, "annotations": {"kubernetes.io/ingress.class": "istio"}},
            "spec": {"rules": [{"host": f"{namespace}.example", "http": {"paths": paths}}]},
        }
        await asyncio.to_thread(definitions.apply, written, namespace=namespace)
        suffix = f"{name}-istio-autogenerated-k8s-ingress"
        await galley.until(lambda: f"istio-system/{suffix}" in galley.now(GATEWAYS))
        rules = galley.now(VIRTUAL_SERVICES)[f"istio-system/{namespace}-example-{suffix}"]
        assert rules.spec.http[0].route[0].destination.host == f"web.{namespace}.svc.cluster.local"
        await asyncio.to_thread(definitions.kubectl, "delete", "-n", namespace, "ingress", name)
        await galley.until(lambda: f"istio-system/{suffix}" not in galley.now(GATEWAYS))

    play(part)


def test_the_server_goes_and_comes_back(play: Play, definitions: Cluster, namespace: str) -> None:
    """It starts with nothing served; what was published stays, on and on."""

    async def part(galley: OverCluster) -> None:
        name = f"{namespace}/machine"
        await asyncio.to_thread(definitions.apply, entry("machine"), namespace=namespace)
        await galley.until(lambda: name in galley.now())
        begun = len(galley.history)
        await asyncio.to_thread(definitions.stop, APISERVER)
        try:
            await galley.until(lambda: "no connection" in galley.objects.state(WORKLOAD_ENTRIES))
            assert name in galley.now()
        finally:
            await asyncio.to_thread(definitions.start, APISERVER)
        await asyncio.to_thread(definitions.apply, entry("other"), namespace=namespace)
        await galley.until(lambda: f"{namespace}/other" in galley.now())
        assert all(name in each for each in galley.history[begun:])
        await galley.until(lambda: all(map(_watches, watches(galley))))

    play(part)


def test_a_definition_goes_and_comes_back(play: Play, definitions: Cluster, namespace: str) -> None:
    """Of a kind that no other test needs."""

    async def part(galley: OverCluster) -> None:
        kind = by_collection(f"{LEGACY_PREFIX}bypasses")
        assert kind is not None
        crd = f"{kind.plural}.{kind.group}"
        written = {
            "apiVersion": kind.api_versions[0],
            "kind": kind.kind,
            "metadata": {"name": "x"},
            "spec": {"a": {"b": [1]}},
        }
        await asyncio.to_thread(definitions.apply, written, namespace=namespace)
        await galley.until(lambda: f"{namespace}/x" in galley.now(kind.collection))
        assert galley.now(kind.collection)[f"{namespace}/x"].spec["a"]["b"][0] == 1
        await asyncio.to_thread(definitions.kubectl, "delete", "crd", crd)
        try:
            await galley.until(lambda: not galley.now(kind.collection))
            await galley.until(lambda: "does not serve it" in galley.objects.state(kind.collection))
        finally:
            file = str(ROOT / "helm/flotilla-crds/templates" / f"{crd}.yaml")
            await asyncio.to_thread(definitions.kubectl, "apply", "--server-side", "-f", file)
            await asyncio.to_thread(definitions.wait, f"crd/{crd}", "condition=Established")
        await asyncio.to_thread(definitions.apply, written, namespace=namespace)
        await galley.until(lambda: f"{namespace}/x" in galley.now(kind.collection))

    play(part)
