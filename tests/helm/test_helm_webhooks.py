"""Whom the webhooks ask about, and what an outage of a service costs: never the mesh's own pods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm.render import CHART, KUBERNETES, NAMESPACE, Object, named, render, run

Labels = dict[str, str]


def matches(selector: dict[str, Any], labels: Labels) -> bool:
    """A LabelSelector, as Kubernetes evaluates it."""
    assert set(selector) <= {"matchLabels", "matchExpressions"}
    wanted = selector.get("matchLabels", {})
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(each, labels) for each in selector.get("matchExpressions", [])
    )


def _holds(expression: dict[str, Any], labels: Labels) -> bool:
    key, values = expression["key"], expression.get("values", [])
    return {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }[expression["operator"]]


def asked(configuration: Object, namespace: str, namespace_labels: Labels, labels: Labels) -> list[str]:
    """The webhooks that the API server would call for an object."""
    of_namespace = {"kubernetes.io/metadata.name": namespace} | namespace_labels
    return [
        each["name"].partition(".sidecar-injector")[0]
        for each in configuration["webhooks"]
        if matches(each["namespaceSelector"], of_namespace) and matches(each.get("objectSelector", {}), labels)
    ]


ENABLED, DISABLED = {"istio-injection": "enabled"}, {"istio-injection": "disabled"}
BLUE, DEFAULT = {"istio.io/rev": "blue"}, {"istio.io/rev": "default"}
YES, NO = {"sidecar.istio.io/inject": "true"}, {"sidecar.istio.io/inject": "false"}

# namespace labels, pod labels -> by the default revision, by it with enableNamespacesByDefault, by revision blue
INJECTION: list[tuple[Labels, Labels, list[str], list[str], list[str]]] = [
    (ENABLED, {}, ["namespace"], ["namespace"], []),
    (ENABLED, NO, [], [], []),
    (ENABLED, YES, ["namespace"], ["namespace"], []),
    (ENABLED | BLUE, {}, ["namespace"], ["namespace"], []),
    (DISABLED, {}, [], [], []),
    (DISABLED, YES, [], [], []),
    (DISABLED, BLUE, [], [], []),
    (BLUE, {}, [], [], ["rev.namespace"]),
    (BLUE, NO, [], [], []),
    (DEFAULT, {}, ["rev.namespace"], ["rev.namespace"], []),
    ({}, {}, [], ["object"], []),
    ({}, YES, ["object"], ["object"], []),
    ({}, NO, [], [], []),
    ({}, BLUE, [], [], ["rev.object"]),
    ({}, BLUE | NO, [], [], []),
    ({}, BLUE | YES, [], [], ["rev.object"]),
    ({}, DEFAULT, ["rev.object"], ["rev.object"], []),
]


@pytest.mark.parametrize(("namespace", "pod", "default", "everywhere", "blue"), INJECTION)
def test_injection_is_asked_as_istio_asks(
    helm4: Path, namespace: Labels, pod: Labels, default: list[str], everywhere: list[str], blue: list[str]
) -> None:
    name = "istio-sidecar-injector"
    for set_name, suffix, wanted in (("default", "", default), ("placed", "", everywhere), ("revision", "-blue", blue)):
        configuration = named(render(helm4, set_name), "MutatingWebhookConfiguration", name + suffix)
        assert asked(configuration, "shop", namespace, pod) == wanted


@pytest.mark.parametrize("name", ["default", "placed", "revision"])
@pytest.mark.parametrize("namespace", ["istio-system", "kube-system"])
def test_no_pod_of_the_mesh_or_of_the_system_waits_for_pilot(helm4: Path, name: str, namespace: str) -> None:
    """Whatever labels somebody gives them: on a first installation, and after a night without power, they must start."""
    (configuration,) = (each for each in render(helm4, name) if each["kind"] == "MutatingWebhookConfiguration")
    for labels in ({}, ENABLED, BLUE, DEFAULT):
        for pod in ({}, YES, BLUE, DEFAULT):
            assert asked(configuration, namespace, labels, pod) == []


@pytest.mark.parametrize(
    ("namespace", "policy"), [("shop", ["Fail"]), ("istio-system", ["Ignore"]), ("kube-system", [])]
)
def test_configuration_of_the_meshs_own_namespace_is_validated_and_never_blocked(
    helm4: Path, namespace: str, policy: list[str]
) -> None:
    configuration = named(render(helm4), "ValidatingWebhookConfiguration", "istio-galley")
    called = asked(configuration, namespace, {}, {})
    assert [each["failurePolicy"] for each in configuration["webhooks"] if each["name"] in called] == policy


@pytest.mark.parametrize("name", ["default", "production", "placed", "revision"])
def test_what_every_webhook_says(helm4: Path, name: str) -> None:
    objects = render(helm4, name)
    paths = {
        "MutatingWebhookConfiguration": ("istio-pilot", "/inject"),
        "ValidatingWebhookConfiguration": ("istio-galley", "/validate"),
    }
    found = [each for each in objects if each["kind"] in paths]
    assert len(found) == 2
    for configuration in found:
        service, path = paths[configuration["kind"]]
        for webhook in configuration["webhooks"]:
            assert webhook["clientConfig"] == {
                "service": {"name": service, "namespace": "istio-system", "path": path, "port": 443}
            }, "no caBundle: the service writes it, and an upgrade must keep it"
            assert webhook["sideEffects"] == "None"
            assert webhook["matchPolicy"] == "Equivalent"
            assert webhook["admissionReviewVersions"] == ["v1", "v1beta1"]
            assert webhook["timeoutSeconds"] <= 5
            assert webhook["failurePolicy"] in ("Fail", "Ignore")
    policies = {webhook["failurePolicy"] for configuration in found for webhook in configuration["webhooks"]}
    assert ("Fail" in policies) == (name != "revision")


def test_the_webhooks_of_an_installation_never_become_fewer(helm4: Path) -> None:
    """With server-side apply one whose caBundle belongs to Pilot could not be removed."""
    names = {
        name: [
            each["name"]
            for each in named(render(helm4, name), "MutatingWebhookConfiguration", "istio-sidecar-injector")["webhooks"]
        ]
        for name in ("default", "placed", "production")
    }
    assert names["default"] == names["placed"] == names["production"]


def test_validation_covers_every_kind_and_nothing_else(helm4: Path) -> None:
    from flotilla_shared.model.kinds import WRITTEN

    for webhook in named(render(helm4), "ValidatingWebhookConfiguration", "istio-galley")["webhooks"]:
        (rule,) = webhook["rules"]
        assert set(rule["apiGroups"]) == {kind.group for kind in WRITTEN}
        assert rule["operations"] == ["CREATE", "UPDATE"]
        assert rule["resources"] == ["*"], "status is a subresource, so writing it asks nobody"


@pytest.mark.parametrize(("name", "revision"), [("default", "default"), ("revision", "blue")])
def test_only_what_this_revision_reads_is_validated(helm4: Path, name: str, revision: str) -> None:
    """The API server evaluates the condition; here it is held to the rule that services have for it."""
    (configuration,) = (each for each in render(helm4, name) if each["kind"] == "ValidatingWebhookConfiguration")
    for webhook in configuration["webhooks"]:
        (condition,) = webhook["matchConditions"]
        assert condition["expression"].split(" || ") == [
            "request.operation == 'DELETE'",
            "!has(object.metadata.labels)",
            "!('istio.io/rev' in object.metadata.labels)",
            f"object.metadata.labels['istio.io/rev'] in ['', '{revision}']",
        ]


PROVEN = {"galley": {"webhook": {"failurePolicy": "Proven"}}}


def test_until_galley_was_called_nobody_is_locked_out(helm4: Path) -> None:
    """Installed open, with the name of the webhook that Galley makes fail closed."""
    configuration = named(render(helm4, values=PROVEN), "ValidatingWebhookConfiguration", "istio-galley")
    assert [each["failurePolicy"] for each in configuration["webhooks"]] == ["Ignore", "Ignore"]
    named_there = configuration["metadata"]["annotations"]["flotilla.dev/fail-once-called"]
    assert named_there == configuration["webhooks"][0]["name"] == "validation.istio.io"
    fixed = named(render(helm4), "ValidatingWebhookConfiguration", "istio-galley")
    assert "annotations" not in fixed["metadata"]


def test_an_upgrade_leaves_the_policy_that_galley_has_set(helm4: Path) -> None:
    options = ["--kube-version", KUBERNETES, "-n", NAMESPACE, "--set", "galley.webhook.failurePolicy=Proven"]
    text = run(helm4, "template", "mesh", str(CHART), *options, "--is-upgrade")
    objects = [each for each in yaml.safe_load_all(text) if each]
    configuration = named(objects, "ValidatingWebhookConfiguration", "istio-galley")
    assert [each.get("failurePolicy") for each in configuration["webhooks"]] == [None, "Ignore"]


def test_only_who_must_prove_it_may_send_what_is_refused(helm4: Path) -> None:
    def creates(values: dict[str, Any]) -> list[str]:
        roles = [each for each in render(helm4, values=values) if each["kind"] in ("Role", "ClusterRole")]
        return [
            f"{each['kind']} {each['metadata']['name']}"
            for each in roles
            for rule in each["rules"]
            if "gateways" in rule["resources"] and "create" in rule["verbs"]
        ]

    assert creates(PROVEN) == ["Role istio-galley"]
    assert creates({}) == []
