"""Sidecars report: the standard metrics count every call, by both sides, with who it was."""

from __future__ import annotations

import json
import time
from collections import Counter
from itertools import count

import pytest
from prometheus_client.parser import text_string_to_metric_families

from flotilla_bookinfo.store import STARS
from flotilla_cli.demo.routes import HEAD
from flotilla_cli.edges import REQUESTS, Edge, edges
from flotilla_cli.mesh import Mesh

pytestmark = [pytest.mark.mesh, pytest.mark.timeout(180)]

COUNT = 7
QUIET_SECONDS = 1.3  # an Envoy keeps entries for a second
TCP = "istio_tcp_%s_total"


def everything(mesh: Mesh) -> dict[str, Counter[Edge]]:
    """All counters that are looked at here."""
    page = mesh.mixer_metrics()
    names = (REQUESTS, *(TCP % name for name in ("sent_bytes", "received_bytes")))
    names += tuple(TCP % f"connections_{name}" for name in ("opened", "closed"))
    return {name: edges(page, name) for name in names}


def quiet(mesh: Mesh) -> dict[str, Counter[Edge]]:
    """The counters when nothing more comes: what earlier tests caused may still be on its way."""
    found, since = everything(mesh), time.monotonic()

    def same() -> dict[str, Counter[Edge]] | None:
        nonlocal found, since
        now = everything(mesh)
        if now != found:
            found, since = now, time.monotonic()
        return found if time.monotonic() - since > QUIET_SECONDS else None

    return mesh.wait(same, "the reports to come to rest")


def grown(before: Counter[Edge], after: Counter[Edge]) -> Counter[Edge]:
    return Counter({edge: count - before[edge] for edge, count in after.items() if count != before[edge]})


def difference(expected: Counter[Edge], found: Counter[Edge]) -> str:
    """What is missing and what came instead, for whoever has to find out why."""
    return f"missing: {dict(expected - found)}; too many: {dict(found - expected)}"


def principal(account: str) -> str:
    return f"cluster.local/ns/default/sa/bookinfo-{account}"


def both_sides(source: str, destination: str, service: str, accounts: tuple[str, str], count: int) -> Counter[Edge]:
    """What both sidecars tell of so many calls; accounts of caller and called."""
    one, other = map(principal, accounts)
    return Counter(
        {
            Edge(reporter, source, destination, service, one, other, "http", 200, "-"): count
            for reporter in ("source", "destination")
        }
    )


_turns = count(1)


def to_version(mesh: Mesh, version: str = "") -> None:
    """All calls of reviews to one version, or to all in turn. Labelled anew each time: what passed before must not be
    taken for it.
    """
    before = mesh.trace("VirtualService", "default", "reviews").version
    subset = f", subset: {version}" if version else ""
    head = HEAD.replace("name: reviews,", f'name: reviews, labels: {{turn: "{next(_turns)}"}},')
    mesh.write(
        "reviews-route.yaml",
        head + f"  - route: [{{destination: {{host: reviews.default.svc.cluster.local{subset}}}}}]\n",
    )
    mesh.wait_applied("VirtualService", "default", "reviews", unlike=before)


VERSIONS = ("v1", "v2", "v3")
HOPS = {
    ("ingressgateway", "productpage-v1"),
    *(("productpage-v1", f"reviews-{version}") for version in VERSIONS),
    *((f"reviews-{version}", "ratings-v1") for version in VERSIONS[1:]),
    ("ratings-v1", "store-v1"),
}
SIDES = {(side, *hop) for side in ("source", "destination") for hop in HOPS}


def heard(mesh: Mesh) -> None:
    """Wait until reports of every sidecar arrive. Where an earlier test has stopped Mixer, an Envoy connects anew in its
    own time, and what it logs before that is lost.
    """
    to_version(mesh)
    before = everything(mesh)

    def missing() -> set[tuple[str, ...]]:
        after = everything(mesh)
        told = [each for name in after for each in grown(before[name], after[name])]
        return SIDES - {(each.reporter, each.source, each.destination) for each in told}

    def asked() -> bool:
        mesh.http.get(f"{mesh.gateway}/api/v1/products/0/reviews")
        return not missing()

    mesh.wait(asked, "reports of every sidecar", seconds=90, last=lambda: f"missing: {sorted(missing())}")


def test_every_edge_counts_exactly(mesh: Mesh) -> None:
    """Each version of reviews in its turn: only the workload index tells them apart."""
    heard(mesh)
    before = quiet(mesh)
    expected: Counter[Edge] = Counter()
    for version in VERSIONS:
        to_version(mesh, version)
        for _ in range(COUNT):
            assert mesh.http.get(f"{mesh.gateway}/api/v1/products/0/reviews").status_code == 200
        front = ("ingressgateway", "productpage")
        expected += both_sides("ingressgateway", "productpage-v1", "productpage", front, COUNT)
        expected += both_sides("productpage-v1", f"reviews-{version}", "reviews", ("productpage", "reviews"), COUNT)
        if version != "v1":  # which asks for no ratings
            expected += both_sides(f"reviews-{version}", "ratings-v1", "ratings", ("reviews", "ratings"), COUNT)
    found = lambda: grown(before[REQUESTS], everything(mesh)[REQUESTS])  # noqa: E731
    mesh.wait(lambda: not expected - found(), "all reports", last=lambda: difference(expected, found()))
    after = quiet(mesh)
    assert grown(before[REQUESTS], after[REQUESTS]) == expected
    connections = [
        Edge(side, "ratings-v1", "store-v1", "store", principal("ratings"), principal("store"), "tcp", 0, "-")
        for side in ("source", "destination")
    ]
    asked, answered = len(b"RATINGS 0\n"), len(json.dumps(STARS)) + 1
    for name, each in (
        ("connections_opened", 1),
        ("connections_closed", 1),
        ("received_bytes", asked),
        ("sent_bytes", answered),
    ):
        counted = Counter(dict.fromkeys(connections, 2 * COUNT * each))
        assert grown(before[TCP % name], after[TCP % name]) == counted, name


def test_a_denied_call_is_counted_with_its_code(mesh: Mesh) -> None:
    rule = (mesh.plan.directory / "play" / "deny-ratings.yaml").read_text()
    mesh.write("deny.yaml", rule.replace('== "v2"', '== "v3"'))
    mesh.wait_applied("rule", "default", "deny-ratings")
    before = quiet(mesh)[REQUESTS]
    mesh.http.get(f"{mesh.gateway}/api/v1/products/0/reviews")
    accounts = (principal("reviews"), principal("ratings"))
    expected = Counter(
        {
            Edge("source", "reviews-v3", "ratings-v1", "ratings", *accounts, "http", 403, "-"): 1,
            Edge("destination", "reviews-v3", "ratings-v1", "ratings", *accounts, "http", 403, "UAEX"): 1,
        }
    )
    mesh.wait(lambda: not expected - grown(before, everything(mesh)[REQUESTS]), "the reports of the denial")


def test_a_host_that_nobody_has_is_counted_under_the_black_hole(mesh: Mesh) -> None:
    before = quiet(mesh)[REQUESTS]
    way_out = mesh.plan.workload("productpage-v1").address.replace(".2.", ".3.")
    answer = mesh.http.get(f"http://{way_out}:9080/", headers={"host": "nobody.example.com"})
    assert answer.status_code == 502
    mesh.wait(lambda: grown(before, everything(mesh)[REQUESTS]), "the report")
    (edge,) = grown(before, everything(mesh)[REQUESTS])
    assert (edge.reporter, edge.source, edge.service, edge.code) == (
        "source",
        "productpage-v1",
        "BlackHoleCluster",
        502,
    )
    assert edge.destination == "unknown"


# The label sets of Istio 1.4's own configuration (mixer.md 7.11).
TCP_LABELS = {
    "connection_security_policy",
    "reporter",
    "response_flags",
    *(f"{side}_{of}" for side in ("source", "destination") for of in ("app", "principal", "version", "workload")),
    "source_workload_namespace",
    "destination_workload_namespace",
    "destination_service",
    "destination_service_name",
    "destination_service_namespace",
}
HTTP_LABELS = TCP_LABELS | {
    "request_protocol",
    "response_code",
    "permissive_response_code",
    "permissive_response_policyid",
}
STANDARD = {
    "istio_requests": ("counter", HTTP_LABELS),
    "istio_request_duration_seconds": ("histogram", HTTP_LABELS),
    "istio_request_bytes": ("histogram", HTTP_LABELS),
    "istio_response_bytes": ("histogram", HTTP_LABELS),
    "istio_tcp_sent_bytes": ("counter", TCP_LABELS),
    "istio_tcp_received_bytes": ("counter", TCP_LABELS),
    "istio_tcp_connections_opened": ("counter", TCP_LABELS),
    "istio_tcp_connections_closed": ("counter", TCP_LABELS),
}


def test_the_standard_metrics_have_exactly_their_labels(mesh: Mesh) -> None:
    assert mesh.http.get(f"{mesh.gateway}/productpage").status_code == 200
    quiet(mesh)
    found = {}
    for family in text_string_to_metric_families(mesh.mixer_metrics()):
        labels = {frozenset(sample.labels) - {"le"} for sample in family.samples}
        found[family.name] = (family.type, *labels)
    assert found == {name: (kind, frozenset(labels)) for name, (kind, labels) in STANDARD.items()}
    assert (len(HTTP_LABELS), len(TCP_LABELS)) == (20, 16)
    assert 'connection_security_policy="mutual_tls"' in mesh.mixer_metrics()
