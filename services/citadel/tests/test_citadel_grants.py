"""Who may have which names."""

from __future__ import annotations

import pytest

from flotilla_citadel.ca.grants import check_names, control_plane_grants, service_names
from flotilla_citadel.config import CitadelSettings
from flotilla_citadel.errors import CsrRefused

PILOT = "spiffe://mesh.example/ns/istio-system/sa/istio-pilot-service-account"
GRANTS = control_plane_grants(
    {
        "istio-pilot-service-account": ["istio-pilot"],
        "istio-mixer-service-account": ["istio-mixer", "istio-policy"],
    },
    trust_domain="mesh.example",
    namespace="istio-system",
    domain="cluster.local",
)


def test_the_four_names_of_a_service() -> None:
    assert service_names("istio-pilot", "mesh", "example.org") == (
        "istio-pilot",
        "istio-pilot.mesh",
        "istio-pilot.mesh.svc",
        "istio-pilot.mesh.svc.example.org",
    )


def test_only_the_accounts_of_the_settings_have_names() -> None:
    assert GRANTS[PILOT] == service_names("istio-pilot", "istio-system", "cluster.local")
    mixer = GRANTS["spiffe://mesh.example/ns/istio-system/sa/istio-mixer-service-account"]
    assert len(mixer) == 8
    assert len(GRANTS) == 2
    assert PILOT.replace("istio-system", "default") not in GRANTS


@pytest.mark.parametrize("asked", [(), (PILOT,), (PILOT, "istio-pilot.istio-system.svc"), ("istio-pilot",)])
def test_asking_for_ones_own_names_is_fine(asked: tuple[str, ...]) -> None:
    check_names(asked, PILOT, GRANTS[PILOT])


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (
            ("spiffe://mesh.example/ns/istio-system/sa/admin",),
            "'spiffe://mesh.example/ns/istio-system/sa/admin'",
        ),
        ((PILOT, "istio-galley"), "'istio-galley'"),
        ((PILOT + "/",), f"'{PILOT}/'"),
        ((PILOT.upper(),), "'SPIFFE"),
        (("IPAddress:127.0.0.1",), "'IPAddress:127.0.0.1'"),
        (("b", "a", "a"), "'a', 'b'"),
        (("x\n" + "y" * 5000,), r"'x\\ny"),
    ],
)
def test_asking_for_anothers_is_refused_with_both_names(asked: tuple[str, ...], shown: str) -> None:
    with pytest.raises(CsrRefused, match=f"asks for {shown}.*the caller is {PILOT}") as caught:
        check_names(asked, PILOT, GRANTS[PILOT])
    assert len(caught.value.text) < 1000
    assert "\n" not in caught.value.text


def test_the_api_server_finds_its_names_in_the_webhooks_certificates() -> None:
    """It calls a webhook as `<service>.<namespace>.svc`, whatever the cluster's DNS domain is."""
    grants = control_plane_grants(
        CitadelSettings().granted_services, trust_domain="mesh.example", namespace="mesh", domain="example.test"
    )
    for service in ("galley", "pilot"):
        names = grants[f"spiffe://mesh.example/ns/mesh/sa/istio-{service}-service-account"]
        assert f"istio-{service}.mesh.svc" in names
