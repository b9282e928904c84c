"""The mesh at one moment."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

from flotilla_pilot.model.aliases import hosts_of_aliases, resolve_aliases
from flotilla_pilot.model.authentication import PeerAuthentications, PeerMode
from flotilla_pilot.model.checks import check
from flotilla_pilot.model.destination_rules import DestinationRules
from flotilla_pilot.model.given_addresses import GivenAddresses, give_addresses
from flotilla_pilot.model.mesh import MeshOptions, MeshSettings, mesh_options
from flotilla_pilot.model.networks import Networks, networks_of
from flotilla_pilot.model.policies import Called, Policies
from flotilla_pilot.model.priority_labels import priority_labels
from flotilla_pilot.model.references import oldest_first
from flotilla_pilot.model.registry import WorkloadIndex, build_services
from flotilla_pilot.model.route_rules import RouteRules, build_route_rules
from flotilla_pilot.model.selected import Native, selects_pods, with_entries
from flotilla_pilot.model.services import Endpoint, Service
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ConfigObject, ObjectKey, Problem
from flotilla_shared.model.problems import ProblemLog

__all__ = ["COLLECTIONS", "MeshSettings", "MeshSnapshot", "build_snapshot"]

COLLECTIONS = (
    kinds.VIRTUAL_SERVICES,
    kinds.DESTINATION_RULES,
    kinds.GATEWAYS,
    kinds.SERVICE_ENTRIES,
    kinds.WORKLOAD_ENTRIES,
    kinds.SIDECARS,
    kinds.PEER_AUTHENTICATIONS,
    kinds.POLICIES,
    kinds.MESH_POLICIES,
    kinds.ENVOY_FILTERS,
    kinds.MESH_CONFIG,
)
"""The collections that a snapshot is built from: what Pilot asks Galley for."""

Objects = Mapping[str, Mapping[ObjectKey, ConfigObject]]
Served = tuple[Service, Endpoint]
"""A service, and the endpoint by which something serves it."""


@dataclass(frozen=True, slots=True, eq=False)
class MeshSnapshot:
    """The mesh at one moment: immutable, shared by all compilations until the next one.

    `version` is the same wherever the same objects and settings are; `shape` is that, but for where the endpoints of
    Kubernetes services are. `problems` holds what only the whole
    mesh shows, such as a route to a service that nobody declares. `label_keys` are the labels that rules
    ask of a client (`sourceLabels`, DestinationRule `workloadSelector`): proxies that agree on these may
    share what is compiled for their outbound side. `serving` has the services by the addresses of their endpoints,
    `given_addresses` by namespace and host those that services without any are given, `priority_labels` the labels of
    callers that load balancing depends on, `localities` those of nodes, `distributions` what namespaces say, `aliases` the
    host that each other name is of. `native` is what the platform told.
    """

    version: str
    shape: str
    settings: MeshSettings
    objects: Mapping[ObjectKey, ConfigObject]
    problems: Mapping[ObjectKey, tuple[Problem, ...]]
    mesh: MeshOptions
    distributions: Mapping[str, str]
    native: Native
    services: tuple[Service, ...]
    route_rules: tuple[RouteRules, ...]
    destination_rules: DestinationRules
    authentication: PeerAuthentications
    gateways: tuple[ConfigObject, ...]
    sidecars: Mapping[str, tuple[ConfigObject, ...]]
    envoy_filters: Mapping[str, tuple[ConfigObject, ...]]
    label_keys: frozenset[str]
    priority_labels: frozenset[str]
    localities: Mapping[str, str]
    serving: Mapping[str, tuple[Served, ...]]
    given_addresses: Mapping[tuple[str, str], GivenAddresses]
    aliases: Mapping[str, str]
    networks: Networks

    def peer_mode(self, namespace: str, labels: Mapping[str, str], addresses: Iterable[str], port: int) -> PeerMode:
        """What mutual TLS the workload of `namespace` with `labels` at `addresses` takes on its own `port`."""
        called = self._called(addresses, port) if self.authentication.asks_services(namespace) else ()
        return self.authentication.mode(namespace, labels, port, called)

    def _called(self, addresses: Iterable[str], port: int) -> Iterable[Called]:
        """The services that lead to the port, whosever they are."""
        for address in dict.fromkeys(addresses):
            for service, endpoint in self.serving.get(address, ()):
                yield from ((service, each) for each in service.ports if endpoint.port_for(each) == port)


def build_snapshot(
    objects: Objects,
    settings: MeshSettings,
    native: Sequence[Service] = (),
    distributions: Mapping[str, str] = MappingProxyType({}),
    workloads: Sequence[Endpoint] = (),
) -> MeshSnapshot:
    """The snapshot of `objects`, which are given by collection; collections unknown to Pilot are ignored.

    `native` are the services that the platform tells of by itself, and `workloads` its workloads, which ServiceEntries
    may select; `distributions` has by namespace whom callers prefer where a ServiceEntry does not say it. Never raises
    for a configuration: what is wrong is in `problems`, and left out of the rest.
    """
    log = ProblemLog()
    held = {name: list(objects.get(name, {}).values()) for name in COLLECTIONS}
    mesh = mesh_options(next(iter(held[kinds.MESH_CONFIG]), None), settings)
    declared = _declared(held, workloads, distributions, log)
    services = _all_services(held, declared, native, settings)
    moving = [(each.host, each.version) for each in declared if selects_pods(each)]
    rules = build_route_rules(held[kinds.VIRTUAL_SERVICES], mesh.domain, mesh.virtual_service_export, log)
    check(held, services, rules, mesh, log)
    policies = Policies(held[kinds.POLICIES], held[kinds.MESH_POLICIES], mesh.domain)
    stated = _version(held, settings, distributions)
    return MeshSnapshot(
        version=_with_services(stated, [*((each.host, each.version) for each in native), *moving]),
        shape=_with_services(stated, [*((each.host, each.shape) for each in native), *moving]),
        settings=settings,
        objects={item.key: item for items in held.values() for item in items},
        problems=log.found(),
        mesh=mesh,
        distributions=distributions,
        native=Native(native, workloads),
        services=services,
        route_rules=rules,
        destination_rules=DestinationRules(held[kinds.DESTINATION_RULES], mesh),
        authentication=PeerAuthentications(held[kinds.PEER_AUTHENTICATIONS], mesh.root_namespace, policies),
        gateways=tuple(oldest_first(held[kinds.GATEWAYS])),
        sidecars=_by_namespace(held[kinds.SIDECARS]),
        envoy_filters=_by_namespace(held[kinds.ENVOY_FILTERS]),
        label_keys=_label_keys(rules, held[kinds.DESTINATION_RULES]),
        priority_labels=priority_labels(mesh, held[kinds.DESTINATION_RULES], services),
        localities=_localities(native),
        serving=_by_address(services),
        given_addresses=give_addresses(services),
        aliases=hosts_of_aliases(services),
        networks=networks_of(services),
    )


def _declared(
    held: Mapping[str, Sequence[ConfigObject]],
    workloads: Sequence[Endpoint],
    distributions: Mapping[str, str],
    log: ProblemLog,
) -> tuple[Service, ...]:
    """The services of ServiceEntries; only where one selects are the platform's workloads looked through."""
    entries, own = held[kinds.SERVICE_ENTRIES], held[kinds.WORKLOAD_ENTRIES]
    selecting = any(each.spec.workload_selector.labels for each in entries)
    index = _with_pods(own, workloads) if selecting and workloads else WorkloadIndex(own)
    return build_services(oldest_first(entries), index, log, distributions)


def _all_services(
    held: Mapping[str, Sequence[ConfigObject]],
    declared: tuple[Service, ...],
    native: Sequence[Service],
    settings: MeshSettings,
) -> tuple[Service, ...]:
    """Declared ones and the platform's, which WorkloadEntries may be behind too; the oldest first."""
    if not native:
        return declared
    own = held[kinds.WORKLOAD_ENTRIES]
    known = with_entries(native, WorkloadIndex(own)) if own else native
    return resolve_aliases(
        sorted((*declared, *known), key=lambda each: each.age), by_name=settings.resolve_external_names
    )


def _with_pods(entries: Iterable[ConfigObject], workloads: Iterable[Endpoint]) -> WorkloadIndex:
    return WorkloadIndex(entries, sorted(workloads, key=lambda each: each.references[0][0]))


def _by_address(services: Iterable[Service]) -> dict[str, tuple[Served, ...]]:
    found: dict[str, list[Served]] = {}
    for service in services:
        for endpoint in (*service.endpoints, *service.unready):
            found.setdefault(endpoint.address, []).append((service, endpoint))
    return {address: tuple(each) for address, each in found.items()}


def _localities(native: Iterable[Service]) -> dict[str, str]:
    """Where nodes are, by what runs on them."""
    every = (end for service in native for end in (*service.endpoints, *service.unready))
    return {end.node: end.locality for end in every if end.node and end.locality}


def _version(held: Mapping[str, list[ConfigObject]], settings: MeshSettings, distributions: Mapping[str, str]) -> str:
    digest = blake2b(repr((settings, sorted(distributions.items()))).encode(), digest_size=8)
    for name, items in sorted(held.items()):
        digest.update(name.encode())
        for item in sorted(items, key=lambda each: each.key):
            digest.update(f"{item.key.full_name}@{item.version}@{item.create_time_ns};".encode())
    return digest.hexdigest()


def _with_services(version: str, native: Iterable[tuple[str, str]]) -> str:
    digest = blake2b(version.encode(), digest_size=8)
    for host, each in sorted(native):
        digest.update(f"{host}@{each};".encode())
    return digest.hexdigest()


def _by_namespace(items: Iterable[ConfigObject]) -> dict[str, tuple[ConfigObject, ...]]:
    grouped: dict[str, list[ConfigObject]] = {}
    for item in oldest_first(items):
        grouped.setdefault(item.key.namespace, []).append(item)
    return {namespace: tuple(found) for namespace, found in grouped.items()}


def _label_keys(rules: Iterable[RouteRules], policies: Iterable[ConfigObject]) -> frozenset[str]:
    asked: set[str] = set()
    for each in rules:
        routes: tuple[Any, ...] = (*each.spec.http, *each.spec.tls, *each.spec.tcp)
        asked.update(label for route in routes for match in route.match for label in match.source_labels)
    for item in policies:
        asked.update(item.spec.workload_selector.match_labels)
    return frozenset(asked)
