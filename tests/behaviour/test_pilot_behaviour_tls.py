"""TLS between callers and servers: what DestinationRules order, and what PeerAuthentication lets in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from flotilla_shared.testing.certificates import CertificateAuthorityForTests
from flotilla_shared.testing.ports import free_port
from tests.behaviour.application import Application
from tests.behaviour.certificates import certified, server_context
from tests.behaviour.rows import destination_rule, http_proxy
from tests.behaviour.small_mesh import SmallMesh, client

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOTS = "caCertificates: /etc/outside.pem"
OWN = "clientCertificate: /etc/own.pem, privateKey: /etc/own-key.pem"
REFUSED, TLS, MUTUAL = "503", "tls hears somebody", "mutual hears somebody"
CERTIFICATE = "x-forwarded-client-cert"
CALLER, SOMEBODY = "plain hears caller", "plain hears somebody"
# (host, port of the server, TLS settings of the caller, what the caller gets)
CALLS = [
    ("simple", "tls", f"mode: SIMPLE, {ROOTS}", TLS),
    ("simple-of-a-name", "tls", f"mode: SIMPLE, {ROOTS}, subjectAltNames: [server.example.com]", TLS),
    ("simple-by-sni", "tls", f"mode: SIMPLE, {ROOTS}, sni: server.example.com", TLS),
    ("simple-of-another-name", "tls", f"mode: SIMPLE, {ROOTS}, subjectAltNames: [else.example.com]", REFUSED),
    ("simple-of-other-roots", "tls", "mode: SIMPLE, caCertificates: /etc/others.pem, subjectAltNames: [server.example.com]", REFUSED),
    ("simple-unverified", "tls", "mode: SIMPLE, insecureSkipVerify: true", TLS),
    ("simple-to-plaintext", "plain", f"mode: SIMPLE, {ROOTS}", REFUSED),
    ("simple-where-a-certificate-is-asked", "mutual", f"mode: SIMPLE, {ROOTS}", REFUSED),
    ("mutual", "mutual", f"mode: MUTUAL, {ROOTS}, {OWN}", MUTUAL),
    ("mutual-by-name", "mutual", "mode: MUTUAL, credentialName: client", MUTUAL),
    ("simple-not-revoked", "tls", f"mode: SIMPLE, {ROOTS}, caCrl: $others_revoked", TLS),
    ("simple-revoked", "tls", f"mode: SIMPLE, {ROOTS}, caCrl: $server_revoked", REFUSED),
    ("simple-by-name", "tls", "mode: SIMPLE, credentialName: client", TLS),
    ("disable", "plain", "mode: DISABLE", SOMEBODY),
    ("disable-to-tls", "tls", "mode: DISABLE", REFUSED),
    ("istio-mutual", "strict", "mode: ISTIO_MUTUAL", CALLER),
    ("istio-mutual-of-another-account", "strict", "mode: ISTIO_MUTUAL, subjectAltNames: ['spiffe://cluster.local/ns/default/sa/else']", REFUSED),
    ("istio-mutual-to-permissive", "permissive", "mode: ISTIO_MUTUAL", CALLER),
    ("istio-mutual-to-disabled", "disabled", "mode: ISTIO_MUTUAL", REFUSED),
    ("plaintext-to-strict", "strict", "mode: DISABLE", REFUSED),
    ("plaintext-to-permissive", "permissive", "mode: DISABLE", SOMEBODY),
    ("plaintext-to-disabled", "disabled", "mode: DISABLE", SOMEBODY),
]  # fmt: skip
MODES = ("strict", "permissive", "disabled")
ACCOUNT, LABEL = "serviceAccount: callee", "labels: {security.istio.io/tlsMode: istio}"
# Nobody orders TLS: the endpoint says whether it takes the mesh's own, by its account or its label.
AUTOMATIC = [
    ("auto-by-account", "strict", ACCOUNT, CALLER),
    ("auto-by-label", "strict", LABEL, CALLER),
    ("auto-of-another-account", "strict", "serviceAccount: else", REFUSED),
    ("auto-to-strict", "strict", "labels: {}", REFUSED),
    ("auto-to-permissive", "permissive", "labels: {}", SOMEBODY),
    ("auto-without-an-envoy", "plain", "labels: {}", SOMEBODY),
]


def service(host: str, port: str, endpoint: str = ACCOUNT) -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {host}, namespace: default}}
spec:
  hosts: [{host}.example.com]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints: [{{address: 127.0.0.1, ports: {{http: ${port}}}, {endpoint}}}]
"""


def ingress(port: str) -> str:
    return f"""
  - port: {{number: ${port}, protocol: HTTP, name: {port}}}
    bind: 127.0.0.1
    defaultEndpoint: 127.0.0.1:$plain"""


OBJECTS = "".join(
    service(host, port, ACCOUNT if port in MODES else "labels: {}")
    + destination_rule(f"{host}.example.com", f"tls: {{{settings}}}")
    for host, port, settings, _ in CALLS
)
OBJECTS += "".join(service(host, port, endpoint) for host, port, endpoint, _ in AUTOMATIC)
OBJECTS += """
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: by-port, namespace: default}
spec:
  hosts: [by-port.example.com]
  resolution: STATIC
  ports: [{number: 80, name: one, protocol: HTTP}, {number: 81, name: two, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {one: $tls, two: $plain}}]
"""
OBJECTS += destination_rule(
    "by-port.example.com", "portLevelSettings: [{port: {number: 80}, tls: {mode: SIMPLE, insecureSkipVerify: true}}]"
)
OBJECTS += http_proxy()
OBJECTS += f"""
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: callee, namespace: default}}
spec:
  workloadSelector: {{labels: {{app: callee}}}}
  ingress:
{"".join(map(ingress, MODES))}
  egress: [{{hosts: ["./none.example.com"]}}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default, namespace: default}}
spec: {{mtls: {{mode: STRICT}}}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: callee, namespace: default}}
spec:
  selector: {{matchLabels: {{app: callee}}}}
  portLevelMtls: {{$permissive: {{mode: PERMISSIVE}}, $disabled: {{mode: DISABLE}}}}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers(mesh: SmallMesh, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, object]]:
    """Ports of the servers that are not of the mesh, whose certificates its callers know, and lists of revoked ones."""
    folder, outside = tmp_path_factory.mktemp("tls"), CertificateAuthorityForTests("outside")
    mesh.secrets.add_authority("file-root:/etc/outside.pem", outside)
    mesh.secrets.add_authority("file-root:/etc/others.pem", CertificateAuthorityForTests("others"))
    mesh.secrets.add_pair("kubernetes://client", outside)
    mesh.secrets.add_authority("kubernetes://client-cacert", outside)
    mesh.secrets.add_pair("file-cert:/etc/own.pem~/etc/own-key.pem", outside)
    shown = certified(outside, "server", "server.example.com", *(f"{host}.example.com" for host, *_ in CALLS))
    revoked = {"others_revoked": outside.revoked(), "server_revoked": outside.revoked(shown)}
    for name, content in revoked.items():
        (folder / name).write_bytes(content)
    one_sided, both_sided = server_context(folder, shown), server_context(folder, shown, outside)
    async with (
        Application("plain") as plain,
        Application("tls", one_sided) as tls,
        Application("mutual", both_sided) as mutual,
    ):
        yield {
            **{each.name: each.port for each in (plain, tls, mutual)},
            **{name: folder / name for name in revoked},
        }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(mesh: SmallMesh, servers: dict[str, object]) -> int:
    own = {name: free_port() for name in (*MODES, "proxy")}
    mesh.publish(OBJECTS, {**servers, **own})
    await mesh.add("caller")
    await mesh.add("callee")
    await mesh.applied()
    return own["proxy"]


async def outcome(http: httpx.AsyncClient, host: str) -> str:
    """The status, or which application answered and whom it takes the caller for."""
    answer = await http.get(f"http://{host}.example.com/")
    if answer.status_code != 200:
        return str(answer.status_code)
    told = answer.json()
    known = re.search("URI=spiffe://cluster.local/ns/default/sa/([a-z]+)$", told["headers"].get(CERTIFICATE, ""))
    return f"{told['name']} hears {known[1] if known else 'somebody'}"


async def test_what_a_caller_gets(proxy: int) -> None:
    wanted = {host: outcome for host, *_, outcome in (*CALLS, *AUTOMATIC)}
    async with client(proxy) as http:
        assert {host: await outcome(http, host) for host in wanted} == wanted


@pytest.mark.parametrize(("host", "name"), [("simple", "simple.example.com"), ("simple-by-sni", "server.example.com")])
async def test_the_name_that_a_server_is_asked_for(proxy: int, host: str, name: str) -> None:
    async with client(proxy) as http:
        assert (await http.get(f"http://{host}.example.com/")).json()["sni"] == name


async def test_tls_of_one_port(proxy: int) -> None:
    async with client(proxy) as http:
        found = {port: (await http.get(f"http://by-port.example.com:{port}/")).json()["name"] for port in (80, 81)}
    assert found == {80: "tls", 81: "plain"}
