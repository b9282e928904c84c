"""From ServiceEntry and WorkloadEntry objects to services."""

import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

from flotilla_pilot.model.frozen import FrozenMap
from flotilla_pilot.model.joining import join_declared
from flotilla_pilot.model.place import stated_locality
from flotilla_pilot.model.references import oldest_first, reference
from flotilla_pilot.model.services import (
    TLS_DISABLED,
    TLS_ISTIO,
    Endpoint,
    Resolution,
    Service,
    ServicePort,
)
from flotilla_pilot.model.traffic_distribution import traffic_distribution
from flotilla_protos.istio.networking.v1alpha3.service_entry_pb2 import ServiceEntry
from flotilla_protos.istio.networking.v1alpha3.workload_entry_pb2 import WorkloadEntry
from flotilla_shared.model.labels import selects
from flotilla_shared.model.objects import ConfigObject
from flotilla_shared.model.problems import ProblemLog
from flotilla_shared.model.protocols import parse_protocol

TLS_MODE_LABEL = "security.istio.io/tlsMode"


class WorkloadIndex:
    """WorkloadEntries, and pods behind them, by namespace and label, so that a selector need not look at all of them."""

    def __init__(self, entries: Iterable[ConfigObject], pods: Iterable[Endpoint] = ()) -> None:
        self._by_label: dict[tuple[str, str, str], list[Endpoint]] = {}
        for endpoint in (*map(workload_endpoint, oldest_first(entries)), *pods):
            for name, value in endpoint.labels.items():
                self._by_label.setdefault((endpoint.namespace, name, value), []).append(endpoint)

    def select(self, namespace: str, selector: Mapping[str, str]) -> tuple[Endpoint, ...]:
        """The endpoints of `namespace` with all labels of `selector`, oldest first; none for no selector."""
        if not selector:
            return ()
        first = min(selector.items())
        found = self._by_label.get((namespace, *first), [])
        return tuple(endpoint for endpoint in found if selects(selector, endpoint.labels))


def workload_endpoint(item: ConfigObject) -> Endpoint:
    """The endpoint of a WorkloadEntry; labels of its metadata beat those of its spec."""
    spec: WorkloadEntry = item.spec
    return _endpoint(spec, {**spec.labels, **item.labels}, item, name=item.key.name)


def _endpoint(
    spec: WorkloadEntry, labels: Mapping[str, str], item: ConfigObject, *, name: str = "", declared_as: str = ""
) -> Endpoint:
    return Endpoint(
        address=spec.address,
        name=name,
        namespace=item.key.namespace,
        ports=tuple(sorted(spec.ports.items())),
        labels=FrozenMap(labels),
        service_account=spec.service_account,
        tls_mode=labels.get(TLS_MODE_LABEL) or (TLS_ISTIO if spec.service_account else TLS_DISABLED),
        network=spec.network,
        locality=spec.locality or stated_locality(labels),
        weight=spec.weight or 1,
        declared_as=declared_as,
        references=(reference(item),),
    )


def build_services(
    entries: Iterable[ConfigObject],
    workloads: WorkloadIndex,
    problems: ProblemLog,
    distributions: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Service, ...]:
    """Every host of every ServiceEntry, oldest first (by host among equals), as istiod orders them.

    `distributions` has by namespace whom callers prefer where an entry does not say it.
    """
    services = [
        service
        for item in entries
        for service in _services(item, workloads, problems, distributions.get(item.key.namespace, ""))
    ]
    return join_declared(sorted(services, key=lambda service: service.age))


def _services(
    item: ConfigObject, workloads: WorkloadIndex, problems: ProblemLog, of_namespace: str
) -> Iterable[Service]:
    spec: ServiceEntry = item.spec
    distribution = traffic_distribution(None, item.annotations)
    resolution = _resolution(item, problems)
    ports = tuple(
        ServicePort(port.number, port.name, parse_protocol(port.protocol), port.target_port, index)
        for index, port in enumerate(spec.ports)
    )
    endpoints = _endpoints(item, resolution, workloads, problems)
    for host in dict.fromkeys(host.lower() for host in spec.hosts):
        yield Service(
            host=host,
            namespace=item.key.namespace,
            ports=ports,
            resolution=resolution,
            external=spec.location == ServiceEntry.MESH_EXTERNAL,
            addresses=tuple(_plain_address(address) for address in spec.addresses),
            export_to=tuple(spec.export_to),
            subject_alt_names=tuple(filter(None, spec.subject_alt_names)),
            endpoints=endpoints or _host_itself(host, resolution, item),
            source=item,
            traffic_distribution=distribution or of_namespace,
        )


def _resolution(item: ConfigObject, problems: ProblemLog) -> Resolution:
    """Of a ServiceEntry; a number that a newer API may have is taken for NONE, and told."""
    try:
        return Resolution(item.spec.resolution)
    except ValueError:
        text = f"{item.spec.resolution} is no resolution known here; the service is taken for NONE"
        problems.error(item.key, "not-offered", "spec.resolution", text)
        return Resolution.NONE


def _endpoints(
    item: ConfigObject, resolution: Resolution, workloads: WorkloadIndex, problems: ProblemLog
) -> tuple[Endpoint, ...]:
    spec: ServiceEntry = item.spec
    inline = tuple(
        _endpoint(each, each.labels, item, declared_as=f"{item.key.name}-{number}")
        for number, each in enumerate(spec.endpoints)
    )
    selected = workloads.select(item.key.namespace, spec.workload_selector.labels)
    named = resolution is not Resolution.STATIC
    return tuple(each for each in inline or selected if _has_address(each, item, problems, named=named))


def _has_address(endpoint: Endpoint, item: ConfigObject, problems: ProblemLog, *, named: bool) -> bool:
    """Envoy refuses a whole assignment for one host name in it, so a STATIC service leaves such ones out.

    `named`: hosts are resolved by their names, and any name will do.
    """
    if endpoint.address.startswith("unix://") or is_ip(endpoint.address) or (named and endpoint.address):
        return True
    key = endpoint.references[0][0]
    problems.error(
        key,
        "endpoint-not-an-address",
        "spec.address" if key != item.key else "spec.endpoints",
        f"{endpoint.address!r} is no {'address' if named else 'IP address'}, which an endpoint of {item.key.full_name} "
        f"must have{'' if named else ' as its resolution is STATIC; use resolution DNS for host names'}",
    )
    return False


def _host_itself(host: str, resolution: Resolution, item: ConfigObject) -> tuple[Endpoint, ...]:
    """A DNS service that has no endpoints, and selects none, is found under its own name, which a wildcard is not."""
    if (
        item.spec.workload_selector.labels
        or resolution not in (Resolution.DNS, Resolution.DNS_ROUND_ROBIN)
        or host.startswith("*")
    ):
        return ()
    named = item.key.name
    return (Endpoint(host, namespace=item.key.namespace, declared_as=named, references=(reference(item),)),)


@lru_cache(1 << 16)
def is_ip(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def _plain_address(address: str) -> str:
    """A single host written as a network (`/32`, `/128`) is that host."""
    host, slash, length = address.partition("/")
    return host if slash and length == ("128" if ":" in host else "32") else address
