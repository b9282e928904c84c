"""What a user may write and may not: a wrong key or value is told with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flotilla_mixer.config import MixerSettings
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
        assert "object.spec.compiledAdapter != 'memquota'" in rule["expression"]
        assert "object.kind != 'memquota'" in rule["expression"], "the legacy kind"
        (matched,) = policy["spec"]["matchConstraints"]["resourceRules"]
        assert matched["resources"] == ["handlers", "memquotas"]
        assert "mixer.memoryQuotasPerReplica=true" in rule["message"]


def test_a_redis_for_all_quotas(helm4: Path) -> None:
    """The address, who Mixer is to it, and the Secret's files."""
    given = {"address": "redis.shop:6379", "username": "mixer", "secret": "redis-login", "tls": True}
    objects = render(helm4, values={f"mixer.redis.{key}": value for key, value in given.items()})
    pod = named(objects, "Deployment", "istio-mixer")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    settings = {each["name"]: each.get("value") for each in container["env"] if "REDIS" in each["name"]}
    folder = "/var/run/secrets/flotilla/redis"
    assert settings == {
        "FLOTILLA_MIXER_REDIS_ADDRESS": "redis.shop:6379",
        "FLOTILLA_MIXER_REDIS_USERNAME": "mixer",
        "FLOTILLA_MIXER_REDIS_PASSWORD_FILE": f"{folder}/password",
        "FLOTILLA_MIXER_REDIS_TLS": "true",
        "FLOTILLA_MIXER_REDIS_CA_FILE": f"{folder}/ca.crt",
    }
    assert {"name": "redis", "mountPath": folder, "readOnly": True} in container["volumeMounts"]
    assert {"name": "redis", "secret": {"secretName": "redis-login"}} in pod["volumes"]


def test_secrets_that_handlers_name_are_mounted_where_they_may_name_them(helm4: Path) -> None:
    objects = render(helm4, values={"mixer.adapterSecret": "backends"})
    pod = named(objects, "Deployment", "istio-mixer")["spec"]["template"]["spec"]
    assert {"name": "adapters", "secret": {"secretName": "backends"}} in pod["volumes"]
    (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "adapters"]
    assert (mount["mountPath"], mount["readOnly"]) == (MixerSettings().secret_folders[0], True)


def test_without_an_address_there_is_nothing_of_a_redis(helm4: Path) -> None:
    text = str(render(helm4, values={"mixer.redis.secret": "redis-login", "mixer.redis.tls": True}))
    assert "REDIS" not in text
    assert "redis-login" not in text
