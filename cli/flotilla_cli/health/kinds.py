"""Istio's kinds: every one is served, in a version that Galley reads."""

from __future__ import annotations

from flotilla_cli.health.cluster import Cluster, Object, name_of
from flotilla_cli.health.finding import Check, Finding, Section, all_well, problem, some
from flotilla_shared.model.kinds import WRITTEN, Kind
from flotilla_shared.runtime.kube.resources import CRDS

INSTALL = "Install the chart helm/flotilla-crds."


def wanted() -> dict[str, Kind]:
    """Name of the CustomResourceDefinition -> the kind."""
    return {f"{kind.plural}.{kind.group}": kind for kind in WRITTEN}


async def present(cluster: Cluster) -> list[Finding]:
    found = {name_of(each): each for each in await cluster.all(CRDS)}
    missing = [name for name in wanted() if name not in found]
    if missing:
        return [problem(f"{len(missing)} of {len(wanted())} kinds are not there: {some(missing)}.", INSTALL)]
    findings = [_judge(name, found[name], kind) for name, kind in wanted().items()]
    return all_well([each for each in findings if each], f"All {len(wanted())} kinds of Istio are served.")


def _judge(name: str, definition: Object, kind: Kind) -> Finding | None:
    conditions = {each["type"]: each["status"] for each in definition.get("status", {}).get("conditions") or []}
    if conditions.get("Established") != "True":
        return problem(f"The kind {name} is there and not established.", f"See `kubectl describe crd {name}`.")
    served = {each["name"] for each in definition["spec"]["versions"] if each.get("served")}
    if not served & set(kind.versions):
        versions = ", ".join(sorted(served)) or "none"
        return problem(f"The kind {name} is served as {versions}, and not as {some(kind.versions)}.", INSTALL)
    return None


SECTION = Section("Kinds", [Check("the kinds of Istio", present)])
