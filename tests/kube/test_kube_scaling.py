"""Pods come and go: endpoints follow, and nobody who calls notices."""

from __future__ import annotations

import pytest

from flotilla_cli.demo.traffic import Traffic
from tests.kube.bookinfo import NAMESPACE, Bookinfo
from tests.kube.flotilla import until

pytestmark = [pytest.mark.kube, pytest.mark.timeout(240)]


def serving(bookinfo: Bookinfo, app: str) -> set[str]:
    """The addresses that Pilot has for a service."""
    slices = bookinfo.cluster.kubectl(
        "get", "endpointslices", "-n", NAMESPACE, "-l", f"kubernetes.io/service-name={app}",
        "-o", "jsonpath={range .items[*].endpoints[?(@.conditions.ready==true)]}{.addresses[0]} {end}",
    )  # fmt: skip
    return set(slices.split())


def known(bookinfo: Bookinfo, app: str) -> set[str]:
    """The addresses that productpage's Envoy has for a service."""
    said = bookinfo.ask(bookinfo.pod("productpage"), "http://127.0.0.1:15000/clusters?format=text", "istio-proxy")
    start = f"outbound|9080||{app}.{NAMESPACE}.svc.cluster.local::"
    rows = [line.removeprefix(start) for line in said.splitlines() if line.removeprefix("200 ").startswith(start)]
    return {row.split(":")[0] for row in rows if row[:1].isdigit()}


def test_scaled_up_and_down(bookinfo: Bookinfo, traffic: Traffic) -> None:
    for replicas in (3, 1):
        bookinfo.cluster.kubectl("scale", "-n", NAMESPACE, "deployment/details-v1", f"--replicas={replicas}")
        bookinfo.cluster.rollout("deployment/details-v1", NAMESPACE, "120s")
        until(lambda n=replicas: len(serving(bookinfo, "details")) == n, f"{replicas} endpoints")
        until(lambda: known(bookinfo, "details") == serving(bookinfo, "details"), "the proxies to know them")
        assert traffic.wait_for_more(10)


def test_a_pod_is_deleted_and_another_takes_its_place(bookinfo: Bookinfo, traffic: Traffic) -> None:
    bookinfo.cluster.kubectl("scale", "-n", NAMESPACE, "deployment/details-v1", "--replicas=2")
    bookinfo.cluster.rollout("deployment/details-v1", NAMESPACE, "120s")
    until(lambda: len(known(bookinfo, "details")) == 2, "two endpoints at the proxies")
    victim = bookinfo.pod("details")
    bookinfo.cluster.kubectl("delete", "pod", victim, "-n", NAMESPACE)
    bookinfo.cluster.rollout("deployment/details-v1", NAMESPACE, "120s")
    until(
        lambda: known(bookinfo, "details") == serving(bookinfo, "details") != set(), "the proxies to know the new one"
    )
    assert traffic.wait_for_more(10)
    bookinfo.cluster.kubectl("scale", "-n", NAMESPACE, "deployment/details-v1", "--replicas=1")
    bookinfo.cluster.rollout("deployment/details-v1", NAMESPACE, "120s")
