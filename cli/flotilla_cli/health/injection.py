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
    findings = _rivals(await cluster.all(MUTATING_WEBHOOKS), f"{INJECTOR}{cluster.suffix}")
    injectors = await _revisions(cluster)
    for name, namespace in sorted((await cluster.namespaces()).items()):
        labels = labels_of(namespace)
        if INJECTION in labels and REVISION in labels:
            text = f"Namespace {name} has both {INJECTION}={labels[INJECTION]} and {REVISION}={labels[REVISION]}, and the former counts."
            findings.append(warning(text, f"kubectl label namespace {name} {INJECTION}-, or {REVISION}-."))
        elif (revision := revision_of(namespace)) is not None and revision not in injectors:
            text = f"Namespace {name} asks for sidecars of revision {revision}, and nobody injects for it."
            findings.append(problem(text, f"Label it with one of: {some(sorted(injectors)) or 'none is installed'}."))
    return all_well(
        findings, f"Every namespace is injected by one control plane at most ({some(sorted(injectors)) or 'none'})."
    )


async def _revisions(cluster: Cluster) -> set[str]:
    """All revisions for which somebody injects, as the selectors of the webhooks say."""
    return {revision for each in await cluster.all(MUTATING_WEBHOOKS) for revision in _selected(each)}


def _selected(configuration: Object) -> set[str]:
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
    ours = _selected(own) if own else set()
    return [
        problem(
            f"{name_of(each)} injects for revision {some(sorted(_selected(each) & ours))} too: pods would get two sidecars.",
            "Give one of the two control planes another revision.",
        )
        for each in configurations
        if name_of(each) != own_name and _selected(each) & ours
    ]


SECTION = Section("Injection", [Check("sidecars", sidecars), Check("revisions", overlaps)])
