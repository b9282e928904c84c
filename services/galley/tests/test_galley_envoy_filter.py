"""The rules of EnvoyFilter."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from flotilla_galley.sources.documents import read_objects
from flotilla_galley.validation.envoy_filter import FRAGILE
from flotilla_galley.validation.validate import validate_object

LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
MANAGER = "envoy.filters.network.http_connection_manager"
SOUND: dict[str, Any] = {
    "applyTo": "HTTP_FILTER",
    "match": {"context": "SIDECAR_OUTBOUND", "listener": {"filterChain": {"filter": {"name": MANAGER}}}},
    "patch": {
        "operation": "INSERT_BEFORE",
        "value": {
            "name": "envoy.filters.http.lua",
            "typed_config": {"@type": LUA, "default_source_code": {"inline_string": "-- nothing"}},
        },
    },
}
Told = list[tuple[str, str]]


def told(spec: dict[str, Any]) -> tuple[Told, Told]:
    """Errors and warnings as (field, text), but for the one that every EnvoyFilter has."""
    written = {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": "a", "namespace": "default"},
        "spec": spec,
    }
    found, _ = read_objects("case", yaml.safe_dump(written))
    problems = validate_object(found[0]).problems
    said = [[(e.field, e.text) for e in problems if e.severity == each] for each in ("error", "warning")]
    assert ("spec", FRAGILE) in said[1]
    return said[0], [each for each in said[1] if each != ("spec", FRAGILE)]


def patch(**changes: Any) -> dict[str, Any]:
    """The sound patch, other values put at dotted paths (`__` is a dot); None takes the field away."""
    made = copy.deepcopy(SOUND)
    for path, value in changes.items():
        *way, last = path.split("__")
        place = made
        for step in way:
            place = place.setdefault(step, {})
        place.pop(last, None) if value is None else place.update({last: value})
    return made


def test_a_sound_patch() -> None:
    assert told({"configPatches": [SOUND], "workloadSelector": {"labels": {"app": "a"}}}) == ([], [])


REFUSED = {
    "applyTo is missing": (patch(applyTo=None), ""),
    "patch is missing": (patch(patch=None), ""),
    "patch.operation is missing": (patch(patch__operation=None), ""),
    "only REMOVE does without": (patch(patch__value=None), ""),
    "is no regular expression": (patch(match__proxy={"proxyVersion": "1.("}), ".match.proxy.proxyVersion"),
    "HTTP_FILTER is matched by listener": (patch(match={"cluster": {"name": "a"}}), ".match"),
    "CLUSTER is matched by cluster": (patch(applyTo="CLUSTER"), ".match"),
    "HTTP_ROUTE is matched by routeConfiguration": (patch(applyTo="HTTP_ROUTE"), ".match"),
    "name the network filter": (
        patch(match__listener__filterChain__filter={}),
        ".match.listener.filterChain.filter.name",
    ),
    "only HTTP_FILTER is matched": (
        patch(applyTo="NETWORK_FILTER", match__listener__filterChain__filter__subFilter={"name": "a"}),
        ".match.listener.filterChain.filter.subFilter",
    ),
    "it has no name to match by": (
        patch(match__listener__filterChain__filter__subFilter={}),
        ".match.listener.filterChain.filter.subFilter",
    ),
    "and in no other filter": (
        patch(match__listener__filterChain__filter={"name": "x", "subFilter": {"name": "a"}}),
        ".match.listener.filterChain.filter.subFilter",
    ),
    "is no type that Envoy has": (patch(patch__value__typed_config={"@type": "x/envoy.a.v3.B"}), ".patch.value"),
    "write the type of v3": (
        patch(patch__value__typed_config={"@type": "type.googleapis.com/envoy.config.filter.http.lua.v2.Lua"}),
        ".patch.value",
    ),
    "Failed to parse inline_string field": (
        patch(patch__value__typed_config={"@type": LUA, "default_source_code": {"inline_string": 5}}),
        ".patch.value",
    ),
    "can only be by waypoint": (patch(match__context="WAYPOINT"), ".match"),
    "needs the context WAYPOINT": (patch(match={"waypoint": {"portNumber": 80}}), ".match"),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_refused_and_where(words: str) -> None:
    wrong, field = REFUSED[words]
    errors, _ = told({"configPatches": [SOUND, wrong]})
    assert [each[0] for each in errors] == [f"spec.configPatches[1]{field}"]
    assert words in errors[0][1]


WARNED = {
    "no field": patch(patch__value__colour="red"),
    "has no effect with LISTENER": patch(applyTo="LISTENER", patch={"operation": "REMOVE"}),
    "matches no proxy": patch(match__proxy={"proxyVersion": "a" * 1025}),
}


@pytest.mark.parametrize("words", WARNED)
def test_what_is_taken_with_a_warning(words: str) -> None:
    errors, warnings = told({"configPatches": [WARNED[words]]})
    assert errors == []
    assert any(words in text for _, text in warnings), warnings


def test_whom_it_is_for() -> None:
    gateway = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "a"}
    assert told({"targetRefs": [gateway]}) == ([], [])
    both, _ = told({"targetRefs": [gateway], "workloadSelector": {"labels": {"app": "a"}}})
    assert "exclude each other" in both[0][1]
    assert told({"targetRefs": [{"kind": "Gateway"}]})[0][0][0] == "spec.targetRefs[0]"
    assert told({"targetRefs": [{**gateway, "namespace": "b"}]})[0][0][0] == "spec.targetRefs[0].namespace"
    assert "every workload" in told({"workloadSelector": {}})[1][0][1]
    assert told({"workloadSelector": {"labels": {"app": "*"}}})[0][0][0] == "spec.workloadSelector.labels.app"


def test_the_way_of_before_1_3_is_told_of() -> None:
    errors, warnings = told({"workloadLabels": {"app": "a"}, "filters": [{"filterName": "a"}]})
    assert errors == []
    assert "before Istio 1.3" in warnings[0][1]


def test_cases_of_the_api_server(vectors: Path) -> None:
    counts = {True: 0, False: 0}
    for line in (vectors / "today" / "validation" / "crd.jsonl").read_text().splitlines():
        case = json.loads(line)
        if case["object"]["kind"] == "EnvoyFilter":
            assert (told(case["object"]["spec"])[0] == []) is case["valid"], case["id"]
            counts[case["valid"]] += 1
    print(f"today/validation/crd, EnvoyFilter: {sum(counts.values())} ran, 0 skipped, 0 differ")
    assert all(counts.values())
