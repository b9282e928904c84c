"""The mesh as Pilot sees it: configuration, services, endpoints."""

from typing import Any

from google.protobuf import json_format

from flotilla_pilot.model.services import Endpoint, Service, ServicePort
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_shared.model.kinds import by_collection
from flotilla_shared.model.objects import ConfigObject


def configz(snapshot: MeshSnapshot) -> list[dict[str, Any]]:
    """Every object, in the shape in which users write it; `resourceVersion` is the version Galley gave."""
    return [_object(item) for _, item in sorted(snapshot.objects.items())]


def _object(item: ConfigObject) -> dict[str, Any]:
    kind = by_collection(item.key.collection)
    assert kind is not None  # Pilot asks for no other collections
    group = f"{kind.group}/" if kind.group else ""
    return {
        "apiVersion": f"{group}{kind.versions[0]}" if kind.versions else kind.group,
        "kind": kind.kind,
        "metadata": {
            "name": item.key.name,
            "namespace": item.key.namespace,
            "labels": dict(item.labels),
            "annotations": dict(item.annotations),
            "resourceVersion": item.version,
        },
        "spec": json_format.MessageToDict(item.spec),
    }


def registryz(snapshot: MeshSnapshot) -> list[dict[str, Any]]:
    """Every service with its ports."""
    return [
        {
            "hostname": service.host,
            "namespace": service.namespace,
            "addresses": list(service.addresses),
            "givenAddresses": list(snapshot.given_addresses.get((service.namespace, service.host), ())),
            "ports": [
                {
                    "name": port.name,
                    "port": port.number,
                    "targetPort": port.target_port or port.number,
                    "protocol": port.protocol.name,
                }
                for port in service.ports
            ],
            "resolution": service.resolution.name,
            "meshExternal": service.external,
            "exportTo": list(service.export_to),
            "object": str(service.source.key),
            "endpoints": len(service.endpoints),
        }
        for service in snapshot.services
    ]


def endpointz(snapshot: MeshSnapshot) -> list[dict[str, Any]]:
    """Every service port with its endpoints."""
    return [
        {"svc": f"{service.host}:{port.number}", "ep": [_endpoint(each, service, port) for each in service.endpoints]}
        for service in snapshot.services
        for port in service.ports
    ]


def _endpoint(endpoint: Endpoint, service: Service, port: ServicePort) -> dict[str, Any]:
    return {
        "service": service.host,
        "address": endpoint.address,
        "port": endpoint.port_for(port),
        "workload": endpoint.name,
        "namespace": endpoint.namespace,
        "labels": dict(endpoint.labels),
        "serviceAccount": endpoint.service_account,
        "tlsMode": endpoint.tls_mode,
        "locality": endpoint.locality,
        "weight": endpoint.weight,
    }
