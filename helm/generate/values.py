"""The values of the charts: each key with its type, default and meaning. Everything else is made from these models.

The names are the keys that a user writes. Parts of Kubernetes' own objects (tolerations, resources ...) are taken as they
are: the API server judges them.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

KubernetesObject = dict[str, Any]


class Values(BaseModel):
    """A mapping that knows all of its keys."""

    model_config = ConfigDict(extra="forbid")


class Image(Values):
    prefix: str = Field(
        "localhost/flotilla",
        min_length=1,
        description="registry and folder of the images; the default is found only on nodes where they were built",
    )
    tag: str = Field("", description="tag of all images; empty: the chart's appVersion")
    pullPolicy: Literal["Always", "IfNotPresent", "Never"] = Field("IfNotPresent", description="imagePullPolicy")


class NetworkPolicy(Values):
    enabled: bool = Field(True, description="a NetworkPolicy for each service, by its ports")
    egress: bool = Field(False, description="limit too what the services call (not Mixer, whose adapters call anybody)")
    apiServerPorts: list[int] = Field([443, 6443], description="ports of the API server, for egress")


class Global(Values):
    """What all charts see."""

    image: Image = Field(default_factory=Image, description="where the images come from")
    imagePullSecrets: list[str] = Field([], description="names of Secrets with the registry's credentials")
    revision: str = Field(
        "",
        pattern="^([a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?)?$",
        description="revision of this control plane (label istio.io/rev); empty: the default one",
    )
    trustDomain: str = Field("cluster.local", min_length=1, description="trust domain of the mesh's identities")
    clusterDomain: str = Field("cluster.local", min_length=1, description="DNS domain of the cluster")
    clusterId: str = Field("Kubernetes", min_length=1, description="name of this cluster in proxies and endpoints")
    logLevel: Literal["debug", "info", "warning", "error"] = Field("info", description="of all four services")
    priorityClassName: str = Field("", description="of all pods, unless a service has its own")
    networkPolicy: NetworkPolicy = Field(default_factory=NetworkPolicy, description="who may connect to whom")


class DisruptionBudget(Values):
    enabled: bool = Field(True, description="make one where there is more than one replica")
    maxUnavailable: int | str = Field(1, description="pods that may be away at a time, a number or a percentage")


class Autoscaling(Values):
    enabled: bool = Field(False, description="a HorizontalPodAutoscaler decides the replicas")
    minReplicas: int = Field(1, ge=1, description="fewest pods")
    maxReplicas: int = Field(5, ge=1, description="most pods")
    targetCPUUtilizationPercentage: int = Field(80, ge=1, le=100, description="CPU, of the request, to aim at")


class Pods(Values):
    """What can be said of every Deployment."""

    image: str = Field("", description="whole reference of the image, tag or digest included; empty: by global.image")
    replicas: int = Field(1, ge=1, description="pods, where no autoscaler decides")
    resources: KubernetesObject = Field({}, description="requests and limits of the container")
    podDisruptionBudget: DisruptionBudget = Field(default_factory=DisruptionBudget, description="PodDisruptionBudget")
    terminationGracePeriodSeconds: int = Field(30, ge=0, description="time to drain before a pod is killed")
    lingerSeconds: int = Field(
        5, ge=0, description="time that a pod which is to end goes on serving, until nobody is led to it any more"
    )
    priorityClassName: str = Field("", description="PriorityClass of the pods")
    antiAffinity: Literal["preferred", "required", "none"] = Field(
        "preferred", description="whether replicas keep to different nodes, where affinity is empty"
    )
    affinity: KubernetesObject = Field({}, description="affinity of the pods, in place of antiAffinity")
    topologySpreadConstraints: list[KubernetesObject] = Field(
        [], description="spread over zones or nodes; the labelSelector is added"
    )
    nodeSelector: dict[str, str] = Field({}, description="labels of the nodes")
    tolerations: list[KubernetesObject] = Field([], description="taints that the pods tolerate")
    podAnnotations: dict[str, str] = Field({}, description="more annotations of the pods")
    podLabels: dict[str, str] = Field({}, description="more labels of the pods")
    serviceAnnotations: dict[str, str] = Field({}, description="annotations of the Service")
    serviceAccountAnnotations: dict[str, str] = Field({}, description="annotations of the service account")
    extraVolumes: list[KubernetesObject] = Field([], description="more volumes")
    extraVolumeMounts: list[KubernetesObject] = Field([], description="more volumeMounts")
