"""What a user may write and may not: a wrong key or value is told with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.helm.render import HelmError, named, of_kind, render

REFUSED: list[tuple[str, Any, tuple[str, ...]]] = [
    ("global.trustDomian", "x", ("flotilla", "/global", "trustDomian")),
    ("global.image.pullpolicy", "Never", ("/global/image", "pullpolicy")),
    ("global.image.pullPolicy", "Sometimes", ("/global/image/pullPolicy", "IfNotPresent")),
    ("global.logLevel", "verbose", ("/global/logLevel",)),
    ("global.revision", "Blue_1", ("/global/revision",)),
    ("pilots", {}, ("flotilla", "pilots")),
    ("meshConfig.mixerChekServer", "x", ("/meshConfig", "mixerChekServer")),
    ("pilot.replica", 2, ("pilot", "replica")),
    ("pilot.replicas", 0, ("pilot", "/replicas")),
    ("pilot.settings.debounce_second", 1, ("pilot", "/settings", "debounce_second")),
    ("pilot.settings.debounce_seconds", "soon", ("pilot", "/settings/debounce_seconds")),
    ("pilot.settings.debounce_seconds", -1, ("pilot", "/settings/debounce_seconds")),
    ("pilot.settings.trust_domain", "example.com", ("pilot", "/settings", "trust_domain")),
    ("pilot.injection.failurePolicy", "Maybe", ("pilot", "/injection/failurePolicy")),
    ("pilot.injection.timeoutSeconds", 10, ("pilot", "/injection/timeoutSeconds")),
    ("galley.webhook.timeoutSeconds", 30, ("galley", "/webhook/timeoutSeconds")),
    ("galley.access", [{"identity": "istiod", "collections": ["*"]}], ("galley", "/access/0/identity")),
    ("galley.access", [{"identity": "spiffe://x/y"}], ("galley", "/access/0", "collections")),
    ("citadel.settings.default_ttl", "1 day", ("citadel", "/settings/default_ttl")),
    ("citadel.settings.oidc_audiences", [], ("citadel", "/settings/oidc_audiences")),
    ("mixer.telemetry", {"on": True}, ("mixer", "/telemetry", "on")),
    ("gateway.service.type", "Public", ("gateway", "/service/type")),
    ("gateway.tlsSecrets", "shop", ("gateway", "/tlsSecrets")),
    ("meshConfig.trustDomain", "example.com", ("meshConfig.trustDomain", "global.trustDomain")),
]


@pytest.mark.parametrize(("key", "value", "told"), REFUSED, ids=[f"{key}={value}" for key, value, _ in REFUSED])
def test_wrong_values_are_refused_with_their_place(helm4: Path, key: str, value: object, told: tuple[str, ...]) -> None:
    with pytest.raises(HelmError) as refused:
        render(helm4, values={key: value})
    for word in told:
        assert word in str(refused.value)


@pytest.mark.parametrize(("key", "value", "told"), REFUSED[:4])
def test_both_helms_refuse_in_the_same_way(helm: Path, key: str, value: object, told: tuple[str, ...]) -> None:
    with pytest.raises(HelmError) as refused:
        render(helm, values={key: value})
    assert all(word in str(refused.value) for word in told)


@pytest.mark.parametrize(
    ("replicas", "scaling", "told", "refuses"),
    [
        (1, {}, False, False),
        (3, {}, False, True),
        (3, {}, True, False),
        (1, {"enabled": True, "maxReplicas": 4}, False, True),
        (3, {"enabled": True, "maxReplicas": 1}, False, False),
        (1, {"enabled": True}, True, False),
    ],
)
def test_memory_quotas_need_one_mixer_or_a_word(
    helm4: Path, replicas: int, scaling: dict[str, Any], told: bool, refuses: bool
) -> None:
    over = {"mixer.replicas": replicas, "mixer.memoryQuotasPerReplica": told}
    over |= {f"mixer.autoscaling.{key}": value for key, value in scaling.items()}
    objects = render(helm4, values=over)
    policies = of_kind(objects, "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    assert len(policies) == (2 if refuses else 0)
    if refuses:
        policy = named(objects, "ValidatingAdmissionPolicy", "istio-mixer-istio-system-memory-quotas")
        (rule,) = policy["spec"]["validations"]
        assert "memquota" in rule["expression"]
        assert "mixer.memoryQuotasPerReplica=true" in rule["message"]
