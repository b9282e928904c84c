"""A page through the gateway, and mTLS on every hop."""

from __future__ import annotations

import pytest

from flotilla_cli.demo.page import Reader
from flotilla_cli.demo.steps import last_request, speak_plaintext
from flotilla_cli.mesh import Mesh

pytestmark = [pytest.mark.mesh, pytest.mark.timeout(180)]

ACCOUNT = "spiffe://cluster.local/ns/default/sa/bookinfo-"

# The application called, the path, who called it.
HOPS = [
    ("productpage-v1", "/productpage", "ingressgateway"),
    ("details-v1", "/details/0", "productpage"),
    ("reviews-v1", "/reviews/0", "productpage"),
    ("ratings-v1", "/ratings/0", "reviews"),
]
ALL_VERSIONS = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews.default.svc.cluster.local]
  http:
  - route: [{destination: {host: reviews.default.svc.cluster.local}}]
"""


def spread(mesh: Mesh, reader: Reader) -> None:
    """Send the page to all versions of reviews, so that ratings is called too."""
    before = mesh.trace("VirtualService", "default", "reviews").version
    mesh.write("reviews-route.yaml", ALL_VERSIONS)
    mesh.wait_applied("VirtualService", "default", "reviews", unlike=before)
    mesh.wait(lambda: len(reader.versions(10)) == 3, "pages from all three versions")


def test_the_page_has_a_part_from_every_application(mesh: Mesh, anybody: Reader) -> None:
    spread(mesh, anybody)
    pages = [anybody.page() for _ in range(12)]
    assert {page.status_code for page in pages} == {200}
    for part in ("The Comedy of Errors", "PublisherA", "Reviews served by: reviews-v1", 'class="stars red"'):
        assert any(part in page.text for page in pages), part


def test_every_hop_carries_the_callers_identity(mesh: Mesh, anybody: Reader) -> None:
    spread(mesh, anybody)
    for callee, path, caller in HOPS:
        line = last_request(mesh.log(callee), path)
        assert line["caller"] == f"{ACCOUNT}{caller}"
        assert f"URI={ACCOUNT}{caller}" in line["forwarded_client_cert"]


@pytest.mark.parametrize("workload", ["productpage-v1", "details-v1", "reviews-v1"])
def test_envoys_shook_hands(mesh: Mesh, anybody: Reader, workload: str) -> None:
    assert anybody.page().status_code == 200
    server = mesh.stats(workload, r"^listener\..*_9080\.ssl\.handshake$")
    assert sum(server.values()) > 0, server


def test_a_caller_sees_tls_towards_each_service(mesh: Mesh, anybody: Reader) -> None:
    assert anybody.page().status_code == 200
    client = mesh.stats("productpage-v1", r"^cluster\.outbound.*\.ssl\.handshake$")
    assert {name.split("|")[3].partition(".")[0] for name, count in client.items() if count} >= {"details", "reviews"}


@pytest.mark.parametrize("workload", ["details-v1", "ratings-v1", "productpage-v1"])
def test_plaintext_to_a_strict_port_is_refused(mesh: Mesh, workload: str) -> None:
    name = r"^listener\..*_9080\.no_filter_chain_match$"
    before = sum(mesh.stats(workload, name).values())
    assert speak_plaintext(mesh.plan.workload(workload).address, 9080) == b""
    assert sum(mesh.stats(workload, name).values()) == before + 1


def test_permissive_lets_plaintext_in_and_strict_again_does_not(mesh: Mesh) -> None:
    address = mesh.plan.workload("details-v1").address
    permissive = """\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: details, namespace: default}
spec:
  selector: {matchLabels: {app: details}}
  mtls: {mode: PERMISSIVE}
"""
    file = mesh.write("details-permissive.yaml", permissive)
    mesh.wait_applied("PeerAuthentication", "default", "details")
    mesh.wait(lambda: speak_plaintext(address, 9080).startswith(b"HTTP/1.1 200"), "plaintext to be answered")
    file.unlink()
    mesh.wait(lambda: speak_plaintext(address, 9080) == b"", "plaintext to be refused again")


def test_an_unknown_host_is_refused_by_the_callers_sidecar(mesh: Mesh) -> None:
    response = mesh.http.get("http://127.0.3.1:15002/", headers={"host": "nowhere.example"})
    assert response.status_code == 502


def test_the_admin_shows_the_workloads_own_certificate(mesh: Mesh) -> None:
    certificates = mesh.admin("details-v1", "/certs").json()["certificates"]
    names = [
        name["uri"] for each in certificates for chain in each["cert_chain"] for name in chain["subject_alt_names"]
    ]
    assert f"{ACCOUNT}details" in names
