"""What objects of some kinds may be called (rules GW1, AN1 and RC1 of Istio's validation)."""

from __future__ import annotations

from typing import Any

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ObjectKey

DEFAULT = "default"
_RBAC = frozenset((kinds.RBAC_CONFIGS, kinds.CLUSTER_RBAC_CONFIGS))


def validate(key: ObjectKey, spec: Any, report: Report) -> None:
    """`report` stands at `metadata.name`."""
    if key.collection == kinds.GATEWAYS:
        report.wrong(checks.dns_label(key.name))
    elif key.collection in _RBAC and key.name != DEFAULT:
        report.wrong(f"{key.name!r} has no effect; it must be {DEFAULT!r}")
    elif key.collection == kinds.MESH_POLICIES or (key.collection == kinds.POLICIES and not key.namespace):
        report.wrong(_of_the_mesh(key.name, targets=bool(spec.targets)))
    elif key.collection == kinds.POLICIES:
        report.wrong(_of_a_namespace(key.name, targets=bool(spec.targets)))


def _of_the_mesh(name: str, *, targets: bool) -> str:
    if name != DEFAULT:
        return f"{name!r} has no effect; the policy of the whole mesh must be called {DEFAULT!r}"
    return "a policy of the whole mesh has no spec.targets; write a Policy of a namespace" if targets else ""


def _of_a_namespace(name: str, *, targets: bool) -> str:
    if name == DEFAULT:
        return f"{DEFAULT!r} is the policy of the whole namespace and has no spec.targets" if targets else ""
    return "" if targets else f"{name!r} has no spec.targets; name some, or call it {DEFAULT!r}"
