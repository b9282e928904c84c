"""instance: a template's fields, each an expression. Which fields there are is known for the templates of Istio 1.4."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.expressions import expression
from flotilla_galley.validation.struct_values import plain
from flotilla_protos.istio.policy.v1beta1.cfg_pb2 import Instance

MAP = True
# Fields of each template (mixer.md 5.1); MAP marks those that hold expressions by name.
_METRIC = {"value": False, "dimensions": MAP, "monitored_resource_type": False, "monitored_resource_dimensions": MAP}
_SPAN = (
    "trace_id span_id parent_span_id span_name start_time end_time httpStatusCode http_status_code client_span"
    " rewrite_client_span_id source_name source_ip destination_name destination_ip request_size request_total_size"
    " response_size response_total_size api_protocol"
)
_EDGE = (
    "timestamp source_workload_namespace source_workload_name source_owner source_uid destination_workload_namespace"
    " destination_workload_name destination_owner destination_uid destination_service_namespace"
    " destination_service_name context_protocol api_protocol"
)


def _plain(names: str) -> dict[str, bool]:
    return dict.fromkeys(names.split(), False)


TEMPLATES: Mapping[str, Mapping[str, bool]] = {
    "checknothing": {},
    "reportnothing": {},
    "listentry": _plain("value"),
    "quota": {"dimensions": MAP},
    "metric": _METRIC,
    "logentry": _plain("timestamp severity monitored_resource_type")
    | {"variables": MAP, "monitored_resource_dimensions": MAP},
    "apikey": _plain("api api_version api_operation api_key timestamp"),
    "tracespan": _plain(_SPAN) | {"span_tags": MAP},
    "edge": _plain(_EDGE),
    "kubernetes": _plain("source_uid source_ip destination_uid destination_ip destination_port"),
}


def validate(spec: Instance, report: Report, namespace: str) -> None:
    if not spec.compiled_template and not spec.template:
        report.at("compiledTemplate").wrong("it is missing; name a template, such as metric or checknothing")
    if spec.compiled_template and spec.template:
        report.at("template").wrong("an instance has compiledTemplate or template, not both")
    for name, text in sorted(spec.attribute_bindings.items()):
        report.at("attributeBindings", name).wrong(binding(text))
    fields = TEMPLATES.get(spec.compiled_template)
    if fields is not None:
        _params(plain(spec.params), fields, spec.compiled_template, report.at("params"))


def binding(text: str) -> str:
    """`$out.x` stands for an attribute that the template's adapter gives."""
    return expression(text.replace("$out.", "out."))


def _params(params: Mapping[str, object], fields: Mapping[str, bool], template: str, report: Report) -> None:
    for given, value in sorted(params.items()):
        where, name = report.at(given), _known_as(given, fields)
        if name is None:
            known = ", ".join(fields) or "none"
            where.wrong(f"the template {template} has no such field; its fields are: {known}", "unknown-field")
        elif not fields[name]:
            where.wrong(_written(value))
        elif not isinstance(value, dict):
            where.wrong("a mapping of names to expressions must stand here", "wrong-type")
        else:
            for key, text in sorted(value.items()):
                where.at("", key).wrong(_written(text))


def _known_as(given: str, fields: Iterable[str]) -> str | None:
    """monitoredResourceType is the same field as monitored_resource_type."""
    plain = given.replace("_", "").lower()
    return next((name for name in fields if name.replace("_", "").lower() == plain), None)


def _written(value: object) -> str:
    """What is wrong with the text of a field, or "". An empty one is not set."""
    if isinstance(value, bool):
        return f'an expression is text: write "{str(value).lower()}"'
    if isinstance(value, int | float):
        return f'an expression is text: write "{value:g}"'
    if not isinstance(value, str):
        return "an expression must stand here"
    return expression(value) if value.strip() else ""
