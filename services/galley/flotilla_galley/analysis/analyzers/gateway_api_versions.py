"""Definitions of the Gateway API that are too old to be read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.kinds import CRDS
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource

_ANNOTATION = "gateway.networking.k8s.io/bundle-version"
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
# The oldest release of each that Istio reads.
_MINIMUM = {
    "grpcroutes.gateway.networking.k8s.io": (1, 1, 0),
    "backendtlspolicies.gateway.networking.k8s.io": (1, 4, 0),
    "tlsroutes.gateway.networking.k8s.io": (1, 5, 0),
}


def look(definition: Resource, view: View) -> Iterator[Message]:
    minimum, found = _MINIMUM.get(definition.name), _VERSION.match(definition.annotations.get(_ANNOTATION, ""))
    if minimum is None or found is None:
        return
    version = tuple(int(each) for each in found.groups())
    if version < minimum:
        field, shown = f"metadata.annotations.{_ANNOTATION}", {"version": _shown(version), "minimum": _shown(minimum)}
        yield tell("GatewayAPICRDVersionBelowMinimum", definition, field, name=definition.name, **shown)


def _shown(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


ANALYZER = Analyzer(
    "k8sgateway.CRDVersionAnalyzer",
    "whether the definitions of the Gateway API are new enough",
    (CRDS,),
    {CRDS: look},
)
