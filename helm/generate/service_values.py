"""The values of each chart, and of the umbrella. `settings` of a service is made from its settings class: see settings.py."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from helm.generate.values import Autoscaling, Global, KubernetesObject, Pods, Values

FailurePolicy = Literal["Fail", "Ignore"]
ProvenPolicy = Literal["Fail", "Ignore", "Proven"]


def requests(cpu: str, memory: str) -> KubernetesObject:
    return {"requests": {"cpu": cpu, "memory": memory}}


class Scaled(Pods):
    autoscaling: Autoscaling = Field(default_factory=Autoscaling, description="HorizontalPodAutoscaler")


class Cleanup(Values):
    enabled: bool = Field(
        True, description="after uninstalling, a Job removes the ConfigMaps istio-ca-root-cert that Citadel made"
    )
    timeoutSeconds: int = Field(120, ge=10, description="time that it may take")


class Citadel(Pods):
    resources: KubernetesObject = Field(requests("100m", "128Mi"), description="requests and limits of the container")
    cleanup: Cleanup = Field(default_factory=Cleanup, description="what is removed after uninstalling")


class ValidationWebhook(Values):
    enabled: bool = Field(True, description="validate configuration when it is applied")
    failurePolicy: ProvenPolicy = Field(
        "Fail",
        description="what becomes of a change while Galley is away; Proven: Ignore until it has been called, then Fail",
    )
    timeoutSeconds: int = Field(5, ge=1, le=5, description="time in which Galley must answer")


class Access(Values):
    identity: str = Field(pattern="^spiffe://", description="SPIFFE id of the client")
    collections: list[str] = Field(description="collections it may ask for; ['*'] means all")


class Galley(Pods):
    resources: KubernetesObject = Field(requests("100m", "128Mi"), description="requests and limits of the container")
    webhook: ValidationWebhook = Field(default_factory=ValidationWebhook, description="validation at admission")
    access: list[Access] = Field([], description="who else may ask for configuration, beside Pilot and Mixer")


class Injection(Values):
    enabled: bool = Field(True, description="inject sidecars")
    failurePolicy: FailurePolicy = Field(
        "Fail", description="what becomes of a new pod while Pilot is away; Ignore starts it without a sidecar"
    )
    timeoutSeconds: int = Field(5, ge=1, le=5, description="time in which Pilot must answer")
    enableNamespacesByDefault: bool = Field(
        False, description="inject in namespaces without a label too; a failing webhook then concerns all of them"
    )
    rewriteAppHTTPProbe: bool = Field(True, description="lead the applications' probes through the agent")
    meshID: str = Field("", description="name of the mesh in proxies; empty: the trust domain")
    network: str = Field("", description="network of this cluster's pods")
    config: dict[str, Any] = Field(
        {"policy": "enabled"},
        description="key config of ConfigMap istio-sidecar-injector: policy, neverInjectSelector, "
        "alwaysInjectSelector, injectedAnnotations, defaultTemplates, aliases",
    )
    proxy: dict[str, Any] = Field(
        {"image": "proxy", "resources": requests("100m", "128Mi")},
        description="Istio's global.proxy: image, resources, logLevel, includeIPRanges, excludeIPRanges, "
        "excludeInboundPorts, holdApplicationUntilProxyStarts ...",
    )
    proxyInit: dict[str, Any] = Field({"image": "proxy"}, description="Istio's global.proxy_init: image, resources")


class Pilot(Scaled):
    resources: KubernetesObject = Field(requests("200m", "256Mi"), description="requests and limits of the container")
    injection: Injection = Field(default_factory=Injection, description="injection of sidecars into new pods")


class Telemetry(Values):
    enabled: bool = Field(True, description="Istio's standard metrics: the handler prometheus, its instances and rules")


class Redis(Values):
    address: str = Field("", description="host:port; handlers of redisquota that name no Redis use this one")
    username: str = Field("", description="the user that Mixer is to it; empty: its default user")
    secret: str = Field(
        "",
        description="Secret with the password under the key password, and for TLS the authority under ca.crt",
    )
    tls: bool = Field(False, description="speak TLS with it; without a Secret the system's authorities are trusted")


class Mixer(Scaled):
    enabled: bool = Field(True, description="install Mixer, and let proxies ask it and report to it")
    resources: KubernetesObject = Field(requests("200m", "256Mi"), description="requests and limits of the container")
    telemetry: Telemetry = Field(default_factory=Telemetry, description="what is made of reports by default")
    redis: Redis = Field(default_factory=Redis, description="where replicas share their quotas")
    adapterSecret: str = Field(
        "", description="Secret with passwords and tokens that handlers name, below /var/run/secrets/flotilla/adapters"
    )
    memoryQuotasPerReplica: bool = Field(
        False, description="accept handlers of memquota with more than one replica: each grants the whole quota"
    )


class GatewayService(Values):
    type: Literal["LoadBalancer", "NodePort", "ClusterIP"] = Field("LoadBalancer", description="type of the Service")
    externalTrafficPolicy: Literal["", "Cluster", "Local"] = Field("", description="Local keeps the client's address")
    loadBalancerSourceRanges: list[str] = Field([], description="who may connect, as CIDRs")
    ports: list[KubernetesObject] = Field(
        [
            {"name": "status-port", "port": 15021, "targetPort": 15021},
            {"name": "http2", "port": 80, "targetPort": 8080},
            {"name": "https", "port": 443, "targetPort": 8443},
        ],
        description="ports of the Service",
    )


class Gateway(Scaled):
    enabled: bool = Field(True, description="install the ingress gateway")
    resources: KubernetesObject = Field(requests("100m", "128Mi"), description="requests and limits of the container")
    service: GatewayService = Field(default_factory=GatewayService, description="how it is reached")
    tlsSecrets: list[str] = Field(
        [], description="Secrets with TLS certificates that it may read (credentialName), each with <name>-cacert"
    )
    proxyConfig: dict[str, Any] = Field({}, description="ProxyConfig of its proxy")


class Tests(Values):
    image: str = Field("", description="image of the pod of `helm test`; empty: the proxy's, by global.image")


class Umbrella(Values):
    global_: Global = Field(default_factory=Global, alias="global", description="what all charts see")
    meshConfig: dict[str, Any] = Field(
        {
            "accessLogFile": "/dev/stdout",
            "enableAutoMtls": True,
            "disablePolicyChecks": False,
            "policyCheckFailOpen": False,
            "outboundTrafficPolicy": {"mode": "ALLOW_ANY"},
        },
        description="the mesh configuration (MeshConfig); trust domain, root namespace and Mixer's addresses are added",
    )
    citadel: Citadel = Field(default_factory=Citadel, description="signs certificates")
    galley: Galley = Field(default_factory=Galley, description="validates and distributes configuration")
    pilot: Pilot = Field(default_factory=Pilot, description="compiles configuration for proxies, injects sidecars")
    mixer: Mixer = Field(default_factory=Mixer, description="decides on requests and collects telemetry")
    gateway: Gateway = Field(default_factory=Gateway, description="the ingress gateway")
    tests: Tests = Field(default_factory=Tests, description="`helm test`")
