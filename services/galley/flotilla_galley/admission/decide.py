"""One review, decided. Pure: no I/O, no clock.

Only CREATE and UPDATE of the object itself are looked at; what Galley does not know is allowed, with a word. An object that
is on its way out, or whose spec stays as it is, is never held up by what is wrong with that spec: finalizers and labels
of an old, bad object can be edited. (Istio refuses those.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from flotilla_galley.sources.cluster_objects import source_of
from flotilla_galley.sources.documents import TOP_LEVEL
from flotilla_galley.validation.validate import validate_object
from flotilla_shared.model.kinds import Kind, kind_of
from flotilla_shared.model.objects import Problem
from flotilla_shared.runtime.kube.admission import AdmissionAnswer, AdmissionRequest
from flotilla_shared.runtime.kube.objects import ObjectMeta

EXAMINED = ("CREATE", "UPDATE")
# Somebody who wants to know whether the webhook is in effect sends an object with this annotation, by dry run.
ALWAYS_REJECT = "internal.istio.io/webhook-always-reject"
SHOWN_PROBLEMS = 5
REFUSED = 400

Reason = Literal["", "unsupported_operation", "yaml_decode_error", "unknown_type", "invalid_resource"]


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason` is empty where the object passed, else one of Istio's words for its metric."""

    answer: AdmissionAnswer
    reason: Reason = ""


def decide(request: AdmissionRequest) -> Decision:
    """Never raises for any request."""
    if request.operation not in EXAMINED or request.sub_resource:
        return Decision(AdmissionAnswer(True))
    kind = kind_of(request.kind.group, request.kind.kind)
    if kind is None or not kind.written:
        text = f"Galley knows no {request.kind.kind} of {request.kind.group}: it is not validated"
        return Decision(AdmissionAnswer(True, warnings=(text,)))
    written = request.object
    if written is None:
        return _refused(f"{request.operation} without an object", "yaml_decode_error")
    return _examine(request, kind, written)


def _examine(request: AdmissionRequest, kind: Kind, written: dict[str, Any]) -> Decision:
    name = f"{kind.kind} resource {request.namespace}/{_name(written)}"
    for field in written:
        if field not in TOP_LEVEL:
            return _refused(f'unknown field "{field}" on {name}', "yaml_decode_error")
    try:
        meta = msgspec.convert(written.get("metadata") or {}, ObjectMeta)
        spec = msgspec.convert({} if written.get("spec") is None else written["spec"], dict[str, Any])
    except msgspec.ValidationError as error:
        return _refused(f"cannot decode configuration: {error}", "yaml_decode_error")
    if ALWAYS_REJECT in meta.annotations:
        return _refused(f"metadata.annotations: {ALWAYS_REJECT} is always refused", "invalid_resource")
    if meta.deletion_timestamp is not None:
        return Decision(AdmissionAnswer(True))
    named = msgspec.structs.replace(meta, name=_name(written), namespace=_namespace(request, kind))
    problems = validate_object(source_of(kind, named, spec)).problems
    old = request.old_object
    return _judged(problems, unchanged=old is not None and old.get("spec") == written.get("spec"))


def _judged(problems: tuple[Problem, ...], *, unchanged: bool) -> Decision:
    errors = [problem for problem in problems if problem.severity == "error"]
    warnings = [_line(problem) for problem in problems if problem.severity == "warning"]
    if unchanged and all(problem.field.startswith("spec") for problem in errors):
        errors, warnings = [], [*(f"still wrong: {_line(each)}" for each in errors), *warnings]
    if errors:
        return _refused(f"configuration is invalid: {_joined(errors)}", "invalid_resource", tuple(warnings))
    return Decision(AdmissionAnswer(True, warnings=tuple(warnings)))


def _refused(message: str, reason: Reason, warnings: tuple[str, ...] = ()) -> Decision:
    return Decision(AdmissionAnswer(False, message, warnings, code=REFUSED), reason)


def _joined(problems: list[Problem]) -> str:
    shown = "; ".join(_line(problem) for problem in problems[:SHOWN_PROBLEMS])
    more = len(problems) - SHOWN_PROBLEMS
    return f"{shown}; and {more} more" if more > 0 else shown


def _line(problem: Problem) -> str:
    return f"{problem.field}: {problem.text}" if problem.field else problem.text


def _name(written: dict[str, Any]) -> str:
    """The name; or one as the API server will make it, which it does after this."""
    meta = written.get("metadata")
    meta = meta if isinstance(meta, dict) else {}
    return str(meta.get("name") or f"{meta.get('generateName', '')}00000")


def _namespace(request: AdmissionRequest, kind: Kind) -> str:
    return "" if kind.cluster_scoped else request.namespace
