"""VirtualServices that tell sidecars how to reach the same host."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import DOMAIN, Analyzer, View
from flotilla_galley.analysis.gateway_references import in_mesh
from flotilla_galley.analysis.known_hosts import EVERYWHERE, exported_to
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_galley.analysis.selectors import full_names
from flotilla_shared.model.hosts import is_wildcard, matches, resolve_short_name
from flotilla_shared.model.kinds import VIRTUAL_SERVICES

Claims = dict[tuple[str, str], list[Resource]]


def whole(view: View) -> Iterator[Message]:
    """Each VirtualService is told once, with all that it conflicts with."""
    claims = _claims(view)
    wide = sorted(host for scope, host in claims if scope == EVERYWHERE)
    wildcards = [host for host in wide if is_wildcard(host)]
    told: set[Resource] = set()
    for (scope, host), claimants in sorted(claims.items(), key=lambda each: each[0]):
        candidates = wide if is_wildcard(host) else [host, *wildcards]
        everywhere = _everywhere(claims, host, candidates) if scope != EVERYWHERE else ()
        together = claimants + [each for each in everywhere if each not in claimants]
        for each in together if len(together) > 1 else ():
            if each not in told:
                told.add(each)
                name, objects = "ConflictingMeshGatewayVirtualServiceHosts", full_names(together)
                yield tell(name, each, "spec.hosts", objects=objects, host=f"{scope}/{host}")


def _claims(view: View) -> Claims:
    """(namespace whose callers follow it, or EVERYWHERE; host) -> who claims it."""
    found: Claims = defaultdict(list)
    for virtual_service in filter(in_mesh, view.all(VIRTUAL_SERVICES)):
        namespace = virtual_service.namespace
        for scope in exported_to(virtual_service.spec.export_to, namespace):
            for host in virtual_service.spec.hosts:
                claimants = found[scope, resolve_short_name(host, namespace, DOMAIN)]
                if virtual_service not in claimants:
                    claimants.append(virtual_service)
    return dict(found)


def _everywhere(claims: Claims, host: str, candidates: list[str]) -> Iterator[Resource]:
    """Who claims a host of one namespace for all namespaces."""
    for claimed in candidates:
        if matches(claimed, host):
            yield from claims.get((EVERYWHERE, claimed), ())


ANALYZER = Analyzer(
    "virtualservice.ConflictingMeshGatewayHostsAnalyzer",
    "whether two VirtualServices tell sidecars how to reach the same host",
    (VIRTUAL_SERVICES,),
    whole=whole,
)
