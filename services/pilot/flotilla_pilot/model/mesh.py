"""The mesh configuration, with the defaults of today's Istio filled in."""

from dataclasses import dataclass, replace

from google.protobuf.duration_pb2 import Duration
from google.protobuf.wrappers_pb2 import BoolValue

from flotilla_pilot.model.cluster_defaults import ClusterDefaults, cluster_defaults
from flotilla_pilot.model.mixer import MixerOptions, mixer_options
from flotilla_pilot.model.proxy_options import UNSAID, ProxyOptions, read_fields
from flotilla_pilot.model.references import Reference, reference
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_protos.istio.mesh.v1alpha1.proxy_pb2 import Topology
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import (
    LocalityLoadBalancerSetting,
    ZoneAwareLoadBalancerSetting,
)
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import HTTPRetry
from flotilla_shared.model.objects import ConfigObject

_EVERYWHERE = ("*",)

SecretProvider = tuple[str, int]
"""The host of a service and its port."""


@dataclass(frozen=True, slots=True)
class MeshSettings:
    """What Pilot's own settings say of the mesh; the mesh configuration overrides the first two."""

    trust_domain: str = "cluster.local"
    root_namespace: str = "istio-system"
    domain: str = "cluster.local"
    cluster_id: str = "Kubernetes"
    sidecar_ingress_tls: bool = True
    """Whether TLS that a Sidecar states for a way in is served; Istio does so if it is asked to."""
    gives_addresses: bool = True
    """Whether every proxy whose DNS is captured knows given addresses, not only those that ask for it."""
    dual_stack: bool = False
    """Whether names are resolved, and applications dialled, in both versions of IP where a workload has both."""
    resolve_unknown_names: bool = True
    """Whether requests to hosts that nobody declared go where the name leads, if nothing is intercepted."""
    resolve_external_names: bool = True
    """Whether an ExternalName Service that names no service of the mesh can be called, by what it names."""


@dataclass(frozen=True, slots=True, eq=False)
class MeshOptions:
    """What the mesh configuration asks for, as far as Pilot compiles it.

    `trust_domains` holds the mesh's own first, then its aliases. `references` is empty without a mesh
    configuration, when everything is at its default.
    """

    trust_domains: tuple[str, ...]
    root_namespace: str
    domain: str
    cluster_id: str
    allow_any: bool
    resolves_names: bool
    """Requests to hosts that nobody declared go where their name leads, not where they were dialled to."""
    auto_mtls: bool
    connect_timeout: Duration
    detection_timeout: Duration
    """How long a connection's first bytes are waited for where its protocol is not known; 0 is for ever."""
    access_log_file: str
    access_log_format: str
    access_log_json: bool
    default_retry: HTTPRetry | None
    h2_upgrade: bool
    service_export: tuple[str, ...]
    virtual_service_export: tuple[str, ...]
    destination_rule_export: tuple[str, ...]
    locality: LocalityLoadBalancerSetting
    zone_aware: ZoneAwareLoadBalancerSetting | None
    clusters: ClusterDefaults
    dual_stack: bool
    """Whether names are resolved, and applications dialled, in both versions of IP where a workload has both."""
    topology: Topology
    """What stands before gateways, and what of it they are to believe."""
    path_normalization: int
    """How paths are made alike before rules see them (MeshConfig.ProxyPathNormalization)."""
    http_proxy_port: int
    """Where every sidecar is an explicit HTTP proxy, on the loopback address; 0 is nowhere."""
    mesh_tls: MeshConfig.TLSConfig
    """Of mutual TLS between workloads."""
    tls_defaults: MeshConfig.TLSConfig
    """Of all other TLS that proxies serve."""
    secret_provider: SecretProvider | None
    """Who gateways get the secrets from whose names begin with `sds://`; None: their agents have them."""
    mixer: MixerOptions
    references: tuple[Reference, ...]
    proxy_default: bytes
    """What listeners read of the ProxyConfig that counts for proxies without one of their own."""
    proxy: ProxyOptions = UNSAID
    """Those of the class of proxies that listeners are made for."""

    @property
    def trust_domain(self) -> str:
        return self.trust_domains[0]

    def of(self, proxy: ProxyOptions) -> "MeshOptions":
        """The same mesh, as one class of proxies has it."""
        return replace(self, proxy=proxy)


def mesh_options(item: ConfigObject | None, settings: MeshSettings) -> MeshOptions:
    config = item.spec if item is not None and isinstance(item.spec, MeshConfig) else MeshConfig()
    own = config.trust_domain or settings.trust_domain
    return MeshOptions(
        trust_domains=(own, *sorted(set(config.trust_domain_aliases) - {own})),
        root_namespace=config.root_namespace or settings.root_namespace,
        domain=settings.domain,
        cluster_id=settings.cluster_id,
        allow_any=_allow_any(config),
        resolves_names=config.outbound_traffic_policy.mode == MeshConfig.OutboundTrafficPolicy.ALLOW_ANY_DYNAMIC_DNS,
        auto_mtls=not config.HasField("enable_auto_mtls") or config.enable_auto_mtls.value,
        connect_timeout=config.connect_timeout if config.HasField("connect_timeout") else Duration(seconds=10),
        detection_timeout=config.protocol_detection_timeout,
        access_log_file=config.access_log_file,
        access_log_format=config.access_log_format,
        access_log_json=config.access_log_encoding == MeshConfig.JSON,
        default_retry=config.default_http_retry_policy if config.HasField("default_http_retry_policy") else None,
        h2_upgrade=config.h2_upgrade_policy == MeshConfig.UPGRADE,
        service_export=tuple(config.default_service_export_to) or _EVERYWHERE,
        virtual_service_export=tuple(config.default_virtual_service_export_to) or _EVERYWHERE,
        destination_rule_export=tuple(config.default_destination_rule_export_to) or _EVERYWHERE,
        locality=_locality(config),
        zone_aware=config.zone_aware_lb_setting if config.HasField("zone_aware_lb_setting") else None,
        clusters=cluster_defaults(config),
        dual_stack=settings.dual_stack,
        topology=config.default_config.gateway_topology,
        path_normalization=config.path_normalization.normalization,
        http_proxy_port=config.proxy_http_port,
        mesh_tls=config.mesh_mTLS,
        tls_defaults=config.tls_defaults,
        secret_provider=_secret_provider(config),
        mixer=mixer_options(config),
        references=(reference(item),) if item is not None else (),
        proxy_default=read_fields(config.default_config),
    )


def _locality(config: MeshConfig) -> LocalityLoadBalancerSetting:
    """Unset means switched on, with no wishes."""
    if config.HasField("locality_lb_setting"):
        return config.locality_lb_setting
    return LocalityLoadBalancerSetting(enabled=BoolValue(value=True))


def _allow_any(config: MeshConfig) -> bool:
    """Unset means ALLOW_ANY, though REGISTRY_ONLY is the enum's zero."""
    if not config.HasField("outbound_traffic_policy"):
        return True
    return config.outbound_traffic_policy.mode != MeshConfig.OutboundTrafficPolicy.REGISTRY_ONLY


def _secret_provider(config: MeshConfig) -> SecretProvider | None:
    """The first; a service may be named with its namespace before it, `namespace/host`."""
    found = next((each.sds for each in config.extension_providers if each.HasField("sds")), None)
    return (found.service.rpartition("/")[2], found.port) if found is not None else None
