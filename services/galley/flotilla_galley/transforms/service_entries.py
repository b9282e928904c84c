"""Synthetic ServiceEntries: one for each Service, as 1.4's Galley made them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flotilla_galley.transforms.ingress_options import LAST_APPLIED
from flotilla_galley.transforms.kubernetes import Endpoints, Service
from flotilla_galley.transforms.workloads import Workloads
from flotilla_protos.istio.networking.v1alpha3.service_entry_pb2 import ServiceEntry
from flotilla_shared.model.kinds import SYNTHETIC_SERVICE_ENTRIES
from flotilla_shared.model.objects import ConfigObject, ObjectKey, content_version
from flotilla_shared.model.protocols import Protocol, protocol_of_service_port

EXPORT_TO = "networking.istio.io/exportTo"
SERVICE_VERSION = "networking.alpha.istio.io/serviceVersion"
ENDPOINTS_VERSION = "networking.alpha.istio.io/endpointsVersion"
NOT_READY = "networking.alpha.istio.io/notReadyEndpoints"
UNSPECIFIED = "0.0.0.0"  # noqa: S104  # what 1.4 writes for "no address", nobody listens there


def service_entry_object(
    service: Service, endpoints: list[Endpoints], workloads: Workloads, domain: str
) -> ConfigObject:
    """The ServiceEntry of the Service's own name; it comes and goes with the Service, not with its endpoints."""
    origin = service.origin
    key = ObjectKey(SYNTHETIC_SERVICE_ENTRIES, origin.namespace, origin.name)
    spec = ServiceEntry()
    _add_endpoints(spec, endpoints, workloads)
    _add_service(spec, service, domain)
    labels, annotations = dict(origin.labels), _annotations(service, endpoints)
    version = content_version(key, spec, labels, annotations, origin.create_time_ns)
    return ConfigObject(key, version, spec, labels, annotations, origin.create_time_ns)


def _add_endpoints(spec: ServiceEntry, endpoints: Iterable[Endpoints], workloads: Workloads) -> None:
    accounts: set[str] = set()
    for subset in (subset for each in endpoints for subset in each.subsets):
        for address in subset.ready:
            endpoint = spec.endpoints.add(address=address, ports=dict(subset.ports))
            workload = workloads.at(address)
            if workload is not None:
                endpoint.labels.update(workload.labels)
                endpoint.locality = workload.locality
                accounts.add(workload.identity)
    spec.subject_alt_names.extend(sorted(accounts))


def _add_service(spec: ServiceEntry, service: Service, domain: str) -> None:
    origin, written = service.origin, service.spec
    external = str(written.get("externalName") or "") if written.get("type") == "ExternalName" else ""
    if external and not spec.endpoints:
        ports = {_name(port): _number(port) for port in _ports(written)}
        spec.endpoints.add(address=external, ports=ports, labels=dict(origin.labels))
    address = str(written.get("clusterIP") or "None")
    headless = address == "None"
    spec.hosts.append(f"{origin.name}.{origin.namespace or 'default'}.svc.{domain}")
    spec.addresses.append(UNSPECIFIED if headless or external else address)
    spec.location = ServiceEntry.MESH_EXTERNAL if external else ServiceEntry.MESH_INTERNAL
    spec.resolution = _resolution(bool(external), bool(spec.endpoints))
    for port in _ports(written):
        spec.ports.add(name=_name(port), number=_number(port), protocol=_protocol(port))
    exported = origin.annotations.get(EXPORT_TO, "")
    spec.export_to.extend(sorted({part.strip() for part in exported.split(",")} if exported else ()))


def _resolution(external: bool, endpoints: bool) -> ServiceEntry.Resolution:
    """NONE is 1.4's for a Service without endpoints, headless or not."""
    if external:
        return ServiceEntry.DNS
    return ServiceEntry.STATIC if endpoints else ServiceEntry.NONE


def _ports(written: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(written.get("ports") or ())


def _name(port: Mapping[str, Any]) -> str:
    return str(port.get("name") or "")


def _number(port: Mapping[str, Any]) -> int:
    return int(port.get("port") or 0)


def _protocol(port: Mapping[str, Any]) -> str:
    if port.get("protocol") == "UDP":
        return str(Protocol.UDP)
    return str(protocol_of_service_port(_name(port), str(port.get("appProtocol") or ""), _number(port)))


def _annotations(service: Service, endpoints: list[Endpoints]) -> dict[str, str]:
    """The Service's, and which versions of which objects were used."""
    made = {name: value for name, value in service.origin.annotations.items() if name != LAST_APPLIED}
    made[SERVICE_VERSION] = service.origin.version
    if endpoints:
        made[ENDPOINTS_VERSION] = "-".join(each.origin.version for each in endpoints)
        waiting = [
            f"{address}:{number}"
            for each in endpoints
            for subset in each.subsets
            for _, number in subset.ports
            for address in subset.not_ready
        ]
        if waiting:
            made[NOT_READY] = ",".join(waiting)
    return made
