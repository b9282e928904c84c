"""What a template is made from: one pod, and everything that says how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flotilla_pilot.injection.annotations import MODE, NATIVE, STATUS_PORT, is_true
from flotilla_pilot.injection.document import Json, at, listing, named, texts
from flotilla_pilot.injection.identity import PodIdentity
from flotilla_pilot.injection.settings import InjectionConfig, InjectionValues
from flotilla_protos.istio.mesh.v1alpha1.proxy_pb2 import ProxyConfig

PROXY, INIT = "istio-proxy", "istio-init"
PROXY_USER = 1337


@dataclass(frozen=True, slots=True)
class MeshFacts:
    """What of the mesh configuration injection needs."""

    trust_domain: str = "cluster.local"
    default_config: ProxyConfig = field(default_factory=ProxyConfig)
    prometheus_merge: bool = True


@dataclass(frozen=True, slots=True)
class Injector:
    """Everything that says how to inject, whatever the pod. `native` is whether a sidecar is an init container that goes on,
    where the pod does not say.
    """

    config: InjectionConfig = field(default_factory=InjectionConfig)
    values: InjectionValues = field(default_factory=lambda: InjectionValues({}))
    mesh: MeshFacts = field(default_factory=MeshFacts)
    revision: str = ""
    native: bool = False

    @property
    def revision_name(self) -> str:
        return self.revision or self.values.text("revision") or "default"


@dataclass(frozen=True, slots=True)
class PodContext:
    """One pod on its way: `pod` is as the user wrote it, `own` is the proxy container that he wrote, if any."""

    injector: Injector
    pod: Json
    namespace: str
    identity: PodIdentity
    proxy_config: ProxyConfig
    own: Json | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def values(self) -> InjectionValues:
        return self.injector.values

    @property
    def labels(self) -> dict[str, str]:
        return texts(at(self.pod, "metadata", "labels"))

    @property
    def annotations(self) -> dict[str, str]:
        return texts(at(self.pod, "metadata", "annotations"))

    @property
    def applications(self) -> list[Json]:
        """The containers that are not the proxy."""
        return [each for each in listing(at(self.pod, "spec", "containers")) if each.get("name") != PROXY]

    def option(self, annotation: str, *path: str) -> str:
        """The annotation, or what the values say at that path below `global`."""
        return self.annotations[annotation] if annotation in self.annotations else self.values.text("global", *path)

    @property
    def mode(self) -> str:
        return self.annotations.get(MODE) or ProxyConfig.InboundInterceptionMode.Name(
            self.proxy_config.interception_mode
        )

    @property
    def status_port(self) -> int:
        given = self.annotations.get(STATUS_PORT)
        return int(given) if given else int(self.values.get("global", "proxy", "statusPort") or 0)

    @property
    def native(self) -> bool:
        return is_true(self.annotations, NATIVE, self.injector.native)

    @property
    def holds(self) -> bool:
        """Whether the application waits for the proxy: the pod's word or the mesh's, else the values'."""
        if self.proxy_config.HasField("hold_application_until_proxy_starts"):
            return self.proxy_config.hold_application_until_proxy_starts.value
        return self.values.truth("global", "proxy", "holdApplicationUntilProxyStarts")

    @property
    def user(self) -> int:
        """Whose calls are not captured: the proxy's user, also where the user of the mesh chose another."""
        chosen = at(self.own, "securityContext", "runAsUser")
        return chosen if isinstance(chosen, int) and chosen else PROXY_USER


def beside_the_proxy(pod: Json) -> list[str]:
    """Containers whose calls are not led through the proxy, as they run as its user."""
    whole = at(pod, "spec", "securityContext", "runAsUser")
    own = ((each, at(each, "securityContext", "runAsUser")) for each in listing(at(pod, "spec", "containers")))
    found = (str(each.get("name")) for each, user in own if (whole if user is None else user) == PROXY_USER)
    return [name for name in found if name != PROXY]


def own_proxy(pod: Json) -> Json | None:
    """The proxy container that stands in the pod already, wherever."""
    spec = at(pod, "spec")
    places = (listing(at(spec, field)) for field in ("containers", "initContainers"))
    return next((found for place in places if (found := named(place, PROXY)) is not None), None)
