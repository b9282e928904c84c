"""What is made from the code is as the code makes it, and says everything that a user may write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from flotilla_galley.distribution.access import read_access_file
from helm.generate.__main__ import differing
from helm.generate.defaults import values_yaml
from helm.generate.reference import reference
from helm.generate.schema import CHARTS, chart_schema, umbrella_schema
from helm.generate.settings import CHART, SERVICES, settings_class
from tests.helm.render import named, render


def test_nothing_differs_from_what_the_code_makes() -> None:
    assert differing() == [], "run `make charts` and commit"


def leaves(values: dict[str, Any], prefix: str = "") -> set[str]:
    """Paths of all keys, but for those of free mappings."""
    return {prefix + key for key in values} | {
        path for key, value in values.items() if isinstance(value, dict) for path in leaves(value, f"{prefix}{key}.")
    }


def declared(schema: dict[str, Any], prefix: str = "") -> set[str]:
    found = set()
    for key, each in schema.get("properties", {}).items():
        found |= {prefix + key} | declared(each, f"{prefix}{key}.")
    return found


@pytest.mark.parametrize("chart", CHARTS)
def test_every_key_of_the_schema_has_a_default_and_the_other_way_round(chart: str) -> None:
    written = yaml.safe_load(values_yaml())[chart]
    schema = chart_schema(chart)
    assert set(schema["properties"]) - {"global"} == set(written)
    for key, each in schema["properties"].items():
        if each.get("additionalProperties") is False and key != "settings":
            assert declared(each) == {name for name in leaves(written[key]) if name in declared(each)} != set()


def test_the_schema_of_the_umbrella_knows_all_parts() -> None:
    assert set(umbrella_schema()["properties"]) == set(yaml.safe_load(values_yaml()))


def test_every_value_is_in_the_reference() -> None:
    text = reference()
    for chart in CHARTS:
        for path in declared(chart_schema(chart)) - {"global"}:
            assert f"`{chart}.{path}" in text, path


@pytest.mark.parametrize("service", SERVICES)
def test_a_setting_is_the_users_or_the_charts(service: str) -> None:
    """None is both, and none is said to have no meaning."""
    offered = chart_schema(service)["properties"]["settings"]["properties"]
    assert set(offered) == set(settings_class(service).model_fields) - CHART
    assert all(each["description"] for each in offered.values())


def test_pilot_and_mixer_may_have_what_they_ask_for_and_nobody_else(helm4: Path, tmp_path: Path) -> None:
    from flotilla_mixer.configuration.build import COLLECTIONS as DISPATCHED
    from flotilla_pilot.model.snapshot import COLLECTIONS as COMPILED

    file = tmp_path / "access.yaml"
    over = {"global.trustDomain": "example.com"}
    file.write_text(
        named(render(helm4, values=over, namespace="mesh"), "ConfigMap", "istio-galley-access")["data"]["access.yaml"]
    )
    prefix = "spiffe://example.com/ns/mesh/sa/istio-"
    assert read_access_file(file).granted == {
        f"{prefix}pilot-service-account": frozenset(COMPILED),
        f"{prefix}mixer-service-account": frozenset(DISPATCHED),
    }


def test_more_clients_of_galley_can_be_named(helm4: Path, tmp_path: Path) -> None:
    file = tmp_path / "access.yaml"
    file.write_text(named(render(helm4, "production"), "ConfigMap", "istio-galley-access")["data"]["access.yaml"])
    assert read_access_file(file).granted["spiffe://example.com/ns/other/sa/istiod"] == frozenset({"*"})
