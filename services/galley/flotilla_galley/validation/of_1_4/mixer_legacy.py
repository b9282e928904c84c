"""Kinds of one template or adapter each, from before `instance` and `handler`: what is written must be that one's message.

They travel as they are written, for a Mixer of 1.4 (ADR 0135): by 1.4's rule set alone they are judged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.decode import Decoder
from flotilla_galley.validation.expressions import expression
from flotilla_galley.validation.mixer_instance import binding
from flotilla_galley.validation.struct_values import plain
from flotilla_shared.model.legacy_kinds import LEGACY_PLURALS, LEGACY_PREFIX

_MIXER = "flotilla_protos.istio.mixer."
_TEMPLATE = "{0}template.{1}.template_handler_service_pb2"
# Kinds of templates -> module of their message InstanceParam, each field of which is an expression.
TEMPLATES: Mapping[str, str] = {
    kind: _TEMPLATE.format(_MIXER, kind)
    for kind in (
        "apikey",
        "authorization",
        "checknothing",
        "edge",
        "listentry",
        "logentry",
        "metric",
        "quota",
        "reportnothing",
    )
} | {
    "tracespan": f"{_MIXER}template.tracespan.tracespan_handler_service_pb2",
    "kubernetes": f"{_MIXER}adapter.kubernetesenv.template.template_handler_service_pb2",
}
# Kinds of adapters -> module of their message Params. Of noop, rbac and signalfx there is none, and their form alone counts.
ADAPTERS: Mapping[str, str] = {
    kind: f"{_MIXER}adapter.{'list' if kind == 'listchecker' else kind}.config.config_pb2"
    for kind in (
        "bypass",
        "circonus",
        "cloudwatch",
        "denier",
        "dogstatsd",
        "fluentd",
        "kubernetesenv",
        "listchecker",
        "memquota",
        "opa",
        "prometheus",
        "redisquota",
        "solarwinds",
        "stackdriver",
        "statsd",
        "stdio",
        "zipkin",
    )
}


def template(spec: Struct, report: Report, namespace: str, *, module: str) -> None:
    _expressions(_decoded(module, "InstanceParam", spec, report), report)


def adapter(spec: Struct, report: Report, namespace: str, *, module: str) -> None:
    _decoded(module, "Params", spec, report)


def _decoded(module: str, name: str, spec: Struct, report: Report) -> Message:
    """The message; a field that it has not is an error, as in all kinds of Mixer."""
    message: Message = getattr(import_module(module), name)()
    Decoder("error", report.problems).message(message, plain(spec), report.path)
    return message


def _expressions(message: Message, report: Report) -> None:
    """All text of a message, at any depth; an empty one is not set."""
    for field, value in message.ListFields():
        where = report.at(field.json_name)
        if isinstance(value, str):
            where.wrong(expression(value) if value.strip() else "")
        elif isinstance(value, Message):
            _expressions(value, where)
        elif isinstance(value, Mapping):
            _pairs(value, where)


def _pairs(values: Mapping[str, Any], report: Report) -> None:
    """Expressions by name; in `attributeBindings`, `$out.x` stands for what the adapter gives."""
    for key, value in sorted(values.items()):
        if not isinstance(value, str):
            _expressions(value, report.at("", key))
        elif value.strip():
            report.at("", key).wrong(binding(value))


def _rules() -> dict[str, Callable[[Any, Report, str], None]]:
    """By collection."""
    of: dict[str, Callable[[Any, Report, str], None]] = {}
    for kind, plural in LEGACY_PLURALS.items():
        if kind in TEMPLATES:
            of[LEGACY_PREFIX + plural] = partial(template, module=TEMPLATES[kind])
        elif kind in ADAPTERS:
            of[LEGACY_PREFIX + plural] = partial(adapter, module=ADAPTERS[kind])
    return of


LEGACY_RULES = _rules()
