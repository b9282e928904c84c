"""Unmodified applications are in the mesh: injected, intercepted, with mTLS between all, and counted."""

from __future__ import annotations

from collections import Counter

import pytest

from flotilla_cli.edges import Edge, edges
from tests.kube.bookinfo import NAMESPACE, WORKLOADS, Bookinfo
from tests.kube.cluster.errors import ClusterError
from tests.kube.flotilla import until

pytestmark = [pytest.mark.kube, pytest.mark.timeout(300)]

COUNT = 7
PRINCIPAL = "cluster.local/ns/{}/sa/{}"


def test_every_pod_has_its_sidecar_and_is_ready(bookinfo: Bookinfo) -> None:
    pods = bookinfo.cluster.get("pods", NAMESPACE)["items"]
    running = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    assert len(running) == len(WORKLOADS)
    for pod in running:
        names = {each["name"] for each in (*pod["spec"]["containers"], *pod["spec"].get("initContainers", []))}
        assert {"istio-init", "istio-proxy"} <= names
        assert {each["type"]: each["status"] for each in pod["status"]["conditions"]}["Ready"] == "True"


def test_the_page_has_all_its_parts_through_the_gateway(bookinfo: Bookinfo) -> None:
    page = bookinfo.page()
    assert page.status_code == 200
    assert "Book Details" in page.text
    assert "Reviews served by" in page.text
    assert "Error fetching" not in page.text


@pytest.mark.parametrize(
    ("app", "port", "path"), [("details", 9080, "/details/0"), ("productpage", 9080, "/productpage")]
)
def test_who_has_no_certificate_is_refused(bookinfo: Bookinfo, outsider: str, app: str, port: int, path: str) -> None:
    """A pod of a namespace that is not in the mesh calls in plain text."""
    said = bookinfo.cluster.exec(
        outsider, "python", "-c", PLAIN, f"http://{app}.{NAMESPACE}:{port}{path}", namespace="default"
    )
    assert "refused" in said.lower() or "reset" in said.lower() or "disconnected" in said.lower(), said


PLAIN = (
    "import sys,urllib.request as u\n"
    "try: print(u.urlopen(sys.argv[1],timeout=5).status)\n"
    "except OSError as error: print(type(error).__name__,error)\n"
)


def test_the_certificate_names_the_pods_account(bookinfo: Bookinfo) -> None:
    """What the called sidecar says of the call on its way to the application: who called, by certificate."""
    stats = bookinfo.ask(bookinfo.pod("details"), "http://127.0.0.1:15000/certs", "istio-proxy")
    assert f"spiffe://cluster.local/ns/{NAMESPACE}/sa/bookinfo-details" in stats


def test_all_calls_are_counted_by_both_sides_exactly(bookinfo: Bookinfo) -> None:
    """With the workload's own version, though the three of reviews share a service account."""
    bookinfo.configure("reviews-v3")
    try:
        until(lambda: set(bookinfo.versions(15)) == {"v3"}, "reviews v3 for everybody")
        before = settled(bookinfo)
        bookinfo.versions(COUNT)
        expected = Counter[Edge]()
        gateway = PRINCIPAL.format("istio-system", "istio-ingressgateway-service-account")
        for source, destination, service, one in (
            ("istio-ingressgateway", "productpage-v1", "productpage", gateway),
            ("productpage-v1", "details-v1", "details", own("productpage")),
            ("productpage-v1", "reviews-v3", "reviews", own("productpage")),
            ("reviews-v3", "ratings-v1", "ratings", own("reviews")),
        ):
            for side in ("source", "destination"):
                expected[Edge(side, source, destination, service, one, own(service), "http", 200, "-")] = COUNT
        until(lambda: not expected - grown(before, counted(bookinfo)), "all reports")
        assert grown(before, settled(bookinfo)) == expected
    finally:
        bookinfo.forget("reviews-v3")


def own(account: str) -> str:
    return PRINCIPAL.format(NAMESPACE, f"bookinfo-{account}")


def counted(bookinfo: Bookinfo) -> Counter[Edge]:
    return edges(bookinfo.flotilla.get("istio-telemetry", 42422, "/metrics").text)


def settled(bookinfo: Bookinfo) -> Counter[Edge]:
    """The counters when nothing more comes: an Envoy keeps entries for a second."""
    found: list[Counter[Edge]] = [counted(bookinfo)]

    def same() -> Counter[Edge] | None:
        found.append(counted(bookinfo))
        return found[-1] if len(found) > 2 and found[-1] == found[-2] == found[-3] else None

    return until(same, "the reports to come to rest", pause=0.8)


def grown(before: Counter[Edge], after: Counter[Edge]) -> Counter[Edge]:
    return Counter({edge: count - before[edge] for edge, count in after.items() if count != before[edge]})


def test_no_envoy_has_refused_anything(bookinfo: Bookinfo) -> None:
    assert bookinfo.flotilla.rejections() == 0


@pytest.mark.parametrize("labels", [{"istio-injection": "disabled"}, {}])
def test_a_namespace_that_does_not_ask_has_no_sidecars(
    bookinfo: Bookinfo, namespace: str, labels: dict[str, str]
) -> None:
    cluster = bookinfo.cluster
    for name, value in labels.items():
        cluster.kubectl("label", "namespace", namespace, f"{name}={value}")
    cluster.kubectl(
        "run",
        "plain",
        "-n",
        namespace,
        "--image=localhost/flotilla/bookinfo:test",
        "--image-pull-policy=Never",
        "--command",
        "--",
        "sleep",
        "60",
    )
    assert [each["name"] for each in cluster.get("pod/plain", namespace)["spec"]["containers"]] == ["plain"]


def test_an_annotation_that_cannot_be_meant_keeps_the_pod_out_and_says_why(bookinfo: Bookinfo) -> None:
    with pytest.raises(ClusterError, match=r"sidecar\.istio\.io/interceptionMode"):
        bookinfo.cluster.kubectl(
            "run", "wrong", "-n", NAMESPACE, "--image=localhost/flotilla/bookinfo:test",
            "--annotations=sidecar.istio.io/interceptionMode=SOMETIMES", "--command", "--", "sleep", "60",
        )  # fmt: skip
