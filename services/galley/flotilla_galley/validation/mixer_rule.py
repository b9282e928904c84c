"""rule: when which instances go to which handlers. References are not followed here: objects come in any order."""

from __future__ import annotations

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.expressions import expression
from flotilla_protos.istio.policy.v1beta1.cfg_pb2 import Action, Rule


def validate(spec: Rule, report: Report, namespace: str) -> None:
    if spec.match.strip():
        report.check(expression, "match", spec.match)
    operations = (*spec.request_header_operations, *spec.response_header_operations)
    if not spec.actions and not operations:
        report.at("actions").wrong("there is none: a rule needs an action or an operation on headers")
    for where, action in report.each("actions", spec.actions):
        _action(action, where)
    for field, found in (
        ("requestHeaderOperations", spec.request_header_operations),
        ("responseHeaderOperations", spec.response_header_operations),
    ):
        for where, operation in report.each(field, found):
            _operation(operation, where)


def _action(action: Action, report: Report) -> None:
    if not action.handler:
        report.at("handler").wrong("it is missing; name a handler, such as denyall or prometheus.istio-system")
    if not action.instances:
        report.at("instances").wrong("there is none: a handler is given instances")
    seen: set[str] = set()
    for where, name in report.each("instances", action.instances):
        if not name:
            where.wrong("the name is empty")
        elif name in seen:
            where.wrong(f"{name!r} is named twice", "duplicate")
        seen.add(name)


def _operation(operation: Rule.HeaderOperationTemplate, report: Report) -> None:
    report.check(lambda name: checks.header_name(name, pseudo=True), "name", operation.name)
    if operation.operation != Rule.HeaderOperationTemplate.REMOVE and not operation.values:
        report.at("values").wrong("there is none: say by an expression what the header is to hold")
    for where, text in report.each("values", operation.values):
        where.wrong(expression(text))
