"""Collections of Kubernetes' own kinds that analyzers read, named as Istio 1.4 named them."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.message import Message

from flotilla_protos.istio.mesh.v1alpha1.network_pb2 import MeshNetworks
from flotilla_shared.model.kinds import MESH_CONFIG, by_collection, kind_of


@dataclass(frozen=True, slots=True)
class KubernetesKind:
    """`group` is empty for the core."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def collection(self) -> str:
        return f"k8s/{self.group or 'core'}/{self.version}/{self.plural}"


_GATEWAY_API = "gateway.networking.k8s.io"
_ADMISSION = "admissionregistration.k8s.io"
KUBERNETES_KINDS = (
    KubernetesKind("", "v1", "Pod", "pods"),
    KubernetesKind("", "v1", "Service", "services"),
    KubernetesKind("", "v1", "Endpoints", "endpoints"),
    KubernetesKind("", "v1", "Secret", "secrets"),
    KubernetesKind("", "v1", "ConfigMap", "configmaps"),
    KubernetesKind("", "v1", "Namespace", "namespaces", namespaced=False),
    KubernetesKind("", "v1", "Node", "nodes", namespaced=False),
    KubernetesKind("apps", "v1", "Deployment", "deployments"),
    KubernetesKind("networking.k8s.io", "v1", "Ingress", "ingresses"),
    KubernetesKind(_GATEWAY_API, "v1", "Gateway", "gateways"),
    KubernetesKind(_GATEWAY_API, "v1", "GatewayClass", "gatewayclasses", namespaced=False),
    KubernetesKind(_GATEWAY_API, "v1", "HTTPRoute", "httproutes"),
    KubernetesKind(_GATEWAY_API, "v1", "GRPCRoute", "grpcroutes"),
    KubernetesKind(_GATEWAY_API, "v1alpha2", "TCPRoute", "tcproutes"),
    KubernetesKind(_GATEWAY_API, "v1alpha2", "TLSRoute", "tlsroutes"),
    KubernetesKind("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", False),
    KubernetesKind(_ADMISSION, "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", False),
    KubernetesKind(_ADMISSION, "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", False),
)
_BY_KIND = {(each.group, each.kind): each for each in KUBERNETES_KINDS}
_BY_COLLECTION = {each.collection: each for each in KUBERNETES_KINDS}
# Groups that a kind was in before.
_FORMER_GROUPS = {"extensions": ("networking.k8s.io", "apps")}

PODS = "k8s/core/v1/pods"
SERVICES = "k8s/core/v1/services"
ENDPOINTS = "k8s/core/v1/endpoints"
SECRETS = "k8s/core/v1/secrets"
CONFIG_MAPS = "k8s/core/v1/configmaps"
NAMESPACES = "k8s/core/v1/namespaces"
NODES = "k8s/core/v1/nodes"
DEPLOYMENTS = "k8s/apps/v1/deployments"
INGRESSES = "k8s/networking.k8s.io/v1/ingresses"
KUBERNETES_GATEWAYS = f"k8s/{_GATEWAY_API}/v1/gateways"
CRDS = "k8s/apiextensions.k8s.io/v1/customresourcedefinitions"
MUTATING_WEBHOOKS = f"k8s/{_ADMISSION}/v1/mutatingwebhookconfigurations"
VALIDATING_WEBHOOKS = f"k8s/{_ADMISSION}/v1/validatingwebhookconfigurations"
MESH_NETWORKS = "istio/mesh/v1alpha1/MeshNetworks"
# Not of a cluster: see planned_pods. Who reads PODS may read these.
PLANNED_PODS = "planned/pods"
# Read by analyzers that look at every object there is, those of kinds that nobody here knows among them.
EVERYTHING = "*"
MESH_COLLECTIONS = frozenset({MESH_CONFIG, MESH_NETWORKS})


def kubernetes_kind(group: str, kind: str) -> KubernetesKind | None:
    """The kind of that name, also under a group that it was in before."""
    groups = (group, *_FORMER_GROUPS.get(group, ()))
    return next((_BY_KIND[each, kind] for each in groups if (each, kind) in _BY_KIND), None)


def kubernetes_kind_of(collection: str) -> KubernetesKind | None:
    return _BY_COLLECTION.get(collection)


def placement(group: str, kind: str) -> tuple[str, bool | None]:
    """The collection of a kind, and whether its objects have a namespace (None: not known)."""
    if (ours := kind_of(group, kind)) is not None:
        return ours.collection, not ours.cluster_scoped
    if (theirs := kubernetes_kind(group, kind)) is not None:
        return theirs.collection, theirs.namespaced
    return f"other/{group or 'core'}/{kind}", None


def message_class(collection: str) -> type[Message] | None:
    """The message of an Istio kind's spec, or of the mesh's own configuration."""
    if collection == MESH_NETWORKS:
        return MeshNetworks
    found = by_collection(collection)
    if found is None or not (found.written or collection in MESH_COLLECTIONS):
        return None
    return found.message_class()
