"""Injection: who asked for it has it, and no two control planes answer for one namespace."""

from __future__ import annotations

from flotilla_cli.health.cluster import Cluster, Object, labels_of, name_of
from flotilla_cli.health.finding import Check, Finding, Section, all_well, ok, problem, some, warning
from flotilla_cli.health.webhooks import INJECTOR
from flotilla_shared.runtime.kube.resources import MUTATING_WEBHOOKS, PODS

INJECTION, REVISION, OPT = "istio-injection", "istio.io/rev", "sidecar.istio.io/inject"
PROXY = "istio-proxy"
DEFAULT = "default"
WEBHOOK = ".sidecar-injector.istio.io"


def revision_of(namespace: Object) -> str | None:
    """Which revision injects into the namespace by its labels, None for none. `istio-injection` beats `istio.io/rev`."""
    labels = labels_of(namespace)
    if INJECTION in labels:
        return DEFAULT if labels[INJECTION] == "enabled" else None
    return labels.get(REVISION)


async def sidecars(cluster: Cluster) -> list[Finding]:
    own = cluster.revision or DEFAULT
    joined = {name for name, each in (await cluster.namespaces()).items() if revision_of(each) == own} - {
        cluster.namespace
    }
    if not joined:
        label = f"{REVISION}={cluster.revision}" if cluster.revision else f"{INJECTION}=enabled"
        return [ok(f"No namespace asks for sidecars yet (kubectl label namespace NAME {label}).")]
    bare: dict[str, list[str]] = {}
    for pod in await cluster.all(PODS):
        if pod["metadata"]["namespace"] in joined and _should_have(pod) and not _has(pod):
            bare.setdefault(pod["metadata"]["namespace"], []).append(name_of(pod))
    findings = [
        warning(
            f"In {namespace}, {len(pods)} pods have no sidecar: {some(sorted(pods))}.",
            f"They are older than the label, or Pilot was away: kubectl -n {namespace} rollout restart deployment.",
        )
        for namespace, pods in sorted(bare.items())
    ]
    return all_well(findings, f"All pods of {some(sorted(joined))} have their sidecar.")


def _should_have(pod: Object) -> bool:
    asked = labels_of(pod).get(OPT, (pod["metadata"].get("annotations") or {}).get(OPT))
    ended = pod.get("status", {}).get("phase") in ("Succeeded", "Failed") or "deletionTimestamp" in pod["metadata"]
    return asked != "false" and not ended and not pod["spec"].get("hostNetwork")


def _has(pod: Object) -> bool:
    containers = pod["spec"]["containers"] + (pod["spec"].get("initContainers") or [])
    return any(each["name"] == PROXY for each in containers)


async def overlaps(cluster: Cluster) -> list[Finding]:
    configurations = await cluster.all(MUTATING_WEBHOOKS)
    injectors = {revision for each in configurations for revision in revisions_of(each)}
    findings = _rivals(configurations, f"{INJECTOR}{cluster.suffix}")
    for _, namespace in sorted((await cluster.namespaces()).items()):
        findings += _unclear(namespace, injectors)
    known = some(sorted(injectors)) or "none"
    return all_well(findings, f"Every namespace is injected by one control plane at most (revisions: {known}).")


def _unclear(namespace: Object, injectors: set[str]) -> list[Finding]:
    name, labels = name_of(namespace), labels_of(namespace)
    if INJECTION in labels and REVISION in labels:
        both = f"{INJECTION}={labels[INJECTION]} and {REVISION}={labels[REVISION]}"
        mend = f"kubectl label namespace {name} {INJECTION}-, or {REVISION}-."
        return [warning(f"Namespace {name} has both {both}, and the former counts.", mend)]
    revision = revision_of(namespace)
    if revision is None or revision in injectors:
        return []
    mend = f"Revisions that are installed: {some(sorted(injectors)) or 'none'}."
    return [problem(f"Namespace {name} asks for sidecars of revision {revision}, and nobody injects for it.", mend)]


def revisions_of(configuration: Object) -> set[str]:
    """The revisions for which a configuration injects, as the selectors of its webhooks say."""
    found: set[str] = set()
    for webhook in configuration.get("webhooks") or []:
        if not webhook["name"].endswith(WEBHOOK):
            continue
        for each in (webhook.get("namespaceSelector") or {}).get("matchExpressions") or []:
            if each["key"] == REVISION and each["operator"] == "In":
                found |= set(each["values"])
            if each["key"] == INJECTION and each["operator"] == "In" and "enabled" in each["values"]:
                found.add(DEFAULT)
    return found


def _rivals(configurations: list[Object], own_name: str) -> list[Finding]:
    own = next((each for each in configurations if name_of(each) == own_name), None)
    ours = revisions_of(own) if own else set()
    return [
        problem(
            f"{name_of(each)} injects for revision {some(sorted(revisions_of(each) & ours))} too: pods would get two sidecars.",
            "Give one of the two control planes another revision.",
        )
        for each in configurations
        if name_of(each) != own_name and revisions_of(each) & ours
    ]


SECTION = Section("Injection", [Check("sidecars", sidecars), Check("revisions", overlaps)])
