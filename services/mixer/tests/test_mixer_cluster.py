"""Pods and Services as the API server has them: what they become, and how the view follows them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from flotilla_mixer.sources.cluster import ClusterWatch
from flotilla_mixer.sources.pods import Pod, pod_workload, service_of
from flotilla_shared.runtime.kube.metrics import NO_METRICS
from flotilla_shared.runtime.kube.objects import Service
from flotilla_shared.runtime.kube.resources import PODS, SERVICES
from flotilla_shared.testing.apiserver import ApiServer, Fault, running

DOMAIN = "cluster.local"
REVIEWS = "cluster.local/ns/shop/sa/reviews"


def pod(**changes: Any) -> dict[str, Any]:
    """A Pod of the Deployment reviews-v1, as the API server writes it; `changes` replace parts, None takes them out."""
    whole = {
        "metadata": {
            "name": "reviews-v1-5f9-abcde",
            "namespace": "shop",
            "uid": "u1",
            "resourceVersion": "7",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app": "reviews", "pod-template-hash": "5f9"},
            "annotations": {"sidecar.istio.io/status": "{}"},
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "n"},
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": "reviews-v1-5f9",
                    "uid": "r",
                    "controller": True,
                },
            ],
        },
        "spec": {
            "serviceAccountName": "reviews",
            "nodeName": "n",
            "containers": [
                {"name": "app", "image": "app", "ports": [{"containerPort": 9080, "protocol": "TCP"}]},
                {"name": "istio-proxy", "ports": [{"containerPort": 15090, "name": "http-envoy-prom"}]},
                {"name": "late", "ports": [{"containerPort": 9080}, {"containerPort": 9090}]},
            ],
        },
        "status": {"phase": "Running", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]},
    }
    for path, value in changes.items():
        part, _, key = path.partition("__")
        whole[part] = {**whole[part], key: value}
        if value is None:
            del whole[part][key]
    return whole


def workload(**changes: Any) -> Any:
    return pod_workload(msgspec.convert(pod(**changes), Pod, strict=False), DOMAIN)


def test_the_attributes_of_a_pod_are_those_of_1_4():
    found = workload()
    assert (found.addresses, found.principal) == (("10.0.0.1", "fd00::1"), REVIEWS)
    assert dict(found.source) == {
        "source.uid": "kubernetes://reviews-v1-5f9-abcde.shop",
        "source.name": "reviews-v1-5f9-abcde",
        "source.namespace": "shop",
        "source.labels": {"app": "reviews", "pod-template-hash": "5f9"},
        "source.serviceAccount": "reviews",
        "source.workload.name": "reviews-v1",
        "source.workload.namespace": "shop",
        "source.workload.uid": "istio://shop/workloads/reviews-v1",
        "source.owner": "kubernetes://apis/apps/v1/namespaces/shop/deployments/reviews-v1",
    }
    assert dict(found.facts.containers) == {9080: "app", 15090: "istio-proxy", 9090: "late"}


JOB = [{"apiVersion": "batch/v1", "kind": "Job", "name": "report-29384756", "controller": True}]
PODS_TABLE = [
    # what is different about the Pod, and what is different about the workload
    ({"spec__serviceAccountName": None}, {"principal": "cluster.local/ns/shop/sa/default"}),
    ({"metadata__labels": None}, {"labels": {}, "workload": "reviews-v1-5f9"}),
    ({"metadata__ownerReferences": None}, {"workload": "reviews-v1-5f9-abcde"}),
    ({"metadata__ownerReferences": JOB}, {"workload": "report"}),
    ({"status__podIPs": None}, {"addresses": ("10.0.0.1",)}),
    ({"status__podIP": None}, {"addresses": ("10.0.0.1", "fd00::1")}),
    ({"status__podIP": None, "status__podIPs": None}, {"addresses": ()}),
    ({"status__phase": "Pending"}, {"addresses": ("10.0.0.1", "fd00::1")}),
    ({"metadata__deletionTimestamp": "2026-01-01T01:00:00Z"}, {"since": 1767225600.0}),  # it drains, and is heard
    ({"spec__hostNetwork": True}, {"shared": True, "since": None}),
    ({"status__hostIP": "10.1.0.7"}, {"host": "10.1.0.7"}),
    ({}, {"host": ""}),
    ({}, {"shared": False, "since": 1767225600.0}),
]


@pytest.mark.parametrize(("changes", "expected"), PODS_TABLE)
def test_what_a_pod_becomes(changes, expected):
    found = workload(**changes)
    seen = {name: getattr(found if name in ("principal", "labels") else found.facts, name) for name in expected}
    assert seen == expected


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_an_ended_pod_is_no_workload(phase):
    assert workload(status__phase=phase) is None


def test_a_service_is_its_host_and_selector():
    content = {"metadata": {"name": "reviews", "namespace": "shop"}, "spec": {"selector": {"app": "reviews"}}}
    found = service_of(msgspec.convert(content, Service), "example.test")
    assert (found.host, found.selector) == ("reviews.shop.svc.example.test", {"app": "reviews"})


class Followed:
    """A watch of an API server, and waiting for what it shows."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self.told = 0
        self.watch = ClusterWatch(
            server.client(), trust_domain=DOMAIN, domain=DOMAIN, metrics=NO_METRICS, on_synced=self._synced
        )

    def _synced(self) -> None:
        self.told += 1

    def put(self, name: str, address: str, **changes: Any) -> None:
        whole = pod(metadata__name=name, status__podIP=address, status__podIPs=None, **changes)
        meta = {key: value for key, value in whole["metadata"].items() if key not in ("uid", "resourceVersion")}
        self.server.put(PODS, name, "shop", metadata=meta, spec=whole["spec"], status=whole["status"])
        self.server.put(PODS, name, "shop", status=whole["status"])  # a Pod's status is changed apart

    def who(self, address: str) -> list[str]:
        return sorted(each.name for each in self.watch.view.workloads.at(address))

    async def until(self, holds: Any) -> None:
        async with asyncio.timeout(20):
            await self.server.until(holds)


@pytest.fixture
async def followed() -> AsyncIterator[Followed]:
    async with running(PODS, SERVICES) as server:
        found = Followed(server)
        yield found
        await found.watch.stop()


async def test_the_view_follows_pods_and_services(followed: Followed) -> None:
    followed.put("early", "10.0.0.1")
    await followed.watch.start()
    await followed.until(lambda: followed.told)
    assert (followed.who("10.0.0.1"), followed.watch.synced, len(followed.watch.view.services)) == (["early"], True, 0)
    followed.put("late", "10.0.0.2")
    followed.server.put(SERVICES, "reviews", "shop", spec={"selector": {"app": "reviews"}})
    services = followed.watch.view.services
    await followed.until(lambda: followed.who("10.0.0.2") and services.of("reviews.shop.svc.cluster.local"))
    followed.put("late", "10.0.0.3")
    await followed.until(lambda: followed.who("10.0.0.3") == ["late"])
    assert followed.who("10.0.0.2") == []
    followed.put("early", "10.0.0.1", status__phase="Succeeded")
    followed.server.remove(PODS, "late", "shop")
    followed.server.remove(SERVICES, "reviews", "shop")
    await followed.until(lambda: not followed.who("10.0.0.1") + followed.who("10.0.0.3") and not len(services))
    assert followed.told == 1


async def test_annotations_are_not_kept(followed: Followed) -> None:
    followed.put("one", "10.0.0.1")
    await followed.watch.start()
    await followed.until(lambda: followed.told)
    (kept,) = followed.watch.pods.objects.values()
    assert (kept.metadata.annotations, kept.metadata.labels["app"]) == ({}, "reviews")


async def test_a_right_that_is_missing_is_told_and_waited_for(followed: Followed) -> None:
    forbidden = "pods is forbidden: cannot list resource pods at the cluster scope"
    missing = Fault("list", 403, "Forbidden", forbidden, plural="pods", times=1_000_000)
    followed.server.fail(missing)
    followed.put("one", "10.0.0.1")
    await followed.watch.start()
    await followed.until(lambda: forbidden in followed.watch.pods.state)
    assert (followed.watch.synced, followed.told) == (False, 0)
    missing.times = 1
    await followed.until(lambda: followed.told)
    assert followed.who("10.0.0.1") == ["one"]


async def test_what_is_known_outlives_the_api_server(followed: Followed) -> None:
    followed.put("one", "10.0.0.1")
    await followed.watch.start()
    await followed.until(lambda: followed.told and followed.server.of("watch", "pods"))
    away = [Fault(verb, 503, "ServiceUnavailable", plural="pods", times=1_000_000) for verb in ("watch", "list")]
    for fault in away:
        followed.server.fail(fault)
    followed.server.cut_watches()
    await followed.until(lambda: "the API server fails" in followed.watch.pods.state)
    assert (followed.who("10.0.0.1"), followed.watch.synced) == (["one"], True)
    followed.put("two", "10.0.0.2")
    for fault in away:
        fault.times = 1
    await followed.until(lambda: followed.who("10.0.0.2") == ["two"])
