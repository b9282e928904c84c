"""Selectors of policies that fit the pods of Kubernetes Gateways, where only targetRefs count."""

from __future__ import annotations

from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.kinds import PODS
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_galley.analysis.selectors import pods_selected
from flotilla_shared.model.kinds import AUTHORIZATION_POLICIES, REQUEST_AUTHENTICATIONS, TELEMETRIES, WASM_PLUGINS

GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"
_POLICIES = (AUTHORIZATION_POLICIES, REQUEST_AUTHENTICATIONS, TELEMETRIES, WASM_PLUGINS)


def look(policy: Resource, view: View) -> Iterator[Message]:
    """Told once for each Gateway."""
    spec = policy.spec
    if not spec.HasField("selector") or spec.targetRefs or spec.HasField("targetRef"):
        return
    pods = pods_selected(view, spec.selector.match_labels, policy.namespace)
    for gateway in sorted({pod.labels[GATEWAY_NAME] for pod in pods if GATEWAY_NAME in pod.labels}):
        yield tell("IneffectiveSelector", policy, "spec.selector", gateway=gateway)


ANALYZER = Analyzer(
    "k8sgateway.SelectorAnalyzer",
    "whether selectors are used where only targetRefs count",
    (*_POLICIES, PODS),
    dict.fromkeys(_POLICIES, look),
)
