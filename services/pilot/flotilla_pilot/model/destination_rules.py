"""DestinationRules: which one speaks for a service, and what several say together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flotilla_pilot.model.frozen import FrozenMap
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.references import Reference, oldest_first, reference
from flotilla_pilot.model.visibility import is_private, visible
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import (
    DestinationRule,
    Subset,
    TrafficPolicy,
)
from flotilla_shared.model.hosts import covers, resolve_short_name
from flotilla_shared.model.labels import selects
from flotilla_shared.model.objects import ConfigObject


@dataclass(frozen=True, slots=True, eq=False)
class DestinationPolicy:
    """What the rules for one host say together: the oldest policy, and the subsets of all."""

    policy: TrafficPolicy | None
    subsets: tuple[Subset, ...]
    references: tuple[Reference, ...]

    def subset(self, name: str) -> Subset | None:
        return next((subset for subset in self.subsets if subset.name == name), None)


NO_POLICY = DestinationPolicy(None, (), ())


def without_policies(given: DestinationPolicy) -> DestinationPolicy:
    """The same subsets without what is asked for them."""
    bare = tuple(Subset(name=each.name, labels=each.labels) for each in given.subsets)
    return DestinationPolicy(None, bare, given.references)


class DestinationRules:
    """All rules of the mesh, by namespace and host."""

    def __init__(self, items: Iterable[ConfigObject], mesh: MeshOptions) -> None:
        self._mesh = mesh
        self._exact: dict[tuple[str, str], list[ConfigObject]] = {}
        self._wildcards: dict[str, dict[str, list[ConfigObject]]] = {}
        for item in oldest_first(items):
            namespace = item.key.namespace
            for host in _hosts(item, mesh.domain):
                if host.startswith("*"):
                    self._wildcards.setdefault(namespace, {}).setdefault(host, []).append(item)
                else:
                    self._exact.setdefault((namespace, host), []).append(item)

    def find(self, host: str, owner: str, client: str, labels: FrozenMap) -> DestinationPolicy:
        """What a client in namespace `client` with `labels` is told about `host` of namespace `owner`.

        Looked up in the client's namespace, the service's, the root one; in each, the most specific host
        wins and rules for the same host are merged (pilot.md 2.7). What the root namespace tells the whole mesh is
        looked at last by its own clients too: there only rules that are meant for nobody else come first.
        """
        root = self._mesh.root_namespace
        for namespace, meant in ((client, self._is_private if client == root else None), (owner, None), (root, None)):
            for items in self._candidates(namespace, host):
                seen = [
                    item for item in items if self._visible(item, client, labels) and (meant is None or meant(item))
                ]
                if seen:
                    return _merge(seen, self._mesh.destination_rule_export)
        return NO_POLICY

    def _is_private(self, item: ConfigObject) -> bool:
        return is_private(item.spec.export_to, item.key.namespace, self._mesh.destination_rule_export)

    def _candidates(self, namespace: str, host: str) -> Iterable[list[ConfigObject]]:
        yield self._exact.get((namespace, host), [])
        wildcards = self._wildcards.get(namespace, {})
        for pattern in sorted(wildcards, key=lambda each: (-len(each), each)):
            if covers(pattern, host):
                yield wildcards[pattern]

    def _visible(self, item: ConfigObject, client: str, labels: FrozenMap) -> bool:
        spec: DestinationRule = item.spec
        if not visible(spec.export_to, item.key.namespace, client, self._mesh.destination_rule_export):
            return False
        if not spec.workload_selector.match_labels:
            return True
        return item.key.namespace == client and selects(spec.workload_selector.match_labels, labels)


def _hosts(item: ConfigObject, domain: str) -> Iterable[str]:
    """The host that a rule is for. A name without a dot may be short, or the whole name of a host outside."""
    return dict.fromkeys((rule_host(item, domain), item.spec.host.lower()))


def rule_host(item: ConfigObject, domain: str) -> str:
    return resolve_short_name(item.spec.host, item.key.namespace, domain).lower()


def _merge(items: list[ConfigObject], default: Sequence[str]) -> DestinationPolicy:
    """Rules with a workload selector go before the others; the first policy and each first subset win.

    Only rules that are exported to the same namespaces belong together, and of those with a selector such as have the
    same one.
    """
    first, *others = sorted(items, key=lambda item: not item.spec.workload_selector.match_labels)
    ordered = [first, *(each for each in others if _belongs(each, first, default))]
    subsets: dict[str, Subset] = {}
    for item in ordered:
        for subset in item.spec.subsets:
            subsets.setdefault(subset.name, subset)
    policies = [item.spec.traffic_policy for item in ordered if item.spec.HasField("traffic_policy")]
    return DestinationPolicy(
        policy=policies[0] if policies else None,
        subsets=tuple(subsets.values()),
        references=tuple(reference(item) for item in ordered),
    )


def _belongs(item: ConfigObject, first: ConfigObject, default: Sequence[str]) -> bool:
    one, other = (set(each.spec.export_to or default) for each in (item, first))
    labels = item.spec.workload_selector.match_labels
    return one == other and (not labels or dict(labels) == dict(first.spec.workload_selector.match_labels))
