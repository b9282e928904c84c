"""EnvoyFilter (rules EF2 to EF8 as Istio 1.4 has them): patches, and the filters of before 1.3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.struct_pb2 import Struct

from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.envoy_filter import check_match, check_version, what_is_missing
from flotilla_galley.validation.struct_values import plain
from flotilla_protos.istio.networking.v1alpha3.envoy_filter_pb2 import EnvoyFilter
from flotilla_shared.model.envoy_values import ValueRefused, build_value, is_of_old_api

# Fields of the second version of Envoy's API that hold what is a filter's own.
OPAQUE = ("config", "typed_config", "typedConfig", "per_filter_config", "perFilterConfig")


def validate(spec: EnvoyFilter, report: Report, namespace: str) -> None:
    for where, each in report.each("filters", spec.filters):
        _filter(each, where)
    for where, patch in report.each("configPatches", spec.config_patches):
        if text := what_is_missing(patch):
            where.wrong(text)
        elif check_version(patch, where) and check_match(patch, where):
            _value(patch, where.at("patch").at("value"))


def _filter(each: EnvoyFilter.Filter, report: Report) -> None:
    """EF3"""
    position = each.insert_position
    if position.index in (EnvoyFilter.InsertPosition.BEFORE, EnvoyFilter.InsertPosition.AFTER):
        report.at("insertPosition").at("relativeTo").wrong(
            "" if position.relative_to else "it is missing; name a filter"
        )
    for field, given in (
        ("filterType", each.filter_type != EnvoyFilter.Filter.INVALID),
        ("filterName", bool(each.filter_name)),
        ("filterConfig", each.HasField("filter_config")),
    ):
        report.at(field).wrong("" if given else "it is missing")


def _value(patch: EnvoyFilter.EnvoyConfigObjectPatch, report: Report) -> None:
    """EF8: a value is a message of Envoy's API, which was the second version then."""
    written = plain(patch.patch.value)
    if wrong := _config(written):
        report.wrong(wrong)
        return
    value = Struct()
    value.update(_without_old_types(written))
    try:
        build_value(patch.apply_to, value)
    except ValueRefused as refused:
        report.wrong(str(refused))


def _config(value: Any) -> str:
    """`config`, which the third version has no longer, is a mapping wherever it stands."""
    if isinstance(value, list):
        return next((wrong for each in value if (wrong := _config(each))), "")
    if not isinstance(value, dict):
        return ""
    if not isinstance(value.get("config"), dict | None):
        return "config must be a mapping of fields"
    return _config([each for name, each in value.items() if name not in OPAQUE])


def _without_old_types(value: Any) -> Any:
    """Messages whose types Envoy has no longer are left out: what they held can be judged no more."""
    if isinstance(value, Mapping):
        return {name: _without_old_types(each) for name, each in value.items() if not _is_old(each)}
    return [_without_old_types(each) for each in value] if isinstance(value, list) else value


def _is_old(value: Any) -> bool:
    return isinstance(value, Mapping) and is_of_old_api(str(value.get("@type", "")).rpartition("/")[2])
