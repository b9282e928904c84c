"""Patches of EnvoyFilters that may not apply, or never do."""

from __future__ import annotations

from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_protos.istio.networking.v1alpha3.envoy_filter_pb2 import EnvoyFilter
from flotilla_shared.model.kinds import ENVOY_FILTERS

Patch = EnvoyFilter.Patch
_ROUTES = (EnvoyFilter.ROUTE_CONFIGURATION, EnvoyFilter.HTTP_ROUTE)
_FILTERS = (EnvoyFilter.NETWORK_FILTER, EnvoyFilter.HTTP_FILTER)
_RELATIVE = (Patch.REMOVE, Patch.REPLACE, Patch.INSERT_BEFORE, Patch.INSERT_AFTER, Patch.MERGE)


def look(envoy_filter: Resource, view: View) -> Iterator[Message]:
    for index, patch in enumerate(envoy_filter.spec.config_patches):
        if patch.HasField("patch"):
            name = _useless(patch) or _relative(envoy_filter, index, patch, view)
            if name:
                yield tell(name, envoy_filter, f"spec.configPatches[{index}].patch")


def _useless(patch: EnvoyFilter.EnvoyConfigObjectPatch) -> str:
    """The type of message about an operation that what it is applied to does not know, or ""."""
    operation, target = patch.patch.operation, patch.apply_to
    if operation == Patch.ADD and target in _ROUTES:
        return "EnvoyFilterUsesAddOperationIncorrectly"
    if operation == Patch.REMOVE and target in _ROUTES:
        return "EnvoyFilterUsesRemoveOperationIncorrectly"
    if operation == Patch.REPLACE and target not in _FILTERS:
        return "EnvoyFilterUsesReplaceOperationIncorrectly"
    return ""


def _relative(envoy_filter: Resource, index: int, patch: EnvoyFilter.EnvoyConfigObjectPatch, view: View) -> str:
    """The type of message about an operation whose effect hangs on what others did before, or ""."""
    if envoy_filter.spec.priority or patch.patch.operation not in _RELATIVE:
        return ""
    first = view.once(_versioned).get(_subject(patch))
    if first is not None and first < (envoy_filter.key.namespace, envoy_filter.key.name, index):
        return "EnvoyFilterUsesRelativeOperationWithProxyVersion"
    return "EnvoyFilterUsesRelativeOperation"


def _versioned(view: View) -> dict[str, tuple[str, str, int]]:
    """Subject -> the first patch of it that is for some versions of the proxy alone."""
    found: dict[str, tuple[str, str, int]] = {}
    for each in view.all(ENVOY_FILTERS):
        for index, patch in enumerate(each.spec.config_patches):
            if patch.match.proxy.proxy_version:
                found.setdefault(_subject(patch), (each.namespace, each.name, index))
    return found


def _subject(patch: EnvoyFilter.EnvoyConfigObjectPatch) -> str:
    """The name of what is put in, or else of the filter where it goes."""
    value = patch.patch.value
    if "name" in value.fields:
        return value.fields["name"].string_value
    return patch.match.listener.filter_chain.filter.name if value.fields else ""


ANALYZER = Analyzer(
    "envoyfilter.EnvoyPatchAnalyzer",
    "whether the patches of EnvoyFilters take effect",
    (ENVOY_FILTERS,),
    {ENVOY_FILTERS: look},
)
