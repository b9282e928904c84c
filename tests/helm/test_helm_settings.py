"""Settings on their way: from values, through the pod's environment, to what the service itself reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from flotilla_citadel.config import CitadelSettings
from flotilla_shared.runtime.settings import ServiceSettings, env_prefix, load_settings
from helm.generate.settings import SERVICES, settings_class, settings_schema
from tests.helm.render import Object, of_kind, pod_templates, render, value_sets


def environment(template: Object, service: str) -> dict[str, str]:
    """Variable -> value of a service's container; what the pod's fields give stands as the field's path."""
    (container,) = (each for each in template["spec"]["containers"] if each["name"] == service)
    names = [each["name"] for each in container["env"]]
    assert len(names) == len(set(names))
    return {
        each["name"]: each["value"] if "value" in each else each["valueFrom"]["fieldRef"]["fieldPath"]
        for each in container["env"]
    }


def settings(helm: Path, service: str, monkeypatch: pytest.MonkeyPatch, name: str, **values: Any) -> ServiceSettings:
    """The settings that the service itself makes of its pod's environment."""
    over = {f"{service}.settings.{key}": value for key, value in values.items()}
    given = environment(pod_templates(render(helm, name, over))[f"istio-{service}"], service)
    for variable in [each for each in os.environ if each.startswith("FLOTILLA_")]:
        monkeypatch.delenv(variable)
    for variable, value in given.items():
        assert variable.startswith(env_prefix(service))
        monkeypatch.setenv(variable, value)
    return load_settings(settings_class(service), service)


@pytest.mark.parametrize("name", value_sets())
@pytest.mark.parametrize("service", SERVICES)
def test_every_variable_is_a_setting_of_its_service(
    helm4: Path, service: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if service == "mixer" and name == "minimal":
        assert of_kind(render(helm4, name), "Deployment")
        return
    found = settings(helm4, service, monkeypatch, name)
    assert found.platform == "kubernetes"
    assert found.address == "0.0.0.0"
    assert found.root_namespace == "istio-system"
    assert found.trust_domain == ("example.com" if name == "production" else "cluster.local")
    assert found.revision == ("blue" if name == "revision" else "")
    assert found.pod_name == "metadata.name"


def sample(schema: dict[str, Any]) -> Any:
    """A value that a schema takes and that is not the default."""
    if "anyOf" in schema:
        return sample(next(each for each in schema["anyOf"] if each.get("type") != "null"))
    if "enum" in schema:
        return next(each for each in reversed(schema["enum"]))
    if "pattern" in schema and schema["pattern"].startswith("^(debug"):
        return "error"
    kinds = {
        "integer": 7,
        "number": 2.5,
        "boolean": True,
        "string": "text",
        "array": ["a", "b"],
        "object": {"a": ["b"]},
    }
    least = schema.get("minimum", 0)
    value = kinds[schema["type"]]
    return least + 1 if isinstance(value, int | float) and not isinstance(value, bool) and value < least else value


# Values that the service judges together: each needs its partner.
TOGETHER = {"oidc_issuer", "oidc_jwks_file", "debounce_seconds", "debounce_max_seconds", "default_ttl", "max_ttl"}


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_reaches_the_service(helm4: Path, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers beyond a float's digits, lists, mappings and text, as YAML says them."""
    given = {
        name: sample(each) for name, each in settings_schema(service)["properties"].items() if name not in TOGETHER
    }
    found = settings(helm4, service, monkeypatch, "default", **given)
    dumped = found.model_dump(mode="json")
    for name, value in given.items():
        assert dumped[name] == value or str(dumped[name]).startswith(str(value)), name
    assert len(given) > 3


@pytest.mark.parametrize(
    ("written", "seconds"), [("12h", 43200), ("1h30m", 5400), (2592000, 2592000), ("90d", 7776000), ("3600", 3600)]
)
def test_durations_are_citadels(helm4: Path, written: object, seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(
        helm4, "citadel", monkeypatch, "default", max_ttl=written, default_ttl=60, certificate_ttl_seconds=60
    )
    assert isinstance(found, CitadelSettings)
    assert found.max_ttl.total_seconds() == seconds
