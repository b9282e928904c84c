"""Extension providers of the mesh configuration (rule MC9 of Istio's validation).

A provider that is wrong harms those alone who name it: the mesh configuration is told of it, and taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from flotilla_galley.validation import checks
from flotilla_galley.validation.addresses import provider_service
from flotilla_galley.validation.checks import Report
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig

Provider = MeshConfig.ExtensionProvider
_STATUSES = frozenset(str(status.value) for status in HTTPStatus)


def check_providers(providers: Iterable[Provider], report: Report) -> None:
    """`report` stands at the mesh configuration; what is found are warnings."""
    found = Report(report.path)
    seen: set[str] = set()
    for where, provider in found.each("extensionProviders", providers):
        if not provider.name:
            where.at("name").wrong("it is missing; policies name providers by it")
        elif provider.name in seen:
            where.at("name").wrong(f"{provider.name!r} is named twice", "duplicate")
        seen.add(provider.name)
        check_provider(provider, where)
    for problem in found.problems:
        Report(problem.field, report.problems).warn(problem.text, problem.code)


def check_provider(provider: Provider, report: Report) -> None:
    """One provider, by what it is for."""
    kind = provider.WhichOneof("provider")
    if kind is None:
        report.wrong("it provides nothing; say zipkin, opentelemetry, envoyExtAuthzGrpc or another")
        return
    field = provider.DESCRIPTOR.fields_by_name[kind].json_name
    given = getattr(provider, kind)
    where = report.at(field)
    if {"service", "port"} <= set(given.DESCRIPTOR.fields_by_name):
        where.check(provider_service, "service", given.service)
        where.check(checks.port, "port", given.port)
    if kind in _RULES:
        _RULES[kind](given, where)


def _authorizer(given: Any, report: Report) -> None:
    if given.status_on_error and given.status_on_error not in _STATUSES:
        report.at("statusOnError").wrong(f"{given.status_on_error!r} is no status of HTTP, such as 403")


def _http_authorizer(given: Provider.EnvoyExternalAuthorizationHttpProvider, report: Report) -> None:
    _authorizer(given, report)
    if given.path_prefix and not given.path_prefix.startswith("/"):
        report.at("pathPrefix").wrong(f"{given.path_prefix!r} must begin with a slash")


def _lightstep(given: Provider.LightstepTracingProvider, report: Report) -> None:
    if not given.access_token:
        report.at("accessToken").wrong("it is missing; Lightstep takes no spans without one")


def _opentelemetry(given: Provider.OpenTelemetryTracingProvider, report: Report) -> None:
    if given.HasField("http") and given.HasField("grpc"):
        report.at("grpc").wrong("http and grpc exclude each other; keep one of them", "conflict")


def _stackdriver(given: Provider.StackdriverProvider, report: Report) -> None:
    for name in ("max_number_of_attributes", "max_number_of_annotations", "max_number_of_message_events"):
        if getattr(given, name).value < 0:
            field = given.DESCRIPTOR.fields_by_name[name].json_name
            report.at(field).wrong(f"{getattr(given, name).value} is below 0")


_RULES = {
    "envoy_ext_authz_http": _http_authorizer,
    "envoy_ext_authz_grpc": _authorizer,
    "lightstep": _lightstep,
    "opentelemetry": _opentelemetry,
    "stackdriver": _stackdriver,
}
