"""Which Ingresses are served, and where: what the mesh configuration says of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_shared.runtime.kube.objects import Ingress, IngressClass

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
CONTROLLER = "istio.io/ingress-controller"
"""Of an IngressClass whose Ingresses are the mesh's."""

NAMESPACE = "istio-system"
"""Of the Gateways that stand for Ingresses, whatever the root namespace is: that is part of their routes' names."""

_STANDARD_SERVICE = "istio-ingressgateway"
_STANDARD_SELECTOR = "ingressgateway"


@dataclass(frozen=True, slots=True)
class IngressOptions:
    """`ingressControllerMode`, `ingressClass`, `ingressSelector` and `ingressService`, with Istio's defaults."""

    served: bool = True
    unclassed: bool = False
    """Whether an Ingress that names no class is served too."""
    class_name: str = "istio"
    selector: str = _STANDARD_SELECTOR
    """The label `istio` of the gateways that serve them."""


def ingress_options(config: MeshConfig) -> IngressOptions:
    service = config.ingress_service if config.ingress_service != _STANDARD_SERVICE else ""
    return IngressOptions(
        served=config.ingress_controller_mode != MeshConfig.OFF,
        unclassed=config.ingress_controller_mode == MeshConfig.DEFAULT,
        class_name=config.ingress_class or "istio",
        selector=config.ingress_selector or service or _STANDARD_SELECTOR,
    )


def is_served(ingress: Ingress, classes: Mapping[tuple[str, str], IngressClass], options: IngressOptions) -> bool:
    """Whether an Ingress is the mesh's: by its annotation, else by its IngressClass, else by the mode.

    One that names a class which is not there is somebody else's. With the mode OFF none is.
    """
    if not options.served:
        return False
    stated = ingress.metadata.annotations.get(CLASS_ANNOTATION)
    if stated is not None:
        return stated == options.class_name
    named = ingress.spec.ingress_class_name
    if named is None:
        return options.unclassed
    found = classes.get(("", named))
    return found is not None and found.spec.controller == CONTROLLER
