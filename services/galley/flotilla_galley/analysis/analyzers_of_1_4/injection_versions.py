"""Proxies of another version than the injector would give, as 1.4 sees them."""

from __future__ import annotations

from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.fields import at, mapping, text
from flotilla_galley.analysis.injectors import values_of
from flotilla_galley.analysis.kinds import CONFIG_MAPS, NAMESPACES, PODS
from flotilla_galley.analysis.membership import INJECTION_LABEL, proxy_container
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource


def look(pod: Resource, view: View) -> Iterator[Message]:
    """By the tag of the image."""
    around = view.get(NAMESPACES, "", pod.namespace)
    container = proxy_container(mapping(pod.value, "spec"))
    given = at(values_of(view, ""), "global", "tag")
    if around is None or around.labels.get(INJECTION_LABEL) != "enabled" or container is None or not given:
        return
    _, _, tag = text(container, "image").rpartition(":")
    if tag != str(given):
        yield tell("IstioProxyVersionMismatch", pod, "metadata.name", proxy=tag, injector=given)


ANALYZER = Analyzer(
    "injection.VersionAnalyzer",
    "whether proxies have the version that the injector would give",
    (CONFIG_MAPS, NAMESPACES, PODS),
    {PODS: look},
)
