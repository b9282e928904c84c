"""From Kubernetes Services to the model's services (pilot.md 2.4). Pure but for what it remembers of unchanged ones."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from flotilla_pilot.model.frozen import EMPTY, FrozenMap
from flotilla_pilot.model.registry import is_ip
from flotilla_pilot.model.services import (
    KUBERNETES_SERVICES,
    Endpoint,
    NetworkGateway,
    Resolution,
    Service,
    ServicePort,
)
from flotilla_pilot.model.traffic_distribution import traffic_distribution
from flotilla_pilot.registries.endpoints import SliceEndpoints, slice_endpoints
from flotilla_pilot.registries.networks import network_gateways
from flotilla_pilot.registries.objects import KubernetesObjects, Name
from flotilla_pilot.registries.workloads import PodWorkloads
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.model.protocols import Protocol, protocol_of_service_port
from flotilla_shared.model.spiffe import spiffe_id
from flotilla_shared.runtime.kube import objects as kube

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
EXPORT_TO = "networking.istio.io/exportTo"
CANONICAL_ACCOUNTS = "alpha.istio.io/canonical-serviceaccounts"
KUBERNETES_ACCOUNTS = "alpha.istio.io/kubernetes-serviceaccounts"
HEADLESS = "None"


@dataclass(frozen=True, slots=True)
class Cluster:
    """What names and identities in a cluster end in."""

    domain: str = "cluster.local"
    trust_domain: str = "cluster.local"


@dataclass(slots=True, eq=False)
class _Made:
    """A service with the very objects that it was made from."""

    inputs: tuple[object, ...]
    service: Service
    waiting: int


class ServiceConversion:
    """Converts all Services of a cluster; those of which no object changed are the identical value each time.

    One thread at a time.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._made: dict[Name, _Made] = {}
        self._workloads = PodWorkloads()

    def convert(self, objects: KubernetesObjects) -> tuple[Service, ...]:
        """The services of `objects`, oldest first (by host among equals)."""
        slices = _by_service(objects.slices)
        made: dict[Name, _Made] = {}
        for name, item in objects.services.items():
            if _is_served(item):
                made[name] = self._convert(name, item, slices.get(name, ()), objects)
        self._made = made
        return tuple(sorted((each.service for each in made.values()), key=lambda service: service.age))

    def workloads(self, objects: KubernetesObjects) -> tuple[Endpoint, ...]:
        """The pods of `objects` that take calls, whatever leads to them, in no order."""
        return self._workloads.convert(objects)

    @property
    def waiting(self) -> int:
        """Endpoints that were left out of the last conversion, as their pods were not known."""
        return sum(each.waiting for each in self._made.values())

    def _convert(
        self, name: Name, item: kube.Service, slices: Sequence[kube.EndpointSlice], objects: KubernetesObjects
    ) -> _Made:
        namespace = objects.namespaces.get(("", item.metadata.namespace))
        inputs = item, namespace, *slices, *_used(slices, objects)
        before = self._made.get(name)
        if before is not None and _same(before.inputs, inputs):
            return before
        found = [_slice(each, item, objects) for each in _of_family(slices, item)]
        service = make_service(item, found, self._cluster, namespace)
        if before is not None and before.service.version == service.version:
            service = before.service
        return _Made(inputs, service, sum(each.waiting for each in found))


def distributions(namespaces: Iterable[kube.Namespace]) -> dict[str, str]:
    """By namespace whom callers of its services prefer, where these do not say it."""
    found = {each.metadata.name: traffic_distribution(None, each.metadata.annotations) for each in namespaces}
    return {name: said for name, said in found.items() if said}


def _slice(each: kube.EndpointSlice, item: kube.Service, objects: KubernetesObjects) -> SliceEndpoints:
    return slice_endpoints(each, objects.pods, objects.nodes, not_ready_too=item.spec.publish_not_ready_addresses)


def _same(before: tuple[object, ...], after: tuple[object, ...]) -> bool:
    return len(before) == len(after) and all(old is new for old, new in zip(before, after, strict=True))


def _used(slices: Iterable[kube.EndpointSlice], objects: KubernetesObjects) -> Iterable[object]:
    """The pods and nodes that the endpoints of `slices` are on."""
    for each in slices:
        for item in each.endpoints or ():
            if item.target_ref is not None:
                yield objects.pods.get((item.target_ref.namespace, item.target_ref.name))
            if item.node_name:
                yield objects.nodes.get(("", item.node_name))


def _is_served(item: kube.Service) -> bool:
    """A service without ports is nobody's destination, but may be another name of one; ExternalName needs a name."""
    return bool(item.spec.external_name if item.spec.type == "ExternalName" else item.spec.ports)


def _by_service(slices: Mapping[Name, kube.EndpointSlice]) -> dict[Name, list[kube.EndpointSlice]]:
    """By namespace and name of their Service; each list sorted by name."""
    found: dict[Name, list[kube.EndpointSlice]] = {}
    for (namespace, _), each in sorted(slices.items(), key=lambda pair: pair[0]):
        owner = each.metadata.labels.get(SERVICE_NAME_LABEL)
        if owner:
            found.setdefault((namespace, owner), []).append(each)
    return found


def _of_family(slices: Sequence[kube.EndpointSlice], item: kube.Service) -> Iterable[kube.EndpointSlice]:
    """Slices of the Service's first address family: of a pod with two addresses, one is called."""
    first = next((each for each in _addresses(item)), "")
    known = {each.address_type for each in slices}
    family = ("IPv6" if ":" in first else "IPv4") if first else "IPv4" if "IPv4" in known else "IPv6"
    return (each for each in slices if each.address_type == family)


def make_service(
    item: kube.Service, slices: Sequence[SliceEndpoints], cluster: Cluster, namespace: kube.Namespace | None = None
) -> Service:
    """The service of one Kubernetes Service with the endpoints of its slices."""
    external = item.spec.type == "ExternalName"
    headless = not external and item.spec.cluster_ip == HEADLESS
    distribution = traffic_distribution(
        item.spec.traffic_distribution,
        item.metadata.annotations,
        namespace.metadata.annotations if namespace is not None else None,
    )
    gateways = network_gateways(item)
    source = _source(item, distribution, gateways)
    named = item.spec.external_name.rstrip(".") if external else ""
    outside = (Endpoint(named, references=((source.key, source.version),)),)
    return Service(
        host=f"{item.metadata.name}.{item.metadata.namespace}.svc.{cluster.domain}",
        namespace=item.metadata.namespace,
        ports=_ports(item),
        resolution=Resolution.DNS if external else Resolution.NONE if headless else Resolution.STATIC,
        external=external,
        addresses=() if external or headless else _addresses(item),
        export_to=_listed(item, EXPORT_TO),
        subject_alt_names=_accounts(item, cluster),
        endpoints=outside if external else _unique(each for one in slices for each in one.ready),
        source=source,
        headless=headless,
        unready=() if external else _unique(each for one in slices for each in one.unready),
        traffic_distribution=distribution,
        node_local=item.spec.internal_traffic_policy == "Local",
        external_name=named.lower(),
        selector=FrozenMap(item.spec.selector) if item.spec.selector and not external else EMPTY,
        network_gateways=gateways,
    )


def _unique(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """Two slices may name one endpoint while it moves from one to the other."""
    return tuple({(each.address, each.ports): each for each in endpoints}.values())


def _ports(item: kube.Service) -> tuple[ServicePort, ...]:
    return tuple(
        ServicePort(each.port, each.name, _protocol(each), _number(each), index)
        for index, each in enumerate(item.spec.ports)
    )


def _protocol(port: kube.ServicePort) -> Protocol:
    if port.protocol != "TCP":
        return Protocol.UDP
    return protocol_of_service_port(port.name, port.app_protocol or "", port.port)


def _number(port: kube.ServicePort) -> int:
    """The target port where it is a number; a name is told by each endpoint."""
    return port.target_port if isinstance(port.target_port, int) else 0


def _addresses(item: kube.Service) -> tuple[str, ...]:
    stated = item.spec.cluster_ips or (item.spec.cluster_ip,)
    return tuple(str(ipaddress.ip_address(each)) for each in stated if is_ip(each))


def _listed(item: kube.Service, annotation: str) -> tuple[str, ...]:
    parts = item.metadata.annotations.get(annotation, "").split(",")
    return tuple(part.strip() for part in parts if part.strip())


def _accounts(item: kube.Service, cluster: Cluster) -> tuple[str, ...]:
    """Identities that may answer besides those of the endpoints."""
    own = (
        spiffe_id(cluster.trust_domain, item.metadata.namespace, name) for name in _listed(item, KUBERNETES_ACCOUNTS)
    )
    return (*_listed(item, CANONICAL_ACCOUNTS), *own)


def _source(item: kube.Service, distribution: str, gateways: tuple[NetworkGateway, ...]) -> ConfigObject:
    """The Service as a configuration object; its version is of what is read, so status changes make no difference."""
    meta, created = item.metadata, item.metadata.creation_timestamp
    annotations = {name: meta.annotations[name] for name in _READ if name in meta.annotations}
    nanoseconds = int(created.timestamp()) * 10**9 if created is not None else 0
    content = repr(
        (meta.namespace, meta.name, item.spec, sorted(annotations.items()), nanoseconds, distribution, gateways)
    )
    version = blake2b(content.encode(), digest_size=6).hexdigest()
    key = ObjectKey(KUBERNETES_SERVICES, meta.namespace, meta.name)
    return ConfigObject(key, version, None, meta.labels, annotations, nanoseconds)


_READ = (EXPORT_TO, CANONICAL_ACCOUNTS, KUBERNETES_ACCOUNTS)
