"""Telemetry (rules TE of Istio's validation)."""

from __future__ import annotations

from collections.abc import Iterable

from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.log_filters import log_filter
from flotilla_galley.validation.policy_targets import targets
from flotilla_protos.istio.telemetry.v1alpha1.telemetry_pb2 import (
    Metrics,
    MetricsOverrides,
    ProviderRef,
    Telemetry,
    Tracing,
)


def validate(spec: Telemetry, report: Report, namespace: str) -> None:
    targets(spec, report)
    if len(spec.tracing) > 1:
        report.at("tracing").warn("there are several, and only the first counts; write one")
    for where, tracing in report.each("tracing", spec.tracing):
        _tracing(tracing, where)
    for where, metrics in report.each("metrics", spec.metrics):
        _metrics(metrics, where)
    for where, logging in report.each("accessLogging", spec.access_logging):
        _providers(logging.providers, where)
        if logging.HasField("filter"):
            where.at("filter").check(log_filter, "expression", logging.filter.expression)


def _providers(providers: Iterable[ProviderRef], report: Report) -> None:
    for where, provider in report.each("providers", providers):
        where.at("name").wrong("" if provider.name else "it is missing; name a provider of the mesh configuration")


def _tracing(tracing: Tracing, report: Report) -> None:
    if len(tracing.providers) > 1:
        report.at("providers").warn("there are several, and only the first counts; name one")
    _providers(tracing.providers, report)
    share = tracing.random_sampling_percentage.value
    if not 0 <= share <= 100:
        report.at("randomSamplingPercentage").wrong(f"{share:g} is outside of 0 to 100")
    for name, tag in sorted(tracing.custom_tags.items()):
        where = report.at("customTags", name)
        if not name:
            where.wrong("the tag's name is empty")
        _tag(tag, where)


def _tag(tag: Tracing.CustomTag, report: Report) -> None:
    kind = tag.WhichOneof("type")
    if kind is None:
        report.wrong("it has no value; say literal, environment, header or formatter")
    elif kind in ("literal", "formatter"):
        report.at(kind).at("value").wrong("" if getattr(tag, kind).value else "it is missing")
    else:
        report.at(kind).at("name").wrong("" if getattr(tag, kind).name else "it is missing")


def _metrics(metrics: Metrics, report: Report) -> None:
    _providers(metrics.providers, report)
    for where, override in report.each("overrides", metrics.overrides):
        for name, change in sorted(override.tag_overrides.items()):
            _override(name, change, where.at("tagOverrides", name))
        if override.match.WhichOneof("metric_match") == "custom_metric" and not override.match.custom_metric:
            where.at("match").at("customMetric").wrong("it is empty; name the metric")


def _override(name: str, change: MetricsOverrides.TagOverride, report: Report) -> None:
    if not name:
        report.warn("the tag's name is empty")
    removed = change.operation == MetricsOverrides.TagOverride.REMOVE
    if removed and change.value:
        report.at("value").wrong("a tag that is removed has no value")
    if not removed and not change.value:
        report.at("value").wrong("it is missing; say what the tag is to hold, or operation: REMOVE")
