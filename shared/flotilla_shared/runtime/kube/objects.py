"""Objects of the API server, each with no more than what is read: everything else is skipped while decoding.

Attributes are in snake case (`resource_version` is `resourceVersion` on the wire). Values are immutable. A kind of one's
own is a `KubeStruct` (`frozen=True` said again, for type checkers) with a field `metadata: ObjectMeta`.
"""

from __future__ import annotations

from datetime import datetime

import msgspec


class KubeStruct(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """The base of all: camel case on the wire, no field that is not declared."""


class OwnerReference(KubeStruct, frozen=True):
    kind: str = ""
    name: str = ""
    uid: str = ""
    api_version: str = ""
    controller: bool = False


class ObjectMeta(KubeStruct, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    owner_references: tuple[OwnerReference, ...] = ()


class ListMeta(KubeStruct, frozen=True):
    resource_version: str = ""
    continue_token: str = msgspec.field(default="", name="continue")


class Named(KubeStruct, frozen=True):
    """Any object of which only the metadata counts (also `PartialObjectMetadata`)."""

    metadata: ObjectMeta


class ContainerPort(KubeStruct, frozen=True):
    container_port: int = 0
    name: str = ""
    protocol: str = "TCP"


class Container(KubeStruct, frozen=True):
    name: str = ""
    ports: tuple[ContainerPort, ...] = ()


class PodSpec(KubeStruct, frozen=True):
    service_account_name: str = ""
    node_name: str = ""
    host_network: bool = False
    containers: tuple[Container, ...] = ()


class PodIP(KubeStruct, frozen=True):
    ip: str = ""


class StateCondition(KubeStruct, frozen=True):
    """One entry of a status's `conditions`."""

    type: str = ""
    status: str = ""


class PodStatus(KubeStruct, frozen=True):
    phase: str = ""
    pod_ip: str = msgspec.field(default="", name="podIP")
    pod_ips: tuple[PodIP, ...] = msgspec.field(default=(), name="podIPs")
    host_ip: str = msgspec.field(default="", name="hostIP")
    conditions: tuple[StateCondition, ...] = ()


class Pod(KubeStruct, frozen=True):
    metadata: ObjectMeta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class ServicePort(KubeStruct, frozen=True):
    port: int = 0
    name: str = ""
    protocol: str = "TCP"
    app_protocol: str | None = None
    target_port: int | str = 0
    node_port: int = 0


class ServiceSpec(KubeStruct, frozen=True):
    type: str = "ClusterIP"
    cluster_ip: str = msgspec.field(default="", name="clusterIP")
    cluster_ips: tuple[str, ...] = msgspec.field(default=(), name="clusterIPs")
    external_ips: tuple[str, ...] = msgspec.field(default=(), name="externalIPs")
    external_name: str = ""
    ports: tuple[ServicePort, ...] = ()
    selector: dict[str, str] = {}
    publish_not_ready_addresses: bool = False
    internal_traffic_policy: str | None = None
    traffic_distribution: str | None = None


class LoadBalancerIngress(KubeStruct, frozen=True):
    ip: str = ""
    hostname: str = ""


class LoadBalancerStatus(KubeStruct, frozen=True):
    ingress: tuple[LoadBalancerIngress, ...] = ()


class ServiceStatus(KubeStruct, frozen=True):
    load_balancer: LoadBalancerStatus = LoadBalancerStatus()


class Service(KubeStruct, frozen=True):
    metadata: ObjectMeta
    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()


class EndpointConditions(KubeStruct, frozen=True):
    """None is unknown, which consumers of `ready` take as true."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class TargetReference(KubeStruct, frozen=True):
    kind: str = ""
    name: str = ""
    namespace: str = ""
    uid: str = ""


class Endpoint(KubeStruct, frozen=True):
    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    hostname: str | None = None
    node_name: str | None = None
    zone: str | None = None
    target_ref: TargetReference | None = None


class EndpointPort(KubeStruct, frozen=True):
    name: str | None = None
    port: int | None = None
    protocol: str | None = None
    app_protocol: str | None = None


class EndpointSlice(KubeStruct, frozen=True):
    """`endpoints` and `ports` may be null on the wire; here they are empty then."""

    metadata: ObjectMeta
    address_type: str = "IPv4"
    endpoints: tuple[Endpoint, ...] | None = ()
    ports: tuple[EndpointPort, ...] | None = ()


class BackendPort(KubeStruct, frozen=True):
    """By number or, where that is 0, by name."""

    name: str = ""
    number: int = 0


class BackendService(KubeStruct, frozen=True):
    name: str = ""
    port: BackendPort = BackendPort()


class IngressBackend(KubeStruct, frozen=True):
    """`service` is None where the backend is an object of another kind."""

    service: BackendService | None = None


class IngressPath(KubeStruct, frozen=True):
    path: str = ""
    path_type: str | None = None
    backend: IngressBackend = IngressBackend()


class IngressPaths(KubeStruct, frozen=True):
    paths: tuple[IngressPath, ...] = ()


class IngressRule(KubeStruct, frozen=True):
    host: str = ""
    http: IngressPaths | None = None


class IngressTLS(KubeStruct, frozen=True):
    hosts: tuple[str, ...] = ()
    secret_name: str = ""


class IngressSpec(KubeStruct, frozen=True):
    ingress_class_name: str | None = None
    default_backend: IngressBackend | None = None
    rules: tuple[IngressRule, ...] = ()
    tls: tuple[IngressTLS, ...] = ()


class Ingress(KubeStruct, frozen=True):
    metadata: ObjectMeta
    spec: IngressSpec = IngressSpec()


class IngressClassSpec(KubeStruct, frozen=True):
    controller: str = ""


class IngressClass(KubeStruct, frozen=True):
    metadata: ObjectMeta
    spec: IngressClassSpec = IngressClassSpec()


class Namespace(KubeStruct, frozen=True):
    metadata: ObjectMeta


class Node(KubeStruct, frozen=True):
    metadata: ObjectMeta


class ServiceAccount(KubeStruct, frozen=True):
    metadata: ObjectMeta


class ConfigMap(KubeStruct, frozen=True):
    metadata: ObjectMeta
    data: dict[str, str] | None = None


class Secret(KubeStruct, frozen=True):
    """`data` is base64, as on the wire. Never log one."""

    metadata: ObjectMeta
    type: str = ""
    data: dict[str, str] | None = None

    def __repr__(self) -> str:
        return f"Secret({self.metadata.namespace}/{self.metadata.name})"


class LeaseSpec(KubeStruct, frozen=True):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: datetime | None = None
    renew_time: datetime | None = None
    lease_transitions: int | None = None


class Lease(KubeStruct, frozen=True):
    metadata: ObjectMeta
    spec: LeaseSpec = LeaseSpec()


class WebhookClientConfig(KubeStruct, frozen=True):
    ca_bundle: str = ""


class Webhook(KubeStruct, frozen=True):
    name: str = ""
    client_config: WebhookClientConfig = WebhookClientConfig()
    failure_policy: str = "Fail"


class WebhookConfiguration(KubeStruct, frozen=True):
    """A Validating- or MutatingWebhookConfiguration."""

    metadata: ObjectMeta
    webhooks: tuple[Webhook, ...] = ()
