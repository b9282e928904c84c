"""What a Kubernetes registry is fed with, at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flotilla_shared.runtime.kube.objects import EndpointSlice, Ingress, IngressClass, Namespace, Node, Pod, Service

Name = tuple[str, str]
"""Namespace and name; the namespace of what is the whole cluster's is empty."""


@dataclass(frozen=True, slots=True, eq=False)
class KubernetesObjects:
    """All objects by name. The mappings never change."""

    services: Mapping[Name, Service] = field(default_factory=dict)
    slices: Mapping[Name, EndpointSlice] = field(default_factory=dict)
    pods: Mapping[Name, Pod] = field(default_factory=dict)
    nodes: Mapping[Name, Node] = field(default_factory=dict)
    namespaces: Mapping[Name, Namespace] = field(default_factory=dict)
    ingresses: Mapping[Name, Ingress] = field(default_factory=dict)
    ingress_classes: Mapping[Name, IngressClass] = field(default_factory=dict)
