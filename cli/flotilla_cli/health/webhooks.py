"""The webhooks: they lead to this mesh, the API server trusts what answers there, and what an outage costs is known."""

from __future__ import annotations

import base64
import binascii

from flotilla_cli.health.cluster import Cluster, Object
from flotilla_cli.health.finding import Check, Finding, Section, ok, problem, warning
from flotilla_shared.runtime.kube.resources import MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS, Resource

INJECTOR, VALIDATOR = "istio-sidecar-injector", "istio-galley"
# What becomes of things while the service that answers is away, by failurePolicy.
OUTAGE = {
    "pilot": {"Fail": "no pod starts where pods are injected", "Ignore": "pods start without a sidecar"},
    "galley": {
        "Fail": "configuration cannot be changed",
        "Ignore": "configuration is not validated when it is applied",
    },
}


async def injection(cluster: Cluster) -> list[Finding]:
    return await _look(cluster, MUTATING_WEBHOOKS, INJECTOR, "pilot")


async def validation(cluster: Cluster) -> list[Finding]:
    return await _look(cluster, VALIDATING_WEBHOOKS, VALIDATOR, "galley")


async def _look(cluster: Cluster, resource: Resource, name: str, service: str) -> list[Finding]:
    name += cluster.suffix
    configuration = await cluster.one(resource, name)
    if configuration is None:
        value = "pilot.injection.enabled" if service == "pilot" else "galley.webhook.enabled"
        return [warning(f"There is no {resource.kind} {name}.", f"Install with {value}=true, unless that is meant.")]
    webhooks = configuration.get("webhooks") or []
    wrong = _strangers(cluster, webhooks, service) + _untrusted(webhooks, service, await cluster.root())
    if wrong:
        return [problem(f"{name}: {text}.", mend) for text, mend in wrong]
    return [ok(f"{name} leads to istio-{service}, which the API server trusts."), _policy(webhooks, name, service)]


def _strangers(cluster: Cluster, webhooks: list[Object], service: str) -> list[tuple[str, str]]:
    ours = f"{cluster.namespace}/istio-{service}"
    strangers = sorted({_place(each) for each in webhooks} - {ours})
    mend = "Another mesh has taken the name: give one of the two a revision."
    return [(f"it leads to {', '.join(strangers)} and not to {ours}", mend)] if strangers else []


def _place(webhook: Object) -> str:
    """Where it leads: a Service, or a URL outside the cluster."""
    config = webhook["clientConfig"]
    service = config.get("service")
    return f"{service['namespace']}/{service['name']}" if service else str(config.get("url", ""))


def _untrusted(webhooks: list[Object], service: str, root: str) -> list[tuple[str, str]]:
    bundles = [each["clientConfig"].get("caBundle", "") for each in webhooks]
    mend = f"istio-{service} writes it when it has a certificate: see its log."
    if empty := bundles.count(""):
        text = f"{empty} of {len(bundles)} webhooks have no caBundle, so the API server does not trust istio-{service}"
        return [(text, mend)]
    other = sum(_text(each).split() != root.split() for each in bundles)
    text = f"the caBundle of {other} of {len(bundles)} webhooks is not the mesh's root certificate"
    return [(text, mend)] if other else []


def _text(bundle: str) -> str:
    try:
        return base64.b64decode(bundle, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _policy(webhooks: list[Object], name: str, service: str) -> Finding:
    """The strictest one counts: Galley's webhook of the mesh's own namespace is always open."""
    policies = {each.get("failurePolicy", "Fail") for each in webhooks}
    policy = "Fail" if "Fail" in policies else "Ignore"
    text = f"{name} has failurePolicy {policy}: while istio-{service} is away, {OUTAGE[service][policy]}."
    if policy == "Fail":
        return ok(text)
    value = "pilot.injection.failurePolicy" if service == "pilot" else "galley.webhook.failurePolicy"
    return warning(text, f"Install with {value}=Fail, unless that is meant.")


SECTION = Section("Webhooks", [Check("injection", injection), Check("validation", validation)])
