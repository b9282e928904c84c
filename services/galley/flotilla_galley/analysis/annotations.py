"""The annotations that Istio reads, on what, and how settled each is. Source: Istio's API, today's and of 1.4."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ANY = "Any"
INGRESS_CLASS = "kubernetes.io/ingress.class"


@dataclass(frozen=True, slots=True)
class Annotation:
    """`kinds` are the kinds that it has an effect on; ANY is all."""

    kinds: tuple[str, ...] = ("Pod",)
    alpha: bool = True
    deprecated: bool = False


def is_istios(name: str) -> bool:
    """Whether it is in Istio's domain, or the one of Kubernetes' own that Istio documents."""
    return name == INGRESS_CLASS or name.partition("/")[0].endswith("istio.io")


def _of_pods(prefix: str, names: str, *, deprecated: bool = False) -> dict[str, Annotation]:
    return {f"{prefix}/{name}": Annotation(deprecated=deprecated) for name in names.split()}


_SETTLED = Annotation(alpha=False)
_SIDECAR, _STATUS, _TRAFFIC = "sidecar.istio.io", "readiness.status.sidecar.istio.io", "traffic.sidecar.istio.io"
TODAY: Mapping[str, Annotation] = {
    **_of_pods("ambient.istio.io", "bypass-inbound-capture dns-capture"),
    **_of_pods("istio.io", "rev reroute-virtual-interfaces"),
    **_of_pods("inject.istio.io", "templates"),
    **_of_pods("prometheus.istio.io", "merge-metrics"),
    **_of_pods("proxy.istio.io", "overrides"),
    **_of_pods("status.sidecar.istio.io", "port"),
    **_of_pods(_STATUS, "applicationPorts failureThreshold initialDelaySeconds periodSeconds"),
    **_of_pods(_SIDECAR, "agentLogLevel bootstrapOverride componentLogLevel enableCoreDump interceptionMode logLevel"),
    **_of_pods(_SIDECAR, "nativeSidecar proxyCPU proxyCPULimit proxyImage proxyImageType proxyMemory proxyMemoryLimit"),
    **_of_pods(
        _SIDECAR, "rewriteAppHTTPProbers statsCompression statsHistogramBuckets status userVolume userVolumeMount"
    ),
    **_of_pods(_SIDECAR, "discoveryAddress extraStatTags", deprecated=True),
    **_of_pods(_SIDECAR, "statsInclusionPrefixes statsInclusionRegexps statsInclusionSuffixes", deprecated=True),
    **_of_pods(_TRAFFIC, "excludeInboundPorts excludeInterfaces excludeOutboundIPRanges excludeOutboundPorts"),
    **_of_pods(_TRAFFIC, "includeInboundPorts includeOutboundIPRanges includeOutboundPorts kubevirtInterfaces"),
    "ambient.istio.io/redirection": _SETTLED,
    "proxy.istio.io/config": _SETTLED,
    "sidecar.istio.io/inject": Annotation(alpha=False, deprecated=True),
    "alpha.istio.io/canonical-serviceaccounts": Annotation(("Service",), deprecated=True),
    "alpha.istio.io/kubernetes-serviceaccounts": Annotation(("Service",), deprecated=True),
    "networking.istio.io/exportTo": Annotation(("Service",)),
    "networking.istio.io/traffic-distribution": Annotation(("Service", "ServiceEntry")),
    "traffic.istio.io/nodeSelector": Annotation(("Service",), alpha=False),
    "ambient.istio.io/waypoint-inbound-binding": Annotation(("GatewayClass", "Gateway")),
    "gateway.istio.io/name-override": Annotation(("Gateway",)),
    "gateway.istio.io/service-account": Annotation(("Gateway",)),
    "networking.istio.io/address-type": Annotation(("Gateway",)),
    "networking.istio.io/service-type": Annotation(("Gateway",)),
    "gateway.istio.io/controller-version": Annotation((ANY,)),
    "galley.istio.io/analyze-suppress": Annotation((ANY,)),
    "istio.io/autoRegistrationGroup": Annotation(("WorkloadEntry",)),
    "istio.io/connectedAt": Annotation(("WorkloadEntry",)),
    "istio.io/disconnectedAt": Annotation(("WorkloadEntry",)),
    "istio.io/workloadController": Annotation(("WorkloadEntry",)),
    "istio.io/dry-run": Annotation(("AuthorizationPolicy",)),
    "topology.istio.io/controlPlaneClusters": Annotation(("Namespace",)),
    INGRESS_CLASS: Annotation(("Ingress",), alpha=False),
}
OF_1_4: Mapping[str, Annotation] = {
    **_of_pods("alpha.istio.io", "identity"),
    **_of_pods("security.istio.io", "autoMTLS"),
    **_of_pods("status.sidecar.istio.io", "port"),
    **_of_pods(_STATUS, "applicationPorts failureThreshold initialDelaySeconds periodSeconds"),
    **_of_pods(
        _SIDECAR, "bootstrapOverride componentLogLevel controlPlaneAuthPolicy discoveryAddress enableCoreDump inject"
    ),
    **_of_pods(_SIDECAR, "interceptionMode logLevel proxyCPU proxyImage proxyMemory rewriteAppHTTPProbers status"),
    **_of_pods(
        _SIDECAR, "statsInclusionPrefixes statsInclusionRegexps statsInclusionSuffixes userVolume userVolumeMount"
    ),
    **_of_pods(_TRAFFIC, "excludeInboundPorts excludeOutboundIPRanges excludeOutboundPorts includeInboundPorts"),
    **_of_pods(_TRAFFIC, "includeOutboundIPRanges kubevirtInterfaces"),
    **_of_pods("policy.istio.io", "lang check checkRetries checkBaseRetryWaitTime checkMaxRetryWaitTime"),
    "alpha.istio.io/canonical-serviceaccounts": Annotation(("Service",)),
    "alpha.istio.io/kubernetes-serviceaccounts": Annotation(("Service",)),
    "networking.istio.io/exportTo": Annotation(("Service",)),
    "networking.alpha.istio.io/endpointsVersion": Annotation(("ServiceEntry",)),
    "networking.alpha.istio.io/notReadyEndpoints": Annotation(("ServiceEntry",)),
    "networking.alpha.istio.io/serviceVersion": Annotation(("ServiceEntry",)),
    "galley.istio.io/analyze-suppress": Annotation((ANY,)),
    "install.operator.istio.io/chart-owner": Annotation((ANY,)),
    "install.operator.istio.io/owner-generation": Annotation((ANY,)),
    "install.operator.istio.io/version": Annotation((ANY,)),
    INGRESS_CLASS: Annotation(("Ingress",)),
}
