"""What a policy is for: a selector of workloads, or references (rules P21 and P22 of Istio's validation)."""

from __future__ import annotations

from typing import Any

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_protos.istio.type.v1beta1.selector_pb2 import PolicyTargetReference

TARGETS = (
    ("", "Service"),
    ("core", "Service"),
    ("networking.istio.io", "ServiceEntry"),
    ("gateway.networking.k8s.io", "Gateway"),
    ("gateway.networking.k8s.io", "GatewayClass"),
)


def targets(spec: Any, report: Report) -> None:
    """`spec` has `selector`, `targetRefs` and, but for TrafficExtension, `targetRef`."""
    workload_selector(spec, report)
    single = "targetRef" in spec.DESCRIPTOR.fields_by_name and spec.HasField("targetRef")
    if spec.HasField("selector") + single + bool(spec.targetRefs) > 1:
        report.wrong("selector, targetRef and targetRefs exclude each other; keep one of them", "conflict")
    if single:
        _reference(spec.targetRef, report.at("targetRef"))
    for where, reference in report.each("targetRefs", spec.targetRefs):
        _reference(reference, where)


def workload_selector(spec: Any, report: Report) -> None:
    """P21: what is selected by; without labels it selects everything, which is told."""
    if not spec.HasField("selector"):
        return
    if not spec.selector.match_labels:
        report.at("selector").warn("it has no labels and selects every workload; leave it out, or name labels")
    checks.selector(report.at("selector").at("matchLabels"), spec.selector.match_labels)


def _reference(reference: PolicyTargetReference, report: Report) -> None:
    if not reference.name:
        report.at("name").wrong("it is missing; name the object that the policy is for")
    if reference.namespace:
        report.at("namespace").wrong("another namespace is out of reach; leave it out")
    if (reference.group, reference.kind) not in TARGETS:
        known = ", ".join(f"{group or 'core'}/{kind}" for group, kind in TARGETS[1:])
        report.wrong(f"{reference.group}/{reference.kind} is no target of policies; there are {known}")
