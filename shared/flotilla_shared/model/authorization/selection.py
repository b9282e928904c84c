"""Which policies concern a workload."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flotilla_shared.model.authorization.policy import Policy
from flotilla_shared.model.labels import selects

GATEWAYS = "gateway.networking.k8s.io"
GATEWAY_LABEL = "gateway.networking.k8s.io/gateway-name"


class PolicySelection:
    """All policies of a mesh. Immutable. Those of the root namespace come first, then by name."""

    def __init__(self, policies: Iterable[Policy], root_namespace: str) -> None:
        self._root = root_namespace
        self._by_namespace: dict[str, list[Policy]] = {}
        for policy in sorted(policies, key=lambda each: each.key):
            self._by_namespace.setdefault(policy.key.namespace, []).append(policy)

    def asks_labels(self, namespace: str) -> bool:
        """Whether it depends on a workload's labels which policies of this namespace concern it."""
        return any(
            policy.selector or policy.targets
            for name in {self._root, namespace}
            for policy in self._by_namespace.get(name, ())
        )

    def of(self, namespace: str, labels: Mapping[str, str]) -> tuple[Policy, ...]:
        """The policies of a workload of this namespace with these labels."""
        namespaces = (self._root,) if namespace == self._root else (self._root, namespace)
        return tuple(
            policy
            for name in namespaces
            for policy in self._by_namespace.get(name, ())
            if _concerns(policy, namespace, labels)
        )


def _concerns(policy: Policy, namespace: str, labels: Mapping[str, str]) -> bool:
    if not policy.targets:
        return selects(policy.selector, labels)
    return policy.key.namespace == namespace and any(
        (each.group, each.kind) == (GATEWAYS, "Gateway") and labels.get(GATEWAY_LABEL) == each.name
        for each in policy.targets
    )


def beyond_workloads(policy: Policy) -> bool:
    """Whether a policy names objects that no workload stands for: a Service, or a class of gateways (waypoints')."""
    return any((each.group, each.kind) != (GATEWAYS, "Gateway") for each in policy.targets)
