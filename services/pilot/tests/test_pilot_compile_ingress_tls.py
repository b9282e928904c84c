"""TLS that a Sidecar states for a way in: served where the mesh's own is switched off."""

from collections.abc import Callable
from typing import Any

import pytest

from flotilla_pilot.model.snapshot import MeshSettings
from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy

PROXY = make_proxy("web", INTERCEPTION_MODE="REDIRECT", LABELS={"app": "web"})
BOUND = make_proxy("web", LABELS={"app": "web"})


def mesh(mode: str, tls: str, protocol: str = "HTTPS", **settings: Any) -> Mesh:
    text = f"""
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default, namespace: default}}
spec: {{selector: {{matchLabels: {{app: web}}}}, portLevelMtls: {{9443: {{mode: {mode}}}}}}}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: web, namespace: default}}
spec:
  workloadSelector: {{labels: {{app: web}}}}
  ingress:
  - port: {{number: 9443, name: in, protocol: {protocol}}}
    defaultEndpoint: 127.0.0.1:8080
    tls: {tls}
"""
    return Mesh(text, MeshSettings(**settings))


OWN = "{mode: SIMPLE, serverCertificate: /c.pem, privateKey: /k.pem}"
BOTH = "{mode: MUTUAL, serverCertificate: /c.pem, privateKey: /k.pem, caCertificates: /ca.pem}"


def chains(compiled: Compiled, name: str) -> list[dict[str, Any]]:
    held = as_dict(compiled.listeners[name])["filter_chains"]
    return [each for each in held if each.get("filter_chain_match", {}).get("destination_port") == 9443]


def context(chain: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = chain["transport_socket"]["typed_config"]
    return found


@pytest.mark.parametrize(("proxy", "listener"), [(PROXY, "virtualInbound"), (BOUND, f"{BOUND.addresses[0]}_9443")])
def test_a_port_without_mutual_tls_ends_tls_by_its_own_certificate(
    proxy: Any, listener: str, validate: Callable[[Compiled], None]
) -> None:
    compiled = mesh("DISABLE", OWN).compile(proxy)
    (chain,) = (each for each in chains(compiled, listener) if "transport_socket" in each)
    assert chain["filter_chain_match"]["transport_protocol"] == "tls"
    common = context(chain)["common_tls_context"]
    assert [each["name"] for each in common["tls_certificate_sds_secret_configs"]] == ["file-cert:/c.pem~/k.pem"]
    assert chain["filters"][-1]["name"] == "envoy.filters.network.http_connection_manager"
    validate(compiled)


def test_what_asks_for_certificates_checks_them_by_its_own_root() -> None:
    (chain,) = (each for each in chains(mesh("DISABLE", BOTH).compile(PROXY), "virtualInbound") if "filters" in each)
    assert context(chain)["require_client_certificate"] is True
    roots = context(chain)["common_tls_context"]["combined_validation_context"]
    assert roots["validation_context_sds_secret_config"]["name"] == "file-root:/ca.pem"


def test_a_tls_port_is_not_looked_into() -> None:
    (chain,) = chains(mesh("DISABLE", OWN, "TLS").compile(PROXY), "virtualInbound")
    assert chain["filters"][-1]["name"] == "envoy.filters.network.tcp_proxy"


def test_mutual_tls_of_the_mesh_comes_first() -> None:
    (chain,) = chains(mesh("STRICT", OWN).compile(PROXY), "virtualInbound")
    common = context(chain)["common_tls_context"]
    assert [each["name"] for each in common["tls_certificate_sds_secret_configs"]] == ["default"]


def test_it_can_be_left_alone() -> None:
    held = chains(mesh("DISABLE", OWN, sidecar_ingress_tls=False).compile(PROXY), "virtualInbound")
    assert all("transport_socket" not in each for each in held)


def test_settings_that_envoy_would_refuse_leave_it_out_and_are_told() -> None:
    compiled = mesh("DISABLE", BOTH.replace("}", ", verifyCertificateHash: [x]}")).compile(PROXY)
    assert "inbound|9443||" not in compiled.clusters
    assert all(each["name"].startswith("virtualInbound") for each in chains(compiled, "virtualInbound"))
    assert compiled.problems() == [("default/web", "refused-by-envoy", "spec.ingress[0].tls")]
