"""Annotations of features that are not finished."""

from __future__ import annotations

from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.annotations import TODAY
from flotilla_galley.analysis.fields import mappings, text
from flotilla_galley.analysis.kinds import DEPLOYMENTS, NAMESPACES, PODS, SERVICES
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource

_READS = (DEPLOYMENTS, NAMESPACES, PODS, SERVICES)
# The control plane itself writes these.
_WRITTEN = frozenset({"sidecar.istio.io/status", "gateway.istio.io/controller-version", "istio.io/rev"})
# And these where pods are redirected by a node's plug-in, which one of its containers shows.
_WRITTEN_BY_PLUG_IN = frozenset(
    {
        "sidecar.istio.io/interceptionMode",
        "traffic.sidecar.istio.io/excludeInboundPorts",
        "traffic.sidecar.istio.io/includeInboundPorts",
        "traffic.sidecar.istio.io/includeOutboundIPRanges",
    }
)
_PLUG_IN = "istio-validation"


def look(resource: Resource, view: View) -> Iterator[Message]:
    by_plug_in = any(text(each, "name") == _PLUG_IN for each in mappings(resource.value, "spec", "initContainers"))
    written = _WRITTEN | (_WRITTEN_BY_PLUG_IN if by_plug_in else frozenset())
    for name in sorted(resource.annotations):
        known = TODAY.get(name)
        if known is not None and known.alpha and name not in written:
            yield tell("AlphaAnnotation", resource, f"metadata.annotations.{name}", annotation=name)


ANALYZER = Analyzer(
    "annotations.AlphaAnalyzer",
    "whether annotations belong to features that are not finished",
    _READS,
    dict.fromkeys(_READS, look),
    by_default=False,
)
