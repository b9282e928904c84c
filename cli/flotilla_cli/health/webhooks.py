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
    places = {
        (each["clientConfig"].get("service") or {}).get("namespace", "")
        + "/"
        + (each["clientConfig"].get("service") or {}).get("name", "")
        for each in webhooks
    }
    strangers = sorted(places - {f"{cluster.namespace}/istio-{service}"})
    mend = "Another mesh has taken the name: give one of the two a revision."
    return (
        [(f"it leads to {', '.join(strangers)} and not to {cluster.namespace}/istio-{service}", mend)]
        if strangers
        else []
    )


def _untrusted(webhooks: list[Object], service: str, root: str) -> list[tuple[str, str]]:
    mend = f"istio-{service} writes it when it has a certificate: see its log."
    empty = [each["name"] for each in webhooks if not each["clientConfig"].get("caBundle")]
    if empty:
        return [
            (
                f"{len(empty)} of {len(webhooks)} webhooks have no caBundle, so the API server does not trust istio-{service}",
                mend,
            )
        ]
    other = [each["name"] for each in webhooks if _text(each["clientConfig"]["caBundle"]).split() != root.split()]
    if other:
        return [(f"the caBundle of {len(other)} of {len(webhooks)} webhooks is not the mesh's root certificate", mend)]
    return []


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
