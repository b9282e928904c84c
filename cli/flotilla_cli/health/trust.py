"""Trust: one trust domain for all, one root in every namespace, and time left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import yaml
from cryptography import x509

from flotilla_cli.health.cluster import ROOT, ROOT_KEY, SERVICES, Cluster, Object, variable
from flotilla_cli.health.finding import Check, Finding, Section, all_well, ok, problem, some, warning
from flotilla_shared.runtime.kube.resources import CONFIG_MAPS

WARN_BEFORE = timedelta(days=60)
# Citadel publishes to all namespaces but these, which hold no workloads.
SKIPPED = frozenset(("kube-public", "kube-node-lease", "local-path-storage"))
MARK = "flotilla.dev/citadel-id"


async def trust_domain(cluster: Cluster) -> list[Finding]:
    name = f"istio{cluster.suffix}"
    found = await cluster.one(CONFIG_MAPS, name, cluster.namespace)
    if found is None:
        text = f"There is no ConfigMap {name} in {cluster.namespace}, so the mesh configuration is all defaults."
        return [problem(text, "Install the chart helm/flotilla.")]
    domain = _domain(found)
    if domain is None:
        return [problem(f"ConfigMap {name}: its key mesh is no YAML mapping.", "Set meshConfig in the chart's values.")]
    findings = []
    for service in SERVICES:
        deployment = await cluster.deployment(service)
        own = variable(deployment, f"FLOTILLA_{service.upper()}_TRUST_DOMAIN") if deployment else ""
        if deployment and (own or "cluster.local") != domain:
            text = f"istio-{service} has the trust domain {own or 'cluster.local'}, and the mesh configuration has {domain}."
            findings.append(problem(text, "Set global.trustDomain in the chart's values, from which both come."))
    return all_well(findings, f"All services and the mesh configuration have the trust domain {domain}.")


def _domain(config_map: Object) -> str | None:
    try:
        content = yaml.load((config_map.get("data") or {}).get("mesh", ""), Loader=yaml.CSafeLoader)  # the safe one
    except yaml.YAMLError:
        return None
    if content is not None and not isinstance(content, dict):
        return None
    return str((content or {}).get("trustDomain") or "cluster.local")


async def root(cluster: Cluster) -> list[Finding]:
    """The root certificate itself: it is one, and has time left."""
    text = await cluster.root()
    where = f"ConfigMap {ROOT} in {cluster.namespace}"
    if not text:
        mend = "Citadel makes it: see the log of istio-citadel."
        return [problem(f"There is no {where}: nobody can trust the mesh.", mend)]
    try:
        certificates = x509.load_pem_x509_certificates(text.encode())
    except ValueError as error:
        return [problem(f"{where} holds no certificate: {error}.", "Delete it: Citadel makes it anew.")]
    return [_life(min(each.not_valid_after_utc for each in certificates))]


def _life(end: datetime) -> Finding:
    left = end - datetime.now(UTC)
    mend = "Put a new root into place while the old one is still trusted."
    if left > WARN_BEFORE:
        return ok(f"The root certificate is good until {end:%Y-%m-%d}.")
    if left > timedelta(0):
        return warning(f"The root certificate ends on {end:%Y-%m-%d}.", mend)
    return problem(f"The root certificate has ended on {end:%Y-%m-%d}.", mend)


async def everywhere(cluster: Cluster) -> list[Finding]:
    """Every namespace has the mesh's root and no other."""
    ours, found = await cluster.root(), await cluster.roots()
    if not ours:
        return []
    own_mark = _mark(found[cluster.namespace])
    missing: list[str] = []
    stale: list[str] = []
    foreign: list[str] = []
    for namespace in sorted(set(await cluster.namespaces()) - SKIPPED):
        each = found.get(namespace)
        if each is None:
            missing.append(namespace)
        elif _root(each).split() != ours.split():
            (stale if _mark(each) == own_mark else foreign).append(namespace)
    return all_well(_told(missing, stale, foreign), f"Every namespace has the mesh's root certificate ({len(found)}).")


def _told(missing: list[str], stale: list[str], foreign: list[str]) -> list[Finding]:
    citadel = "Citadel repairs it: see the log of istio-citadel, and who holds its Lease."
    findings = []
    if missing:
        findings.append(problem(f"ConfigMap {ROOT} is missing in {some(missing)}.", citadel))
    if stale:
        findings.append(problem(f"ConfigMap {ROOT} in {some(stale)} is not the mesh's root certificate.", citadel))
    if foreign:
        text = f"ConfigMap {ROOT} in {some(foreign)} is another mesh's: pods of this mesh cannot start there."
        findings.append(
            problem(text, "Remove the other mesh there and delete the ConfigMap; Citadel never writes over it.")
        )
    return findings


def _root(config_map: Object) -> str:
    return str((config_map.get("data") or {}).get(ROOT_KEY, ""))


def _mark(config_map: Object) -> str:
    return str((config_map["metadata"].get("annotations") or {}).get(MARK, ""))


SECTION = Section(
    "Trust",
    [Check("the trust domain", trust_domain), Check("the root certificate", root), Check("its copies", everywhere)],
)
