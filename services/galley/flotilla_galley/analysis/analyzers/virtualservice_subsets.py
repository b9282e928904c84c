"""Subsets that VirtualServices name: does a DestinationRule define them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import DOMAIN, Analyzer, View
from flotilla_galley.analysis.destinations import destinations
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_shared.model.hosts import covers, is_wildcard, resolve_short_name
from flotilla_shared.model.kinds import DESTINATION_RULES, VIRTUAL_SERVICES


def look(virtual_service: Resource, view: View) -> Iterator[Message]:
    for named in destinations(virtual_service.spec):
        host, subset = named.destination.host, named.destination.subset
        fqdn = resolve_short_name(host, virtual_service.namespace, DOMAIN)
        if subset and not _defined(view, subset, fqdn):
            what = "mirror+subset in destinationrule" if named.mirror else "host+subset in destinationrule"
            name, field = f"{host}+{subset}", f"{named.field}.subset"
            yield tell("ReferencedResourceNotFound", virtual_service, field, what=what, name=name)


def _defined(view: View, subset: str, host: str) -> bool:
    hosts = view.once(_hosts_by_subset).get(subset, set())
    return host in hosts or any(covers(each, host) for each in hosts if is_wildcard(each))


def _hosts_by_subset(view: View) -> dict[str, set[str]]:
    """Subset -> hosts for which it is defined."""
    found: dict[str, set[str]] = defaultdict(set)
    for rule in view.all(DESTINATION_RULES):
        for subset in rule.spec.subsets:
            found[subset.name].add(resolve_short_name(rule.spec.host, rule.namespace, DOMAIN))
    return dict(found)


ANALYZER = Analyzer(
    "virtualservice.DestinationRuleAnalyzer",
    "whether each subset that a VirtualService names is defined",
    (VIRTUAL_SERVICES, DESTINATION_RULES),
    {VIRTUAL_SERVICES: look},
)
