"""Rules of the annotations that mean something on every kind. Source: Istio's validation webhook."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.message import Message

from flotilla_galley.validation.checks import Report
from flotilla_shared.model.kinds import AUTHORIZATION_POLICIES

DRY_RUN = "istio.io/dry-run"
INTERNAL = ("internal.istio.io/parents", "internal.istio.io/parent-namespace")
_BOOLEANS = ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")
_DRY_ACTIONS = ("ALLOW", "DENY")


def validate(collection: str, spec: Message, annotations: Mapping[str, str], report: Report) -> None:
    """`report` stands at `metadata.annotations`."""
    for name in INTERNAL:
        if name in annotations:
            report.at(name).wrong("this annotation is the control plane's own; remove it")
    if DRY_RUN in annotations:
        report.at(DRY_RUN).wrong(_dry_run(collection, spec, annotations[DRY_RUN]))


def _dry_run(collection: str, spec: Message, value: str) -> str:
    if collection != AUTHORIZATION_POLICIES:
        return "only AuthorizationPolicy can be tried without effect; remove the annotation"
    actions = spec.DESCRIPTOR.fields_by_name["action"].enum_type
    assert actions is not None
    action = actions.values_by_number[getattr(spec, "action")].name  # noqa: B009  # a message of any kind
    if action not in _DRY_ACTIONS:
        return f"a policy with action {action} cannot be tried without effect; ALLOW and DENY can"
    return "" if value in _BOOLEANS else f"{value!r} is neither true nor false"
