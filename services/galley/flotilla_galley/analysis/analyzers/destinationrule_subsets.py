"""DestinationRules of hosts that there are not, and subsets without workloads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.fields import text
from flotilla_galley.analysis.kinds import NODES, PODS
from flotilla_galley.analysis.known_hosts import READS, KnownHost, find_hosts
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_galley.analysis.selectors import all_pods
from flotilla_shared.model.kinds import DESTINATION_RULES, SERVICE_ENTRIES, WORKLOAD_ENTRIES
from flotilla_shared.model.labels import selects

# Labels of a node that endpoints on it have too.
_TOPOLOGY = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone")
_HOSTNAME = "kubernetes.io/hostname"


def look(rule: Resource, view: View) -> Iterator[Message]:
    hosts = find_hosts(view, rule.spec.host, rule.namespace, rule.spec.export_to)
    if not hosts:
        yield tell("UnknownDestinationRuleHost", rule, "spec.host", host=rule.spec.host)
        return
    if not rule.spec.subsets:
        return
    endpoints = [labels for host in hosts for labels in _endpoints(host, view)]
    for index, subset in enumerate(rule.spec.subsets):
        wanted = dict(subset.labels)
        if not any(selects(wanted, labels) for labels in endpoints):
            field = f"spec.subsets[{index}]"
            yield tell("DestinationRuleSubsetNotSelectPods", rule, field, subset=subset.name)


def _endpoints(known: KnownHost, view: View) -> Iterator[Mapping[str, str]]:
    """The labels of a host's workloads. Who selects nothing may have any: somebody else says which."""
    workloads = view.once(_workloads)
    if known.selector is None:
        yield from (labels for group in workloads.values() for labels in group)
    else:
        selector = known.selector
        yield from (labels for labels in workloads.get(known.resource.namespace, []) if selects(selector, labels))
    if known.resource.key.collection == SERVICE_ENTRIES:
        yield from (endpoint.labels for endpoint in known.resource.spec.endpoints)


def _workloads(view: View) -> dict[str, list[Mapping[str, str]]]:
    """Namespace -> labels of each pod, with those of its node, and of each WorkloadEntry."""
    nodes = {node.name: node.labels for node in view.all(NODES)}
    found: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for pod in all_pods(view):
        found[pod.namespace].append(_with_node(pod, nodes))
    for entry in view.all(WORKLOAD_ENTRIES):
        found[entry.namespace].append(dict(entry.spec.labels))
    return dict(found)


def _with_node(pod: Resource, nodes: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
    name = text(pod.value, "spec", "nodeName")
    if name not in nodes:
        return pod.labels
    topology = {label: nodes[name][label] for label in _TOPOLOGY if nodes[name].get(label)}
    return {**pod.labels, **topology, _HOSTNAME: name}


ANALYZER = Analyzer(
    "destinationrule.SubsetSelectPodAnalyzer",
    "whether a DestinationRule's host is there and its subsets have workloads",
    (DESTINATION_RULES, WORKLOAD_ENTRIES, PODS, NODES, *READS),
    {DESTINATION_RULES: look},
)
