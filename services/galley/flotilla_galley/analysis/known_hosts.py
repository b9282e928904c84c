"""The hosts that callers of a namespace can reach: Services of Kubernetes and ServiceEntries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flotilla_galley.analysis.analyzer import DOMAIN, View
from flotilla_galley.analysis.fields import number, numbered, pairs
from flotilla_galley.analysis.kinds import SERVICES
from flotilla_galley.analysis.resource import Resource
from flotilla_shared.model.hosts import is_wildcard, matches, resolve_short_name
from flotilla_shared.model.kinds import SERVICE_ENTRIES

EXPORT_TO = "networking.istio.io/exportTo"
EVERYWHERE = "*"
# What an analyzer must read that asks here.
READS = (SERVICE_ENTRIES, SERVICES)


@dataclass(frozen=True, eq=False)
class KnownHost:
    """`scopes`: the namespaces that see it, or EVERYWHERE. `selector`: of its workloads; None: it has none."""

    host: str
    resource: Resource
    scopes: frozenset[str]
    ports: tuple[int, ...]
    selector: Mapping[str, str] | None


def exported_to(names: Iterable[str], own_namespace: str) -> frozenset[str]:
    """The namespaces that `exportTo` names; nobody named means all."""
    named = frozenset(own_namespace if name == "." else name for name in names)
    return frozenset({EVERYWHERE}) if not named or EVERYWHERE in named else named


def find_hosts(view: View, host: str, namespace: str, exports: Iterable[str] = ()) -> list[KnownHost]:
    """What a host named in an object means, the most specific first.

    `exports` is the object's own `exportTo`: its rules hold for callers there. A wildcard means all hosts that it
    covers a part of.
    """
    fqdn = resolve_short_name(host, namespace, DOMAIN)
    callers = frozenset(namespace if name in (".", EVERYWHERE) else name for name in exports) or {namespace}
    by_name, wildcards, everything = view.once(_known_hosts)
    exact = [each for each in by_name.get(fqdn.lower(), ()) if each.scopes & {EVERYWHERE, *callers}]
    if exact:
        return exact
    candidates = everything if is_wildcard(fqdn) else wildcards
    return [each for each in candidates if each.scopes & {EVERYWHERE, namespace} and matches(each.host, fqdn)]


def _known_hosts(view: View) -> tuple[dict[str, list[KnownHost]], list[KnownHost], list[KnownHost]]:
    """By name; those that are wildcards, the longest first; all."""
    known = [
        *map(_of_service, view.all(SERVICES)),
        *(one for each in view.all(SERVICE_ENTRIES) for one in _of_entry(each)),
    ]
    by_name: dict[str, list[KnownHost]] = {}
    for each in known:
        by_name.setdefault(each.host.lower(), []).append(each)
    wildcards = sorted(
        (each for each in known if is_wildcard(each.host)), key=lambda each: (-len(each.host), each.host)
    )
    return by_name, wildcards, known


def _of_service(service: Resource) -> KnownHost:
    annotation = service.annotations.get(EXPORT_TO, "")
    named = [name.strip() for name in annotation.split(",") if name.strip()]
    return KnownHost(
        host=f"{service.name}.{service.namespace}.svc.{DOMAIN}",
        resource=service,
        scopes=exported_to(named, service.namespace),
        ports=tuple(number(port, "port") for _, port in numbered(service.value, "spec", "ports")),
        selector=pairs(service.value, "spec", "selector") or None,
    )


def _of_entry(entry: Resource) -> Iterable[KnownHost]:
    spec = entry.spec
    selector = dict(spec.workload_selector.labels) if spec.HasField("workload_selector") else None
    scopes, ports = exported_to(spec.export_to, entry.namespace), tuple(port.number for port in spec.ports)
    for host in spec.hosts:
        yield KnownHost(resolve_short_name(host, entry.namespace, DOMAIN), entry, scopes, ports, selector)
