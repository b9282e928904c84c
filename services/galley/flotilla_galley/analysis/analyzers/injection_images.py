"""Proxies of another image than injection gives now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.fields import mapping, text
from flotilla_galley.analysis.injectors import proxy_image, values_of
from flotilla_galley.analysis.kinds import CONFIG_MAPS, NAMESPACES, PODS
from flotilla_galley.analysis.membership import REVISION_LABEL, asks_for_injection, proxy_container
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_galley.analysis.selectors import names

_OWN_IMAGE = "sidecar.istio.io/proxyImage"


def look(namespace: Resource, view: View) -> Iterator[Message]:
    if not asks_for_injection(namespace.labels):
        return
    given = proxy_image(values_of(view, namespace.labels.get(REVISION_LABEL, "")))
    pods = [pod for pod in view.once(_pods).get(namespace.name, []) if given and _differs(pod, given)]
    if pods:
        yield tell("PodsIstioProxyImageMismatchInNamespace", namespace, "metadata.name", pods=names(pods))


def _differs(pod: Resource, given: str) -> bool:
    """The tag's variant (-debug, -distroless) is the pod's own choice."""
    container = proxy_container(mapping(pod.value, "spec"))
    if container is None or pod.annotations.get(_OWN_IMAGE):
        return False
    return _without_variant(text(container, "image")) != _without_variant(given)


def _without_variant(image: str) -> str:
    return image.removesuffix("-distroless").removesuffix("-debug")


def _pods(view: View) -> dict[str, list[Resource]]:
    found: dict[str, list[Resource]] = defaultdict(list)
    for pod in view.all(PODS):
        found[pod.namespace].append(pod)
    return dict(found)


ANALYZER = Analyzer(
    "injection.ImageAnalyzer",
    "whether proxies have the image that injection gives now",
    (CONFIG_MAPS, NAMESPACES, PODS),
    {NAMESPACES: look},
)
