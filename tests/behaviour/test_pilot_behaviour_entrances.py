"""Who gets into a workload under each mode of PeerAuthentication: in plaintext, with the mesh's TLS, with TLS of its own."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple

import pytest
import pytest_asyncio

from flotilla_shared.testing.certificates import CertificateAuthorityForTests
from flotilla_shared.testing.ports import free_port
from tests.behaviour.application import Application, Echo
from tests.behaviour.certificates import certified, client_context, server_context
from tests.behaviour.connection import REFUSED, connected, page
from tests.behaviour.small_mesh import SmallMesh

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODES = ("STRICT", "PERMISSIVE", "DISABLE")
# Protocol of the port, and the application behind it
KINDS = {"http": ("HTTP", "web"), "tcp": ("TCP", "echo"), "tls": ("HTTPS", "secure")}
PORTS = {f"{kind}_{mode.lower()}": (kind, mode) for kind in KINDS for mode in MODES}


def ingress(name: str, kind: str) -> str:
    protocol, application = KINDS[kind]
    return f"""
  - port: {{number: ${name}, protocol: {protocol}, name: {name.replace("_", "-")}}}
    bind: 127.0.0.1
    defaultEndpoint: 127.0.0.1:${application}"""


OBJECTS = f"""
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: callee, namespace: default}}
spec:
  workloadSelector: {{labels: {{app: callee}}}}
  egress: [{{hosts: [./none.example.com]}}]
  ingress:
{"".join(ingress(name, kind) for name, (kind, _) in PORTS.items())}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default, namespace: istio-system}}
spec: {{mtls: {{mode: DISABLE}}}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default, namespace: default}}
spec: {{mtls: {{mode: PERMISSIVE}}}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: callee, namespace: default}}
spec:
  selector: {{matchLabels: {{app: callee}}}}
  mtls: {{mode: UNSET}}
  portLevelMtls: {{{", ".join(f"${name}: {{mode: {mode}}}" for name, (_, mode) in PORTS.items() if mode != "PERMISSIVE")}}}
"""


class World(NamedTuple):
    ports: Mapping[str, int]
    clients: Mapping[str, ssl.SSLContext | None]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: SmallMesh, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder, outside = tmp_path_factory.mktemp("tls"), CertificateAuthorityForTests("outside")
    inside = mesh.edge.authority
    secured = server_context(folder, certified(outside, "secure"))
    clients: dict[str, ssl.SSLContext | None] = {
        "plain": None,
        "member": client_context(folder, inside, inside.certificate("spiffe://cluster.local/ns/default/sa/member")),
        "guest": client_context(folder, inside),
        "foreigner": client_context(folder, inside, inside.certificate("spiffe://elsewhere/ns/default/sa/member")),
        "own": client_context(folder, outside),
    }
    for name in ("member", "guest", "foreigner"):
        context = clients[name]
        assert context is not None
        context.set_alpn_protocols(["istio"])
    async with Application("web") as web, Echo("echo") as echo, Application("secure", secured) as secure:
        ports = {name: free_port() for name in PORTS}
        mesh.publish(OBJECTS, {**ports, **{each.name: each.port for each in (web, echo, secure)}})
        await mesh.add("callee")
        await mesh.applied()
        yield World(ports, clients)


# What comes back, by mode and client
WEB, MEMBER = "200 web", "200 web by callee"
SEES = {
    "http": {
        "STRICT": {"plain": REFUSED, "member": MEMBER, "guest": REFUSED, "foreigner": REFUSED},
        "PERMISSIVE": {"plain": WEB, "member": MEMBER, "guest": REFUSED, "foreigner": REFUSED},
        "DISABLE": {"plain": WEB, "member": REFUSED},
    },
    "tcp": {
        "STRICT": {"plain": "", "member": "echo: hello", "guest": "", "foreigner": ""},
        "PERMISSIVE": {"plain": "echo: hello", "member": "echo: hello", "guest": ""},
        "DISABLE": {"plain": "echo: hello", "member": ""},
    },
    "tls": {
        "STRICT": {"own": REFUSED},
        "PERMISSIVE": {"own": "200 secure by secure"},
        "DISABLE": {"own": "200 secure by secure"},
    },
}


async def answer(world: World, kind: str, mode: str, who: str) -> str:
    port, context = world.ports[f"{kind}_{mode.lower()}"], world.clients[who]
    if kind != "tcp":
        return await page(port, "callee.example.com", context)
    try:
        async with connected(port, context, "callee.example.com" if context else "") as talk:
            return await talk.say("hello")
    except OSError:
        return ""


@pytest.mark.parametrize("kind", KINDS)
async def test_who_gets_in(world: World, kind: str) -> None:
    found = {
        mode: {who: await answer(world, kind, mode, who) for who in clients} for mode, clients in SEES[kind].items()
    }
    assert found == SEES[kind]
