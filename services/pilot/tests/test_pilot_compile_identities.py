"""Secure naming: whom callers take for a service, in every trust domain of the mesh."""

from collections.abc import Callable
from typing import Any

import pytest

from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy

SERVICE = """
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: web, namespace: shop}
spec:
  hosts: [web.example]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints:
  - {address: 10.1.0.1, serviceAccount: web, labels: {security.istio.io/tlsMode: istio}}
  - {address: 10.1.0.2, serviceAccount: other, labels: {security.istio.io/tlsMode: istio}}
"""
CLIENT = make_proxy("c", namespace="shop", INTERCEPTION_MODE="REDIRECT", INSTANCE_IPS="10.1.0.9")


def mesh(spec: str, names: str = "") -> str:
    return f"kind: MeshConfig\nspec: {{{spec}}}\n{SERVICE}{names}"


def trusted(compiled: Compiled) -> list[str]:
    """The names that a server may show, of which it must show one."""
    cluster: Any = as_dict(compiled.clusters["outbound|80||web.example"])
    context = cluster["transport_socket_matches"][0]["transport_socket"]["typed_config"]["common_tls_context"]
    names = context["combined_validation_context"]["default_validation_context"]["match_typed_subject_alt_names"]
    return [each["matcher"]["exact"] for each in names]


@pytest.mark.parametrize(
    ("spec", "names", "expected"),
    [
        ("trustDomain: own", "", ["own/ns/shop/sa/other", "own/ns/shop/sa/web"]),
        (
            "trustDomain: own, trustDomainAliases: [old, own]",
            "",
            ["old/ns/shop/sa/other", "old/ns/shop/sa/web", "own/ns/shop/sa/other", "own/ns/shop/sa/web"],
        ),
        (
            "trustDomain: own, trustDomainAliases: [old]",
            "  subjectAltNames: ['spiffe://far/ns/n/sa/s']\n",
            [
                "far/ns/n/sa/s",
                "old/ns/n/sa/s",
                "old/ns/shop/sa/other",
                "old/ns/shop/sa/web",
                "own/ns/shop/sa/other",
                "own/ns/shop/sa/web",
            ],
        ),
    ],
)
def test_whom_callers_trust(spec: str, names: str, expected: list[str], validate: Callable[[Compiled], None]) -> None:
    compiled = Mesh(mesh(spec, names)).compile(CLIENT)
    assert trusted(compiled) == [f"spiffe://{each}" for each in expected]
    validate(compiled)


def test_names_that_are_no_identity_stay_as_they_are() -> None:
    compiled = Mesh(mesh("trustDomainAliases: [old]", "  subjectAltNames: [web.example]\n")).compile(CLIENT)
    assert [each for each in trusted(compiled) if "web.example" in each] == ["web.example"]
