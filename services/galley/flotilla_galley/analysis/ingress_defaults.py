"""The ingress gateway that an installation has, for files that do not hold the installation itself.

Else every Gateway of a folder would be told to select nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flotilla_galley.analysis.analyzer import View
from flotilla_galley.analysis.reading import ROOT_NAMESPACE, resource_of
from flotilla_galley.analysis.resources import ResourceSet
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_shared.model.kinds import MESH_CONFIG

_LABELS = {"istio": "ingressgateway"}
# Installations differ in whether its pods listen on the ports of the Service or above 8000.
_PORTS = {"http2": 80, "https": 443, "tcp": 31400, "tls": 15443, "http2-unprivileged": 8080, "https-unprivileged": 8443}
DEFAULT_NAME = "istio-ingressgateway"


def with_ingress_gateway(resources: ResourceSet) -> ResourceSet:
    """The same with a pod and a Service of the default ingress gateway; what is there already hides them."""
    config = View(resources, (MESH_CONFIG,)).mesh_config
    if config.ingress_controller_mode == MeshConfig.OFF:
        return resources
    name = config.ingress_service or DEFAULT_NAME
    return resources.over(ResourceSet(resource_of(each) for each in _objects(name)))


def _objects(name: str) -> Iterator[dict[str, Any]]:
    ports = [{"name": each, "port": number, "targetPort": number, "protocol": "TCP"} for each, number in _PORTS.items()]
    pod = {"metadata": {"name": f"{name}-dummypod", "namespace": ROOT_NAMESPACE, "labels": _LABELS}}
    yield {"apiVersion": "v1", "kind": "Pod", **pod, "spec": {"containers": [{"name": "istio-proxy"}]}}
    service = {"metadata": {"name": name, "namespace": ROOT_NAMESPACE}}
    yield {"apiVersion": "v1", "kind": "Service", **service, "spec": {"ports": ports, "selector": _LABELS}}
