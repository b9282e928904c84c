"""1.4's roles: what ServiceRoles and ServiceRoleBindings allow, where RbacConfig says that they count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flotilla_mixer.authorization.call import AskedCall
from flotilla_mixer.authorization.engine import PolicyEngine, Verdict, compile_policy
from flotilla_mixer.authorization.texts import text_test
from flotilla_protos.istio.rbac.v1alpha1.rbac_pb2 import PERMISSIVE, RbacConfig
from flotilla_shared.model import kinds
from flotilla_shared.model.authorization.policy import Policy
from flotilla_shared.model.authorization.roles import policy_of_binding, role_of
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.model.problems import ProblemLog

OFF = Verdict(True, "allowed: roles do not count for this service")
NO_ROLE = Verdict(False, "denied: no ServiceRoleBinding of the namespace allows anything")
Objects = Mapping[ObjectKey, ConfigObject]


@dataclass(frozen=True, slots=True)
class RbacMode:
    """Where roles count: everywhere without a configuration. `permissive`: they are worked out, and do nothing."""

    mode: int = RbacConfig.ON
    services: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()
    permissive: bool = False

    def counts_for(self, call: AskedCall) -> bool:
        if self.mode in (RbacConfig.OFF, RbacConfig.ON):
            return self.mode == RbacConfig.ON
        listed = call.namespace in self.namespaces or text_test(self.services)(call.service)
        return listed is (self.mode == RbacConfig.ON_WITH_INCLUSION)


EVERYWHERE = RbacMode()


class RoleEngine:
    """The roles of a whole mesh. Immutable, but for what its engine remembers."""

    def __init__(self, mode: RbacMode = EVERYWHERE, policies: Iterable[Policy] = ()) -> None:
        self.mode = mode
        self._engine = PolicyEngine(policies, root_namespace="", nothing=NO_ROLE)  # a role is of one namespace

    def asked(self, call: AskedCall) -> frozenset[str]:
        """The names of the attributes that the verdict on a call rests on."""
        return self._engine.asked(call)

    def decide(self, call: AskedCall) -> Verdict:
        """The verdict on a call."""
        if not self.mode.counts_for(call):
            return OFF
        verdict = self._engine.decide(call)
        if self.mode.permissive and not verdict.allowed:
            return Verdict(True, f"allowed: roles are only tried out; else {verdict.text}", dry_run=verdict)
        return verdict


def role_engine(
    collections: Mapping[str, Objects], mesh: ConfigObject | None, trust_domain: str, problems: ProblemLog
) -> RoleEngine:
    """The engine of these objects. A binding that cannot be read, or whose role is not there, allows nothing."""
    root = mesh.spec.root_namespace or mesh.key.namespace if mesh is not None else ""
    trust_domains = (trust_domain, *(mesh.spec.trust_domain_aliases if mesh is not None else ()))
    roles = collections[kinds.SERVICE_ROLES]
    bindings = sorted(collections[kinds.SERVICE_ROLE_BINDINGS].values(), key=lambda each: each.key)
    policies = [_read(each, roles, root, trust_domains, problems) for each in bindings]
    return RoleEngine(_mode(collections), policies)


def _mode(collections: Mapping[str, Objects]) -> RbacMode:
    """That of the ClusterRbacConfig, which counts before an RbacConfig."""
    for collection in (kinds.CLUSTER_RBAC_CONFIGS, kinds.RBAC_CONFIGS):
        found = collections[collection]
        if found:
            spec: Any = found[min(found)].spec
            target = spec.inclusion if spec.mode == RbacConfig.ON_WITH_INCLUSION else spec.exclusion
            permissive = spec.enforcement_mode == PERMISSIVE
            return RbacMode(spec.mode, frozenset(target.services), frozenset(target.namespaces), permissive)
    return RbacMode()


def _read(item: ConfigObject, roles: Objects, root: str, trust_domains: Sequence[str], problems: ProblemLog) -> Policy:
    key = role_of(item, root)
    if key is not None and key not in roles:
        field = "spec.roleRef.name" if item.spec.roleRef.name else "spec.role"
        problems.error(
            item.key, "no-role", field, f"there is no ServiceRole {key.full_name}; the binding allows nothing."
        )
    try:
        policy = policy_of_binding(item, roles, root, trust_domains)
        compile_policy(policy)
    except ValueError as error:
        problems.error(
            item.key, "policy-unreadable", "spec", f"the binding cannot be read, and allows nothing: {error}."
        )
        return Policy(item.key, "ALLOW", ())
    return policy
