"""What stands before gateways: the PROXY protocol, trusted proxies, certificates that they tell of."""

from collections.abc import Callable
from typing import Any

import pytest

from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy

GATEWAY = """
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: g}
spec:
  selector: {app: gate}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}
  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: [a.io], tls: {mode: SIMPLE, credentialName: c}}
"""


def compiled(topology: str) -> Compiled:
    mesh = f"kind: MeshConfig\nspec: {{defaultConfig: {{gatewayTopology: {{{topology}}}}}}}\n"
    return Mesh(mesh + GATEWAY).compile(make_proxy("gate", 100, "router", LABELS={"app": "gate"}))


def managers(found: Compiled) -> list[dict[str, Any]]:
    chains = (chain for each in found.listeners.values() for chain in as_dict(each)["filter_chains"])
    return [chain["filters"][-1]["typed_config"] for chain in chains]


@pytest.mark.parametrize(
    ("topology", "first"),
    [
        ("", {"0.0.0.0_443": "tls_inspector"}),
        ("proxyProtocol: {}", dict.fromkeys(("0.0.0.0_443", "0.0.0.0_80"), "proxy_protocol")),
    ],
)
def test_the_proxy_protocol_is_read_first(
    topology: str, first: dict[str, str], validate: Callable[[Compiled], None]
) -> None:
    found = compiled(topology)
    asked = {name: [each.name for each in listener.listener_filters] for name, listener in found.listeners.items()}
    assert {name: each[0].rpartition(".")[2] for name, each in asked.items() if each} == first
    assert asked["0.0.0.0_443"][-1].endswith("tls_inspector")
    validate(found)


@pytest.mark.parametrize(
    ("topology", "hops", "certificates", "sets"),
    [
        ("", None, "SANITIZE_SET", True),
        ("numTrustedProxies: 2", 2, "SANITIZE_SET", True),
        ("numTrustedProxies: 1, forwardClientCertDetails: APPEND_FORWARD", 1, "APPEND_FORWARD", True),
        ("forwardClientCertDetails: FORWARD_ONLY", None, "FORWARD_ONLY", False),
        ("forwardClientCertDetails: ALWAYS_FORWARD_ONLY", None, "ALWAYS_FORWARD_ONLY", False),
        ("forwardClientCertDetails: SANITIZE", None, None, False),
    ],
)
def test_whose_word_is_taken(
    topology: str, hops: int | None, certificates: str | None, sets: bool, validate: Callable[[Compiled], None]
) -> None:
    found = compiled(topology)
    for manager in managers(found):
        assert manager.get("xff_num_trusted_hops") == hops
        assert manager.get("forward_client_cert_details") == certificates
        assert ("set_current_client_cert_details" in manager) is sets
    assert len(managers(found)) == 2
    validate(found)
