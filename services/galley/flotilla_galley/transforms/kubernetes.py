"""What is read of Kubernetes' own objects, as values. Whoever reads them has checked their shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Origin:
    """Which object, and where it is written. `version` changes with its content; `line` is 0 where there is none."""

    namespace: str
    name: str
    version: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    create_time_ns: int = 0
    file: str = ""
    line: int = 0

    @property
    def full_name(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True)
class IngressPath:
    """`port` is 0 where the backend names its port by a name, or is no service."""

    path: str
    path_type: str
    service: str
    port: int


@dataclass(frozen=True, slots=True)
class IngressRule:
    """`paths` is None for a rule without http."""

    host: str
    paths: tuple[IngressPath, ...] | None


@dataclass(frozen=True, slots=True)
class Ingress:
    """`tls` has the hosts of each block; `class_name` is None where the spec names none."""

    origin: Origin
    class_name: str | None
    rules: tuple[IngressRule, ...]
    tls: tuple[tuple[str, ...], ...]
    default_backend: bool


@dataclass(frozen=True, slots=True)
class Service:
    origin: Origin
    spec: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Subset:
    """Addresses with the same ports: (name, number) each."""

    ports: tuple[tuple[str, int], ...]
    ready: tuple[str, ...]
    not_ready: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Of the service of that namespace and name; of an EndpointSlice, a part of them."""

    origin: Origin
    service: str
    subsets: tuple[Subset, ...]


@dataclass(frozen=True, slots=True)
class Pod:
    origin: Origin
    ip: str
    phase: str
    node: str
    account: str


@dataclass(frozen=True, slots=True)
class Node:
    origin: Origin


@dataclass(frozen=True, slots=True)
class Namespace:
    origin: Origin
    spec: Mapping[str, Any]


KubernetesObject = Ingress | Service | Endpoints | Pod | Node | Namespace
INGRESS_KINDS = frozenset({"Ingress"})
DISCOVERY_KINDS = frozenset({"Service", "Endpoints", "EndpointSlice", "Pod", "Node", "Namespace"})
