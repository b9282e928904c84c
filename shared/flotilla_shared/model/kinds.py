"""The one table of kinds: what a user writes, the collection it travels in, the message it becomes.

Nothing else in the project knows a list of kinds. Collections have the names of Istio 1.4 where it had them
(galley/pkg/config/meta/metadata), and follow the same pattern where a kind is younger.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Literal

from google.protobuf.message import Message

from flotilla_shared.model.legacy_kinds import LEGACY_PLURALS, LEGACY_PREFIX

Era = Literal["today", "1.4"]

VIRTUAL_SERVICES = "istio/networking/v1alpha3/virtualservices"
DESTINATION_RULES = "istio/networking/v1alpha3/destinationrules"
GATEWAYS = "istio/networking/v1alpha3/gateways"
SERVICE_ENTRIES = "istio/networking/v1alpha3/serviceentries"
WORKLOAD_ENTRIES = "istio/networking/v1alpha3/workloadentries"
WORKLOAD_GROUPS = "istio/networking/v1alpha3/workloadgroups"
SIDECARS = "istio/networking/v1alpha3/sidecars"
ENVOY_FILTERS = "istio/networking/v1alpha3/envoyfilters"
PROXY_CONFIGS = "istio/networking/v1beta1/proxyconfigs"
PEER_AUTHENTICATIONS = "istio/security/v1beta1/peerauthentications"
REQUEST_AUTHENTICATIONS = "istio/security/v1beta1/requestauthentications"
AUTHORIZATION_POLICIES = "istio/security/v1beta1/authorizationpolicies"
TELEMETRIES = "istio/telemetry/v1alpha1/telemetries"
WASM_PLUGINS = "istio/extensions/v1alpha1/wasmplugins"
TRAFFIC_EXTENSIONS = "istio/extensions/v1alpha1/trafficextensions"
POLICIES = "istio/authentication/v1alpha1/policies"
MESH_POLICIES = "istio/authentication/v1alpha1/meshpolicies"
SERVICE_ROLES = "istio/rbac/v1alpha1/serviceroles"
SERVICE_ROLE_BINDINGS = "istio/rbac/v1alpha1/servicerolebindings"
RBAC_CONFIGS = "istio/rbac/v1alpha1/rbacconfigs"
CLUSTER_RBAC_CONFIGS = "istio/rbac/v1alpha1/clusterrbacconfigs"
QUOTA_SPECS = "istio/mixer/v1/config/client/quotaspecs"
QUOTA_SPEC_BINDINGS = "istio/mixer/v1/config/client/quotaspecbindings"
HTTP_API_SPECS = "istio/config/v1alpha2/httpapispecs"
HTTP_API_SPEC_BINDINGS = "istio/config/v1alpha2/httpapispecbindings"
RULES = "istio/policy/v1beta1/rules"
HANDLERS = "istio/policy/v1beta1/handlers"
INSTANCES = "istio/policy/v1beta1/instances"
ATTRIBUTE_MANIFESTS = "istio/policy/v1beta1/attributemanifests"
ADAPTERS = "istio/config/v1alpha2/adapters"
TEMPLATES = "istio/config/v1alpha2/templates"
MESH_CONFIG = "istio/mesh/v1alpha1/MeshConfig"
# Of what Kubernetes has, and only where Galley is told to make them: nobody writes their objects as configuration.
SYNTHETIC_SERVICE_ENTRIES = "istio/networking/v1alpha3/synthetic/serviceentries"
NAMESPACES = "k8s/core/v1/namespaces"
SERVICES = "k8s/core/v1/services"

# The mesh configuration is no custom resource: one object of this name, in the root namespace.
MESH_CONFIG_NAME = "istio"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. `message` is `module:Message`, imported when first asked for; `versions` newest first.

    `written`: people write its objects, in files or as custom resources; of the others Galley makes the objects.
    """

    group: str
    kind: str
    plural: str
    versions: tuple[str, ...]
    collection: str
    message: str
    cluster_scoped: bool = False
    era: Era = "today"
    written: bool = True

    @property
    def is_of_mixer(self) -> bool:
        """Read by Mixer alone: 1.4 wrote the names of its kinds in small letters, and judged their form strictly."""
        return self.kind.islower()

    def message_class(self) -> type[Message]:
        """The class of the spec; the module is imported at the first call."""
        return _load(self.message)

    @property
    def type_url(self) -> str:
        """Of the spec when it travels as an Any."""
        return f"type.googleapis.com/{self.message_class().DESCRIPTOR.full_name}"

    @property
    def api_versions(self) -> tuple[str, ...]:
        return tuple(f"{self.group}/{version}" if self.group else version for version in self.versions)


@cache
def _load(path: str) -> type[Message]:
    module, _, name = path.partition(":")
    found: type[Message] = getattr(import_module(module), name)
    return found


_ISTIO = "flotilla_protos.istio"
_NET, _SEC = "networking.istio.io", "security.istio.io"
_STRUCT = "google.protobuf.struct_pb2:Struct"
_ALL = ("v1", "v1beta1", "v1alpha3")


def _networking(kind: str, plural: str, module: str, versions: tuple[str, ...] = _ALL) -> Kind:
    collection = f"istio/networking/v1alpha3/{plural}"
    return Kind(_NET, kind, plural, versions, collection, f"{_ISTIO}.networking.v1alpha3.{module}_pb2:{kind}")


def _security(kind: str, plural: str, module: str) -> Kind:
    message = f"{_ISTIO}.security.v1beta1.{module}_pb2:{kind}"
    return Kind(_SEC, kind, plural, ("v1", "v1beta1"), f"istio/security/v1beta1/{plural}", message)


def _extension(kind: str, plural: str, module: str) -> Kind:
    message = f"{_ISTIO}.extensions.v1alpha1.{module}_pb2:{kind}"
    group, collection = "extensions.istio.io", f"istio/extensions/v1alpha1/{plural}"
    return Kind(group, kind, plural, ("v1alpha1",), collection, message)


def _old(group: str, kind: str, plural: str, collection: str, message: str, *, cluster: bool = False) -> Kind:
    version = "v1alpha2" if group == "config.istio.io" else "v1alpha1"
    return Kind(group, kind, plural, (version,), collection, message, cluster_scoped=cluster, era="1.4")


def _rbac(kind: str, plural: str, message: str, *, cluster: bool = False) -> Kind:
    collection = f"istio/rbac/v1alpha1/{plural}"
    return _old(
        "rbac.istio.io", kind, plural, collection, f"{_ISTIO}.rbac.v1alpha1.rbac_pb2:{message}", cluster=cluster
    )


def _authentication(kind: str, plural: str, *, cluster: bool = False) -> Kind:
    message = f"{_ISTIO}.authentication.v1alpha1.policy_pb2:Policy"
    collection = f"istio/authentication/v1alpha1/{plural}"
    return _old("authentication.istio.io", kind, plural, collection, message, cluster=cluster)


def _client(kind: str, plural: str, collection: str, module: str) -> Kind:
    message = f"{_ISTIO}.mixer.v1.config.client.{module}_pb2:{kind}"
    return _old("config.istio.io", kind, plural, collection, message)


def _mixer(kind: str, plural: str, message: str) -> Kind:
    collection = f"istio/policy/v1beta1/{plural}"
    return _old("config.istio.io", kind, plural, collection, f"{_ISTIO}.policy.v1beta1.cfg_pb2:{message}")


def _legacy(kind: str, plural: str) -> Kind:
    return _old("config.istio.io", kind, plural, f"{LEGACY_PREFIX}{plural}", _STRUCT)


def _core(kind: str, plural: str, collection: str, *, cluster: bool = False) -> Kind:
    message = f"flotilla_protos.k8s.core.v1.core_pb2:{kind}Spec"
    return Kind("", kind, plural, ("v1",), collection, message, cluster_scoped=cluster, written=False)


KINDS: tuple[Kind, ...] = (
    _networking("VirtualService", "virtualservices", "virtual_service"),
    _networking("DestinationRule", "destinationrules", "destination_rule"),
    _networking("Gateway", "gateways", "gateway"),
    _networking("ServiceEntry", "serviceentries", "service_entry"),
    _networking("WorkloadEntry", "workloadentries", "workload_entry"),
    _networking("WorkloadGroup", "workloadgroups", "workload_group"),
    _networking("Sidecar", "sidecars", "sidecar"),
    _networking("EnvoyFilter", "envoyfilters", "envoy_filter", ("v1alpha3",)),
    Kind(
        _NET,
        "ProxyConfig",
        "proxyconfigs",
        ("v1beta1",),
        PROXY_CONFIGS,
        f"{_ISTIO}.networking.v1beta1.proxy_config_pb2:ProxyConfig",
    ),
    _security("PeerAuthentication", "peerauthentications", "peer_authentication"),
    _security("RequestAuthentication", "requestauthentications", "request_authentication"),
    _security("AuthorizationPolicy", "authorizationpolicies", "authorization_policy"),
    Kind(
        "telemetry.istio.io",
        "Telemetry",
        "telemetries",
        ("v1", "v1alpha1"),
        TELEMETRIES,
        f"{_ISTIO}.telemetry.v1alpha1.telemetry_pb2:Telemetry",
    ),
    _extension("WasmPlugin", "wasmplugins", "wasm"),
    _extension("TrafficExtension", "trafficextensions", "traffic_extension"),
    _authentication("Policy", "policies"),
    _authentication("MeshPolicy", "meshpolicies", cluster=True),
    _rbac("ServiceRole", "serviceroles", "ServiceRole"),
    _rbac("ServiceRoleBinding", "servicerolebindings", "ServiceRoleBinding"),
    _rbac("RbacConfig", "rbacconfigs", "RbacConfig"),
    _rbac("ClusterRbacConfig", "clusterrbacconfigs", "RbacConfig", cluster=True),
    _client("QuotaSpec", "quotaspecs", QUOTA_SPECS, "quota"),
    _client("QuotaSpecBinding", "quotaspecbindings", QUOTA_SPEC_BINDINGS, "quota"),
    _client("HTTPAPISpec", "httpapispecs", HTTP_API_SPECS, "api_spec"),
    _client("HTTPAPISpecBinding", "httpapispecbindings", HTTP_API_SPEC_BINDINGS, "api_spec"),
    _mixer("rule", "rules", "Rule"),
    _mixer("handler", "handlers", "Handler"),
    _mixer("instance", "instances", "Instance"),
    _mixer("attributemanifest", "attributemanifests", "AttributeManifest"),
    _old("config.istio.io", "adapter", "adapters", ADAPTERS, _STRUCT),
    _old("config.istio.io", "template", "templates", TEMPLATES, _STRUCT),
    *(_legacy(kind, plural) for kind, plural in LEGACY_PLURALS.items()),
    Kind(
        "mesh.istio.io",
        "MeshConfig",
        "meshconfigs",
        ("v1alpha1",),
        MESH_CONFIG,
        f"{_ISTIO}.mesh.v1alpha1.config_pb2:MeshConfig",
        written=False,
    ),
    Kind(
        _NET,
        "ServiceEntry",
        "serviceentries",
        _ALL,
        SYNTHETIC_SERVICE_ENTRIES,
        f"{_ISTIO}.networking.v1alpha3.service_entry_pb2:ServiceEntry",
        written=False,
    ),
    _core("Namespace", "namespaces", NAMESPACES, cluster=True),
    _core("Service", "services", SERVICES),
)
WRITTEN = tuple(kind for kind in KINDS if kind.written)

# A kind that is both written and made is the written one.
_BY_KIND = {(kind.group, kind.kind): kind for kind in sorted(KINDS, key=lambda kind: kind.written)}
_BY_COLLECTION = {kind.collection: kind for kind in KINDS}


def kind_of(api_version: str, kind: str) -> Kind | None:
    """The kind of an object by its `apiVersion` (`group/version`, the version must be one of its own) or bare group."""
    group, slash, version = api_version.partition("/")
    found = _BY_KIND.get((group, kind))
    return None if found is None or (slash and version not in found.versions) else found


def by_collection(collection: str) -> Kind | None:
    return _BY_COLLECTION.get(collection)
