"""Before installing: the rights that it takes, and what of another mesh is in the way."""

from __future__ import annotations

from flotilla_cli.health.cluster import ACCESS_REVIEWS, DEPLOYMENTS, ROOT, Cluster, name_of
from flotilla_cli.health.finding import Check, Finding, Section, all_well, problem, some, warning
from flotilla_cli.health.injection import DEFAULT, revisions_of
from flotilla_cli.health.kinds import wanted
from flotilla_cli.health.trust import MARK
from flotilla_shared.runtime.kube.resources import (
    CONFIG_MAPS,
    CRDS,
    LEASES,
    MUTATING_WEBHOOKS,
    NAMESPACES,
    SERVICE_ACCOUNTS,
    SERVICES,
    VALIDATING_WEBHOOKS,
    Resource,
)

_RBAC = "rbac.authorization.k8s.io"
MADE = (
    NAMESPACES,
    CRDS,
    Resource(_RBAC, "v1", "clusterroles", False, "ClusterRole"),
    Resource(_RBAC, "v1", "clusterrolebindings", False, "ClusterRoleBinding"),
    MUTATING_WEBHOOKS,
    VALIDATING_WEBHOOKS,
    DEPLOYMENTS,
    SERVICES,
    SERVICE_ACCOUNTS,
    CONFIG_MAPS,
    LEASES,
)


async def rights(cluster: Cluster) -> list[Finding]:
    lacking = [str(resource) for resource in MADE if not await _may_create(cluster, resource)]
    findings = [problem(f"You may not create {some(lacking, 20)}.", "Install as a user who may.")] if lacking else []
    return all_well(findings, "You may create all that the charts make.")


async def _may_create(cluster: Cluster, resource: Resource) -> bool:
    attributes = {"verb": "create", "group": resource.group, "resource": resource.plural}
    if resource.namespaced:
        attributes["namespace"] = cluster.namespace
    body = {
        "apiVersion": ACCESS_REVIEWS.api_version,
        "kind": ACCESS_REVIEWS.kind,
        "spec": {"resourceAttributes": attributes},
    }
    answer = await cluster.client.create(ACCESS_REVIEWS.path(), body)
    return bool(answer.get("status", {}).get("allowed"))


async def kinds(cluster: Cluster) -> list[Finding]:
    there = {name_of(each) for each in await cluster.all(CRDS)}
    missing = [name for name in wanted() if name not in there]
    mend = "Install the chart helm/flotilla-crds first."
    findings = (
        [warning(f"{len(missing)} of {len(wanted())} kinds of Istio are not there yet.", mend)] if missing else []
    )
    return all_well(findings, "The kinds of Istio are there.")


async def others(cluster: Cluster) -> list[Finding]:
    """Another control plane for the same pods, and roots of one that is or was there."""
    revision = cluster.revision or DEFAULT
    findings = [
        problem(
            f"{name_of(each)} already injects sidecars for revision {revision}.",
            "Give this one another revision (global.revision), or remove the other.",
        )
        for each in await cluster.all(MUTATING_WEBHOOKS)
        if revision in revisions_of(each)
    ]
    roots = await cluster.roots()
    foreign = sorted(name for name, each in roots.items() if MARK not in (each["metadata"].get("annotations") or {}))
    if foreign:
        text = f"ConfigMap {ROOT} of another mesh is in {some(foreign)}: pods of this mesh cannot start there."
        findings.append(warning(text, "Delete it where no other mesh needs it any more."))
    return all_well(findings, "No other mesh is in the way.")


SECTION = Section(
    "Before installing",
    [Check("your rights", rights), Check("the kinds of Istio", kinds), Check("other meshes", others)],
)
