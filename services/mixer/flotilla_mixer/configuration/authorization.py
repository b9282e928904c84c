"""Policies and roles of a configuration, where some handler asks for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flotilla_mixer.authorization.policies import policy_engine
from flotilla_mixer.authorization.roles import role_engine
from flotilla_mixer.configuration.handlers import HandlerConfig
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.model.problems import ProblemLog

Collections = Mapping[str, Mapping[ObjectKey, ConfigObject]]
POLICIES, ROLES = "authorizationpolicy", "rbac"
"""The adapters that ask for them."""


_JUDGED = {
    POLICIES: (kinds.AUTHORIZATION_POLICIES,),
    ROLES: (kinds.SERVICE_ROLES, kinds.SERVICE_ROLE_BINDINGS, kinds.RBAC_CONFIGS, kinds.CLUSTER_RBAC_CONFIGS),
}


def judged_for(handlers: Iterable[HandlerConfig]) -> frozenset[str]:
    """The collections that are Mixer's to judge because a handler asks for what is in them."""
    return frozenset(name for each in handlers for name in _JUDGED.get(each.adapter.name, ()))


def who_may(
    collections: Collections, trust_domain: str, handlers: Iterable[HandlerConfig], problems: ProblemLog
) -> dict[str, Any]:
    """The engines of policies and of roles. What is wrong with the objects is a problem only where an adapter is there
    that they concern: sidecars may do what Mixer does not.
    """
    asked = {each.adapter.name for each in handlers}
    mesh = min(collections[kinds.MESH_CONFIG].values(), key=lambda each: each.key, default=None)
    of_policies, of_roles = ProblemLog(), ProblemLog()
    policies = policy_engine(collections[kinds.AUTHORIZATION_POLICIES].values(), mesh, trust_domain, of_policies)
    roles = role_engine(collections, mesh, trust_domain, of_roles)
    for adapter, found in ((POLICIES, of_policies), (ROLES, of_roles)):
        if adapter in asked:
            problems.merge(found.found())
    return {"policies": policies, "roles": roles}
