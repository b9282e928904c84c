"""From AuthorizationPolicy objects to an engine, and what is wrong with which."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flotilla_mixer.authorization.engine import PolicyEngine, compile_policy
from flotilla_shared.model.authorization.policies import policy_of
from flotilla_shared.model.authorization.policy import Policy, Rule
from flotilla_shared.model.authorization.selection import beyond_workloads
from flotilla_shared.model.objects import ConfigObject
from flotilla_shared.model.problems import ProblemLog

ROOT_NAMESPACE = "istio-system"
_CUSTOM = "Mixer cannot ask a provider: it denies the calls that the rules hold for; let the sidecars ask it instead"
_TARGETS = "Mixer answers for workloads: of the objects named here it knows a Gateway's, and no other's proxies"


def policy_engine(
    items: Iterable[ConfigObject], mesh: ConfigObject | None, trust_domain: str, problems: ProblemLog
) -> PolicyEngine:
    """The engine of these objects. `mesh` is the mesh configuration: it says which namespace's policies are for all
    workloads, and which trust domains the mesh had before.

    A policy that cannot be read fails closed: one that allows then allows nothing, one that denies denies everything.
    """
    aliases = tuple(mesh.spec.trust_domain_aliases) if mesh is not None else ()
    read = [_read(item, (trust_domain, *aliases), problems) for item in sorted(items, key=lambda each: each.key)]
    return PolicyEngine(read, _root(mesh))


def _root(mesh: ConfigObject | None) -> str:
    if mesh is None:
        return ROOT_NAMESPACE
    return mesh.spec.root_namespace or mesh.key.namespace or ROOT_NAMESPACE


def _read(item: ConfigObject, trust_domains: Sequence[str], problems: ProblemLog) -> Policy:
    try:
        policy = policy_of(item, trust_domains)
        compile_policy(policy)
    except ValueError as error:
        problems.error(item.key, "policy-unreadable", "spec.rules", f"the policy cannot be read: {error}.")
        return _closed(item)
    if policy.action == "CUSTOM":
        problems.warning(item.key, "not-offered", "spec.action", f"{_CUSTOM}.")
    if beyond_workloads(policy):
        problems.warning(item.key, "not-offered", "spec.targetRefs", f"{_TARGETS}.")
    return policy


def _closed(item: ConfigObject) -> Policy:
    """In place of a policy that cannot be read, for the same workloads."""
    action = item.spec.action
    selector = dict(item.spec.selector.match_labels)
    if action == item.spec.ALLOW:
        return Policy(item.key, "ALLOW", (), selector)
    if action == item.spec.AUDIT:
        return Policy(item.key, "AUDIT", (), selector)
    return Policy(item.key, "DENY", (Rule(0),), selector)
